/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared_memory.c - an object of zero pages: an offset map of page numbers under a size.
 *
 * Present pages are found without a lock. A missing one is allocated (and cleared) with no lock of
 * the object held, then published under `data` if the size still admits it and nobody was faster.
 *
 * Why truncate and punch leave no stale page, although translate answers without a lock: the
 * caller of translate holds the entry lock of its page until it has installed the answer. (i)
 * clears the slot by an exchange under `data` before (iii) waits for that entry lock. So either
 * the caller had the lock first: its page is installed when (iii) gets the lock, and is dropped.
 * Or it got the lock after (iii): then it sees the cleared slot and the new size, because the
 * lock orders it after (i). Publishing looks at the size under `data` of its 2 MiB; (i) sets the
 * size first, then takes each such lock in turn and clears what it finds: so a page that was
 * published by the old size is found, and whoever publishes later sees the new one. A page is freed
 * in (v) only, when no entry has it any more and nobody can find it. Slots are cleared 2 MiB at a
 * time, each before its own invalidation; the size is changed before all of them, and `object`
 * keeps it from growing again in between, so that no page is resurrected.
 *
 * Locks: those of mappable_object. Slots are changed under `data` of their offset only; slots that
 * are present are cleared under `object` as well, which therefore pins present pages.
 */
#include "engine/shared_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/inject.h"
#include "engine/mappable_object.h"
#include "engine/offset_map.h"
#include "engine/test_points.h"
#include "engine/translation_pieces.h"

struct shared_memory {
	struct mappable_object object;
	struct memory_file *mf; /* this and the next two: immutable */
	enum page_class cls;
	unsigned unit_shift;
	_Atomic uint32_t seals; /* written under object and all of rmap, a few times at most */

	_Atomic uint64_t size MAPPABLE_CACHE_LINE; /* bytes; written under object */

	struct offset_map units MAPPABLE_CACHE_LINE; /* slots are written under data */
};

enum { RESIDENT_UNITS }; /* counters */

_Static_assert(SHARED_MEMORY_MAX_BYTES >> MM_PAGE_SHIFT == UINT64_C(1) << 3 * OFFSET_MAP_SHIFT,
	       "three levels of 4 KiB pages reach exactly the greatest size");

/* ---- units and sizes ---- */

static struct shared_memory *of_object(struct mappable_object *o)
{
	return (struct shared_memory *)((char *)o - offsetof(struct shared_memory, object));
}

static struct shared_memory *of_mappable(struct mappable *m)
{
	return of_object(mappable_object_of(m));
}

static uint64_t unit_bytes(const struct shared_memory *sm)
{
	return UINT64_C(1) << sm->unit_shift;
}

static uint32_t unit_pages(const struct shared_memory *sm)
{
	return UINT32_C(1) << (sm->unit_shift - MM_PAGE_SHIFT);
}

static uint64_t unit_down(const struct shared_memory *sm, uint64_t offset)
{
	return offset & ~(unit_bytes(sm) - 1);
}

static uint64_t unit_up(const struct shared_memory *sm, uint64_t offset)
{
	return unit_down(sm, offset + unit_bytes(sm) - 1);
}

static struct mappable_range whole_unit(const struct shared_memory *sm, uint64_t offset)
{
	uint64_t start = unit_down(sm, offset);

