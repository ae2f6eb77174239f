/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cached_fill.c - reading pages of a cached host file (lock_order rule 7).
 *
 * No I/O runs under `data`. The filler marks the absent slots of its fill unit, which lies in one
 * shard, busy under `data`, reads with only its caller's entry held, and publishes under `data`
 * again, if the shard's generation is still the one it began with: a truncate, a punch or another
 * change of the size in between may have made what was read wrong, and then it starts anew. Others
 * who need a busy page wait with nothing held but their own entry. The filler never waits for
 * anyone while slots are busy, except for the host: so nobody waits in a circle.
 *
 * Only the page that is needed must be read. If its neighbours cannot (no memory, an error of the
 * disk) they are left out; if the unit's read fails the needed page is read alone.
 *
 * A waiter reads its bucket's sequence, says that it waits, then reads the slot; the filler changes
 * the slot, then looks whether somebody waits, and then steps the sequence (park.c). Saying and
 * looking are read-modify-writes of one word: the later one sees the earlier, so the waiter sees
 * the slot filled, or the filler the waiter, whose sleep then ends at once. With nobody waiting no
 * line is written that fills of other 2 MiB write.
 *
 * Locks: data, for marking and publishing.
 */
#include <errno.h>
#include <string.h>

#include "engine/cached_private.h"
#include "engine/os_file.h"
#include "engine/park.h"
#include "engine/test_points.h"

/* A fill under way. page[i]: number of the page to fill, 0: not ours; valid[i]: its bytes are. */
struct fill {
	uint64_t start; /* offset of the unit */
	uint64_t end; /* where it ends, or the file does; bytes */
	uint32_t generation;
	size_t count; /* pages in [start, end) */
	size_t need;
	struct mappable_shard *shard; /* this and the next: of start */
	_Atomic uint32_t *slot;
	bool ours[CACHED_STEP_PAGES]; /* marked busy by us */
	bool valid[CACHED_STEP_PAGES];
	uint32_t page[CACHED_STEP_PAGES];
};

static struct mappable_range fill_unit_of(const struct cached_file *cf, const struct fill *f)
{
	return (struct mappable_range){ f->start, f->start + cf->fill_bytes };
}

/* Marks what is absent in the unit of offset. 1: there is something to fill; 0: not any more. */
static int fill_begin(struct cached_file *cf, struct fill *f, uint64_t offset) MAY_LOCK_DATA
{
	uint64_t size;
	int rc = bus_error(ENXIO);

	f->start = offset & ~(cf->fill_bytes - 1);
	f->need = (offset - f->start) >> MM_PAGE_SHIFT;
	f->shard = mappable_object_shard(&cf->object, offset);
	mappable_object_lock_data(&cf->object, fill_unit_of(cf, f), LOCK_SITE);
	size = cached_size(cf);
	if (offset >= cached_limit(size))
		goto out;
	rc = 0;
	if (atomic_load_explicit(&f->slot[f->need], memory_order_relaxed))
		goto out;
	rc = 1;
	f->generation = f->shard->generation;
	f->end = cached_least(f->start + cf->fill_bytes, size);
	f->count = (f->end - f->start + MM_PAGE_SIZE - 1) >> MM_PAGE_SHIFT;
	for (size_t i = 0; i < f->count; i++) {
		f->ours[i] = !atomic_load_explicit(&f->slot[i], memory_order_relaxed);
		f->valid[i] = false;
		f->page[i] = 0;
		if (f->ours[i])
			atomic_store_explicit(&f->slot[i], CACHED_BUSY, memory_order_relaxed);
	}
out:
	mappable_object_unlock_data(&cf->object, fill_unit_of(cf, f), LOCK_SITE);
	return rc;
}

/* Pages for what is ours, in order, so that they are neighbours; if there are too few, one for the
 * needed page and those before. */
static int fill_allocate(struct cached_file *cf, struct fill *f) MAY_LOCK_ARENA
{
	size_t last = f->count;
	int rc = 0;

	for (size_t i = 0; !rc && i < f->count; i++) {
		if (!f->ours[i])
			continue;
		rc = memory_file_alloc(cf->mf, MEMORY_NODE_ANY, &f->page[i]);
		if (rc)
			f->page[i] = 0;
		else
			last = i;
	}
	if (f->page[f->need])
		return 0;
	if (last == f->count)
		return rc;
	f->page[f->need] = f->page[last];
	f->page[last] = 0;
	return 0;
}

/* Reads `count` pages from index, whose memory is one piece. */
static int read_run(struct cached_file *cf, struct fill *f, size_t index, size_t count)
{
	uint64_t offset = f->start + index * MM_PAGE_SIZE;
	uint64_t wanted = cached_least(offset + count * MM_PAGE_SIZE, f->end) - offset;
	size_t done;
	unsigned char *memory = memory_file_memory(cf->mf, f->page[index]);
	int rc = os_file_read(cf->fd, memory, wanted, offset, &done);
	/* With an error a page is there or not; at the end of the file a part is all there is. */
	size_t pages = rc ? done >> MM_PAGE_SHIFT : (done + MM_PAGE_SIZE - 1) >> MM_PAGE_SHIFT;

	/* An earlier try may have left something behind the end. */
	memset(memory + done, 0, count * MM_PAGE_SIZE - done);
	memory_file_mark_dirty_range(cf->mf, f->page[index], (uint32_t)count);
	for (size_t i = 0; i < pages; i++)
		f->valid[index + i] = true;
	return rc;
}

