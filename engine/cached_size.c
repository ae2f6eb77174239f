/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cached_size.c - the size of a cached host file: ours follows the host's, whoever changed it.
 *
 * An unlocked look tells whether the host's size is the one that we know; if not, it is asked for
 * again under `data` of the size, so that the answer is newer than every change that we know. That
 * is the one call of the host that is made under `data`, and it reads no file.
 *
 * Smaller: one step under `data` sets the size and declares what lies beyond it stale. From here
 * on translate gives bus errors there; the pages go when somebody holds `object` (cached_settle),
 * with their mappings, 2 MiB at a time (lock_order rule 5). Larger: what is still stale is first
 * moved to limbo, so that no offset comes back with an old page; and the part of the last page that
 * the file now has is read, with no lock, and put in if nothing has changed meanwhile.
 *
 * A page in limbo keeps its reference until its mappings were invalidated, since a translate that
 * found it in its slot may not have taken its own yet.
 *
 * `unsettled` is set before the size is, so whoever sees the new size, and holds `object`, settles;
 * it is cleared when nothing is left to do.
 *
 * Fills of other offsets go on meanwhile: a change of the size is made with `data` held from the
 * page with the lesser end up to the greater end. Elsewhere either size gives a filler the same
 * answer.
 *
 * Locks: data, of the size and then of offsets; cached_settle: object > rmap, data.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cached_private.h"
#include "engine/os_file.h"
#include "engine/safe_copy.h"
#include "engine/test_points.h"

static bool is_stale(const struct cached_file *cf) REQUIRES(data_class)
{
	return cf->stale.start < cf->stale.end;
}

/* Clears the bytes of the last page beyond size, if it is cached. */
static void clear_tail(struct cached_file *cf, uint64_t size) REQUIRES(data_class)
{
	uint64_t inside = size & (MM_PAGE_SIZE - 1);
	uint32_t page = 0;

	if (inside && size < CACHED_FILE_MAX_BYTES)
		page = cached_slot_page(cached_slot(cf, size));
	/* Not memset: like stores of the application, unordered with a write-back's reads. */
	if (page)
		(void)safe_zero(memory_file_memory(cf->mf, page) + inside, MM_PAGE_SIZE - inside);
}

/* The pages for which it makes a difference whether the file ends here or there. */
static struct mappable_range between_sizes(uint64_t least, uint64_t most)
{
	struct mappable_range mr = { page_round_down(least), cached_limit(most) };

	if (mr.start >= mr.end) /* both are behind what can be translated */
		mr.start = mr.end - MM_PAGE_SIZE;
	return mr;
}

/* `data` of mr is held, which is between_sizes(). */
static void set_size(struct cached_file *cf, uint64_t size, struct mappable_range mr)
	REQUIRES(data_class)
{
	unsigned shards = 0;

	atomic_store_explicit(&cf->size, size, memory_order_release);
	for (uint64_t at = mr.start; at < mr.end && shards < MAPPABLE_SHARDS; shards++) {
		mappable_object_shard(&cf->object, at)->generation++;
		at = mappable_step_end(at, mr.end);
	}
}

static void shrink_to(struct cached_file *cf, uint64_t size) REQUIRES(data_class)
{
	struct mappable_range mr = between_sizes(size, cached_size(cf));
	uint64_t from = cached_limit(size);
	uint64_t to = cached_limit(cached_size(cf));

	if (from < to) {
		if (!is_stale(cf))
			cf->stale = (struct mappable_range){ from, to };
		cf->stale.start = cached_least(cf->stale.start, from);
		if (cf->stale.end < to)
			cf->stale.end = to;
		atomic_store_explicit(&cf->unsettled, true, memory_order_relaxed);
	}
	mappable_object_widen_data(&cf->object, mr, LOCK_SITE);
	set_size(cf, size, mr);
	clear_tail(cf, size);
	mappable_object_narrow_data(&cf->object, mr, LOCK_SITE);
}

