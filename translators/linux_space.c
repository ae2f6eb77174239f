/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux_space.c - spaces: windows of this process, and the calls that change what is mapped.
 *
 * What is not mapped in a window is not mapped at all, so that the kernel itself says SEGV_MAPERR.
 * That nobody else is given a place there follows from where windows are: the kernel looks for
 * room from the top down, and windows are far below, where it arrives when all else is full.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "translators/linux.h"

/* The thread sanitizer knows of no memory between its shadow's parts. */
#ifdef __SANITIZE_THREAD__
#define WINDOWS_START (UINT64_C(1) << 33)
#define WINDOWS_END (UINT64_C(1) << 39)
#else
#define WINDOWS_START (UINT64_C(1) << 45)
#define WINDOWS_END (UINT64_C(1) << 46)
#endif
/* An address in a window is aligned as the application's own, for pages of any size. */
#define WINDOW_ALIGNMENT (UINT64_C(1) << 30)

static pthread_mutex_t windows_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct translator_space *windows; /* upwards */

static int prot_of(uint32_t perms)
{
	return (linux_effective(perms) & TRANSLATOR_READ ? PROT_READ : 0) |
	       (perms & TRANSLATOR_WRITE ? PROT_WRITE : 0) |
	       (perms & TRANSLATOR_EXEC ? PROT_EXEC : 0);
}

