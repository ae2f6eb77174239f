/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cached_write.c - what a cached host file does to its host file, and giving clean pages back.
 *
 * Write-back. A page may be stored to as long as a writable mapping covers it, and a translate for
 * writing makes it dirty again only when it is asked: so a page is called clean before it is
 * written, and only where no writable mapping is. That is decided under rmap and data together:
 * whoever maps it writable afterwards has to add the mapping first, so its translate comes later
 * and marks the page anew; a mapping that is not there any more has taken its entries with it
 * (lock_order rule 3). `object` keeps size and pages while the file is written, with no other lock.
 *
 * Reclaim goes by the same token: a page without any mapping is in nobody's hands, so it can be
 * taken out of its slot and freed without invalidating.
 *
 * Punch follows rule 5, 2 MiB at a time; the host file is punched first, so that a fill in between
 * reads zeros, or is thrown away by the generation.
 *
 * Locks: object > rmap > data, the last two of the 2 MiB in question.
 */
#include <errno.h>

#include "engine/cached_private.h"
#include "engine/memory_chunk.h"
#include "engine/os_file.h"
#include "engine/test_points.h"

/* What a walk over the mappings of 2 MiB of offsets finds: bit i for page i of it. */
struct cover {
	uint64_t start;
	bool writable_only;
	struct memory_bits pages;
};

static void note_cover(struct mappable_range mr, struct mapping_space *ms, struct addr_range ar,
		       bool writable, void *arg)
{
	struct cover *c = arg;

	(void)ms, (void)ar;
	if (writable || !c->writable_only)
		memory_bits_set_run(&c->pages, (unsigned)((mr.start - c->start) >> MM_PAGE_SHIFT),
				    (unsigned)((mr.end - mr.start) >> MM_PAGE_SHIFT));
}

static void find_cover(struct cached_file *cf, struct mappable_range mr, bool writable_only,
		       struct cover *c) REQUIRES(rmap_class)
{
	*c = (struct cover){ .start = mr.start, .writable_only = writable_only };
	mappable_object_visit_range(&cf->object, mr, note_cover, c);
}

/* ---- write-back ---- */

/* Pages of one 2 MiB to be written: page[i] is that at start + i pages, 0: none. */
struct batch {
	uint64_t start;
	size_t count;
	bool cleaned[CACHED_STEP_PAGES];
	uint32_t page[CACHED_STEP_PAGES];
};

/* Collects what is dirty in mr, and calls clean what nobody can store to. False: nothing. */
static bool batch_collect(struct cached_file *cf, struct mappable_range mr, struct batch *b)
	MAY_LOCK_RMAP
{
	_Atomic uint32_t *slot = offset_map_find(&cf->pages, mr.start);
	int64_t cleaned = 0;
	bool any = false;
	struct cover c;

	if (!slot)
		return false;
	b->start = mr.start;
	b->count = (size_t)((mr.end - mr.start) >> MM_PAGE_SHIFT);
	mappable_object_lock_rmap(&cf->object, mr, LOCK_SITE);
	find_cover(cf, mr, true, &c);
	mappable_object_lock_data(&cf->object, mr, LOCK_SITE);
	for (size_t i = 0; i < b->count; i++) {
		uint32_t word = atomic_load_explicit(&slot[i], memory_order_relaxed);

		b->page[i] = word & CACHED_DIRTY ? cached_slot_page(word) : 0;
		b->cleaned[i] = b->page[i] && !memory_bits_test(&c.pages, (unsigned)i);
		any |= b->page[i] != 0;
		if (!b->cleaned[i])
			continue;
		atomic_store_explicit(&slot[i], b->page[i], memory_order_relaxed);
		cleaned++;
	}
	mappable_object_unlock_data(&cf->object, mr, LOCK_SITE);
	mappable_object_unlock_rmap(&cf->object, mr, LOCK_SITE);
	mappable_object_count(&cf->object, DIRTY_PAGES, -cleaned);
	return any;
}

