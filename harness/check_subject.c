/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_subject.c - operations of a script as calls of the ABI.
 *
 * What is wrong with an answer in any order of events is found here, on every call: permissions
 * that are less than asked for, translations that break one of the conditions of the interface,
 * a page that is not present right after its fault.
 */
#include "harness/check_subject.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)
#define MARK_AT 8 /* where in a page its mark is */
#define TRANSLATIONS_MAX 64
#define OPTIONS_MAX 40

static uint64_t address_of(const struct check_subject *s, int at)
{
	return (s->geometry.base + (uint64_t)at * s->geometry.stride) * PAGE;
}

static uint64_t look_address(const struct check_subject *s, int at)
{
	return address_of(s, at) + s->geometry.look * PAGE;
}

static uint64_t offset_of(const struct check_subject *s, int at)
{
	return (s->geometry.object_base + (uint64_t)at * s->geometry.stride) * PAGE;
}

static uint64_t length_of(const struct check_subject *s, int cells)
{
	return (uint64_t)cells * s->geometry.stride * PAGE;
}

__attribute__((format(printf, 2, 3))) static void wrong(struct check_answer *answer,
							const char *format, ...)
{
	va_list list;

	if (answer->wrong[0])
		return;
	va_start(list, format);
	vsnprintf(answer->wrong, sizeof(answer->wrong), format, list);
	va_end(list);
}

const char *check_rc_text(int32_t rc, char *buffer, size_t size)
{
	if (rc == 0)
		return "0";
	if (rc <= CHECK_BUS)
		return "a bus error";
	snprintf(buffer, size, "-%s", strerrorname_np(-rc) ? strerrorname_np(-rc) : "?");
	return buffer;
}

static int32_t plain(int rc)
{
	return TRANSLATOR_IS_BUS_ERROR(rc) ? CHECK_BUS : rc;
}

/* ---- life ---- */

static bool get_stat(struct check_subject *s, struct translator_stat *stat)
{
	memset(stat, 0xff, sizeof(*stat));
	return s->t->stat && s->t->stat(s->engine, stat) == 0;
}

static void measure_stat(struct check_subject *s)
{
	struct translator_stat stat;
	struct timespec begin, end;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	get_stat(s, &stat);
	clock_gettime(CLOCK_MONOTONIC, &end);
	s->stat_ns = (uint64_t)(end.tv_sec - begin.tv_sec) * 1000000000u + (uint64_t)end.tv_nsec -
		     (uint64_t)begin.tv_nsec;
}

int check_subject_create(struct check_subject *s, const struct translator *t,
			 const struct translator_option *options,
			 const struct check_geometry *geometry, char *error, size_t size)
{
	struct translator_option all[OPTIONS_MAX] = {
		{ "pages", geometry->pages },
		{ "as", geometry->touch ? "mmap" : "none" },
		{ "memory_max", "1073741824" },
	};
	size_t count = 3;
	char reason[256] = "";
	int rc;

	for (; options && options->key && count < OPTIONS_MAX - 1; options++)
		all[count++] = *options;
	memset(s, 0, sizeof(*s));
	s->t = t;
	s->geometry = *geometry;
	s->space_bytes = (geometry->base + (uint64_t)(CHECK_CELLS + 1) * geometry->stride) * PAGE;
	for (unsigned o = 0; o < CHECK_OBJECTS; o++)
		s->fds[o] = -1;
	s->buffer = malloc(PAGE * CHECK_CELLS);
	if (!s->buffer)
		abort();
	rc = t->open(all, &s->engine, reason, sizeof(reason));
	if (!rc && t->thread_enter) {
		rc = t->thread_enter(s->engine);
		if (rc)
			t->close(s->engine);
	}
	s->counts = true;
	if (!rc)
		measure_stat(s);
	if (rc) {
		snprintf(error, size, "open: %s", reason[0] ? reason : strerror(-rc));
		free(s->buffer);
	}
	return rc;
}

