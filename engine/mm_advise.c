/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_advise.c - see mm_advise.h: madvise by advice, msync, mincore, mbind. (mlock: space_lock.c,
 * brk: space_brk.c, limits: space_usage.c.)
 *
 * Order and kind of errors are Linux's, which are not the same for any two of these calls: that is
 * why each checks its arguments itself.
 *
 * Locks: `mapping` of the range, so that vmas can be looked at; none while a mappable or an
 * identity is asked for I/O.
 */
#include "engine/mm_advise.h"

#include <errno.h>
#include <string.h>

#include "engine/space_change.h"
#include "engine/space_discard.h"
#include "engine/space_populate.h"
#include "engine/space_range.h"

/* ---- madvise ---- */

static int look_dontfork(const struct space_change *c, const struct vma *v)
{
	return v->dontfork == c->dontfork;
}

static int edit_dontfork(const struct space_change *c, struct vma *v)
{
	v->dontfork = c->dontfork;
	return 0;
}

static int advise_fork(struct mm_space *s, uint64_t start, uint64_t end, bool dontfork) MAY_LOCK_ANY
{
	struct space_change c = { .look = look_dontfork,
				  .edit = edit_dontfork,
				  .dontfork = dontfork,
				  .over_holes = true,
				  .hole_error = -ENOMEM };
	struct range_held held;
	uint32_t dead = 0;
	bool cut = space_range_cut(s, &start, &end);

	if (start == end)
		return cut ? -ENOMEM : 0;
	range_lock_lock(&s->mapping, pages_to_addresses(start, end), &held);
	int rc = space_change(s, start, end, &c, &dead);

	range_lock_unlock(&held);
	vma_free_dead(&s->mm->vma_pool, dead);
	return rc ? rc : cut ? -ENOMEM : 0;
}

static int advise_populate(struct mm_space *s, uint64_t start, uint64_t end, mm_access at)
	MAY_LOCK_ANY
{
	bool cut = space_range_cut(s, &start, &end);
	int rc = space_populate_for(s, at, start, end);

	return rc ? rc : cut ? -ENOMEM : 0;
}

int mm_madvise(struct mm_space *s, uint64_t address, uint64_t length, enum mm_advice advice)
{
	uint64_t start;
	uint64_t end;
	int rc = space_range_pages(address, length, &start, &end);

	if (rc)
		return rc;
	switch (advice) {
	case MM_ADVISE_DONTNEED:
		return space_discard(s, address, length, false);
	case MM_ADVISE_FREE:
		return space_discard(s, address, length, true);
	case MM_ADVISE_DONTFORK:
		return advise_fork(s, start, end, true);
	case MM_ADVISE_DOFORK:
		return advise_fork(s, start, end, false);
	case MM_ADVISE_REMOVE:
		return space_remove(s, address, length);
	case MM_ADVISE_POPULATE_READ:
		return advise_populate(s, start, end, MM_READ);
	case MM_ADVISE_POPULATE_WRITE:
		return advise_populate(s, start, end, MM_WRITE);
	}
	return -EINVAL;
}

/* ---- msync ---- */

/* What a step of msync finds. */
struct sync_step {
	struct mapping_identity *identity; /* referenced, to be synchronised; or NULL */
	struct mappable_range range;
	bool hole;
};

/* Looks at the mapping at `page`, whose end is *after: 0 or -EBUSY. */
static int sync_look(struct mm_space *s, uint64_t page, uint64_t end, bool sync, bool invalidate,
		     uint64_t *after, struct sync_step *step) MAY_LOCK_MAPPING
{
	struct range_held held;
	uint32_t index;
	int rc = 0;

	*step = (struct sync_step){ 0 };
	range_lock_lock(&s->mapping, pages_to_addresses(page, end), &held);
	*after = space_run_end(s, page, end, &index);
	const struct vma *v = vma_at(&s->mm->vma_pool, index);

	if (!index) {
		step->hole = true;
	} else if (invalidate && v->mlock_mode != MLOCK_NONE) {
		rc = -EBUSY;
	} else if (sync && !v->is_private && v->mappable && v->identity) {
		uint64_t first = vma_offset(v, page);

		step->range = (struct mappable_range){ first,
						       first + ((*after - page) << MM_PAGE_SHIFT) };
		step->identity = v->identity;
		mapping_identity_inc_mapped(step->identity);
	}
	range_lock_unlock(&held);
	return rc;
}

int mm_msync(struct mm_space *s, uint64_t address, uint64_t length, bool sync, bool invalidate)
{
	struct sync_step step;
	/* As Linux: a length that overflows by rounding it up is 0. */
	uint64_t bytes = page_round_down(length + MM_PAGE_SIZE - 1);
	uint64_t page = address >> MM_PAGE_SHIFT;
	uint64_t end = page + (bytes >> MM_PAGE_SHIFT);

	if (!page_aligned(address))
		return -EINVAL;
	if (address + bytes < address)
		return -ENOMEM;
	bool hole = space_range_cut(s, &page, &end);

	for (uint64_t after; page < end; page = after) {
		int rc = sync_look(s, page, end, sync, invalidate, &after, &step);

		if (rc)
			return rc;
		hole = hole || step.hole;
		if (!step.identity)
			continue;
		rc = mapping_identity_msync(step.identity, step.range);
		mapping_identity_dec_mapped(step.identity);
		if (rc)
			return rc;
	}
	return hole ? -ENOMEM : 0;
}

