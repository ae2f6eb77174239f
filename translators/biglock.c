/* SPDX-License-Identifier: Apache-2.0 */
/*
 * biglock.c - one mutex for everything: a translator as plain as one can be that is complete. A
 * yardstick of simplicity, and a second opinion on what is correct.
 *
 * Here: the mutex, the engine, references, and the table of functions.
 */
#include "translators/biglock.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BYTES_MAX_DEFAULT (UINT64_C(16) << 30)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool locked;
struct translator_space *biglock_spaces;

void biglock_lock(void)
{
	pthread_mutex_lock(&mutex);
	locked = true;
}

void biglock_unlock(void)
{
	locked = false;
	pthread_mutex_unlock(&mutex);
}

bool biglock_locked(void)
{
	return locked;
}

void *biglock_alloc(struct translator_engine *engine, uint64_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (memory)
		engine->stat.metadata_bytes += count * size;
	return memory;
}

void biglock_free(struct translator_engine *engine, void *memory, uint64_t count, size_t size)
{
	if (memory)
		engine->stat.metadata_bytes -= count * size;
	free(memory);
}

/* ---- the engine ---- */

static int parse_bytes(const char *text, uint64_t *bytes)
{
	static const char units[] = "kmg";
	const char *unit;
	char *end;

	errno = 0;
	*bytes = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (errno || end == text || (*end && (!unit || end[1])))
		return -EINVAL;
	*bytes <<= unit ? 10 * (unit - units + 1) : 0;
	return 0;
}

static int parse_option(const struct translator_option *o, struct translator_engine *engine,
			uint64_t *bytes_max, char *error, size_t size)
{
	if (!strcmp(o->key, "pages")) {
		if (!strcmp(o->value, "4k"))
			return 0;
		snprintf(error, size, "biglock has pages=4k only, not %s", o->value);
		return -ENODEV;
	}
	if (!strcmp(o->key, "as")) {
		engine->windows = !strcmp(o->value, "mmap");
		if (engine->windows || !strcmp(o->value, "none"))
			return 0;
	}
	if (!strcmp(o->key, "memory_max") && !parse_bytes(o->value, bytes_max))
		return 0;
	snprintf(error, size,
		 "biglock knows pages=4k, as=none|mmap and memory_max=BYTES, not %s=%s", o->key,
		 o->value);
	return -EINVAL;
}

static int biglock_open(const struct translator_option *options, struct translator_engine **out,
			char *error, size_t error_size)
{
	struct translator_engine *engine = calloc(1, sizeof(*engine));
	uint64_t bytes_max = BYTES_MAX_DEFAULT;
	int rc = engine ? 0 : -ENOMEM;

	for (; !rc && options && options->key; options++) {
		rc = parse_option(options, engine, &bytes_max, error, error_size);
		if (rc) {
			free(engine);
			return rc;
		}
	}
	if (!rc)
		rc = biglock_pages_init(engine, bytes_max);
	if (rc) {
		snprintf(error, error_size, "biglock cannot start: %s", strerror(-rc));
		free(engine);
		return rc;
	}
	*out = engine;
	return 0;
}

static void biglock_close(struct translator_engine *engine)
{
	biglock_pages_release(engine);
	free(engine);
}

static int biglock_thread_enter(struct translator_engine *engine)
{
	(void)engine;
	return 0;
}

static void biglock_thread_leave(struct translator_engine *engine)
{
	(void)engine;
}

/* The arrays by page are backed as far as pages were ever used. */
static int biglock_stat(struct translator_engine *engine, struct translator_stat *out)
{
	uint64_t per_page = sizeof(*engine->counts) + sizeof(*engine->idle) + 1;

	biglock_lock();
	*out = engine->stat;
	out->metadata_bytes += sizeof(*engine) + engine->page_end * per_page;
	biglock_unlock();
	memset(out->reserved, 0xff, sizeof(out->reserved));
	return 0;
}

/* The node is where the kernel puts it; only the calling thread's policy has a say. */
static int biglock_prefault(struct translator_engine *engine, int node, uint64_t bytes)
{
	int rc;

	(void)node;
	biglock_lock();
	rc = biglock_pages_prefault(engine, bytes);
	biglock_unlock();
	return rc;
}

static int biglock_placement(struct translator_engine *engine, uint64_t file, uint64_t offset,
			     uint64_t *kernel_page_size, int *node)
{
	void *at = engine->memory + offset;
	int status = -ENOENT;

	if (file != FILE_NUMBER || offset / PAGE_BYTES >= engine->page_max)
		return -EINVAL;
	if (syscall(SYS_move_pages, 0, 1UL, &at, NULL, &status, 0))
		return -errno;
	if (status < 0)
		return status;
	*kernel_page_size = PAGE_BYTES;
	*node = status;
	return 0;
}

/* ---- references ---- */

static void biglock_incref(struct translator_engine *engine, uint64_t file, uint64_t offset,
			   uint64_t length)
{
	(void)file;
	biglock_lock();
	for (uint64_t at = offset; at < offset + length; at += PAGE_BYTES)
		biglock_page_inc(engine, (uint32_t)(at / PAGE_BYTES));
	biglock_unlock();
}

static void biglock_decref(struct translator_engine *engine, uint64_t file, uint64_t offset,
			   uint64_t length)
{
	(void)file;
	biglock_lock();
	for (uint64_t at = offset; at < offset + length; at += PAGE_BYTES)
		biglock_page_dec(engine, (uint32_t)(at / PAGE_BYTES));
	biglock_unlock();
}

