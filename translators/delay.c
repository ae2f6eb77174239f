/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delay.c - another translator, with one operation made slower by a known time: what a measurement
 * must be able to see.
 *
 * The time is spent in instructions that each wait for the one before, so many as a calibration
 * against the clock found when the engine was opened. ns=0 and pct=0 take the same way with none
 * of them: two such runs differ by nothing but noise.
 *
 * stall= and every= hold up the operation at a steady pace of the clock instead, whatever the
 * number of operations is: what closed loops hide, and open loops must show. One thread is held
 * up; which one, a compare-exchange of the next time decides.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "translators/translator.h"

#define PAGE UINT64_C(4096)
#define OPTIONS_MAX 32
#define PAGES 256 /* of a calibration run */
#define RUNS 16
#define NS_MAX 1e9
#define STALL_MAX 60e9

extern const struct translator translator_biglock, translator_delay, translator_memmap;

enum op {
	OP_DISCARD,
	OP_FAULT,
	OP_INVALIDATE,
	OP_LOOKUP,
	OP_MAP,
	OP_PROTECT,
	OP_TRANSLATE,
	OP_UNMAP,
	OP_COUNT
};

static const char *const op_names[OP_COUNT] = { "discard", "fault",   "invalidate", "lookup",
						"map",	   "protect", "translate",  "unmap" };

struct translator_engine {
	const struct translator *inner;
	struct translator_engine *engine; /* the inner one's */
	uint64_t steps[OP_COUNT]; /* before each call; immutable when open has returned, as are */
	enum op stalled;
	uint64_t stall_ns, every_ns; /* 0: none */
	_Atomic uint64_t stall_next; /* CLOCK_MONOTONIC; 0: no call yet */
};

struct translator_object {
	struct translator_engine *engine;
	struct translator_object *inner;
};

struct translator_space {
	struct translator_engine *engine;
	struct translator_space *inner;
};

/* ---- time ---- */

