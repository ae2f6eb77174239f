/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translation_pieces.h - an answer of translate under construction, for mappables that have pages:
 * pieces that follow each other in offsets, joined where their pages follow each other in a file.
 */
#pragma once

#include "engine/memory_file.h"
#include "engine/translation.h"

struct translation_pieces {
	struct memory_file *mf;
	struct translation *ts;
	size_t max;
	size_t count;
	mm_access perms;
	uint32_t first, last; /* page at the start of the first piece, at the end of the last */
};

/* Does page `next` follow `page` in the same file? Chunks need not be neighbours in a file. */
static inline bool translation_page_follows(uint32_t page, uint32_t next)
{
	return next == page + 1 && next % MEMORY_CHUNK_PAGES != 0;
}

/* Adds offsets that begin where the last piece ends, shown by the run of pages from `page`. False:
 * it would be one piece too many. */
static inline bool translation_pieces_add(struct translation_pieces *p,
					  struct mappable_range source, uint32_t page)
{
	if (p->count > 0 && translation_page_follows(p->last, page)) {
		p->ts[p->count - 1].source.end = source.end;
	} else {
		struct translation *t = &p->ts[p->count];

		if (p->count == p->max)
			return false;
		t->source = source;
		t->file = memory_file_of(p->mf, page, &t->offset);
		t->perms = p->perms;
		if (p->count++ == 0)
			p->first = page;
	}
	p->last = page + (uint32_t)((source.end - source.start) >> MM_PAGE_SHIFT) - 1;
	return true;
}

/* The page at an offset if it may be answered without being asked for, else 0. */
typedef uint32_t (*translation_page_fn)(void *arg, uint64_t offset);

/* Widens the first piece downwards to `start` at most, by runs of pages that end where it begins:
 * each 2^unit_shift bytes of offsets are a run. */
static inline void translation_pieces_down(struct translation_pieces *p, uint64_t start,
					   unsigned unit_shift, translation_page_fn page_at,
					   void *arg)
{
	struct translation *t = &p->ts[0];

	while (p->count > 0 && t->source.start > start) {
		uint64_t end = t->source.start;
		uint64_t unit = (end - 1) >> unit_shift << unit_shift;
		uint32_t page = page_at(arg, end - MM_PAGE_SIZE);

		if (!page || !translation_page_follows(page, p->first))
			return;
		t->source.start = unit < start ? start : unit;
		t->offset -= end - t->source.start;
		p->first -= (uint32_t)((end - t->source.start) >> MM_PAGE_SHIFT);
	}
}

/* The same for the last piece, upwards to `end`. */
static inline void translation_pieces_up(struct translation_pieces *p, uint64_t end,
					 unsigned unit_shift, translation_page_fn page_at,
					 void *arg)
{
	while (p->count > 0 && p->ts[p->count - 1].source.end < end) {
		uint64_t start = p->ts[p->count - 1].source.end;
		uint64_t unit_end = ((start >> unit_shift) + 1) << unit_shift;
		uint32_t page = page_at(arg, start);

		if (!page || !translation_page_follows(p->last, page))
			return;
		(void)translation_pieces_add(
			p, (struct mappable_range){ start, unit_end < end ? unit_end : end }, page);
	}
}
