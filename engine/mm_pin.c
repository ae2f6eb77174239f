/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_pin.c - pins: pages that a device uses while the application goes on.
 *
 * A pinned page is the one that the space maps, and stays it: COW is broken before (the copy would
 * otherwise be made later, and the device would be left with the old page), and fork copies pinned
 * pages at once instead of sharing them. Fork learns of pins under the entry lock under which they
 * are made here: has_pinned first, then the page's own number.
 */
#include <errno.h>

#include "engine/io_hold.h"
#include "engine/mm_io.h"

/* Adds the page to the last run, or begins another. False: there is no room. */
static bool add_page(struct mm_pin *pins, size_t max, size_t *count, uint64_t page, uint32_t number)
{
	struct mm_pin *p = *count ? &pins[*count - 1] : NULL;
	struct addr_range ar = pages_to_addresses(page, page + 1);

	if (p && p->range.end == ar.start &&
	    p->first_page + (addr_range_length(p->range) >> MM_PAGE_SHIFT) == number) {
		p->range.end = ar.end;
		return true;
	}
	if (*count == max)
		return false;
	pins[(*count)++] = (struct mm_pin){ ar, number };
	return true;
}

/* Pins what h holds; returns how many pages. */
static uint64_t pin_held(struct mm_space *s, const struct io_hold *h, mm_access at,
			 struct mm_pin *pins, size_t max, size_t *count) REQUIRES(entry_class)
	MAY_LOCK_BLOCK
{
	struct memory_file *mf = s->mm->memory;
	uint64_t i = 0;

	atomic_store_explicit(&s->has_pinned, true, memory_order_relaxed);
	for (; i < h->pages; i++) {
		uint32_t page = io_hold_page(h, h->page + i);

		if (!add_page(pins, max, count, h->page + i, page))
			break;
		memory_file_pin(mf, page);
		if (at & MM_WRITE)
			memory_file_mark_dirty(mf, page);
	}
	return i;
}

int mm_pin(struct mm_space *s, struct addr_range ar, mm_access at, struct mm_pin *pins, size_t max,
	   size_t *count)
{
	const struct io_want want = { .at = at, .own = true };
	uint64_t page = ar.start >> MM_PAGE_SHIFT;
	uint64_t end = ar.end >> MM_PAGE_SHIFT;

	*count = 0;
	if (ar.start >= ar.end || !addr_range_page_aligned(ar))
		return -EINVAL;
	if (end > s->end_page)
		return -EFAULT;
	while (page < end) {
		struct io_hold h;

		if (!io_hold_lock(s, page, end, want, &h))
			return -EFAULT;
		uint64_t pinned = pin_held(s, &h, at, pins, max, count);

		map_unit_unlock(&s->map, &h.u);
		if (pinned < h.pages)
			return -ENOSPC;
		page += pinned;
	}
	return 0;
}

void mm_unpin(struct mm_space *s, const struct mm_pin *pins, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t pages = addr_range_length(pins[i].range) >> MM_PAGE_SHIFT;

		for (uint32_t j = 0; j < pages; j++)
			memory_file_unpin(s->mm->memory, pins[i].first_page + j);
	}
}