static void *biglock_map_internal(struct translator_engine *engine, uint64_t file, uint64_t offset,
				  uint64_t length, uint32_t access)
{
	if (file != FILE_NUMBER || (access & TRANSLATOR_EXEC) ||
	    offset + length > engine->page_max * PAGE_BYTES || offset + length < offset)
		return NULL;
	if (access & TRANSLATOR_WRITE) {
		biglock_lock();
		memset(engine->stored + offset / PAGE_BYTES, 1,
		       (offset % PAGE_BYTES + length + PAGE_BYTES - 1) / PAGE_BYTES);
		biglock_unlock();
	}
	return engine->memory + offset;
}

/* ---- self check ---- */

/* Counts again what mappings show; returns what is wrong with them, or NULL. */
static const char *count_space(const struct translator_space *space, uint32_t *found)
{
	const struct biglock_mapping *m;

	for (uint64_t at = 0; (m = biglock_tree_find(space->root, at)); at = m->end) {
		if (m->start < at || m->start >= m->end || m->end > space->bytes)
			return "mappings overlap, or lie outside their space";
		for (uint64_t a = m->start; m->slots && a < m->end; a += PAGE_BYTES) {
			uint32_t slot = *biglock_slot(m, a);

			if (slot && !m->object && !(slot & SLOT_PRIVATE))
				return "anonymous memory shows a page that is not the space's own";
			found[slot >> SLOT_SHIFT]++;
		}
	}
	return NULL;
}

static const char *check(struct translator_engine *engine, uint32_t *found)
{
	uint64_t live = 0, references = 0;
	const char *wrong = NULL;

	for (struct translator_space *s = biglock_spaces; s && !wrong; s = s->next)
		if (s->engine == engine)
			wrong = count_space(s, found);
	for (struct translator_object *o = engine->objects; o; o = o->next)
		for (uint64_t i = 0; i < o->capacity; i++) {
			found[o->pages[i]]++;
			if (o->pages[i] && i >= biglock_object_pages(o->size))
				wrong = "an object has pages past its end";
		}
	for (uint32_t i = 1; i < engine->page_end; i++) {
		/* More than found: references that callers took. */
		if (engine->counts[i] < found[i])
			wrong = "a page is shown more often than it is counted";
		live += engine->counts[i] != 0;
		references += engine->counts[i];
	}
	for (uint32_t i = 0; i < engine->idle_count; i++)
		if (engine->counts[engine->idle[i]])
			wrong = "a page is idle and in use";
	if (live != engine->stat.live_pages || references != engine->stat.references ||
	    live + engine->idle_count + 1 != engine->page_end)
		wrong = "the sums of counts are not what was kept";
	return wrong;
}

static int biglock_self_check(struct translator_engine *engine, char *sentence, size_t size)
{
	const char *wrong = NULL;
	uint32_t *found;

	biglock_lock();
	found = calloc(engine->page_end, sizeof(*found));
	if (found)
		wrong = check(engine, found);
	biglock_unlock();
	if (!found)
		return -ENOMEM;
	free(found);
	if (wrong)
		snprintf(sentence, size, "%s.", wrong);
	return wrong ? -EIO : 0;
}

extern const struct translator translator_biglock;
const struct translator translator_biglock = {
	.magic = TRANSLATOR_MAGIC,
	.abi_major = TRANSLATOR_ABI_MAJOR,
	.abi_minor = TRANSLATOR_ABI_MINOR,
	.struct_size = sizeof(struct translator),
	.name = "biglock",
	.version = "1",
	.description = "one mutex, one tree a space, one array of counts: the plain way",
	.capabilities = TRANSLATOR_CAN_OBJECTS | TRANSLATOR_CAN_REFERENCES | TRANSLATOR_CAN_SPACES |
			TRANSLATOR_CAN_PROTECT | TRANSLATOR_CAN_DISCARD | TRANSLATOR_CAN_TOUCH |
			TRANSLATOR_CAN_FORK | TRANSLATOR_CAN_REMAP | TRANSLATOR_CAN_IO |
			TRANSLATOR_CAN_PRIVATE | TRANSLATOR_CAN_FILES | TRANSLATOR_CAN_SELF_CHECK,
	.open = biglock_open,
	.close = biglock_close,
	.thread_enter = biglock_thread_enter,
	.thread_leave = biglock_thread_leave,
	.stat = biglock_stat,
	.prefault = biglock_prefault,
	.placement = biglock_placement,
	.object_create = biglock_object_create,
	.object_destroy = biglock_object_destroy,
	.object_truncate = biglock_object_truncate,
	.object_punch = biglock_object_punch,
	.object_invalidate = biglock_object_invalidate,
	.object_sync = biglock_object_sync,
	.translate = biglock_translate,
	.incref = biglock_incref,
	.decref = biglock_decref,
	.map_internal = biglock_map_internal,
	.space_create = biglock_space_create,
	.space_destroy = biglock_space_destroy,
	.space_fork = biglock_space_fork,
	.map = biglock_map,
	.unmap = biglock_unmap,
	.protect = biglock_protect,
	.remap = biglock_remap,
	.discard = biglock_discard,
	.fault = biglock_space_fault,
	.lookup = biglock_lookup,
	.host_address = biglock_host_address,
	.read = biglock_read,
	.write = biglock_write,
	.self_check = biglock_self_check,
};