/* Whether nothing of anybody's is in the range. */
static bool is_empty(uint64_t start, uint64_t bytes)
{
	void *at = (void *)(uintptr_t)start;
	void *got = mmap(at, bytes, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (got == MAP_FAILED)
		return false;
	munmap(got, bytes);
	return got == at;
}

static uint64_t round_up(uint64_t value)
{
	return (value + WINDOW_ALIGNMENT - 1) & ~(WINDOW_ALIGNMENT - 1);
}

/* The lowest free place goes to the space; first page apart, windows stand apart. */
static int place_window(struct translator_space *space)
{
	struct translator_space **link = &windows;
	uint64_t at = WINDOWS_START;
	int rc = -ENOMEM;

	pthread_mutex_lock(&windows_mutex);
	while (rc && at + space->bytes <= WINDOWS_END) {
		uint64_t next = *link ? (uint64_t)(uintptr_t)(*link)->window : WINDOWS_END;

		if (at + space->bytes > next) {
			if (!*link)
				break;
			at = round_up(next + (*link)->bytes + 1);
			link = &(*link)->above;
		} else if (is_empty(at, space->bytes)) {
			space->window = (unsigned char *)(uintptr_t)at;
			space->above = *link;
			*link = space;
			rc = 0;
		} else {
			at += WINDOW_ALIGNMENT;
		}
	}
	pthread_mutex_unlock(&windows_mutex);
	return rc;
}

int linux_space_create(struct translator_engine *engine, uint64_t bytes,
		       struct translator_space **out)
{
	struct translator_space *space;

	if (!bytes || bytes % PAGE_BYTES)
		return -EINVAL;
	space = calloc(1, sizeof(*space));
	if (!space)
		return -ENOMEM;
	space->engine = engine;
	space->bytes = bytes;
	if (bytes > WINDOWS_END || place_window(space)) {
		free(space);
		return -ENOMEM;
	}
	*out = space;
	return 0;
}

void linux_space_destroy(struct translator_space *space)
{
	struct translator_engine *engine = space->engine;
	struct translator_space **link = &windows;

	pthread_rwlock_wrlock(&engine->lock);
	munmap(space->window, space->bytes);
	linux_book_clear(space, 0, space->bytes);
	pthread_rwlock_unlock(&engine->lock);
	pthread_mutex_lock(&windows_mutex);
	while (*link != space)
		link = &(*link)->above;
	*link = space->above;
	pthread_mutex_unlock(&windows_mutex);
	free(space->mappings);
	free(space);
}

static bool is_inside(const struct translator_space *space, uint64_t address, uint64_t length)
{
	return address >= PAGE_BYTES && address + length <= space->bytes;
}

/* The kernel's part of map. */
static int host_map(struct translator_space *space, const struct translator_map_options *o)
{
	bool is_private = !o->object || (o->flags & TRANSLATOR_MAP_PRIVATE);
	void *at = space->window + o->address;

	if (mmap(at, o->length, prot_of(o->perms),
		 MAP_FIXED | MAP_NORESERVE | (is_private ? MAP_PRIVATE : MAP_SHARED) |
			 (o->object ? 0 : MAP_ANONYMOUS),
		 o->object ? o->object->fd : -1, (off_t)(o->object ? o->offset : 0)) == MAP_FAILED)
		return -errno;
	atomic_fetch_add(&space->engine->host_mappings, 1);
	/* Advice on page size: where it cannot be taken, pages are small, and all is well. */
	if (!o->object && space->engine->advice != MADV_NORMAL)
		madvise(at, o->length, space->engine->advice);
	return 0;
}

int linux_map(struct translator_space *space, const struct translator_map_options *o)
{
	struct translator_engine *engine = space->engine;
	uint64_t any = o->reserved[0] | o->reserved[1] | o->reserved[2] | o->reserved[3];
	struct linux_mapping *m;
	int rc;

	if (any || (o->flags & ~(uint32_t)TRANSLATOR_MAP_PRIVATE) || o->perms > 7 ||
	    !linux_is_range(o->address, o->length) ||
	    (o->object && (o->offset % PAGE_BYTES || o->offset + o->length < o->offset ||
			   o->offset + o->length > INT64_MAX)))
		return -EINVAL;
	if (!is_inside(space, o->address, o->length))
		return -ENOMEM;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->space = space;
	m->start = o->address;
	m->end = o->address + o->length;
	m->object = o->object;
	m->offset = o->object ? o->offset : 0;
	m->perms = o->perms;
	m->is_private = !o->object || (o->flags & TRANSLATOR_MAP_PRIVATE);
	pthread_rwlock_wrlock(&engine->lock);
	rc = linux_book_cut(space, m->start, m->end);
	if (!rc)
		rc = host_map(space, o);
	if (!rc) {
		m->private_offset = engine->private_next;
		engine->private_next += m->is_private ? o->length : 0;
		linux_book_clear(space, m->start, m->end);
		linux_book_insert(space, m);
	}
	pthread_rwlock_unlock(&engine->lock);
	if (rc)
		free(m);
	return rc;
}

/* munmap, and the book. The edges have been cut. */
static int unmap_locked(struct translator_space *space, uint64_t start, uint64_t end)
{
	if (munmap(space->window + start, end - start))
		return -errno;
	atomic_fetch_add(&space->engine->host_unmappings, 1);
	linux_book_clear(space, start, end);
	return 0;
}

int linux_unmap(struct translator_space *space, uint64_t address, uint64_t length)
{
	int rc;

	if (!linux_is_range(address, length) || address + length > space->bytes)
		return -EINVAL;
	pthread_rwlock_wrlock(&space->engine->lock);
	rc = linux_book_cut(space, address, address + length);
	if (!rc)
		rc = unmap_locked(space, address, address + length);
	pthread_rwlock_unlock(&space->engine->lock);
	return rc;
}

int linux_protect(struct translator_space *space, uint64_t address, uint64_t length, uint32_t perms)
{
	uint64_t at = address, end = address + length;
	int rc;

	if (!linux_is_range(address, length) || perms > 7)
		return -EINVAL;
	if (end > space->bytes)
		end = space->bytes;
	pthread_rwlock_wrlock(&space->engine->lock);
	rc = linux_book_cut(space, address, end);
	while (!rc && at < end) {
		struct linux_mapping *m = linux_book_at(space, at);

		if (!m)
			rc = -ENOMEM;
		else if (mprotect(space->window + at, m->end - at, prot_of(perms)))
			rc = -errno;
		if (rc)
			break;
		m->perms = perms;
		at = m->end;
	}
	pthread_rwlock_unlock(&space->engine->lock);
	return !rc && end < address + length ? -ENOMEM : rc;
}

/* The old range is one mapping, all of it; the new one is empty. */
static int move_locked(struct translator_space *space, struct linux_mapping *m,
		       uint64_t new_address, uint64_t new_length)
{
	uint64_t length = m->end - m->start, old = m->start;
	struct linux_mapping *moved = malloc(sizeof(*moved));
	void *from = space->window + old, *to = space->window + new_address;

	if (!moved)
		return -ENOMEM;
	if (mremap(from, length, new_length, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED) {
		free(moved);
		return -errno;
	}
	atomic_fetch_add(&space->engine->host_mappings, 1);
	memcpy(moved, m, sizeof(*moved));
	moved->start = new_address;
	moved->end = new_address + new_length;
	/* What it has grown by has names of its own, behind the others. */
	if (m->is_private && new_length > length) {
		moved->private_offset = space->engine->private_next;
		space->engine->private_next += new_length;
	}
	linux_book_insert(space, moved);
	linux_book_clear(space, old, old + length);
	return 0;
}

int linux_remap(struct translator_space *space, uint64_t old_address, uint64_t old_length,
		uint64_t new_address, uint64_t new_length)
{
	uint64_t old_end = old_address + old_length, new_end = new_address + new_length;
	struct linux_mapping *m;
	int rc;

	if (!linux_is_range(old_address, old_length) || !linux_is_range(new_address, new_length) ||
	    !is_inside(space, old_address, old_length) ||
	    !is_inside(space, new_address, new_length) ||
	    (old_address < new_end && new_address < old_end))
		return -EINVAL;
	pthread_rwlock_wrlock(&space->engine->lock);
	m = linux_book_at(space, old_address);
	rc = m && m->end >= old_end ? 0 : -EFAULT;
	if (!rc)
		rc = linux_book_cut(space, old_address, old_end);
	if (!rc)
		rc = linux_book_cut(space, new_address, new_end);
	if (!rc)
		rc = unmap_locked(space, new_address, new_end);
	if (!rc)
		rc = move_locked(space, linux_book_at(space, old_address), new_address, new_length);
	pthread_rwlock_unlock(&space->engine->lock);
	return rc;
}

int linux_discard(struct translator_space *space, uint64_t address, uint64_t length)
{
	uint64_t end = address + length, at = address;
	int rc = 0;

	if (!linux_is_range(address, length))
		return -EINVAL;
	pthread_rwlock_rdlock(&space->engine->lock);
	for (size_t i = linux_book_find(space, address); at < end && i < space->count; i++) {
		struct linux_mapping *m = space->mappings[i];
		uint64_t from = m->start > at ? m->start : at, to = m->end < end ? m->end : end;

		if (from >= end)
			break;
		if (from > at)
			rc = -ENOMEM;
		if (madvise(space->window + from, to - from, MADV_DONTNEED))
			rc = -errno;
		at = to;
	}
	pthread_rwlock_unlock(&space->engine->lock);
	return !rc && at < end ? -ENOMEM : rc;
}
