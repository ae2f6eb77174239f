/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cached_private.h - inside the cached host file: its slots, and what its parts ask of each other.
 *
 * A slot of the offset map is one 4 KiB page:
 *   0            not cached
 *   CACHED_BUSY  somebody fills it; who needs it waits on its shard's `waiters`
 *   page         cached, clean
 *   page | DIRTY cached, to be written back
 * Slots change under `data` of their offset; pages leave them under `data` only, and a busy slot is
 * changed by its filler only. A shard's `generation` counts what makes a fill that is under way
 * there worthless. What concerns the size is guarded by the size's part of `data`; the size itself
 * is changed with `data` of the pages held as well for which it makes a difference.
 *
 * Stale pages are those beyond the end after the size fell: they may still be in their slots,
 * inside [stale.start, stale.end), but offsets there cannot be translated until they have been
 * taken out. They are taken out by the holder of `object`, or, when the size grows again before,
 * by a translate, which may not invalidate: it leaves them in `limbo` for the holder of `object`.
 */
#pragma once

#include "engine/cached_file.h"
#include "engine/mappable_object.h"
#include "engine/offset_map.h"

#define CACHED_DIRTY UINT32_C(0x80000000) /* page numbers are below 2^31: 8 TiB */
#define CACHED_BUSY CACHED_DIRTY /* dirty, and no page */
#define CACHED_STEP_PAGES ((size_t)MM_HUGE_PAGES)
#define LIMBO_PAGES 1000

/* Counters. */
enum { CACHED_PAGES, DIRTY_PAGES, FILLS, FILLED_PAGES, WRITTEN_BYTES };

struct cached_limbo {
	struct cached_limbo *next;
	struct mappable_range range; /* of the offsets that the pages were at */
	size_t count;
	uint32_t page[LIMBO_PAGES];
};

struct cached_file {
	struct mappable_object object;
	struct memory_file *mf; /* this and the next four: immutable */
	int fd;
	mm_access perms;
	uint64_t fill_bytes;
	uint64_t translate_bytes;

	_Atomic uint64_t size MAPPABLE_CACHE_LINE; /* bytes, as last seen; written under data */
	struct mappable_range stale; /* this and the next two: under data of the size */
	struct cached_limbo *limbo;
	_Atomic bool unsettled; /* something is stale or in limbo; read without a lock */

	struct offset_map pages MAPPABLE_CACHE_LINE;
};

static inline uint32_t cached_slot_page(uint32_t slot)
{
	return slot & ~CACHED_DIRTY;
}

static inline uint64_t cached_least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Offsets below this can be translated in a file of that size. */
static inline uint64_t cached_limit(uint64_t size)
{
	size = cached_least(size, CACHED_FILE_MAX_BYTES);
	return (size + MM_PAGE_SIZE - 1) & ~(MM_PAGE_SIZE - 1);
}

static inline uint64_t cached_size(struct cached_file *cf)
{
	return atomic_load_explicit(&cf->size, memory_order_acquire);
}

/* The slot of offset as it is now. */
static inline uint32_t cached_slot(struct cached_file *cf, uint64_t offset)
{
	_Atomic uint32_t *slot = offset_map_find(&cf->pages, offset);

	return slot ? atomic_load_explicit(slot, memory_order_acquire) : 0;
}

/* ---- cached_size.c ---- */

/* Takes the host's size over, as far as that needs no invalidation. 0, -ENOMEM, -errno. */
MM_MUST_CHECK int cached_follow_size(struct cached_file *cf) MAY_LOCK_DATA;
/* Unmaps and frees what is stale or in limbo. */
void cached_settle(struct cached_file *cf) REQUIRES(object_class) MAY_LOCK_RMAP;
/* Takes the pages of mr (inside one aligned 2 MiB, whose `data` is held) out; how many. */
size_t cached_detach(struct cached_file *cf, struct mappable_range mr,
		     uint32_t pages[CACHED_STEP_PAGES]) REQUIRES(data_class);

/* ---- cached_fill.c ---- */

/* The page at offset, filled if need be, dirty from now on if so asked. 0, -ENOMEM, bus error. */
MM_MUST_CHECK int cached_need_page(struct cached_file *cf, uint64_t offset, bool dirty,
				   uint32_t *page) MAY_LOCK_DATA;

/* ---- cached_write.c ---- */

int cached_punch(struct mappable *m, struct mappable_range mr) MAY_LOCK_OBJECT;
/* As cached_file_write_back; the size was followed. */
MM_MUST_CHECK int cached_write_back(struct cached_file *cf, struct mappable_range mr)
	REQUIRES(object_class) MAY_LOCK_RMAP;