/* ---- mincore ---- */

#define MINCORE_CHUNK 4096 /* pages looked at under one hold of `mapping`, as many as in Linux */

/* Fills vec for pages [start, end) of mapping v. */
static void residency(struct mm_space *s, const struct vma *v, uint64_t start, uint64_t end,
		      unsigned char *vec) REQUIRES(mapping_class) MAY_LOCK_DATA
{
	memset(vec, 0, end - start);
	if (v->mappable) {
		uint64_t first = vma_offset(v, start);

		mappable_residency(
			v->mappable,
			(struct mappable_range){ first, first + ((end - start) << MM_PAGE_SHIFT) },
			vec);
	}
	for (uint64_t page = start; page < end;) {
		unsigned level;
		uint64_t word = address_map_peek(&s->map, page, &level);
		uint64_t after = (page & ~(map_span(level) - 1)) + map_span(level);

		for (after = after < end ? after : end; page < after; page++)
			vec[page - start] = (vec[page - start] & 1) | !!(word & ENTRY_PRESENT);
	}
}

int mm_mincore(struct mm_space *s, uint64_t address, uint64_t length, unsigned char *vec)
{
	struct range_held held;
	uint64_t page = address >> MM_PAGE_SHIFT;
	uint64_t limit = s->end_page << MM_PAGE_SHIFT;
	int rc = 0;

	if (!page_aligned(address))
		return -EINVAL;
	if (address > limit || length > limit - address)
		return -ENOMEM;
	uint64_t end = page + ((length + MM_PAGE_SIZE - 1) >> MM_PAGE_SHIFT);

	while (!rc && page < end) {
		uint64_t stop = end - page > MINCORE_CHUNK ? page + MINCORE_CHUNK : end;

		range_lock_lock(&s->mapping, pages_to_addresses(page, stop), &held);
		while (!rc && page < stop) {
			uint32_t index;
			uint64_t after = space_run_end(s, page, stop, &index);

			if (index)
				residency(s, vma_at(&s->mm->vma_pool, index), page, after, vec);
			else
				rc = -ENOMEM;
			vec += after - page;
			page = after;
		}
		range_lock_unlock(&held);
	}
	return rc;
}

/* ---- mbind ---- */

static int look_policy(const struct space_change *c, const struct vma *v)
{
	return v->numa_policy == c->numa_policy && v->numa_nodes == c->numa_nodes;
}

static int edit_policy(const struct space_change *c, struct vma *v)
{
	v->numa_policy = (uint8_t)c->numa_policy;
	v->numa_nodes = c->numa_nodes;
	return 0;
}

/* Changes what of the range is mapped: for the local policy, as in Linux, that need not be all. */
static int bind_range(struct mm_space *s, uint64_t start, uint64_t end, struct space_change *c,
		      bool local, uint32_t *dead) REQUIRES(mapping_class) MAY_LOCK_ENTRY
{
	c->over_holes = c->numa_policy == NUMA_LOCAL;
	if (local)
		c->numa_policy = NUMA_LOCAL;
	if (c->over_holes ? space_next_mapped(s, start, end) == end : space_has_hole(s, start, end))
		return -EFAULT;
	return space_change(s, start, end, c, dead);
}

int mm_mbind(struct mm_space *s, uint64_t address, uint64_t length, enum numa_policy policy,
	     uint64_t nodes)
{
	struct space_change c = { .look = look_policy, .edit = edit_policy, .numa_policy = policy };
	struct range_held held;
	uint64_t existing = s->mm->nodes < 64 ? (UINT64_C(1) << s->mm->nodes) - 1 : UINT64_MAX;
	/* As Linux: a length that overflows by rounding it up is 0. */
	uint64_t bytes = page_round_down(length + MM_PAGE_SIZE - 1);
	uint64_t start = address >> MM_PAGE_SHIFT;
	uint64_t end = start + (bytes >> MM_PAGE_SHIFT);
	uint32_t dead = 0;

	if ((unsigned)policy > NUMA_WEIGHTED || !page_aligned(address) || address + bytes < address)
		return -EINVAL;
	if (!bytes)
		return 0;
	if (policy == NUMA_LOCAL ? nodes != 0 : policy != NUMA_PREFERRED && !nodes)
		return -EINVAL;
	if (nodes && !(nodes & existing))
		return -EINVAL;
	bool local = !nodes; /* to prefer no node is to take the nearest */
	bool cut = space_range_cut(s, &start, &end);

	if (start == end || (cut && policy != NUMA_LOCAL))
		return -EFAULT;
	range_lock_lock(&s->mapping, pages_to_addresses(start, end), &held);
	c.numa_nodes = nodes & existing;
	int rc = bind_range(s, start, end, &c, local, &dead);

	range_lock_unlock(&held);
	vma_free_dead(&s->mm->vma_pool, dead);
	return rc;
}
