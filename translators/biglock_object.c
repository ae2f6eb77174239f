/* SPDX-License-Identifier: Apache-2.0 */
/*
 * biglock_object.c - objects: a flat array of pages by offset, in memory or a cache of a file.
 *
 * What an object loses, it first makes every mapping forget, found in a plain list. A file's page
 * is read when it is first asked for, with the mutex held: this is a translator to compare with,
 * not one for slow disks.
 */
#include "translators/biglock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes room for the pages of a size. */
static int reserve(struct translator_object *o, uint64_t size)
{
	uint64_t count = biglock_object_pages(size), old = o->capacity;
	struct translator_engine *engine = o->engine;
	uint32_t *pages;
	unsigned char *dirty = NULL;

	if (count <= old)
		return 0;
	pages = biglock_alloc(engine, count, sizeof(*pages));
	if (o->fd >= 0)
		dirty = biglock_alloc(engine, count, 1);
	if (!pages || (o->fd >= 0 && !dirty)) {
		biglock_free(engine, pages, count, sizeof(*pages));
		biglock_free(engine, dirty, count, 1);
		return -ENOMEM;
	}
	if (old)
		memcpy(pages, o->pages, old * sizeof(*pages));
	if (old && dirty)
		memcpy(dirty, o->dirty, old);
	biglock_free(engine, o->pages, old, sizeof(*pages));
	biglock_free(engine, o->dirty, old, 1);
	o->pages = pages;
	o->dirty = dirty;
	o->capacity = count;
	return 0;
}

/* ---- contents ---- */

static int read_in(struct translator_object *o, uint64_t offset, uint32_t page)
{
	unsigned char *at = biglock_page_memory(o->engine, page);
	ssize_t got;

	do
		got = pread(o->fd, at, PAGE_BYTES, (off_t)offset);
	while (got < 0 && errno == EINTR);
	o->engine->stored[page] = 1;
	if (got < 0)
		return TRANSLATOR_BUS_ERROR(EIO);
	/* The file may have become shorter since its size was asked. */
	return got ? 0 : TRANSLATOR_BUS_ERROR(ENXIO);
}

static int write_back(struct translator_object *o, uint64_t index)
{
	uint64_t offset = index * PAGE_BYTES, bytes = o->size - offset;
	ssize_t put;

	do
		put = pwrite(o->fd, biglock_page_memory(o->engine, o->pages[index]),
			     bytes < PAGE_BYTES ? bytes : PAGE_BYTES, (off_t)offset);
	while (put < 0 && errno == EINTR);
	if (put < 0)
		return -errno;
	o->dirty[index] = 0;
	return 0;
}

int biglock_object_page(struct translator_object *o, uint64_t offset, bool store, uint32_t *page)
{
	uint64_t index = offset / PAGE_BYTES;
	int rc = 0;

	if (index >= biglock_object_pages(o->size))
		return TRANSLATOR_BUS_ERROR(ENXIO);
	if (!o->pages[index]) {
		uint32_t fresh = biglock_page_alloc(o->engine);

		if (!fresh)
			return -ENOMEM;
		if (o->fd >= 0)
			rc = read_in(o, offset, fresh);
		if (rc) {
			biglock_page_dec(o->engine, fresh);
			return rc;
		}
		o->pages[index] = fresh;
	}
	if (store && o->fd >= 0)
		o->dirty[index] = 1;
	*page = o->pages[index];
	return 0;
}

/* Every mapping forgets the offsets. */
static void forget(struct translator_object *o, uint64_t start, uint64_t end, bool copies_too)
{
	for (struct biglock_mapping *m = o->mappings; m; m = m->next) {
		uint64_t m_end = m->offset + (m->end - m->start);
		uint64_t from = start > m->offset ? start : m->offset;
		uint64_t to = end < m_end ? end : m_end;

		if (from < to)
			biglock_forget(m, m->start + (from - m->offset),
				       m->start + (to - m->offset), copies_too);
	}
}

static void drop_pages(struct translator_object *o, uint64_t first, uint64_t end)
{
	if (end > o->capacity)
		end = o->capacity;
	for (uint64_t i = first; i < end; i++) {
		if (!o->pages[i])
			continue;
		biglock_page_dec(o->engine, o->pages[i]);
		o->pages[i] = 0;
		if (o->dirty)
			o->dirty[i] = 0;
	}
}

/* Dirty pages of the range go to the file; whoever stores to them next must say so again. */
static int sync_pages(struct translator_object *o, uint64_t first, uint64_t end)
{
	int rc = 0;

	if (end > biglock_object_pages(o->size))
		end = biglock_object_pages(o->size);
	for (struct biglock_mapping *m = o->mappings; m; m = m->next) {
		uint64_t base = m->offset / PAGE_BYTES, count = (m->end - m->start) / PAGE_BYTES;

		if (m->is_private || !m->slots)
			continue;
		biglock_window_hide(m->space, m->start, m->end);
		for (uint64_t i = first > base ? first : base; i < end && i - base < count; i++)
			if (m->slots->slot[m->first + (i - base)])
				m->slots->slot[m->first + (i - base)] |= SLOT_CLEAN;
	}
	for (uint64_t i = first; i < end && !rc; i++)
		if (o->dirty[i])
			rc = write_back(o, i);
	return rc;
}

/* ---- the calls ---- */

static int open_file(struct translator_object *o, int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st))
		return -EBADF;
	if ((flags & O_ACCMODE) != O_RDWR)
		return -EACCES;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	o->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	o->size = (uint64_t)st.st_size;
	return o->fd < 0 ? -errno : 0;
}

