/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_range.h - inside of the engine: arguments that name a range, and what is mapped in one.
 *
 * The walks read entries without their locks: which vma an entry names changes only with `mapping`
 * of its range, which the caller holds. So the answers hold as long as that, and so do the vmas.
 */
#pragma once

#include <errno.h>

#include "engine/space.h"

/*
 * Pages of [address, address + length), length rounded up; not cut to the space. 0 with *start ==
 * *end: empty. -EINVAL: unaligned, or beyond 2^64.
 */
static inline MM_MUST_CHECK int space_range_pages(uint64_t address, uint64_t length,
						  uint64_t *start, uint64_t *end)
{
	uint64_t up;

	if (!page_aligned(address) || !page_round_up(length, &up) || address + up < address)
		return -EINVAL;
	*start = address >> MM_PAGE_SHIFT;
	*end = *start + (up >> MM_PAGE_SHIFT);
	return 0;
}

/* Pages beyond the end of the space are a hole: *end becomes what can be mapped. True if cut. */
static inline bool space_range_cut(const struct mm_space *s, uint64_t *start, uint64_t *end)
{
	if (*end <= s->end_page || *start == *end)
		return false;
	*end = s->end_page;
	if (*start > *end)
		*start = *end;
	return true;
}

/* The vma of a page, or 0; all pages before *after share the entry that says so. */
static inline uint32_t space_vma_at(const struct mm_space *s, uint64_t page, uint64_t *after)
{
	unsigned level;
	uint64_t word = address_map_peek(&s->map, page, &level);

	*after = (page & ~(map_span(level) - 1)) + map_span(level);
	return entry_vma(word);
}

/* The first mapped page of [page, end), or end. */
static inline uint64_t space_next_mapped(const struct mm_space *s, uint64_t page, uint64_t end)
{
	uint64_t after;

	while (page < end && !space_vma_at(s, page, &after))
		page = after;
	return page < end ? page : end;
}

/* The end of the run of pages from `page` on, and below end, that have the same vma (or none). */
static inline uint64_t space_run_end(const struct mm_space *s, uint64_t page, uint64_t end,
				     uint32_t *vma)
{
	uint64_t after;

	*vma = space_vma_at(s, page, &after);
	while (after < end) {
		page = after;
		if (space_vma_at(s, page, &after) != *vma)
			return page;
	}
	return end;
}

/* Is a part of [start, end) not mapped? */
static inline bool space_has_hole(const struct mm_space *s, uint64_t start, uint64_t end)
{
	uint64_t after;

	for (; start < end; start = after)
		if (!space_vma_at(s, start, &after))
			return true;
	return false;
}
