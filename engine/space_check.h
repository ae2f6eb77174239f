/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_check.h - inside of the checks: the entries of a space, copied out, so that a breach is
 * reported outside of any RCU section, and the parts that mm_space_check() and mm_check() are
 * made of. Everything here runs at a quiescent point; whatever is wrong ends in mm_fail().
 */
#pragma once

#include <stdlib.h>

#include "engine/fail.h"
#include "engine/space.h"

/* An entry that names a vma. */
struct check_entry {
	uint64_t page; /* first page number of its addresses */
	uint64_t word;
	unsigned level;
};

/* All of a space, ascending. */
struct check_space {
	struct mm_space *s;
	struct check_entry *entries;
	size_t count;
};

/* Room for one more item behind `count` of them; items may move. */
static inline void *check_room(void *items, size_t count, size_t item_size)
{
	if (count >= 16 ? count & (count - 1) : count)
		return items;
	items = realloc(items, (count ? 2 * count : 16) * item_size);
	MM_CHECK(items);
	return items;
}

static inline uint64_t check_entry_end(const struct check_entry *e)
{
	return e->page + map_span(e->level);
}

static inline const struct vma *check_vma(const struct check_space *c, const struct check_entry *e)
{
	return vma_at(&c->s->mm->vma_pool, entry_vma(e->word));
}

/* For messages: the first address of an entry. */
static inline unsigned long long check_address(const struct check_entry *e)
{
	return (unsigned long long)e->page << MM_PAGE_SHIFT;
}

void check_collect(struct mm_space *s, struct check_space *out);
void check_forget(struct check_space *c);
/* The entry that covers an address page, or NULL. */
const struct check_entry *check_find(const struct check_space *c, uint64_t page);

/* space_check.c: each entry against its vma. */
void check_entries(const struct check_space *c);
/* space_check_host.c: what the host shows against the entries. */
void check_host(const struct check_space *c);
/* mm_check_pages.c: the references of every page against those who hold one. */
void check_pages(struct mm *mm, const struct check_space *spaces, size_t count) MAY_LOCK_RMAP;
/* mm_check_mappables.c: reverse maps and translations against the entries. */
void check_mappables(struct mm *mm, const struct check_space *spaces, size_t count) MAY_LOCK_RMAP;