int biglock_object_create(struct translator_engine *engine,
			  const struct translator_object_options *options,
			  struct translator_object **out)
{
	bool is_file = options->kind == TRANSLATOR_OBJECT_FILE;
	struct translator_object *o;
	int rc = 0;

	if (options->kind > TRANSLATOR_OBJECT_FILE || (!is_file && options->size % PAGE_BYTES) ||
	    options->reserved[0] | options->reserved[1] | options->reserved[2] |
		    options->reserved[3])
		return -EINVAL;
	biglock_lock();
	o = biglock_alloc(engine, 1, sizeof(*o));
	if (o) {
		*o = (struct translator_object){
			.engine = engine, .users = 1, .size = options->size, .fd = -1
		};
		rc = is_file ? open_file(o, options->fd) : 0;
		if (!rc)
			rc = reserve(o, o->size);
	}
	if (o && !rc) {
		o->next = engine->objects;
		engine->objects = o;
		*out = o;
	} else if (o) {
		if (o->fd >= 0)
			close(o->fd);
		biglock_free(engine, o, 1, sizeof(*o));
	}
	biglock_unlock();
	return o ? rc : -ENOMEM;
}

void biglock_object_put(struct translator_object *o)
{
	struct translator_object **link = &o->engine->objects;

	if (--o->users)
		return;
	if (o->fd >= 0) {
		/* Nobody is left to tell of an error, as after the last close(2). */
		sync_pages(o, 0, o->capacity);
		close(o->fd);
	}
	drop_pages(o, 0, o->capacity);
	while (*link != o)
		link = &(*link)->next;
	*link = o->next;
	biglock_free(o->engine, o->pages, o->capacity, sizeof(*o->pages));
	biglock_free(o->engine, o->dirty, o->dirty ? o->capacity : 0, 1);
	biglock_free(o->engine, o, 1, sizeof(*o));
}

void biglock_object_destroy(struct translator_object *o)
{
	biglock_lock();
	biglock_object_put(o);
	biglock_unlock();
}

int biglock_object_truncate(struct translator_object *o, uint64_t size)
{
	uint64_t first = biglock_object_pages(size);
	int rc;

	if (o->fd < 0 && size % PAGE_BYTES)
		return -EINVAL;
	biglock_lock();
	rc = reserve(o, size);
	if (!rc && o->fd >= 0 && ftruncate(o->fd, (off_t)size))
		rc = -errno;
	if (!rc && size < o->size) {
		forget(o, first * PAGE_BYTES, UINT64_MAX, true);
		drop_pages(o, first, o->capacity);
		if (size % PAGE_BYTES && o->pages[first - 1])
			memset(biglock_page_memory(o->engine, o->pages[first - 1]) +
				       size % PAGE_BYTES,
			       0, PAGE_BYTES - size % PAGE_BYTES);
	}
	if (!rc)
		o->size = size;
	biglock_unlock();
	return rc;
}

static bool is_range(uint64_t offset, uint64_t length)
{
	return length && !(offset % PAGE_BYTES) && !(length % PAGE_BYTES) &&
	       offset + length > offset;
}

int biglock_object_punch(struct translator_object *o, uint64_t offset, uint64_t length)
{
	int rc = 0;

	if (!is_range(offset, length))
		return -EINVAL;
	biglock_lock();
	if (o->fd >= 0 && fallocate(o->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    (off_t)offset, (off_t)length))
		rc = -errno;
	if (!rc) {
		forget(o, offset, offset + length, false);
		drop_pages(o, offset / PAGE_BYTES, (offset + length) / PAGE_BYTES);
	}
	biglock_unlock();
	return rc;
}

int biglock_object_invalidate(struct translator_object *o, uint64_t offset, uint64_t length)
{
	if (!is_range(offset, length))
		return -EINVAL;
	biglock_lock();
	forget(o, offset, offset + length, false);
	biglock_unlock();
	return 0;
}

int biglock_object_sync(struct translator_object *o, uint64_t offset, uint64_t length)
{
	int rc = 0;

	if (!is_range(offset, length))
		return -EINVAL;
	biglock_lock();
	if (o->fd >= 0)
		rc = sync_pages(o, offset / PAGE_BYTES, (offset + length) / PAGE_BYTES);
	biglock_unlock();
	return rc;
}

/* Exactly what is required: more would be pages that nobody asked for. */
int biglock_translate(struct translator_object *o, struct translator_range required,
		      struct translator_range optional, uint32_t access,
		      struct translator_translation *out, size_t max, size_t *count)
{
	bool store = access & TRANSLATOR_WRITE;
	size_t n = 0;
	int rc = 0;

	*count = 0;
	if (!is_range(required.start, required.end - required.start) ||
	    required.end < required.start || optional.start > required.start ||
	    optional.end < required.end)
		return -EINVAL;
	biglock_lock();
	for (uint64_t at = required.start; at < required.end; at += PAGE_BYTES) {
		uint64_t offset;
		uint32_t page;

		rc = biglock_object_page(o, at, store, &page);
		if (rc)
			break;
		offset = page * PAGE_BYTES;
		if (n && out[n - 1].offset + (at - out[n - 1].source.start) == offset) {
			out[n - 1].source.end += PAGE_BYTES;
			continue;
		}
		if (n == max)
			break;
		out[n++] = (struct translator_translation){
			.source = { at, at + PAGE_BYTES },
			.file = FILE_NUMBER,
			.offset = offset,
			.perms = o->fd < 0 || store ? 7 : 7 & ~TRANSLATOR_WRITE,
		};
	}
	biglock_unlock();
	*count = n;
	return rc;
}
