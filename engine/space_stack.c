/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_stack.c - mappings that grow down: the gap kept below them, and growth on a fault.
 *
 * Growth is no part of a fault, which never takes `mapping`: a fault that found nothing at its
 * address holds nothing any more when the range is extended, and then tries once more. The room
 * below such a mapping is in its reservation from the beginning (vma.start lies below it), so
 * that growth is the publishing of more entries of the same vma.
 *
 * Locks: all of `mapping`, since the mapping to extend may be anywhere above.
 */
#include <errno.h>

#include "engine/space_range.h"

bool space_guard_is_free(const struct mm_space *s, uint64_t end)
{
	uint64_t limit = end + SPACE_GUARD_PAGES < s->end_page ? end + SPACE_GUARD_PAGES
							       : s->end_page;
	uint64_t next = space_next_mapped(s, end, limit);
	uint64_t after;

	return next >= limit ||
	       !vma_at(&s->mm->vma_pool, space_vma_at(s, next, &after))->grows_down;
}

/* Does a mapping that is no stack and can be accessed end less than the gap below page? */
static bool is_too_close(const struct mm_space *s, uint64_t page)
{
	uint64_t from = page > SPACE_GUARD_PAGES ? page - SPACE_GUARD_PAGES : 0;
	uint32_t below = 0;
	uint64_t after;

	for (; from < page; from = after) {
		uint32_t index = space_vma_at(s, from, &after);

		below = index ? index : below;
	}
	if (!below)
		return false;
	const struct vma *v = vma_at(&s->mm->vma_pool, below);

	return !v->grows_down && v->perms;
}

/* Where the mapping that begins at page ends: vmas that continue each other are one mapping to the
 * application. */
static uint64_t mapping_end(const struct mm_space *s, uint64_t page)
{
	const struct pool *vmas = &s->mm->vma_pool;
	const struct vma *last = NULL;

	while (page < s->end_page) {
		uint32_t index;
		uint64_t end = space_run_end(s, page, s->end_page, &index);

		if (!index || (last && !vma_continues(last, vma_at(vmas, index))))
			break;
		last = vma_at(vmas, index);
		page = end;
	}
	return page;
}

/* The vma for pages from `page` on, below a mapping of vma *index: itself while its reservation
 * reaches; counted VMA_BUILDING in any case. 0 or -ENOMEM. */
static int vma_below(struct mm_space *s, uint64_t page, uint64_t top, uint32_t *index)
	REQUIRES(mapping_class) MAY_LOCK_ARENA
{
	struct pool *vmas = &s->mm->vma_pool;

	if (page >= vma_at(vmas, *index)->start) {
		vma_add(vmas, *index, VMA_BUILDING);
		return 0;
	}
	int rc = vma_clone(vmas, *index, index);

	if (rc)
		return rc;
	struct vma *v = vma_at(vmas, *index);

	vma_forget_reservation(v);
	v->start = page > SPACE_STACK_ROOM ? page - SPACE_STACK_ROOM : 0;
	v->end = top;
	return 0;
}

/* Extends the mapping above the unmapped page down to it. All of `mapping` is held. */
static int grow(struct mm_space *s, uint64_t page, uint32_t *dead) REQUIRES(mapping_class)
	MAY_LOCK_RMAP
{
	struct pool *vmas = &s->mm->vma_pool;
	uint64_t top = space_next_mapped(s, page, s->end_page);
	uint64_t stopped;

	if (top == page)
		return 0; /* somebody else was here */
	if (top == s->end_page || is_too_close(s, page))
		return -EFAULT;
	uint32_t index = space_vma_at(s, top, &stopped);
	const struct vma *v = vma_at(vmas, index);

	if (!v->grows_down || mapping_end(s, top) - page > s->usage.limits.stack >> MM_PAGE_SHIFT ||
	    space_reserve(s, v, top - page))
		return -EFAULT;
	int rc = vma_below(s, page, top, &index);

	if (rc)
		goto out;
	rc = space_publish(s, page, top, index, &stopped);
	if (rc)
		space_unpublish(s, index, page, stopped, top, dead);
	vma_drop(vmas, index, VMA_BUILDING, dead);
out:
	if (rc)
		space_unreserve(s, v, top - page);
	return rc;
}

int space_fault_or_grow(struct mm_space *s, uint64_t address, mm_access at, struct fault_opts opts)
{
	struct range_held held;
	uint32_t dead = 0;
	int rc = space_fault_with(s, address, at, opts);

	if (__builtin_expect(rc != -EFAULT, 1) || address >> MM_PAGE_SHIFT >= s->end_page ||
	    !atomic_load_explicit(&s->has_stacks, memory_order_acquire))
		return rc;
	range_lock_all(&s->mapping, &held);
	rc = grow(s, address >> MM_PAGE_SHIFT, &dead);
	range_lock_unlock(&held);
	vma_free_dead(&s->mm->vma_pool, dead);
	return rc ? rc : space_fault_with(s, address, at, opts);
}