	return (struct mappable_range){ start, start + unit_bytes(sm) };
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t shared_memory_size(struct shared_memory *sm)
{
	return atomic_load_explicit(&sm->size, memory_order_acquire);
}

/* Offsets below this can be translated. */
static uint64_t size_limit(struct shared_memory *sm)
{
	return unit_up(sm, shared_memory_size(sm));
}

/* ---- translate ---- */

static int allocate_unit(struct shared_memory *sm, uint32_t *first) MAY_LOCK_ARENA
{
	if (sm->cls == PAGE_4K)
		return memory_file_alloc(sm->mf, MEMORY_NODE_ANY, first);
	return memory_file_alloc_huge(sm->mf, MEMORY_NODE_ANY, sm->cls, first);
}

/* Puts a fresh unit at offset, unless another thread has by now. */
static int fill_unit(struct shared_memory *sm, uint64_t offset) MAY_LOCK_DATA
{
	struct mappable_range unit = { offset, offset + MM_PAGE_SIZE };
	_Atomic uint32_t *slot;
	uint32_t fresh;
	bool inside;
	bool absent;
	int rc = offset_map_make(&sm->units, offset, &slot);

	if (rc)
		return rc;
	rc = allocate_unit(sm, &fresh);
	if (rc)
		return rc;

	MM_TEST_POINT(shared_memory_filled); /* what the caller of translate holds */
	mappable_object_lock_data(&sm->object, unit, LOCK_SITE);
	inside = offset < size_limit(sm);
	absent = !atomic_load_explicit(slot, memory_order_relaxed);
	if (inside && absent) {
		refcache_adopt(sm->mf, fresh);
		atomic_store_explicit(slot, fresh, memory_order_release);
	}
	mappable_object_unlock_data(&sm->object, unit, LOCK_SITE);

	if (inside && absent)
		mappable_object_count(&sm->object, RESIDENT_UNITS, 1);
	else
		memory_file_dec_range(sm->mf, fresh, unit_pages(sm));
	return inside ? 0 : bus_error(ENXIO);
}

/* The page at offset, made if absent. */
static int need_page(struct shared_memory *sm, uint64_t offset, uint32_t *page) MAY_LOCK_DATA
{
	while (!(*page = offset_map_page(&sm->units, offset))) {
		int rc = fill_unit(sm, offset);

		if (rc)
			return rc;
		/* Again: a punch may have taken the unit already, or another thread made it. */
	}
	return 0;
}

static uint32_t present_page(void *arg, uint64_t offset)
{
	struct shared_memory *sm = arg;

	return offset_map_page(&sm->units, offset);
}

/*
 * The page at offset, 0 if absent, without a look at the size: what is present is inside, since a
 * truncation detaches what it cuts off. Whoever gets a page from here while one is about to is
 * found by its invalidation (lock_order rule 5), as he would be had he come before it.
 */
static uint32_t page_inside(struct shared_memory *sm, uint64_t offset)
{
	return offset < SHARED_MEMORY_MAX_BYTES ? offset_map_page(&sm->units, offset) : 0;
}

static int shared_translate(struct mappable *m, struct mappable_range required,
			    struct mappable_range optional, mm_access at, struct translation *ts,
			    size_t max, size_t *count) MAY_LOCK_DATA
{
	struct shared_memory *sm = of_mappable(m);
	mm_access perms = MM_ANY_ACCESS;
	uint64_t limit, end, most, next;
	uint32_t page = 0;
	int rc = 0;

	*count = 0;
	if (atomic_load_explicit(&sm->seals, memory_order_acquire) & SHARED_MEMORY_SEAL_WRITE)
		perms &= (mm_access)~MM_WRITE;
	if (!access_superset_of(perms, at))
		return -EACCES;

	if (max &&
	    optional.end - optional.start == MM_PAGE_SIZE) { /* a fault of one page, in brief */
		page = page_inside(sm, required.start);
		if (!page && required.end <= size_limit(sm))
			rc = need_page(sm, required.start, &page);
		if (rc)
			return rc;
	}
	if (page) {
		ts->source = required;
		ts->file = memory_file_of(sm->mf, page, &ts->offset);
		ts->perms = perms;
		*count = 1;
		return 0;
	}
	limit = size_limit(sm);
	end = least(required.end, limit);
	most = least(optional.end, limit);
	struct translation_pieces p = { .mf = sm->mf, .ts = ts, .max = max, .perms = perms };

	for (uint64_t offset = required.start; !rc && offset < end; offset = next) {
		struct mappable_range unit = whole_unit(sm, offset);

		/* All that may be answered of a unit is of one look: a second one might find
		 * it gone, and a part of a hugetlb page is no use to those who show it. */
		unit.start = unit.start > optional.start ? unit.start : optional.start;
		next = unit.end = least(unit.end, most);
		rc = need_page(sm, offset, &page);
		MM_TEST_POINT(shared_memory_found); /* what the caller of translate holds */
		page -= (uint32_t)((offset - unit.start) >> MM_PAGE_SHIFT);
		if (!rc && !translation_pieces_add(&p, unit, page))
			rc = -ENOSPC;
	}
	translation_pieces_down(&p, optional.start, sm->unit_shift, present_page, sm);
	if (!rc)
		translation_pieces_up(&p, most, sm->unit_shift, present_page, sm);
	*count = p.count;
	return !rc && end < required.end ? bus_error(ENXIO) : rc;
}

/* Bit 0 of vec[i]: does the object hold page i of mr? */
static void shared_residency(struct mappable *m, struct mappable_range mr, unsigned char *vec)
{
	struct shared_memory *sm = of_mappable(m);

	for (uint64_t offset = mr.start; offset < mr.end; offset += MM_PAGE_SIZE) {
		bool inside = offset < SHARED_MEMORY_MAX_BYTES;
		bool held = inside && offset_map_page(&sm->units, offset);

		*vec = (unsigned char)((*vec & ~1u) | held);
		vec++;
	}
}

/* ---- mappings ---- */

static int shared_add_mapping(struct mappable *m, struct mapping_space *ms, struct addr_range ar,
			      uint64_t offset, bool writable) MAY_LOCK_RMAP
{
	struct shared_memory *sm = of_mappable(m);
	int rc = mappable_object_add_mapping(m, ms, ar, offset, writable);

	/* Who seals holds all of rmap: either the mapping is seen there, or the seal is here. */
	if (rc || !writable ||
	    !(atomic_load_explicit(&sm->seals, memory_order_relaxed) & SHARED_MEMORY_SEAL_WRITE))
		return rc;
	mappable_object_remove_mapping(m, ms, ar, offset, writable);
	return -EPERM;
}

/* ---- truncate, punch, invalidate: the five steps ---- */

/* Step (i) for the units of mr (inside one aligned 2 MiB): moves them to units[]. */
static size_t detach_units(struct shared_memory *sm, struct mappable_range mr,
			   uint32_t units[OFFSET_MAP_SLOTS]) MAY_LOCK_DATA
{
	size_t slots = (size_t)((mr.end - mr.start) >> sm->unit_shift);
	_Atomic uint32_t *slot;
	size_t count = 0;

	mappable_object_lock_data(&sm->object, mr, LOCK_SITE);
	slot = offset_map_find(&sm->units, mr.start);
	for (size_t i = 0; slot && i < slots; i++) {
		if (!atomic_load_explicit(&slot[i], memory_order_relaxed))
			continue;
		units[count++] = atomic_exchange_explicit(&slot[i], 0, memory_order_acq_rel);
	}
	mappable_object_unlock_data(&sm->object, mr, LOCK_SITE);
	mappable_object_count(&sm->object, RESIDENT_UNITS, -(int64_t)count);
	return count;
}

/* Step (v): drops the object's references, neighbours in one call. */
static void free_units(struct shared_memory *sm, const uint32_t *units, size_t count) MAY_LOCK_ARENA
{
	uint32_t pages = unit_pages(sm);

	for (size_t i = 0, run; i < count; i += run) {
		for (run = 1; i + run < count; run++) {
			if (units[i + run] != units[i] + run * pages ||
			    units[i + run] % MEMORY_CHUNK_PAGES == 0)
				break;
		}
		memory_file_dec_range(sm->mf, units[i], (uint32_t)run * pages);
	}
}

/* Steps (i) to (v) for the units of mr (aligned to units), 2 MiB at a time. */
static void drop_units(struct shared_memory *sm, struct mappable_range mr,
		       struct invalidate_opts opts) REQUIRES(object_class) MAY_LOCK_RMAP
{
	uint32_t units[OFFSET_MAP_SLOTS];
	uint64_t next;

