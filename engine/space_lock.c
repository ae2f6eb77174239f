/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_lock.c - mlock, mlockall and what undoes them.
 *
 * Nothing is asked of the host: a locked mapping is one that counts against the limit, that
 * MADV_DONTNEED, MADV_REMOVE and MS_INVALIDATE refuse, and that is populated (eager). The limit
 * is charged for the whole range before the first mapping changes; what was locked already, is not
 * mapped or was not reached is given back.
 *
 * Locks: `mapping` of the range, or all of it; population holds none.
 */
#include <errno.h>

#include "engine/space_change.h"
#include "engine/space_populate.h"
#include "engine/space_range.h"

static int look_mode(const struct space_change *c, const struct vma *v)
{
	return v->mlock_mode == c->mlock_mode;
}

static int edit_mode(const struct space_change *c, struct vma *v)
{
	v->mlock_mode = (uint8_t)c->mlock_mode;
	return 0;
}

/* Asks the limit for `pages` pages, but for those that are locked already. 0 or -ENOMEM. */
static int charge(struct mm_space *s, uint64_t start, uint64_t end, uint64_t pages,
		  struct space_change *c) REQUIRES(mapping_class)
{
	if (c->mlock_mode == MLOCK_NONE)
		return 0;
	atomic_store_explicit(&s->locks_memory, true, memory_order_release);
	if (!s->usage.counting)
		return 0;
	uint64_t locked = space_count(s, start, end).locked;
	struct space_pages more = { .locked = pages - locked };

	if (space_charge(s, more, (struct space_pages){ 0 }))
		return -ENOMEM;
	c->reserved = more;
	return 0;
}

/* What Linux makes of an error of population. */
static int populate_error(int rc)
{
	if (!rc)
		return 0;
	return rc == -ENOMEM ? -EAGAIN : -ENOMEM;
}

int mm_mlock(struct mm_space *s, uint64_t address, uint64_t length, enum mlock_mode mode)
{
	struct space_change c = {
		.look = look_mode, .edit = edit_mode, .mlock_mode = mode, .hole_error = -ENOMEM
	};
	struct range_held held;
	uint32_t dead = 0;
	uint64_t start = page_round_down(address);
	/* As Linux: a length that overflows by the rounding is 0. */
	uint64_t bytes = page_round_down(length + (address - start) + MM_PAGE_SIZE - 1);
	uint64_t first = start >> MM_PAGE_SHIFT;
	uint64_t end = first + (bytes >> MM_PAGE_SHIFT);
	bool wraps = start + bytes < start;
	int rc = 0;

	if ((unsigned)mode > MLOCK_LAZY)
		return -EINVAL;
	bool cut = space_range_cut(s, &first, &end);

	if (first < end)
		range_lock_lock(&s->mapping, pages_to_addresses(first, end), &held);
	else
		range_lock_all(&s->mapping, &held);
	if (mode != MLOCK_NONE && !space_may_lock(s))
		rc = -EPERM;
	else
		rc = charge(s, first, end, bytes >> MM_PAGE_SHIFT, &c);
	if (!rc && wraps)
		rc = -EINVAL;
	if (rc)
		space_uncharge(s, c.reserved);
	else
		rc = space_change(s, first, end, &c, &dead);
	if (!rc && cut)
		rc = -ENOMEM;
	range_lock_unlock(&held);
	vma_free_dead(&s->mm->vma_pool, dead);
	if (rc || mode != MLOCK_EAGER)
		return rc;
	return populate_error(space_populate_locked(s, first, end, false));
}

int mm_mlockall(struct mm_space *s, bool current, bool future, enum mlock_mode mode)
{
	struct space_change c = {
		.look = look_mode, .edit = edit_mode, .mlock_mode = mode, .over_holes = true
	};
	struct range_held held;
	uint32_t dead = 0;
	int rc = 0;

	if ((!current && !future) || (unsigned)mode > MLOCK_LAZY)
		return -EINVAL;
	range_lock_all(&s->mapping, &held);
	if (mode != MLOCK_NONE && !space_may_lock(s))
		rc = -EPERM;
	if (!rc && current)
		rc = charge(s, 0, s->end_page, atomic_load(&s->usage.address_space), &c);
	if (!rc && current) {
		int ignored = space_change(s, 0, s->end_page, &c, &dead);

		(void)ignored; /* as Linux: what cannot get a vma of its own stays as it is */
	}
	if (!rc) {
		s->mlock_default = (uint8_t)(future ? mode : MLOCK_NONE);
		if (mode != MLOCK_NONE)
			atomic_store_explicit(&s->locks_memory, true, memory_order_release);
	}
	range_lock_unlock(&held);
	vma_free_dead(&s->mm->vma_pool, dead);
	if (!rc && current && mode == MLOCK_EAGER) {
		int ignored = space_populate_locked(s, 0, s->end_page, true);

		(void)ignored; /* as Linux */
	}
	return rc;
}