static void release_all(struct check_subject *s)
{
	for (unsigned h = 0; h < CHECK_HOLDS; h++)
		if (s->holds[h].file) {
			s->t->decref(s->engine, s->holds[h].file - 1, s->holds[h].offset, PAGE);
			s->holds[h].file = 0;
		}
	for (unsigned i = 0; i < CHECK_SPACES; i++)
		if (s->spaces[i]) {
			s->t->space_destroy(s->spaces[i]);
			s->spaces[i] = NULL;
		}
	for (unsigned o = 0; o < CHECK_OBJECTS; o++) {
		if (s->objects[o])
			s->t->object_destroy(s->objects[o]);
		if (s->fds[o] >= 0)
			close(s->fds[o]);
		s->objects[o] = NULL;
		s->fds[o] = -1;
	}
}

bool check_subject_reset(struct check_subject *s, char *message, size_t size)
{
	struct translator_stat stat;

	release_all(s);
	if (!s->counts || !get_stat(s, &stat))
		return true;
	if (stat.live_pages && stat.live_pages != TRANSLATOR_UNKNOWN) {
		snprintf(message, size, "%lu pages have references when nothing is left",
			 (unsigned long)stat.live_pages);
		return false;
	}
	if (stat.references && stat.references != TRANSLATOR_UNKNOWN) {
		snprintf(message, size, "%lu references are left when nothing is",
			 (unsigned long)stat.references);
		return false;
	}
	return true;
}

bool check_subject_destroy(struct check_subject *s, char *message, size_t size)
{
	char sentence[200] = "";
	bool good;

	s->counts = true;
	good = check_subject_reset(s, message, size);
	if (good && (s->t->capabilities & TRANSLATOR_CAN_SELF_CHECK) &&
	    s->t->self_check(s->engine, sentence, sizeof(sentence))) {
		snprintf(message, size, "its self check says: %s", sentence);
		good = false;
	}
	if (s->t->thread_leave)
		s->t->thread_leave(s->engine);
	s->t->close(s->engine);
	free(s->buffer);
	return good;
}

/* ---- objects ---- */

static int create_object(struct check_subject *s, const int16_t *a)
{
	struct translator_object_options options = {
		.kind = a[2] ? TRANSLATOR_OBJECT_FILE : TRANSLATOR_OBJECT_MEMORY,
		.fd = -1,
		.size = offset_of(s, a[1]),
	};

	if (a[2]) {
		s->fds[a[0]] = options.fd = memfd_create("faultline-check", MFD_CLOEXEC);
		if (options.fd < 0 || ftruncate(options.fd, (off_t)options.size))
			return -errno;
	}
	return s->t->object_create(s->engine, &options, &s->objects[a[0]]);
}

static void close_object(struct check_subject *s, int o)
{
	s->t->object_destroy(s->objects[o]);
	s->objects[o] = NULL;
	if (s->fds[o] >= 0)
		close(s->fds[o]);
	s->fds[o] = -1;
}

/* Every condition that the interface sets for the answer to translate. */
static void check_translations(struct check_answer *answer, struct translator_range required,
			       struct translator_range optional, uint32_t access,
			       const struct translator_translation *ts, size_t count)
{
	if (!count && !answer->rc)
		wrong(answer, "no translations and no error");
	if (count > TRANSLATIONS_MAX) {
		wrong(answer, "more translations than there is room for");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		const struct translator_translation *t = &ts[i];

		if (t->source.start >= t->source.end)
			wrong(answer, "translation %zu: an empty source", i);
		if (t->source.start % PAGE || t->source.end % PAGE || t->offset % PAGE)
			wrong(answer, "translation %zu: not of whole pages", i);
		if (i ? t->source.start != ts[i - 1].source.end
		      : t->source.start > required.start || t->source.end <= required.start)
			wrong(answer, "translation %zu does not begin where it must", i);
		if (t->source.start < optional.start || t->source.end > optional.end)
			wrong(answer, "translation %zu is outside what was optional", i);
		if (t->source.end <= required.start || t->source.start >= required.end)
			wrong(answer, "translation %zu: no part of it was required", i);
		if (access & ~t->perms || t->perms > 7)
			wrong(answer, "translation %zu does not permit what was asked", i);
		if (t->reserved)
			wrong(answer, "translation %zu: reserved is not 0", i);
	}
	if (count && !answer->rc && ts[count - 1].source.end < required.end)
		wrong(answer, "translations end before what was required, without an error");
}

static void translate_range(struct check_subject *s, int object, struct translator_range required,
			    struct translator_range optional, uint32_t access,
			    struct check_answer *answer)
{
	struct translator_translation ts[TRANSLATIONS_MAX];
	size_t count = SIZE_MAX;