static void spend(uint64_t steps)
{
	uint64_t value = steps;

	for (; steps; steps--) {
		value = value * UINT64_C(6364136223846793005) + 1;
		/* The compiler must not see through it. */
		__asm__ volatile("" : "+r"(value));
	}
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void stall(struct translator_engine *engine)
{
	uint64_t now = now_ns();
	uint64_t next = atomic_load_explicit(&engine->stall_next, memory_order_relaxed);
	uint64_t then = next ? next + engine->every_ns : now + engine->every_ns / 2;

	if ((next && now < next) ||
	    !atomic_compare_exchange_strong_explicit(&engine->stall_next, &next, then,
						     memory_order_relaxed, memory_order_relaxed))
		return;
	while (next && now_ns() < now + engine->stall_ns)
		;
}

static void slow(struct translator_engine *engine, enum op op)
{
	spend(engine->steps[op]);
	if (engine->stall_ns && op == engine->stalled)
		stall(engine);
}

/* Noise only adds: the least of a few is the time. */
static double step_ns(void)
{
	const uint64_t steps = 200000;
	double best = 1e18;

	for (int i = 0; i < RUNS; i++) {
		uint64_t start = now_ns();
		double took;

		spend(steps);
		took = (double)(now_ns() - start);
		best = took < best ? took : best;
	}
	return best / (double)steps;
}

/* ---- what passes through ---- */

static int delay_thread_enter(struct translator_engine *engine)
{
	return engine->inner->thread_enter(engine->engine);
}

static void delay_thread_leave(struct translator_engine *engine)
{
	engine->inner->thread_leave(engine->engine);
}

static int delay_stat(struct translator_engine *engine, struct translator_stat *stat)
{
	return engine->inner->stat(engine->engine, stat);
}

static int delay_prefault(struct translator_engine *engine, int node, uint64_t bytes)
{
	return engine->inner->prefault(engine->engine, node, bytes);
}

static int delay_placement(struct translator_engine *engine, uint64_t file, uint64_t offset,
			   uint64_t *kernel_page_size, int *node)
{
	return engine->inner->placement(engine->engine, file, offset, kernel_page_size, node);
}

static int delay_object_truncate(struct translator_object *object, uint64_t size)
{
	return object->engine->inner->object_truncate(object->inner, size);
}

static int delay_object_punch(struct translator_object *object, uint64_t offset, uint64_t length)
{
	return object->engine->inner->object_punch(object->inner, offset, length);
}

static int delay_object_invalidate(struct translator_object *object, uint64_t offset,
				   uint64_t length)
{
	slow(object->engine, OP_INVALIDATE);
	return object->engine->inner->object_invalidate(object->inner, offset, length);
}

static int delay_object_sync(struct translator_object *object, uint64_t offset, uint64_t length)
{
	return object->engine->inner->object_sync(object->inner, offset, length);
}

static int delay_translate(struct translator_object *object, struct translator_range required,
			   struct translator_range optional, uint32_t access,
			   struct translator_translation *out, size_t max, size_t *count)
{
	slow(object->engine, OP_TRANSLATE);
	return object->engine->inner->translate(object->inner, required, optional, access, out, max,
						count);
}

static void delay_incref(struct translator_engine *engine, uint64_t file, uint64_t offset,
			 uint64_t length)
{
	engine->inner->incref(engine->engine, file, offset, length);
}

static void delay_decref(struct translator_engine *engine, uint64_t file, uint64_t offset,
			 uint64_t length)
{
	engine->inner->decref(engine->engine, file, offset, length);
}

static void *delay_map_internal(struct translator_engine *engine, uint64_t file, uint64_t offset,
				uint64_t length, uint32_t access)
{
	return engine->inner->map_internal(engine->engine, file, offset, length, access);
}

static int delay_unmap(struct translator_space *space, uint64_t address, uint64_t length)
{
	slow(space->engine, OP_UNMAP);
	return space->engine->inner->unmap(space->inner, address, length);
}

static int delay_protect(struct translator_space *space, uint64_t address, uint64_t length,
			 uint32_t perms)
{
	slow(space->engine, OP_PROTECT);
	return space->engine->inner->protect(space->inner, address, length, perms);
}

static int delay_remap(struct translator_space *space, uint64_t old_address, uint64_t old_length,
		       uint64_t new_address, uint64_t new_length)
{
	return space->engine->inner->remap(space->inner, old_address, old_length, new_address,
					   new_length);
}

static int delay_discard(struct translator_space *space, uint64_t address, uint64_t length)
{
	slow(space->engine, OP_DISCARD);
	return space->engine->inner->discard(space->inner, address, length);
}

static int delay_fault(struct translator_space *space, uint64_t address, uint32_t access)
{
	slow(space->engine, OP_FAULT);
	return space->engine->inner->fault(space->inner, address, access);
}

static int delay_lookup(struct translator_space *space, uint64_t address, uint32_t access,
			struct translator_translation *out)
{
	slow(space->engine, OP_LOOKUP);
	return space->engine->inner->lookup(space->inner, address, access, out);
}

static void *delay_host_address(struct translator_space *space, uint64_t address)
{
	return space->engine->inner->host_address(space->inner, address);
}

static int delay_read(struct translator_space *space, uint64_t address, void *to, uint64_t length,
		      uint64_t *done)
{
	return space->engine->inner->read(space->inner, address, to, length, done);
}

static int delay_write(struct translator_space *space, uint64_t address, const void *from,
		       uint64_t length, uint64_t *done)
{
	return space->engine->inner->write(space->inner, address, from, length, done);
}

static int delay_place(struct translator_engine *engine, const struct translator_place *place)
{
	return TRANSLATOR_HAS(engine->inner, place) ? engine->inner->place(engine->engine, place)
						    : -EOPNOTSUPP;
}

static int delay_self_check(struct translator_engine *engine, char *sentence, size_t size)
{
	return engine->inner->self_check(engine->engine, sentence, size);
}

static int delay_object_create(struct translator_engine *engine,
			       const struct translator_object_options *options,
			       struct translator_object **out)
{
	struct translator_object *object = malloc(sizeof(*object));
	int rc = object ? 0 : -ENOMEM;

	if (!rc)
		rc = engine->inner->object_create(engine->engine, options, &object->inner);
	if (rc) {
		free(object);
		return rc;
	}
	object->engine = engine;
	*out = object;
	return 0;
}

static void delay_object_destroy(struct translator_object *object)
{
	object->engine->inner->object_destroy(object->inner);
	free(object);
}

static int delay_space_create(struct translator_engine *engine, uint64_t bytes,
			      struct translator_space **out)
{
	struct translator_space *space = malloc(sizeof(*space));
	int rc = space ? 0 : -ENOMEM;

	if (!rc)
		rc = engine->inner->space_create(engine->engine, bytes, &space->inner);
	if (rc) {
		free(space);
		return rc;
	}
	space->engine = engine;
	*out = space;
	return 0;
}

static void delay_space_destroy(struct translator_space *space)
{
	space->engine->inner->space_destroy(space->inner);
	free(space);
}

static int delay_space_fork(struct translator_space *parent, struct translator_space **out)
{
	struct translator_space *space = malloc(sizeof(*space));
	int rc = space ? 0 : -ENOMEM;

	if (!rc)
		rc = parent->engine->inner->space_fork(parent->inner, &space->inner);
	if (rc) {
		free(space);
		return rc;
	}
	space->engine = parent->engine;
	*out = space;
	return 0;
}

static int delay_map(struct translator_space *space, const struct translator_map_options *options)
{
	struct translator_map_options inner = *options;

	if (inner.object)
		inner.object = inner.object->inner;
	slow(space->engine, OP_MAP);
	return space->engine->inner->map(space->inner, &inner);
}

/* ---- the cost of an operation ---- */

/* The operation on page i of what calibrate has made, or what must come before it. */
static int one(struct translator_space *s, struct translator_object *o, enum op op, uint64_t i)
{
	const uint64_t at = (i + 1) * PAGE;
	const struct translator_map_options map = {
		.address = at, .length = PAGE, .object = o, .offset = at - PAGE, .perms = 3
	};
	const struct translator_range range = { at - PAGE, at };
	struct translator_translation out;
	size_t count;

	switch (op) {
	case OP_DISCARD:
		return delay_discard(s, at, PAGE);
	case OP_FAULT:
		return delay_fault(s, at, TRANSLATOR_WRITE);
	case OP_INVALIDATE:
		return delay_object_invalidate(o, at - PAGE, PAGE);
	case OP_LOOKUP:
		return delay_lookup(s, at, TRANSLATOR_WRITE, &out);
	case OP_MAP:
		return delay_map(s, &map);
	case OP_PROTECT:
		return delay_protect(s, at, PAGE, i & 1 ? 1 : 3);
	case OP_TRANSLATE:
		return delay_translate(o, range, range, TRANSLATOR_WRITE, &out, 1, &count);
	default:
		return delay_unmap(s, at, PAGE);
	}
}

/* One run in a space of its own: every page mapped and, for most, faulted in; then the operation
 * on each. The time of one in *ns. */
static int time_once(struct translator_engine *engine, enum op op, double *ns)
{
	const struct translator_object_options options = { .size = PAGES * PAGE, .fd = -1 };
	struct translator_object *object;
	struct translator_space *space;
	uint64_t start;
	int rc = delay_object_create(engine, &options, &object);

	if (rc)
		return rc;
	rc = delay_space_create(engine, (PAGES + 2) * PAGE, &space);
	if (rc) {
		delay_object_destroy(object);
		return rc;
	}
	for (uint64_t i = 0; i < PAGES && !rc && op != OP_MAP; i++) {
		rc = one(space, object, OP_MAP, i);
		if (!rc && op != OP_FAULT)
			rc = one(space, object, OP_FAULT, i);
	}
	start = now_ns();
	for (uint64_t i = 0; i < PAGES && !rc; i++)
		rc = one(space, object, op, i);
	*ns = (double)(now_ns() - start) / PAGES;
	delay_space_destroy(space);
	delay_object_destroy(object);
	return rc;
}

static int calibrate(struct translator_engine *engine, enum op op, double ns, double percent)
{
	double best = percent > 0 ? 1e18 : 0;
	int rc = delay_thread_enter(engine);

	if (rc)
		return rc;
	for (int i = 0; i < RUNS && !rc && percent > 0; i++) {
		double took = 0;

		rc = time_once(engine, op, &took);
		best = took < best ? took : best;
	}
	delay_thread_leave(engine);
	if (!rc)
		engine->steps[op] = (uint64_t)((ns + best * percent / 100) / step_ns() + 0.5);
	return rc;
}

/* ---- options ---- */

struct wish {
	enum op op;
	double ns, percent, stall, every;
	bool has_op, has_time;
	const struct translator *inner;
	struct translator_option options[OPTIONS_MAX]; /* of the inner one */
	size_t count;
	char *text; /* what they may point into */
};

static int add_option(struct wish *w, const char *key, const char *value)
{
	if (w->count == OPTIONS_MAX - 1)
		return -EINVAL;
	w->options[w->count++] = (struct translator_option){ key, value };
	return 0;
}

/* NAME[:key=value...] */
static int parse_inner(struct wish *w, const char *value)
{
	static const struct translator *const known[] = { &translator_biglock, &translator_memmap };
	char *rest, *name, *part, *equals;

	free(w->text);
	w->text = rest = strdup(value);
	if (!rest)
		return -ENOMEM;
	name = strsep(&rest, ":");
	w->inner = NULL;
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(name, known[i]->name))
			w->inner = known[i];
	while (w->inner && (part = strsep(&rest, ":"))) {
		equals = strchr(part, '=');
		if (!equals)
			return -EINVAL;
		*equals = '\0';
		if (add_option(w, part, equals + 1))
			return -EINVAL;
	}
	return w->inner ? 0 : -EINVAL;
}