size_t cached_detach(struct cached_file *cf, struct mappable_range mr,
		     uint32_t pages[CACHED_STEP_PAGES])
{
	_Atomic uint32_t *slot = offset_map_find(&cf->pages, mr.start);
	size_t slots = (size_t)((mr.end - mr.start) >> MM_PAGE_SHIFT);
	size_t count = 0;
	int64_t dirty = 0;

	for (size_t i = 0; slot && i < slots; i++) {
		uint32_t word = atomic_load_explicit(&slot[i], memory_order_relaxed);

		if (!cached_slot_page(word)) /* a filler's: it sees the generation */
			continue;
		dirty += (word & CACHED_DIRTY) != 0;
		pages[count++] = cached_slot_page(word);
		atomic_store_explicit(&slot[i], 0, memory_order_release);
	}
	mappable_object_count(&cf->object, CACHED_PAGES, -(int64_t)count);
	mappable_object_count(&cf->object, DIRTY_PAGES, -dirty);
	return count;
}

/* Takes out the stale pages of the first 2 MiB that may have some, if that begins within `step`. */
static size_t detach_stale(struct cached_file *cf, struct mappable_range step,
			   uint32_t pages[CACHED_STEP_PAGES]) REQUIRES(data_class)
{
	struct mappable_range mr = cf->stale;
	size_t count;

	if (!is_stale(cf) || !mappable_range_contains(step, mr.start))
		return 0;
	mr.end = mappable_step_end(mr.start, cached_least(mr.end, step.end));
	cf->stale.start = mr.end;
	mappable_object_widen_data(&cf->object, mr, LOCK_SITE);
	count = cached_detach(cf, mr, pages);
	mappable_object_narrow_data(&cf->object, mr, LOCK_SITE);
	return count;
}

/* Moves what is stale to limbo, in steps. 0 or -ENOMEM. */
static int stale_to_limbo(struct cached_file *cf) MAY_LOCK_DATA
{
	bool more = true;

	while (more) {
		struct cached_limbo *l = mm_calloc(sizeof(*l));

		if (!l)
			return -ENOMEM;
		mappable_object_lock_size(&cf->object, LOCK_SITE);
		l->range.start = cf->stale.start;
		while (is_stale(cf) && l->count + CACHED_STEP_PAGES <= LIMBO_PAGES)
			l->count += detach_stale(cf, cf->stale, l->page + l->count);
		l->range.end = cf->stale.start;
		more = is_stale(cf);
		if (l->count) {
			l->next = cf->limbo;
			cf->limbo = l;
			l = NULL;
		}
		mappable_object_unlock_size(&cf->object, LOCK_SITE);
		free(l);
	}
	return 0;
}

/* The file grew: reads what it now has in the page that was its last. 0, -errno, or -EAGAIN: the
 * size has changed meanwhile. */
static int grow_to(struct cached_file *cf, uint64_t from, uint64_t size) MAY_LOCK_DATA
{
	unsigned char tail[MM_PAGE_SIZE];
	uint64_t inside = from & (MM_PAGE_SIZE - 1);
	uint64_t wanted = cached_least(size, cached_limit(from)) - from;
	size_t done = 0;
	int rc = 0;

	if (inside && from < CACHED_FILE_MAX_BYTES)
		rc = os_file_read(cf->fd, tail, wanted, from, &done);
	if (rc)
		return rc;
	MM_TEST_POINT(cached_file_growing); /* what the caller of translate holds */
	mappable_object_lock_size(&cf->object, LOCK_SITE);
	if (cached_size(cf) == from && !is_stale(cf)) {
		struct mappable_range mr = between_sizes(from, size);

		mappable_object_widen_data(&cf->object, mr, LOCK_SITE);
		uint32_t page = done ? cached_slot_page(cached_slot(cf, from)) : 0;

		clear_tail(cf, from);
		/* as in clear_tail() */
		if (page)
			(void)safe_copy(memory_file_memory(cf->mf, page) + inside, tail, done);
		set_size(cf, size, mr);
		mappable_object_narrow_data(&cf->object, mr, LOCK_SITE);
	} else {
		rc = -EAGAIN;
	}
	mappable_object_unlock_size(&cf->object, LOCK_SITE);
	return rc;
}

