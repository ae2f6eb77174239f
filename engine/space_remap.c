/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_remap.c - mremap: what is checked, in Linux's order, and which of the modes it comes to.
 *
 * "One mapping" is what Linux keeps in one vma: neighbours that are equal in all but range
 * (vma_continues). Growing, and shrinking into another place, need the whole of the old range to
 * be in one; moving without a change of size takes mappings and gaps as they come, each moved on
 * its own, as Linux does since 6.17; shrinking in place is munmap.
 *
 * The new place of a fixed move is emptied once all that can be known before has been checked; it
 * stays empty if a later step fails, as in Linux.
 *
 * Locks: `mapping`, once: a thread holds one range of it at a time (range_lock.h), so a fixed move
 * takes the hull of both places, and a move to a place yet to be found takes all, as mmap does.
 * Growing in place is tried first, under the range alone.
 */
#include "engine/mm_remap.h"

#include <errno.h>

#include "engine/space_move.h"
#include "engine/space_populate.h"

/* A call, checked as far as it can be without a lock; in pages. */
struct remap {
	struct mm_space *s;
	uint64_t old, old_pages, new_pages;
	enum mremap_mode mode;
	uint64_t new_page; /* of MREMAP_FIXED_MOVE */
	bool all_held; /* all of `mapping`: a place may be searched for */
	bool needs_all; /* the call did nothing, and is to be made again with all_held */
	mm_access perms; /* of what has grown */
	bool is_private;
	bool populates; /* what has grown is to be made resident */
	uint32_t dead;
};

static int check_arguments(struct remap *r, uint64_t old_address, uint64_t old_length,
			   uint64_t new_length, uint64_t new_address)
{
	uint64_t limit = r->s->end_page << MM_PAGE_SHIFT;
	uint64_t old_bytes = 0; /* as in Linux, where rounding up the last page gives 0 */
	uint64_t new_bytes = 0;

	(void)page_round_up(old_length, &old_bytes);
	(void)page_round_up(new_length, &new_bytes);
	if (!page_aligned(old_address) || !new_bytes || new_bytes > limit)
		return -EINVAL;
	r->old = old_address >> MM_PAGE_SHIFT;
	r->old_pages = old_bytes >> MM_PAGE_SHIFT;
	r->new_pages = new_bytes >> MM_PAGE_SHIFT;
	if (r->mode != MREMAP_FIXED_MOVE)
		return r->mode == MREMAP_IN_PLACE || r->mode == MREMAP_MAY_MOVE ? 0 : -EINVAL;
	if (new_address > limit - new_bytes || !page_aligned(new_address))
		return -EINVAL;
	/* Sums wrap around, as Linux's do. */
	if (old_address + old_bytes > new_address && new_address + new_bytes > old_address)
		return -EINVAL;
	r->new_page = new_address >> MM_PAGE_SHIFT;
	return 0;
}

/* The vma of an address page whose `mapping` is held, which pins it; NULL: none. */
static const struct vma *vma_of(const struct mm_space *s, uint64_t page)
{
	unsigned level;
	uint32_t vma = page < s->end_page ? entry_vma(address_map_peek(&s->map, page, &level)) : 0;

	return vma ? vma_at(&s->mm->vma_pool, vma) : NULL;
}

/* The first page at or behind `page` that is mapped, or end. */
static uint64_t next_mapped(const struct mm_space *s, uint64_t page, uint64_t end)
{
	unsigned level;

	while (page < end && !entry_vma(address_map_peek(&s->map, page, &level)))
		page = (page & ~(map_span(level) - 1)) + map_span(level);
	return page < end ? page : end;
}

/* Where the one mapping that `page` is in ends, at most at `end`. */
static uint64_t mapping_end(const struct mm_space *s, uint64_t page, uint64_t end)
{
	struct pool *vmas = &s->mm->vma_pool;
	uint32_t last = 0;

	while (page < end) {
		unsigned level;
		uint32_t vma = entry_vma(address_map_peek(&s->map, page, &level));

		if (!vma ||
		    (last && vma != last && !vma_continues(vma_at(vmas, last), vma_at(vmas, vma))))
			return page;
		last = vma;
		page = (page & ~(map_span(level) - 1)) + map_span(level);
	}
	return end;
}