	memset(ts, 0, sizeof(ts));
	answer->rc = plain(s->t->translate(s->objects[object], required, optional, access, ts,
					   TRANSLATIONS_MAX, &count));
	if (count == SIZE_MAX) {
		if (answer->rc == 0 || answer->rc <= CHECK_BUS)
			wrong(answer, "the count of translations was not set");
		return;
	}
	check_translations(answer, required, optional, access, ts, count);
}

/* Where cells are wide, one after the other and only the pages that are looked at: the others cost
 * too much. */
static void translate(struct check_subject *s, const int16_t *a, struct check_answer *answer)
{
	uint64_t start = offset_of(s, a[1]), before = length_of(s, a[3] < a[1] ? a[3] : a[1]);
	struct translator_range required = { start, start + length_of(s, a[2]) };
	struct translator_range optional = { start - before, required.end + length_of(s, a[4]) };

	if (s->geometry.stride == 1) {
		translate_range(s, a[0], required, optional, (uint32_t)a[5], answer);
		return;
	}
	for (int i = 0; i < a[2] && !answer->rc; i++) {
		required.start = offset_of(s, a[1] + i) + s->geometry.look * PAGE;
		required.end = required.start + PAGE;
		translate_range(s, a[0], required, required, (uint32_t)a[5], answer);
	}
}

/* What shared mappings stored is in the host's file: the model knows what. */
static void sync_object(struct check_subject *s, const int16_t *a, const struct check_model *model,
			struct check_answer *answer)
{
	answer->rc = s->t->object_sync(s->objects[a[0]], offset_of(s, a[1]), length_of(s, a[2]));
	for (int i = a[1]; model && !answer->rc && i < a[1] + a[2]; i++) {
		const struct check_page *page = &model->pages[model->objects[a[0]].pages[i]];
		unsigned char bytes[MARK_AT + 1] = { 0 };
		off_t at = (off_t)(offset_of(s, i) + s->geometry.look * PAGE);

		if (i >= model->objects[a[0]].size || s->fds[a[0]] < 0)
			break;
		if (pread(s->fds[a[0]], bytes, sizeof(bytes), at) != (ssize_t)sizeof(bytes) ||
		    bytes[0] != page->fill || bytes[MARK_AT] != page->mark)
			wrong(answer, "cell %d: the file holds %u,%u and not %u,%u", i, bytes[0],
			      bytes[MARK_AT], page->fill, page->mark);
	}
}

static void on_object(struct check_subject *s, const struct check_op *op,
		      const struct check_model *model, struct check_answer *answer)
{
	const int16_t *a = op->arg;
	struct translator_object *o = s->objects[a[0]];

	switch (op->kind) {
	case CHECK_OBJECT:
		answer->rc = create_object(s, a);
		break;
	case CHECK_CLOSE:
		close_object(s, a[0]);
		break;
	case CHECK_TRUNCATE:
		answer->rc = s->t->object_truncate(o, offset_of(s, a[1]));
		break;
	case CHECK_PUNCH:
		answer->rc = s->t->object_punch(o, offset_of(s, a[1]), length_of(s, a[2]));
		break;
	case CHECK_INVALIDATE:
		answer->rc = s->t->object_invalidate(o, offset_of(s, a[1]), length_of(s, a[2]));
		break;
	case CHECK_SYNC:
		sync_object(s, a, model, answer);
		break;
	default:
		translate(s, a, answer);
		break;
	}
}

/* ---- spaces ---- */

static int32_t map(struct check_subject *s, const int16_t *a)
{
	struct translator_map_options options = {
		.address = address_of(s, a[1]),
		.length = length_of(s, a[2]),
		.object = a[3] < 0 ? NULL : s->objects[a[3]],
		.offset = a[3] < 0 ? 0 : offset_of(s, a[4]),
		.perms = (uint32_t)a[5],
		.flags = a[3] >= 0 && a[6] ? TRANSLATOR_MAP_PRIVATE : 0,
	};

	return s->t->map(s->spaces[a[0]], &options);
}

/* A lookup; what it shows must be right in itself. */
static int32_t look_up(struct check_subject *s, unsigned space, int at, uint32_t access,
		       struct translator_translation *out, struct check_answer *answer)
{
	uint64_t page = look_address(s, at);
	int rc;