/* A number from 0 on, with the unit or without. */
static int parse_number(const char *value, const char *unit, double *out)
{
	char *end;

	errno = 0;
	*out = strtod(value, &end);
	return errno || end == value || (*end && strcmp(end, unit)) || !(*out >= 0) || *out > NS_MAX
		       ? -EINVAL
		       : 0;
}

/* A time of a stall: ns, us, ms or s. */
static int parse_time(const char *value, double *ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };

	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (parse_number(value, units[i].name, ns))
			continue;
		*ns *= units[i].ns;
		return *ns >= 1 && *ns <= STALL_MAX ? 0 : -EINVAL;
	}
	return -EINVAL;
}

static int parse_option(struct wish *w, const struct translator_option *o)
{
	if (!strcmp(o->key, "op")) {
		for (unsigned i = 0; i < OP_COUNT; i++)
			if (!strcmp(o->value, op_names[i])) {
				w->op = (enum op)i;
				w->has_op = true;
				return 0;
			}
		return -EINVAL;
	}
	if (!strcmp(o->key, "ns")) {
		w->has_time = true;
		return parse_number(o->value, "ns", &w->ns);
	}
	if (!strcmp(o->key, "pct")) {
		w->has_time = true;
		return parse_number(o->value, "%", &w->percent);
	}
	if (!strcmp(o->key, "stall")) {
		w->has_time = true;
		return parse_time(o->value, &w->stall);
	}
	if (!strcmp(o->key, "every"))
		return parse_time(o->value, &w->every);
	if (!strcmp(o->key, "inner") || !strcmp(o->key, "base"))
		return parse_inner(w, o->value);
	return add_option(w, o->key, o->value);
}