/* Is what is to be moved, or to grow, one mapping? 0, -EFAULT, -EINVAL. */
static int check_mapping(const struct remap *r, const struct vma *v)
{
	uint64_t needed = r->old_pages < r->new_pages ? r->old_pages : r->new_pages;
	uint64_t end = r->old + needed;

	if (!r->old_pages && v->is_private)
		return -EINVAL;
	return end > r->s->end_page || mapping_end(r->s, r->old, end) < end ? -EFAULT : 0;
}

/* May it grow, too? 0 with the growth charged, -EAGAIN, -ENOMEM, and as check_mapping. */
static int check_growth(struct remap *r, const struct vma *v) REQUIRES(mapping_class)
{
	uint64_t offset = v->mappable ? vma_offset(v, r->old) : 0;
	int rc = check_mapping(r, v);

	if (rc)
		return rc;
	if (offset + (r->new_pages << MM_PAGE_SHIFT) < offset)
		return -EINVAL;
	rc = space_reserve(r->s, v, r->new_pages - r->old_pages);
	if (rc)
		return rc;
	r->perms = v->perms;
	r->is_private = v->is_private;
	r->populates = v->mlock_mode == MLOCK_EAGER;
	return 0;
}

static int unmap_tail(struct remap *r) REQUIRES(mapping_class) MAY_LOCK_RMAP
{
	uint64_t stopped;

	if (r->old_pages > r->s->end_page - r->old)
		return -EINVAL;
	return space_unmap(r->s, r->old + r->new_pages, r->old + r->old_pages, &r->dead, &stopped);
}

/* Grows in place if it can, else into a place that is found. The growth is charged. */
static int grow(struct remap *r, uint64_t *at) REQUIRES(mapping_class) MAY_LOCK_RMAP
{
	struct mm_space *s = r->s;
	uint64_t old_end = r->old + r->old_pages;
	uint64_t new_end = r->old + r->new_pages;
	uint64_t stopped;

	*at = r->old;
	if (new_end <= s->end_page && space_range_is_free(s, old_end, new_end))
		return space_extend(s, old_end, new_end, &r->dead);
	if (r->mode == MREMAP_IN_PLACE)
		return -ENOMEM;
	if (!r->all_held) {
		r->needs_all = true; /* nothing has changed yet */
		return -ENOMEM;
	}
	if (!space_find_gap(s, r->new_pages, r->old, at))
		return -ENOMEM;
	/* Nothing is mapped there, but leaves may be left, which would have to be filled. */
	int rc = space_unmap(s, *at, *at + r->new_pages, &r->dead, &stopped);

	if (rc)
		return rc;
	return space_move(s, r->old, r->old_pages, *at, r->new_pages, &r->dead);
}

/* IN_PLACE and MAY_MOVE. *at: where it is now. */
static int resize(struct remap *r, uint64_t *at) REQUIRES(mapping_class) MAY_LOCK_RMAP
{
	struct mm_space *s = r->s;
	const struct vma *v = vma_of(s, r->old);

	if (!v)
		return -EFAULT;
	*at = r->old;
	if (r->old_pages == r->new_pages)
		return 0;
	if (r->old_pages > r->new_pages)
		return unmap_tail(r);

	int rc = check_growth(r, v);

	if (rc)
		return rc;
	rc = grow(r, at);
	if (rc)
		space_unreserve(s, v, r->new_pages - r->old_pages);
	return rc;
}

