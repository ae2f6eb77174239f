/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range.h - half-open ranges [start, end) of bytes, in three spaces that must not be mixed:
 * addr_range (addresses of an application), mappable_range (offsets in a mappable) and
 * file_range (offsets in a host file). Distinct types from one macro (the seed's generated types).
 *
 * well_formed: start <= end. The other functions expect well-formed ranges. All are pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define MM_PAGE_SHIFT 12
#define MM_PAGE_SIZE (UINT64_C(1) << MM_PAGE_SHIFT)
#define MM_HUGE_SHIFT 21
#define MM_HUGE_SIZE (UINT64_C(1) << MM_HUGE_SHIFT)
#define MM_HUGE_PAGES (MM_HUGE_SIZE / MM_PAGE_SIZE)

#define MM_DEFINE_RANGE(name)                                                         \
	struct name {                                                                 \
		uint64_t start;                                                       \
		uint64_t end;                                                         \
	};                                                                            \
	static inline bool name##_well_formed(struct name r)                          \
	{                                                                             \
		return r.start <= r.end;                                              \
	}                                                                             \
	static inline uint64_t name##_length(struct name r)                           \
	{                                                                             \
		return r.end - r.start;                                               \
	}                                                                             \
	static inline bool name##_contains(struct name r, uint64_t x)                 \
	{                                                                             \
		return r.start <= x && x < r.end;                                     \
	}                                                                             \
	static inline bool name##_overlaps(struct name a, struct name b)              \
	{                                                                             \
		return a.start < b.end && b.start < a.end;                            \
	}                                                                             \
	static inline bool name##_superset_of(struct name a, struct name b)           \
	{                                                                             \
		return a.start <= b.start && b.end <= a.end;                          \
	}                                                                             \
	/* Empty, and at the end of a or the start of b, when they do not overlap. */ \
	static inline struct name name##_intersect(struct name a, struct name b)      \
	{                                                                             \
		if (a.start < b.start)                                                \
			a.start = b.start;                                            \
		if (a.end > b.end)                                                    \
			a.end = b.end;                                                \
		if (a.end < a.start)                                                  \
			a.end = a.start;                                              \
		return a;                                                             \
	}                                                                             \
	/* Can x split r in two non-empty parts? */                                   \
	static inline bool name##_can_split_at(struct name r, uint64_t x)             \
	{                                                                             \
		return r.start < x && x < r.end;                                      \
	}                                                                             \
	static inline bool name##_page_aligned(struct name r)                         \
	{                                                                             \
		return !((r.start | r.end) & (MM_PAGE_SIZE - 1));                     \
	}

MM_DEFINE_RANGE(addr_range)
MM_DEFINE_RANGE(mappable_range)
MM_DEFINE_RANGE(file_range)

static inline bool page_aligned(uint64_t x)
{
	return !(x & (MM_PAGE_SIZE - 1));
}

static inline uint64_t page_round_down(uint64_t x)
{
	return x & ~(MM_PAGE_SIZE - 1);
}

/* Rounds up to a page; false, leaving *rounded alone, when that overflows. */
static inline bool page_round_up(uint64_t x, uint64_t *rounded)
{
	uint64_t up = (x + MM_PAGE_SIZE - 1) & ~(MM_PAGE_SIZE - 1);

	if (up < x)
		return false;
	*rounded = up;
	return true;
}