	for (uint64_t offset = mr.start; offset < mr.end; offset = next) {
		size_t count;

		next = mappable_step_end(offset, mr.end);
		count = detach_units(sm, (struct mappable_range){ offset, next }, units);
		MM_TEST_POINT(shared_memory_detached); /* object held */
		mappable_object_invalidate(&sm->object, (struct mappable_range){ offset, next },
					   opts);
		MM_TEST_POINT(shared_memory_invalidated); /* object held */
		free_units(sm, units, count);
	}
}

/* Clears the bytes of mr, which lies in one unit, where that is present. The unit stays: `object`
 * is held. No dirty mark is needed: zeroes leave a clean page clean. */
static void clear_bytes(struct shared_memory *sm, struct mappable_range mr) REQUIRES(object_class)
{
	uint64_t page_start = page_round_down(mr.start);
	uint32_t page;

	if (mr.start >= mr.end)
		return;
	page = offset_map_page(&sm->units, page_start);
	if (page)
		memset(memory_file_memory(sm->mf, page) + (mr.start - page_start), 0,
		       mr.end - mr.start);
}

static void set_size(struct shared_memory *sm, uint64_t size) REQUIRES(object_class)
{
	atomic_store_explicit(&sm->size, size, memory_order_release);
}

int shared_memory_truncate(struct shared_memory *sm, uint64_t new_size_bytes)
{
	uint64_t old_size;
	uint32_t seals;
	int rc = -EPERM;

	if (new_size_bytes > SHARED_MEMORY_MAX_BYTES)
		return -EFBIG;
	mappable_object_lock(&sm->object, LOCK_SITE);
	old_size = shared_memory_size(sm);
	seals = atomic_load_explicit(&sm->seals, memory_order_relaxed);
	if (new_size_bytes > old_size && (seals & SHARED_MEMORY_SEAL_GROW))
		goto out;
	if (new_size_bytes < old_size && (seals & SHARED_MEMORY_SEAL_SHRINK))
		goto out;

	if (new_size_bytes > old_size) {
		/* What was stored through mappings behind the old end does not become data. */
		clear_bytes(sm, (struct mappable_range){ old_size, unit_up(sm, old_size) });
		set_size(sm, new_size_bytes);
	} else if (new_size_bytes < old_size) {
		uint64_t kept = unit_up(sm, new_size_bytes);

		set_size(sm, new_size_bytes);
		clear_bytes(sm, (struct mappable_range){ new_size_bytes, kept });
		drop_units(sm, (struct mappable_range){ kept, unit_up(sm, old_size) },
			   (struct invalidate_opts){ .invalidate_private = true });
	}
	rc = 0;
out:
	mappable_object_unlock(&sm->object, LOCK_SITE);
	return rc;
}

int shared_memory_punch(struct shared_memory *sm, struct mappable_range mr)
{
	int rc = -EPERM;

	if (mr.start >= mr.end)
		return -EINVAL;
	mappable_object_lock(&sm->object, LOCK_SITE);
	if (atomic_load_explicit(&sm->seals, memory_order_relaxed) & SHARED_MEMORY_SEAL_WRITE)
		goto out;

	rc = 0;
	mr.end = least(mr.end, size_limit(sm));
	if (mr.start >= mr.end)
		goto out;
	struct mappable_range whole = { unit_up(sm, mr.start), unit_down(sm, mr.end) };

	if (whole.start > whole.end) { /* within one unit */
		clear_bytes(sm, mr);
		goto out;
	}
	clear_bytes(sm, (struct mappable_range){ mr.start, whole.start });
	clear_bytes(sm, (struct mappable_range){ whole.end, mr.end });
	drop_units(sm, whole, (struct invalidate_opts){ .invalidate_private = false });
out:
	mappable_object_unlock(&sm->object, LOCK_SITE);
	return rc;
}

static int shared_punch(struct mappable *m, struct mappable_range mr) MAY_LOCK_OBJECT
{
	return shared_memory_punch(of_mappable(m), mr);
}

void shared_memory_invalidate(struct shared_memory *sm, struct mappable_range mr,
			      struct invalidate_opts opts)
{
	if (!mappable_range_well_formed(mr) || !mappable_range_page_aligned(mr))
		mm_fail("shared_memory_invalidate: bad range [%#llx, %#llx)",
			(unsigned long long)mr.start, (unsigned long long)mr.end);
	mr.end = least(mr.end, SHARED_MEMORY_MAX_BYTES);
	mappable_object_invalidate(&sm->object, mr, opts);
}

int shared_memory_add_seals(struct shared_memory *sm, unsigned seals)
{
	bool refused;

	if (seals & ~(unsigned)(SHARED_MEMORY_SEAL_SHRINK | SHARED_MEMORY_SEAL_GROW |
				SHARED_MEMORY_SEAL_WRITE))
		return -EINVAL;
	mappable_object_lock(&sm->object, LOCK_SITE);
	mappable_object_lock_rmap(&sm->object, MAPPABLE_ALL, LOCK_SITE);
	refused = seals & SHARED_MEMORY_SEAL_WRITE &&
		  mappable_object_mapping_count(&sm->object, true);
	if (!refused)
		atomic_fetch_or_explicit(&sm->seals, seals, memory_order_release);
	mappable_object_unlock_rmap(&sm->object, MAPPABLE_ALL, LOCK_SITE);
	mappable_object_unlock(&sm->object, LOCK_SITE);
	return refused ? -EBUSY : 0;
}

/* ---- life ---- */

static void free_units_of(const uint32_t *units, size_t count, void *arg) MAY_LOCK_ARENA
{
	free_units(arg, units, count);
}

/* Nobody else has the object any more. */
static void shared_destroy(struct mappable_object *o) MAY_LOCK_OBJECT
{
	struct shared_memory *sm = of_object(o);

	mappable_list_remove(&sm->mf->mappables, &o->mappable);
	mappable_object_release(o);
	offset_map_release(&sm->units, free_units_of, sm);
	free(sm);
}

/* Passes units on as runs of pages. */
struct visit {
	struct shared_memory *sm;
	mappable_pages_fn fn;
	void *arg;
};

static void visit_unit(uint64_t offset, uint32_t first, void *arg)
{
	const struct visit *v = arg;

	v->fn((struct mappable_range){ offset, offset + unit_bytes(v->sm) }, first, v->arg);
}

static void shared_visit_pages(struct mappable *m, mappable_pages_fn fn, void *arg)
{
	struct visit v = { of_mappable(m), fn, arg };

	offset_map_visit(&v.sm->units, visit_unit, &v);
}

static const struct mappable_ops shared_mappable_ops = {
	.add_mapping = shared_add_mapping,
	.remove_mapping = mappable_object_remove_mapping,
	.copy_mapping = mappable_object_copy_mapping,
	.translate = shared_translate,
	/* The memory files keep contents and offsets: every translation can be saved. */
	.invalidate_unsavable = mappable_object_invalidate_nothing,
	.lock_mappings = mappable_object_lock_mappings,
	.unlock_mappings = mappable_object_unlock_mappings,
	.punch = shared_punch,
	.residency = shared_residency,
	.visit_pages = shared_visit_pages,
	.visit_mappings = mappable_object_visit_mappings,
};

static const struct mapping_identity_ops shared_identity_ops = {
	.inc_ref = mappable_object_inc_ref,
	.dec_ref = mappable_object_dec_ref,
	.inc_mapped = mappable_object_inc_mapped,
	.dec_mapped = mappable_object_dec_mapped,
	.mapped_name = mappable_object_mapped_name,
	.device_id = mappable_object_device_id,
	.inode_id = mappable_object_inode_id,
	.msync = mappable_object_msync_nothing,
};

int shared_memory_create(struct memory_file *mf, uint64_t size_bytes, enum page_class cls,
			 const char *name, struct shared_memory **out)
{
	struct shared_memory *sm;
	int rc;

	if ((unsigned)cls > PAGE_2M)
		return -EINVAL;
	if (size_bytes > SHARED_MEMORY_MAX_BYTES)
		return -EFBIG;
	sm = mm_aligned_alloc(_Alignof(struct shared_memory), sizeof(*sm));
	if (!sm)
		return -ENOMEM;
	memset(sm, 0, sizeof(*sm));
	rc = mappable_object_init(&sm->object, &shared_mappable_ops, &shared_identity_ops,
				  shared_destroy, name ? name : "/dev/zero (deleted)");
	if (rc) {
		free(sm);
		return rc;
	}
	sm->mf = mf;
	sm->cls = cls;
	sm->unit_shift = cls == PAGE_4K ? MM_PAGE_SHIFT : MM_HUGE_SHIFT;
	atomic_init(&sm->size, size_bytes);
	offset_map_init(&sm->units, sm->unit_shift);
	mappable_list_add(&mf->mappables, &sm->object.mappable);
	*out = sm;
	return 0;
}

struct mappable *shared_memory_mappable(struct shared_memory *sm)
{
	return &sm->object.mappable;
}

struct mapping_identity *shared_memory_identity(struct shared_memory *sm)
{
	return &sm->object.identity;
}

uint64_t shared_memory_resident_pages(struct shared_memory *sm)
{
	return mappable_object_counted(&sm->object, RESIDENT_UNITS) * unit_pages(sm);
}

uint64_t shared_memory_metadata_bytes(struct shared_memory *sm)
{
	return sizeof(*sm) + mappable_object_stripe_bytes(&sm->object) +
	       atomic_load_explicit(&sm->units.node_bytes, memory_order_relaxed);
}