/* Reads what is ours. An error matters only if the needed page has it. */
static int fill_read(struct cached_file *cf, struct fill *f)
{
	size_t run;

	for (size_t i = 0; i < f->count; i += run) {
		for (run = 1; f->page[i] && i + run < f->count; run++)
			if (f->page[i + run] != f->page[i] + run ||
			    f->page[i + run] % MEMORY_CHUNK_PAGES == 0)
				break;
		if (f->page[i])
			(void)read_run(cf, f, i, run); /* the needed page is looked at below */
	}
	if (f->valid[f->need])
		return 0;
	int rc = read_run(cf, f, f->need, 1);

	if (rc)
		return bus_error(errno_of(rc));
	/* No error, and nothing there: others have cut the file. */
	return f->valid[f->need] ? 0 : bus_error(ENXIO);
}

/* Publishes what was read, if that is still right; nothing is busy any more afterwards. */
static void fill_end(struct cached_file *cf, struct fill *f) MAY_LOCK_DATA
{
	int64_t published = 0;
	bool right;

	mappable_object_lock_data(&cf->object, fill_unit_of(cf, f), LOCK_SITE);
	right = f->shard->generation == f->generation;
	for (size_t i = 0; i < f->count; i++) {
		uint32_t page = right && f->valid[i] ? f->page[i] : 0;

		if (!f->ours[i])
			continue;
		if (page)
			refcache_adopt(cf->mf, page);
		atomic_store_explicit(&f->slot[i], page, memory_order_release);
		published += page != 0;
		if (page)
			f->page[i] = 0;
	}
	mappable_object_unlock_data(&cf->object, fill_unit_of(cf, f), LOCK_SITE);

	if (atomic_fetch_add_explicit(&f->shard->waiters, 0, memory_order_acq_rel))
		park_wake(&f->shard->waiters);
	mappable_object_count(&cf->object, CACHED_PAGES, published);
	mappable_object_count(&cf->object, FILLED_PAGES, published);
	for (size_t i = 0; i < f->count; i++)
		if (f->page[i])
			memory_file_dec(cf->mf, f->page[i]);
}

/* Fills the unit of offset, or finds that somebody else has or does. */
static int fill_unit(struct cached_file *cf, uint64_t offset) MAY_LOCK_DATA
{
	struct fill f;
	int rc = offset_map_make(&cf->pages, offset & ~(cf->fill_bytes - 1), &f.slot);

	if (rc)
		return rc;
	rc = fill_begin(cf, &f, offset);
	if (rc <= 0)
		return rc;
	MM_TEST_POINT(cached_file_filling); /* what the caller of translate holds */
	rc = fill_allocate(cf, &f);
	if (!rc) {
		rc = fill_read(cf, &f);
		mappable_object_count(&cf->object, FILLS, 1);
	}
	MM_TEST_POINT(cached_file_filled); /* the same */
	fill_end(cf, &f);
	return rc;
}

/* Waits while the slot at offset is busy. Only the caller's entry is held. */
static void wait_for_fill(struct cached_file *cf, uint64_t offset)
{
	_Atomic uint32_t *waiters = &mappable_object_shard(&cf->object, offset)->waiters;
	struct park_ticket ticket = park_prepare(waiters);

	atomic_fetch_add_explicit(waiters, 1, memory_order_acq_rel);
	MM_TEST_POINT(cached_file_waiting); /* the caller's entry */
	if (cached_slot(cf, offset) == CACHED_BUSY)
		park_wait(ticket);
	atomic_fetch_sub_explicit(waiters, 1, memory_order_relaxed);
}

/* Makes a cached page dirty, unless its slot has changed. */
static void mark_dirty(struct cached_file *cf, uint64_t offset, uint32_t seen) MAY_LOCK_DATA
{
	_Atomic uint32_t *slot = offset_map_find(&cf->pages, offset);
	struct mappable_range one = { offset, offset + MM_PAGE_SIZE };
	bool same;

	mappable_object_lock_data(&cf->object, one, LOCK_SITE);
	same = atomic_load_explicit(slot, memory_order_relaxed) == seen;
	if (same)
		atomic_store_explicit(slot, seen | CACHED_DIRTY, memory_order_release);
	mappable_object_unlock_data(&cf->object, one, LOCK_SITE);
	mappable_object_count(&cf->object, DIRTY_PAGES, same);
}

int cached_need_page(struct cached_file *cf, uint64_t offset, bool dirty, uint32_t *page)
{
	for (;;) {
		uint32_t slot = cached_slot(cf, offset);
		int rc = 0;

		if (slot == CACHED_BUSY) {
			wait_for_fill(cf, offset);
		} else if (!slot) {
			rc = fill_unit(cf, offset);
		} else if (dirty && !(slot & CACHED_DIRTY)) {
			mark_dirty(cf, offset, slot);
		} else {
			*page = cached_slot_page(slot);
			return 0;
		}
		if (rc)
			return rc;
	}
}
