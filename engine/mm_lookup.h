/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_lookup.h - mm_lookup() inlined, for those who call it once per access: out of line the call
 * costs as much as the look-up. Same contract as in mm.h.
 */
#pragma once

#include <errno.h>

#include "engine/space.h"

static inline MM_MUST_CHECK int mm_lookup_inline(const struct mm_space *s, uint64_t address,
						 mm_access at, uint32_t *page, mm_access *perms)
{
	unsigned level;
	uint64_t address_page = address >> MM_PAGE_SHIFT;

	if (__builtin_expect(address_page >= s->end_page, 0))
		return -ENOENT;
	uint64_t word = address_map_peek(&s->map, address_page, &level);

	if (__builtin_expect(!entry_permits(word, at), 0))
		return -ENOENT;
	*page = entry_page(word);
	if (word & ENTRY_HUGE)
		*page += (uint32_t)(address_page % MM_HUGE_PAGES);
	*perms = entry_access(word);
	return 0;
}