/* What was not written, from page `from` of the batch on, is dirty still. */
static void batch_put_back(struct cached_file *cf, const struct batch *b, size_t from) MAY_LOCK_DATA
{
	_Atomic uint32_t *slot = offset_map_find(&cf->pages, b->start);
	struct mappable_range mr = { b->start, b->start + b->count * MM_PAGE_SIZE };
	int64_t again = 0;

	mappable_object_lock_data(&cf->object, mr, LOCK_SITE);
	for (size_t i = from; i < b->count; i++) {
		uint32_t word = atomic_load_explicit(&slot[i], memory_order_relaxed);

		if (!b->cleaned[i] || word != b->page[i])
			continue; /* never called clean, dirty again, or cut off */
		atomic_store_explicit(&slot[i], word | CACHED_DIRTY, memory_order_relaxed);
		again++;
	}
	mappable_object_unlock_data(&cf->object, mr, LOCK_SITE);
	mappable_object_count(&cf->object, DIRTY_PAGES, again);
}

/* Writes the batch as far as the file goes; *index: the first page that was not written. */
static int batch_write(struct cached_file *cf, const struct batch *b, size_t *index)
{
	uint64_t end = cached_size(cf);
	uint64_t host;
	size_t run;
	int rc = os_file_size(cf->fd, &host);

	*index = 0;
	end = cached_least(end, host);
	for (size_t i = 0; !rc && i < b->count; i += run) {
		uint64_t offset = b->start + i * MM_PAGE_SIZE;
		size_t done;

		for (run = 1; b->page[i] && i + run < b->count; run++)
			if (b->page[i + run] != b->page[i] + run ||
			    b->page[i + run] % MEMORY_CHUNK_PAGES == 0)
				break;
		*index = i;
		if (!b->page[i] || offset >= end)
			continue;
		rc = os_file_write(cf->fd, memory_file_memory(cf->mf, b->page[i]),
				   cached_least(offset + run * MM_PAGE_SIZE, end) - offset, offset,
				   &done);
		mappable_object_count(&cf->object, WRITTEN_BYTES, (int64_t)done);
		*index = i + (done >> MM_PAGE_SHIFT);
	}
	return rc;
}

int cached_write_back(struct cached_file *cf, struct mappable_range mr)
{
	uint64_t next;
	int rc = 0;

	mr.end = cached_least(mr.end, cached_limit(cached_size(cf)));
	for (uint64_t offset = mr.start; !rc && offset < mr.end; offset = next) {
		struct batch b;
		size_t index;

		next = mappable_step_end(offset, mr.end);
		if (!batch_collect(cf, (struct mappable_range){ offset, next }, &b))
			continue;
		MM_TEST_POINT(cached_file_collected); /* object */
		rc = batch_write(cf, &b, &index);
		if (rc)
			batch_put_back(cf, &b, index);
	}
	return rc;
}

int cached_file_write_back(struct cached_file *cf, struct mappable_range mr)
{
	int rc;

	if (!mappable_range_well_formed(mr) || !mappable_range_page_aligned(mr))
		return -EINVAL;
	mappable_object_lock(&cf->object, LOCK_SITE);
	rc = cached_follow_size(cf);
	cached_settle(cf);
	if (!rc)
		rc = cached_write_back(cf, mr);
	mappable_object_unlock(&cf->object, LOCK_SITE);
	return rc;
}

/* ---- reclaim ---- */

/* Takes up to `most` clean pages out of mr where nothing is mapped. */
static size_t take_clean(struct cached_file *cf, struct mappable_range mr, uint64_t most,
			 uint32_t pages[CACHED_STEP_PAGES]) MAY_LOCK_RMAP
{
	_Atomic uint32_t *slot = offset_map_find(&cf->pages, mr.start);
	size_t slots = (size_t)((mr.end - mr.start) >> MM_PAGE_SHIFT);
	size_t count = 0;
	struct cover c;

	if (!slot)
		return 0;
	mappable_object_lock_rmap(&cf->object, mr, LOCK_SITE);
	find_cover(cf, mr, false, &c);
	mappable_object_lock_data(&cf->object, mr, LOCK_SITE);
	for (size_t i = 0; i < slots && count < most; i++) {
		uint32_t word = atomic_load_explicit(&slot[i], memory_order_relaxed);

		if (!word || word & CACHED_DIRTY || memory_bits_test(&c.pages, (unsigned)i))
			continue;
		pages[count++] = word;
		atomic_store_explicit(&slot[i], 0, memory_order_relaxed);
	}
	mappable_object_unlock_data(&cf->object, mr, LOCK_SITE);
	mappable_object_unlock_rmap(&cf->object, mr, LOCK_SITE);
	mappable_object_count(&cf->object, CACHED_PAGES, -(int64_t)count);
	return count;
}

