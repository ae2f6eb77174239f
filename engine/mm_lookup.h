/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_lookup.h - the short way of mm_lookup(), inlined, for those who call it once per access: out
 * of line the call costs as much as the look-up.
 */
#pragma once

#include "engine/space.h"

/* What a word of that level says of the page of an address that it permits: which page, and how. */
static inline void mm_lookup_word(uint64_t word, unsigned level, uint64_t address, uint32_t *page,
				  mm_access *perms)
{
	*page = entry_page(word);
	if (word & ENTRY_HUGE)
		*page += (uint32_t)((address >> MM_PAGE_SHIFT) & (map_span(level) - 1));
	*perms = entry_access(word);
}

/* True: as mm_lookup that found the page. False: ask mm_lookup. There is no call in it, so that a
 * caller that ends in one, if this fails, need not save a register. */
static inline bool mm_lookup_quick(const struct mm_space *s, uint64_t address, mm_access at,
				   uint32_t *page, mm_access *perms)
{
	unsigned level;
	uint64_t word;

	/* Nothing at or above end_page was ever mapped: its entries permit nothing. */
	if (!address_map_peek_quick(&s->map, address >> MM_PAGE_SHIFT, &level, &word) ||
	    __builtin_expect(!entry_permits(word, at), 0))
		return false;
	mm_lookup_word(word, level, address, page, perms);
	return true;
}
