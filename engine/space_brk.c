/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_brk.c - the heap of brk(2): an anonymous mapping whose end is moved.
 *
 * The break is exact to the byte, what is mapped follows in pages. Each growth is a mapping of its
 * own, which a listing joins with the one before.
 *
 * Locks: all of `mapping`; populating, as everywhere, without.
 */
#include <errno.h>

#include "engine/space_map.h"
#include "engine/space_populate.h"
#include "engine/space_range.h"

static uint64_t page_above(uint64_t address)
{
	return (address + MM_PAGE_SIZE - 1) >> MM_PAGE_SHIFT;
}

int mm_brk_setup(struct mm_space *s, uint64_t address)
{
	struct range_held held;
	uint64_t stopped;
	uint32_t dead = 0;
	int rc = 0;

	if (address > s->end_page << MM_PAGE_SHIFT)
		return -EINVAL;
	range_lock_all(&s->mapping, &held);
	uint64_t start = page_above(s->heap.start);
	uint64_t end = page_above(s->heap.end);

	if (start < end)
		rc = space_unmap(s, start, end, &dead, &stopped);
	if (!rc)
		s->heap = (struct addr_range){ address, address };
	range_lock_unlock(&held);
	vma_free_dead(&s->mm->vma_pool, dead);
	return rc;
}

/* Pages [start, end) become heap. As Linux, one page behind them stays free as well. */
static int grow(struct mm_space *s, uint64_t start, uint64_t end, enum mlock_mode *mode,
		uint32_t *dead) REQUIRES(mapping_class) MAY_LOCK_RMAP
{
	const struct mmap_opts heap = { .length = (end - start) << MM_PAGE_SHIFT,
					.address = start << MM_PAGE_SHIFT,
					.fixed = true,
					.no_replace = true,
					.perms = MM_READ | MM_WRITE,
					.max_perms = MM_ANY_ACCESS,
					.is_private = true,
					.name = "[heap]" };
	uint64_t behind = end + 1 < s->end_page ? end + 1 : s->end_page;

	if (end > s->end_page || space_next_mapped(s, start, behind) < behind ||
	    !space_guard_is_free(s, behind))
		return -ENOMEM;
	return space_map_range(s, &heap, start, end, mode, dead);
}

static int move_break(struct mm_space *s, uint64_t address, enum mlock_mode *mode, uint32_t *dead)
	REQUIRES(mapping_class) MAY_LOCK_RMAP
{
	uint64_t old = page_above(s->heap.end);
	uint64_t stopped;
	int rc = 0;

	if (address < s->heap.start)
		return -EINVAL;
	if (address - s->heap.start > s->usage.limits.data || address > s->end_page
										<< MM_PAGE_SHIFT)
		return -ENOMEM;
	uint64_t now = page_above(address);

	if (now > old)
		rc = grow(s, old, now, mode, dead);
	else if (now < old)
		rc = space_next_mapped(s, now, old) < old ? space_unmap(s, now, old, dead, &stopped)
							  : -ENOMEM;
	if (!rc)
		s->heap.end = address;
	return rc;
}

int mm_brk(struct mm_space *s, uint64_t address, uint64_t *now)
{
	struct range_held held;
	enum mlock_mode mode = MLOCK_NONE;
	uint32_t dead = 0;

	range_lock_all(&s->mapping, &held);
	uint64_t old = page_above(s->heap.end);
	int rc = move_break(s, address, &mode, &dead);

	*now = s->heap.end;
	range_lock_unlock(&held);
	vma_free_dead(&s->mm->vma_pool, dead);
	address_map_bound_backlog();
	if (!rc && mode == MLOCK_EAGER) {
		int ignored = space_populate(s, MM_READ | MM_WRITE, true, old, page_above(address));

		(void)ignored; /* as for mmap: faults will tell */
	}
	return rc;
}