uint64_t cached_file_reclaim(struct cached_file *cf, uint64_t max_pages)
{
	uint32_t pages[CACHED_STEP_PAGES];
	uint64_t dropped = 0;
	uint64_t end, next;

	mappable_object_lock(&cf->object, LOCK_SITE);
	cached_settle(cf);
	end = cached_limit(cached_size(cf));
	for (uint64_t offset = 0; offset < end && dropped < max_pages; offset = next) {
		size_t count;

		next = mappable_step_end(offset, end);
		count = take_clean(cf, (struct mappable_range){ offset, next }, max_pages - dropped,
				   pages);
		for (size_t i = 0; i < count; i++)
			memory_file_dec(cf->mf, pages[i]);
		dropped += count;
	}
	mappable_object_unlock(&cf->object, LOCK_SITE);
	return dropped;
}

/* ---- truncate and punch ---- */

int cached_file_truncate(struct cached_file *cf, uint64_t new_size_bytes)
{
	int rc;

	if (!(cf->perms & MM_WRITE))
		return -EINVAL;
	mappable_object_lock(&cf->object, LOCK_SITE);
	/* What others did first, so that the change is ours alone and needs no memory. */
	rc = cached_follow_size(cf);
	cached_settle(cf);
	if (!rc)
		rc = os_file_resize(cf->fd, new_size_bytes);
	MM_TEST_POINT(cached_file_resized); /* object */
	if (!rc)
		rc = cached_follow_size(cf);
	cached_settle(cf);
	mappable_object_unlock(&cf->object, LOCK_SITE);
	return rc;
}

int cached_file_refresh(struct cached_file *cf)
{
	int rc;

	mappable_object_lock(&cf->object, LOCK_SITE);
	rc = cached_follow_size(cf);
	cached_settle(cf);
	mappable_object_unlock(&cf->object, LOCK_SITE);
	return rc;
}

static void punch_step(struct cached_file *cf, struct mappable_range step) REQUIRES(object_class)
	MAY_LOCK_RMAP
{
	uint32_t pages[CACHED_STEP_PAGES];
	size_t count;

	mappable_object_lock_data(&cf->object, step, LOCK_SITE);
	mappable_object_shard(&cf->object, step.start)->generation++;
	count = cached_detach(cf, step, pages);
	mappable_object_unlock_data(&cf->object, step, LOCK_SITE);
	MM_TEST_POINT(cached_file_detached); /* object */
	mappable_object_invalidate(&cf->object, step,
				   (struct invalidate_opts){ .invalidate_private = false });
	for (size_t i = 0; i < count; i++)
		memory_file_dec(cf->mf, pages[i]);
}

int cached_punch(struct mappable *m, struct mappable_range mr)
{
	struct cached_file *cf = (struct cached_file *)mappable_object_of(m);
	uint64_t next;
	int rc;

	if (mr.start >= mr.end || !mappable_range_page_aligned(mr))
		return -EINVAL;
	if (!(cf->perms & MM_WRITE))
		return -EPERM;
	mappable_object_lock(&cf->object, LOCK_SITE);
	rc = cached_follow_size(cf);
	cached_settle(cf);
	mr.end = cached_least(mr.end, cached_limit(cached_size(cf)));
	if (!rc && mr.start < mr.end)
		rc = os_file_punch(cf->fd, mr.start, mr.end - mr.start);
	for (uint64_t offset = mr.start; !rc && offset < mr.end; offset = next) {
		next = mappable_step_end(offset, mr.end);
		punch_step(cf, (struct mappable_range){ offset, next });
	}
	mappable_object_unlock(&cf->object, LOCK_SITE);
	return rc;
}
