/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_hold.c - see io_hold.h.
 *
 * A look without a lock decides whether to fault first; what counts is the look under the lock. The
 * loop ends as an application's access does that is retried after each fault: when the page is
 * there, or when a fault says no.
 */
#include "engine/io_hold.h"

/* Is the page of a held word as wanted? */
static bool satisfies(const struct mm_space *s, uint64_t word, struct io_want want)
{
	if (!(word & ENTRY_PRESENT))
		return false;
	const struct vma *v = vma_at(&s->mm->vma_pool, entry_vma(word));
	bool own = (word & (ENTRY_PRIVATE | ENTRY_COPY)) == ENTRY_PRIVATE;

	if (want.own && v->is_private && !own)
		return false;
	if (access_superset_of(entry_access(word), want.at))
		return true;
	return want.force && access_superset_of(v->max_perms, want.at) &&
	       (!(want.at & MM_WRITE) || own);
}

/* How many address pages of h->u, from h->page on and before end, are as wanted. */
static uint64_t count_satisfying(const struct mm_space *s, const struct io_hold *h, uint64_t end,
				 struct io_want want)
{
	uint64_t n = 0;

	if (h->u.page > h->page)
		return 0;
	if (h->u.level) {
		uint64_t stop = map_unit_end(&h->u) < end ? map_unit_end(&h->u) : end;

		return satisfies(s, map_unit_word(&h->u, h->u.first), want) ? stop - h->page : 0;
	}
	while (h->u.first + n <= h->u.last &&
	       satisfies(s, map_unit_word(&h->u, h->u.first + (unsigned)n), want))
		n++;
	return n;
}

bool io_hold_lock(struct mm_space *s, uint64_t page, uint64_t end, struct io_want want,
		  struct io_hold *h)
{
	if (end - page > IO_HOLD_PAGES)
		end = page + IO_HOLD_PAGES;
	struct fault_opts opts = { .force = want.force, .own = want.own };

	h->page = page;
	do {
		uint64_t cursor = page;
		unsigned level;
		int error;

		if (!(address_map_peek(&s->map, page, &level) & ENTRY_PRESENT) ||
		    !address_map_next(&s->map, &cursor, end, MAP_WALK_PRESENT, &h->u, &error))
			continue;
		h->pages = count_satisfying(s, h, end, want);
		if (h->pages)
			return true;
		map_unit_unlock(&s->map, &h->u);
		/* As Linux: a copy makes a stack grow, a pin does not. */
	} while (want.own ? !space_fault_with(s, page << MM_PAGE_SHIFT, want.at, opts)
			  : !space_fault_or_grow(s, page << MM_PAGE_SHIFT, want.at, opts));
	return false;
}

uint32_t io_hold_page(const struct io_hold *h, uint64_t page)
{
	uint64_t in_unit = page - h->u.page;

	if (h->u.level)
		return entry_page(map_unit_word(&h->u, h->u.first)) + (uint32_t)in_unit;
	return entry_page(map_unit_word(&h->u, h->u.first + (unsigned)in_unit));
}

uint64_t io_hold_run(const struct mm_space *s, const struct io_hold *h, uint64_t page,
		     struct file **file, uint64_t *offset)
{
	uint32_t first = io_hold_page(h, page);
	uint64_t most = h->page + h->pages - page;
	uint64_t n = 1;

	/* Chunks need not be neighbours in a file, nor of one file. */
	while (n < most && io_hold_page(h, page + n) == first + n &&
	       (first + n) % MEMORY_CHUNK_PAGES)
		n++;
	*file = memory_file_of(s->mm->memory, first, offset);
	return n;
}