	memset(out, 0, sizeof(*out));
	/* Any address of the page will do. */
	rc = s->t->lookup(s->spaces[space], page + 0x123 * (access & 1), access, out);
	if (rc == 0) {
		if (out->source.start != page || out->source.end != page + PAGE)
			wrong(answer, "lookup: the source is not the page that was asked for");
		if (access & ~out->perms || out->perms > 7)
			wrong(answer, "lookup: permissions %u for access %u", out->perms, access);
		if (out->offset % PAGE || out->reserved)
			wrong(answer, "lookup: an offset inside a page, or reserved is not 0");
	} else if (rc != -ENOENT) {
		char text[32];

		wrong(answer, "lookup: %s", check_rc_text(plain(rc), text, sizeof(text)));
	}
	return rc;
}

/* Fault: "afterwards it is present", unless another lane takes it away again. */
static void fault(struct check_subject *s, const struct check_op *op, bool alone,
		  struct check_answer *answer)
{
	const int16_t *a = op->arg;
	struct translator_translation found;

	answer->rc =
		plain(s->t->fault(s->spaces[a[0]], look_address(s, a[1]) + 0x45, (uint32_t)a[2]));
	if (!answer->rc && alone &&
	    look_up(s, (unsigned)a[0], a[1], (uint32_t)a[2], &found, answer))
		wrong(answer, "not present after a fault that succeeded");
}

static void ref(struct check_subject *s, const int16_t *a, struct check_answer *answer)
{
	struct translator_translation found;

	answer->rc = plain(s->t->fault(s->spaces[a[1]], look_address(s, a[2]), TRANSLATOR_WRITE));
	if (answer->rc)
		return;
	if (look_up(s, (unsigned)a[1], a[2], TRANSLATOR_WRITE, &found, answer)) {
		wrong(answer, "not present after a fault that succeeded");
		return;
	}
	s->t->incref(s->engine, found.file, found.offset, PAGE);
	s->holds[a[0]].file = found.file + 1;
	s->holds[a[0]].offset = found.offset;
}

static void on_hold(struct check_subject *s, const struct check_op *op, struct check_answer *answer)
{
	const int16_t *a = op->arg;

	if (op->kind == CHECK_REF) {
		ref(s, a, answer);
	} else if (!s->holds[a[0]].file) {
		return; /* the ref failed, and has been reported */
	} else if (op->kind == CHECK_DUP) {
		s->t->incref(s->engine, s->holds[a[0]].file - 1, s->holds[a[0]].offset, PAGE);
		s->holds[a[1]] = s->holds[a[0]];
	} else {
		s->t->decref(s->engine, s->holds[a[0]].file - 1, s->holds[a[0]].offset, PAGE);
		s->holds[a[0]].file = 0;
	}
}

/* ---- the application's bytes ---- */

/* Reads or writes, page by page where cells are wide. */
static void copy(struct check_subject *s, const struct check_op *op,
		 const struct check_model *model, struct check_answer *answer)
{
	const int16_t *a = op->arg;
	struct translator_space *space = s->spaces[a[0]];
	int pieces = s->geometry.stride > 1 ? a[2] : 1, cells = s->geometry.stride > 1 ? 1 : a[2];
	unsigned char *bytes = s->buffer;
	uint64_t want = (uint64_t)cells * PAGE;

	for (int i = 0; i < pieces && !answer->rc; i++) {
		uint64_t at = look_address(s, a[1] + i), done = UINT64_MAX;

		if (op->kind == CHECK_WRITE) {
			memset(bytes, a[3], want);
			answer->rc = s->t->write(space, at, bytes, want, &done);
		} else {
			memset(bytes, 0xa5, want);
			answer->rc = s->t->read(space, at, bytes, want, &done);
		}
		if (done > want || done % PAGE || (!answer->rc && done != want)) {
			wrong(answer, "%lu of %lu bytes are said to be done", (unsigned long)done,
			      (unsigned long)want);
			return;
		}
		answer->done = (int16_t)(answer->done + (int16_t)(done / PAGE));
		for (uint64_t b = 0; model && op->kind == CHECK_READ && b < done; b++) {
			int cell = a[1] + i + (int)(b / PAGE);
			const struct check_page *page = &model->pages[check_model_look(
				model, (unsigned)a[0], (unsigned)cell)];
			uint8_t expected = b % PAGE == MARK_AT ? page->mark : page->fill;

			if (bytes[b] == expected)
				continue;
			wrong(answer, "read: byte %lu of cell %d is %u and not %u",
			      (unsigned long)(b % PAGE), cell, bytes[b], expected);
			return;
		}
	}
}