/* FIXED, the size stays: each mapping of the old range moves on its own, and gaps stay gaps. */
static int move_all(struct remap *r) REQUIRES(mapping_class) MAY_LOCK_RMAP
{
	struct mm_space *s = r->s;
	uint64_t end = r->old_pages > s->end_page - r->old ? s->end_page : r->old + r->old_pages;
	uint64_t from = r->old;
	int rc = 0;

	if (!vma_of(s, from))
		return -EFAULT;
	while (from < end && !rc) {
		uint64_t pages = mapping_end(s, from, end) - from;
		uint64_t to = r->new_page + (from - r->old);
		uint64_t stopped;

		rc = space_unmap(s, to, to + pages, &r->dead, &stopped);
		if (!rc)
			rc = space_move(s, from, pages, to, pages, &r->dead);
		from = next_mapped(s, from + pages, end);
	}
	return rc;
}

/* Empties the new place and moves what is old there. */
static int move_to(struct remap *r) REQUIRES(mapping_class) MAY_LOCK_RMAP
{
	struct mm_space *s = r->s;
	uint64_t pages = r->old_pages;
	uint64_t stopped;
	int rc = space_unmap(s, r->new_page, r->new_page + r->new_pages, &r->dead, &stopped);

	if (rc)
		return rc;
	/* A copy (old_length 0) onto its own source has just unmapped it. */
	if (!vma_of(s, r->old))
		return -EFAULT;
	if (pages > r->new_pages) {
		rc = unmap_tail(r);
		if (rc)
			return rc;
		pages = r->new_pages;
	}
	return space_move(s, r->old, pages, r->new_page, r->new_pages, &r->dead);
}

/* FIXED, and the size changes, or old_length is 0. */
static int move_resized(struct remap *r) REQUIRES(mapping_class) MAY_LOCK_RMAP
{
	bool grows = r->new_pages > r->old_pages;
	const struct vma *v = vma_of(r->s, r->old);
	int rc;

	if (!v)
		return -EFAULT;
	rc = grows ? check_growth(r, v) : check_mapping(r, v);
	if (rc)
		return rc;
	rc = move_to(r);
	if (rc && grows)
		space_unreserve(r->s, v, r->new_pages - r->old_pages);
	return rc;
}

/* Everything that the call may look at or change, unless it needs all; not empty. */
static struct addr_range hull(const struct remap *r)
{
	uint64_t longer = r->old_pages > r->new_pages ? r->old_pages : r->new_pages;
	uint64_t start = r->old;
	uint64_t end = longer > r->s->end_page - r->old ? r->s->end_page : r->old + longer;

	if (r->mode == MREMAP_FIXED_MOVE) {
		if (r->new_page < start)
			start = r->new_page;
		if (r->new_page + r->new_pages > end)
			end = r->new_page + r->new_pages;
	}
	return pages_to_addresses(start, end);
}

static int remap(struct remap *r, uint64_t *at) MAY_LOCK_MAPPING
{
	struct range_held held;
	int rc;

	range_lock_lock(&r->s->mapping, hull(r), &held);
	if (r->mode == MREMAP_FIXED_MOVE) {
		*at = r->new_page;
		rc = r->old_pages == r->new_pages ? move_all(r) : move_resized(r);
	} else {
		rc = resize(r, at);
	}
	range_lock_unlock(&held);
	if (!r->needs_all)
		return rc;
	r->all_held = true;
	range_lock_all(&r->s->mapping, &held);
	rc = resize(r, at);
	range_lock_unlock(&held);
	return rc;
}

int mm_mremap(struct mm_space *s, uint64_t old_address, uint64_t old_length, uint64_t new_length,
	      enum mremap_mode mode, uint64_t new_address, uint64_t *address)
{
	struct remap r = { .s = s, .mode = mode };
	uint64_t at;
	int rc = check_arguments(&r, old_address, old_length, new_length, new_address);

	if (rc)
		return rc;
	if (r.old >= s->end_page)
		return -EFAULT;
	rc = remap(&r, &at);
	vma_free_dead(&s->mm->vma_pool, r.dead);
	address_map_bound_backlog();
	if (rc)
		return rc;
	if (r.populates) {
		/* A wish, as in Linux: what cannot be made resident now is left to faults. */
		int filled = space_populate(s, r.perms, r.is_private, at + r.old_pages,
					    at + r.new_pages);

		(void)filled;
	}
	*address = at << MM_PAGE_SHIFT;
	return 0;
}