int cached_follow_size(struct cached_file *cf)
{
	for (;;) {
		uint64_t host, from;
		bool stale;
		int rc = os_file_size(cf->fd, &host);

		if (rc || host == cached_size(cf))
			return rc;
		mappable_object_lock_size(&cf->object, LOCK_SITE);
		rc = os_file_size(cf->fd, &host);
		from = cached_size(cf);
		if (!rc && host < from)
			shrink_to(cf, host);
		stale = is_stale(cf);
		mappable_object_unlock_size(&cf->object, LOCK_SITE);
		if (rc || host <= from)
			return rc;
		rc = stale ? stale_to_limbo(cf) : 0;
		if (!rc)
			rc = grow_to(cf, from, host);
		if (rc != -EAGAIN)
			return rc;
	}
}

static void drop_pages(struct cached_file *cf, const uint32_t *pages, size_t count) MAY_LOCK_ARENA
{
	for (size_t i = 0; i < count; i++)
		memory_file_dec(cf->mf, pages[i]);
}

/* Takes the range in which something is stale or in limbo, and the limbo list. */
static struct mappable_range take_limbo(struct cached_file *cf, struct cached_limbo **limbo)
	MAY_LOCK_DATA
{
	struct mappable_range mr = { 0, 0 };

	*limbo = NULL;
	if (!atomic_load_explicit(&cf->unsettled, memory_order_relaxed))
		return mr;
	mappable_object_lock_size(&cf->object, LOCK_SITE);
	if (is_stale(cf))
		mr = cf->stale;
	*limbo = cf->limbo;
	cf->limbo = NULL;
	if (!is_stale(cf) && !*limbo)
		atomic_store_explicit(&cf->unsettled, false, memory_order_relaxed);
	mappable_object_unlock_size(&cf->object, LOCK_SITE);
	for (struct cached_limbo *l = *limbo; l; l = l->next) {
		if (mr.start == mr.end)
			mr = l->range;
		mr.start = cached_least(mr.start, l->range.start);
		if (mr.end < l->range.end)
			mr.end = l->range.end;
	}
	return mr;
}

/* Steps (i) to (v) for one 2 MiB. Pages that became stale below it wait for another round. */
static void settle_step(struct cached_file *cf, struct mappable_range step) REQUIRES(object_class)
	MAY_LOCK_RMAP
{
	uint32_t pages[CACHED_STEP_PAGES];
	size_t count;

	mappable_object_lock_size(&cf->object, LOCK_SITE);
	count = detach_stale(cf, step, pages);
	mappable_object_unlock_size(&cf->object, LOCK_SITE);
	MM_TEST_POINT(cached_file_detached); /* object */
	mappable_object_invalidate(&cf->object, step,
				   (struct invalidate_opts){ .invalidate_private = true });
	MM_TEST_POINT(cached_file_invalidated); /* object */
	drop_pages(cf, pages, count);
}

void cached_settle(struct cached_file *cf)
{
	struct cached_limbo *limbo;
	struct mappable_range mr = take_limbo(cf, &limbo);

	/* More than one round only if others cut the file again meanwhile. */
	while (mr.start < mr.end) {
		uint64_t next;

		for (uint64_t offset = mr.start; offset < mr.end; offset = next) {
			next = mappable_step_end(offset, mr.end);
			settle_step(cf, (struct mappable_range){ offset, next });
		}
		while (limbo) {
			struct cached_limbo *l = limbo;

			limbo = l->next;
			drop_pages(cf, l->page, l->count);
			free(l);
		}
		mr = take_limbo(cf, &limbo);
	}
}