static int delay_open(const struct translator_option *options, struct translator_engine **out,
		      char *error, size_t error_size)
{
	struct translator_engine *engine = calloc(1, sizeof(*engine));
	struct wish w = { .inner = &translator_memmap };
	int rc = engine ? 0 : -ENOMEM;

	for (; !rc && options && options->key; options++) {
		rc = parse_option(&w, options);
		if (rc)
			snprintf(error, error_size,
				 "delay knows op=discard|fault|invalidate|lookup|map|protect|"
				 "translate|unmap, ns=NUMBER, pct=NUMBER, stall=TIME with "
				 "every=TIME and inner=memmap|biglock[:...], not %s=%s",
				 options->key, options->value);
	}
	if (!rc && w.has_time && !w.has_op) {
		rc = -EINVAL;
		snprintf(error, error_size, "delay needs op=: which operation is to be slower");
	}
	if (!rc && (w.stall > 0) != (w.every > w.stall)) {
		rc = -EINVAL;
		snprintf(error, error_size, "delay needs stall= and a longer every=");
	}
	if (!rc) {
		engine->inner = w.inner;
		rc = w.inner->open(w.options, &engine->engine, error, error_size);
	}
	free(w.text);
	if (rc) {
		free(engine);
		return rc;
	}
	rc = calibrate(engine, w.op, w.ns, w.percent);
	engine->stalled = w.op;
	engine->stall_ns = (uint64_t)w.stall;
	engine->every_ns = (uint64_t)w.every;
	if (rc) {
		snprintf(error, error_size, "delay cannot time the operation: %s", strerror(-rc));
		w.inner->close(engine->engine);
		free(engine);
		return rc;
	}
	*out = engine;
	return 0;
}