static void one_byte(struct check_subject *s, const struct check_op *op,
		     struct check_answer *answer)
{
	const int16_t *a = op->arg;
	uint64_t at = look_address(s, a[1]) + MARK_AT, done = UINT64_MAX;
	uint8_t value = (uint8_t)a[2];
	void *host;

	if (op->kind == CHECK_MARK || op->kind == CHECK_PEEK) {
		answer->rc = op->kind == CHECK_MARK
				     ? s->t->write(s->spaces[a[0]], at, &value, 1, &done)
				     : s->t->read(s->spaces[a[0]], at, &value, 1, &done);
		if (done != (answer->rc ? 0 : 1))
			wrong(answer, "%lu bytes of 1 are said to be done", (unsigned long)done);
	} else {
		host = s->t->host_address(s->spaces[a[0]], at);
		if (!host) {
			wrong(answer, "host_address: NULL with as=mmap");
			return;
		}
		answer->rc = check_touch(host, op->kind == CHECK_STORE, &value);
	}
	answer->has_value = !answer->rc && (op->kind == CHECK_LOAD || op->kind == CHECK_PEEK);
	answer->value = value;
}

static void on_space(struct check_subject *s, const struct check_op *op,
		     struct check_answer *answer)
{
	const int16_t *a = op->arg;
	struct translator_space *space = s->spaces[a[0]];
	uint64_t at = address_of(s, a[1]), length = length_of(s, a[2]);

	switch (op->kind) {
	case CHECK_SPACE:
		answer->rc = s->t->space_create(s->engine, s->space_bytes, &s->spaces[a[0]]);
		break;
	case CHECK_DROP:
		s->t->space_destroy(space);
		s->spaces[a[0]] = NULL;
		break;
	case CHECK_FORK:
		answer->rc = s->t->space_fork(space, &s->spaces[a[1]]);
		break;
	case CHECK_MAP:
		answer->rc = map(s, a);
		break;
	case CHECK_UNMAP:
		answer->rc = s->t->unmap(space, at, length);
		break;
	case CHECK_PROTECT:
		answer->rc = s->t->protect(space, at, length, (uint32_t)a[3]);
		break;
	case CHECK_DISCARD:
		answer->rc = s->t->discard(space, at, length);
		break;
	default:
		answer->rc =
			s->t->remap(space, at, length, address_of(s, a[3]), length_of(s, a[4]));
		break;
	}
}

void check_subject_call(struct check_subject *s, const struct check_op *op,
			const struct check_model *model, struct check_answer *answer)
{
	struct translator_translation found;

	memset(answer, 0, sizeof(*answer));
	switch (op->kind) {
	case CHECK_READ:
	case CHECK_WRITE:
		copy(s, op, model, answer);
		break;
	case CHECK_LOAD:
	case CHECK_MARK:
	case CHECK_PEEK:
	case CHECK_STORE:
		one_byte(s, op, answer);
		break;
	case CHECK_FAULT:
		fault(s, op, model != NULL, answer);
		break;
	case CHECK_LOOKUP:
		answer->rc = look_up(s, (unsigned)op->arg[0], op->arg[1], (uint32_t)op->arg[2],
				     &found, answer);
		answer->found = !answer->rc;
		answer->file = found.file;
		answer->offset = found.offset;
		break;
	case CHECK_REF:
	case CHECK_DUP:
	case CHECK_UNREF:
		on_hold(s, op, answer);
		break;
	case CHECK_CLOSE:
	case CHECK_INVALIDATE:
	case CHECK_OBJECT:
	case CHECK_PUNCH:
	case CHECK_SYNC:
	case CHECK_TRANSLATE:
	case CHECK_TRUNCATE:
		on_object(s, op, model, answer);
		break;
	default:
		on_space(s, op, answer);
		break;
	}
}
