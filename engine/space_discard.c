/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_discard.c - dropping pages whose mappings stay: MADV_DONTNEED, MADV_FREE, MADV_REMOVE.
 *
 * A discard works on entries, each by itself, so it does not matter how many vmas the range spans:
 * translations go, private copies included, and the next fault finds zeros or what the mappable
 * has. A folded private translation that is covered in part is split first. Faults and other
 * discards of the range run along: it needs no `mapping` as long as it need not look at vmas.
 *
 * REMOVE asks the mappable to punch, which invalidates whoever maps it and hence takes everything
 * from `object` on: `mapping` is dropped before (lock_order rule 5) and an identity reference
 * keeps the mappable; whatever the range has become afterwards is looked at anew.
 *
 * NO_TSA: a body that releases by two calls in a loop is not followed by Clang.
 */
#include "engine/space_discard.h"

#include <errno.h>

#include "engine/space_range.h"
#include "engine/test_points.h"

static void discard_pages(struct mm_space *s, uint64_t start, uint64_t end) MAY_LOCK_ENTRY NO_TSA
{
	struct map_unit u;
	struct unit_drop d;
	uint64_t cursor = start;
	int error;

	for (;;) {
		uint64_t before = cursor;

		/* Never fails: what is not present is not expanded. */
		if (!address_map_next(&s->map, &cursor, end, MAP_WALK_PRESENT, &u, &error))
			return;
		if (unit_is_partial(&u, start, end)) {
			unit_split(s, &u, start, end);
			cursor = before;
			continue;
		}
		unit_take(s, &u, true, false, &d);
		map_unit_unlock(&s->map, &u);
		unit_drop_pages(s, &d);
	}
}

/* The first page of [start, end) whose mapping refuses the advice, or end. */
static uint64_t first_refusal(struct mm_space *s, uint64_t start, uint64_t end, bool anonymous_only)
	REQUIRES(mapping_class)
{
	uint64_t after;

	for (uint64_t page = start; page < end; page = after) {
		uint32_t index = space_vma_at(s, page, &after);
		const struct vma *v = vma_at(&s->mm->vma_pool, index);

		if (index && (v->mlock_mode != MLOCK_NONE ||
			      (anonymous_only && (v->mappable || !v->is_private))))
			return page > start ? page : start;
	}
	return end;
}

int space_discard(struct mm_space *s, uint64_t address, uint64_t length, bool anonymous_only)
{
	struct range_held held;
	uint64_t start;
	uint64_t end;
	int rc = space_range_pages(address, length, &start, &end);

	if (rc || start == end)
		return rc;
	bool hole = space_range_cut(s, &start, &end);

	if (start == end)
		return -ENOMEM;
	/*
	 * Most spaces lock nothing. A lock that is being made at this moment may come after this
	 * call, as if it had been made later.
	 */
	if (!anonymous_only && !atomic_load_explicit(&s->locks_memory, memory_order_acquire)) {
		discard_pages(s, start, end);
		return hole || space_has_hole(s, start, end) ? -ENOMEM : 0;
	}
	range_lock_lock(&s->mapping, pages_to_addresses(start, end), &held);
	uint64_t stop = first_refusal(s, start, end, anonymous_only);

	discard_pages(s, start, stop);
	hole = hole || space_has_hole(s, start, end);
	range_lock_unlock(&held);
	return stop < end ? -EINVAL : hole ? -ENOMEM : 0;
}

int mm_discard(struct mm_space *s, uint64_t address, uint64_t length)
{
	return space_discard(s, address, length, false);
}

/* ---- MADV_REMOVE ---- */

/* Something of a mappable that is to be punched. */
struct piece {
	struct mappable *mappable;
	struct mapping_identity *identity; /* referenced; or NULL */
	struct mappable_range range;
};

/* Finds the mapping at `page` and what it shows of its mappable; its end is *after. 0, 1: nothing
 * is mapped there, or why it cannot be punched. */
static int find_piece(struct mm_space *s, uint64_t page, uint64_t end, uint64_t *after,
		      struct piece *p) MAY_LOCK_MAPPING
{
	struct range_held held;
	uint32_t index;
	int rc = 0;

	range_lock_lock(&s->mapping, pages_to_addresses(page, end), &held);
	*after = space_run_end(s, page, end, &index);
	const struct vma *v = vma_at(&s->mm->vma_pool, index);

	if (!index) {
		rc = 1;
	} else if (v->mlock_mode != MLOCK_NONE || !v->mappable) {
		rc = -EINVAL;
	} else if (!vma_writable(v)) {
		rc = -EACCES;
	} else {
		uint64_t first = vma_offset(v, page);

		*p = (struct piece){ v->mappable,
				     v->identity,
				     { first, first + ((*after - page) << MM_PAGE_SHIFT) } };
		if (p->identity)
			mapping_identity_inc_mapped(p->identity);
	}
	range_lock_unlock(&held);
	return rc;
}

int space_remove(struct mm_space *s, uint64_t address, uint64_t length)
{
	struct piece p;
	uint64_t page;
	uint64_t end;
	int rc = space_range_pages(address, length, &page, &end);

	if (rc || page == end)
		return rc;
	bool hole = space_range_cut(s, &page, &end);

	for (uint64_t after; page < end; page = after) {
		rc = find_piece(s, page, end, &after, &p);
		if (rc < 0)
			return rc;
		if (rc) {
			hole = true;
			continue;
		}
		MM_TEST_POINT(space_remove_unlocked); /* nothing held; an identity reference */
		rc = mappable_punch(p.mappable, p.range);
		if (p.identity)
			mapping_identity_dec_mapped(p.identity);
		if (rc)
			return rc;
	}
	return hole ? -ENOMEM : 0;
}