static void delay_close(struct translator_engine *engine)
{
	engine->inner->close(engine->engine);
	free(engine);
}

/* What both that it wraps can do. */
const struct translator translator_delay = {
	.magic = TRANSLATOR_MAGIC,
	.abi_major = TRANSLATOR_ABI_MAJOR,
	.abi_minor = TRANSLATOR_ABI_MINOR,
	.struct_size = sizeof(struct translator),
	.name = "delay",
	.version = "1",
	.description =
		"another translator (inner=), one operation slower by ns= or pct=, or stalled",
	.capabilities = TRANSLATOR_CAN_OBJECTS | TRANSLATOR_CAN_REFERENCES | TRANSLATOR_CAN_SPACES |
			TRANSLATOR_CAN_PROTECT | TRANSLATOR_CAN_DISCARD | TRANSLATOR_CAN_TOUCH |
			TRANSLATOR_CAN_FORK | TRANSLATOR_CAN_REMAP | TRANSLATOR_CAN_IO |
			TRANSLATOR_CAN_PRIVATE | TRANSLATOR_CAN_FILES | TRANSLATOR_CAN_SELF_CHECK |
			TRANSLATOR_KEEPS_THREADS,
	.thread_enter = delay_thread_enter,
	.thread_leave = delay_thread_leave,
	.stat = delay_stat,
	.prefault = delay_prefault,
	.placement = delay_placement,
	.object_truncate = delay_object_truncate,
	.object_punch = delay_object_punch,
	.object_invalidate = delay_object_invalidate,
	.object_sync = delay_object_sync,
	.translate = delay_translate,
	.incref = delay_incref,
	.decref = delay_decref,
	.map_internal = delay_map_internal,
	.unmap = delay_unmap,
	.protect = delay_protect,
	.remap = delay_remap,
	.discard = delay_discard,
	.fault = delay_fault,
	.lookup = delay_lookup,
	.host_address = delay_host_address,
	.read = delay_read,
	.write = delay_write,
	.self_check = delay_self_check,
	.place = delay_place,
	.object_create = delay_object_create,
	.object_destroy = delay_object_destroy,
	.space_create = delay_space_create,
	.space_destroy = delay_space_destroy,
	.space_fork = delay_space_fork,
	.map = delay_map,
	.open = delay_open,
	.close = delay_close,
};
