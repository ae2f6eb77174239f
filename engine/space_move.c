/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_move.c - see space_move.h.
 *
 * Order of a move (lock_order rule 4): both places are expanded alike, so that memory is asked for
 * before anything changes; copy_mapping tells the mappable of the new place; then, piece by piece
 * (2 MiB of entries at most), under the mappable's `rmap` lock and both entry holds, the words
 * move; then remove_mapping of the old place. Both places are registered all the while, and `rmap`
 * keeps an invalidation, which visits one after the other, from seeing the new place before the
 * move and the old one after it. A fault waits for the entry and finds the vma or its absence.
 *
 * Pages keep their numbers; the reservation, which is addressed by the old place, is left behind:
 * the new vma makes its own for pages yet to come. The host shows nothing at the new place until
 * it faults. A 2 MiB translation moves whole, its deposited node staying with the block, if both
 * places are multiples of 2 MiB; else it is split first.
 *
 * NO_TSA: bodies that lock in loops, or hold `rmap` only if there is a mappable, are not followed
 * by Clang; their contracts stand on the declarations.
 */
#include "engine/space_move.h"

#include <errno.h>

#include "engine/fail.h"
#include "engine/map_pair.h"
#include "engine/test_points.h"

/* The vma for what stands at address page `at` of v's mapping, or would, once it is at [start,
 * end): a copy of v that shows the same offsets there. 0 or -ENOMEM. */
static int clone_for(struct mm_space *s, const struct vma *v, uint64_t at, uint64_t start,
		     uint64_t end, uint32_t *out) MAY_LOCK_ARENA
{
	struct pool *vmas = &s->mm->vma_pool;
	int rc = vma_clone(vmas, pool_index(vmas, v), out);

	if (rc)
		return rc;
	struct vma *to = vma_at(vmas, *out);

	if (v->mappable)
		to->offset = vma_offset(v, at);
	to->start = start;
	to->end = end;
	vma_forget_reservation(to);
	return 0;
}

/* The caller holds `mapping` of the page, which pins its vma. */
static const struct vma *vma_of(struct mm_space *s, uint64_t page)
{
	unsigned level;
	uint32_t vma = entry_vma(address_map_peek(&s->map, page, &level));

	MM_CHECK(vma);
	return vma_at(&s->mm->vma_pool, vma);
}

int space_extend(struct mm_space *s, uint64_t end, uint64_t new_end, uint32_t *dead)
{
	const struct vma *v = vma_of(s, end - 1);
	uint64_t stopped;
	uint32_t vma;
	int rc = clone_for(s, v, end, end, new_end, &vma);

	if (rc)
		return rc;
	if (v->mappable)
		rc = mappable_add_mapping(v->mappable, &s->ms, pages_to_addresses(end, new_end),
					  vma_offset(v, end), vma_writable(v));
	if (!rc) {
		rc = space_publish(s, end, new_end, vma, &stopped);
		if (rc)
			space_unpublish(s, vma, end, stopped, new_end, dead);
	}
	vma_drop(&s->mm->vma_pool, vma, VMA_BUILDING, dead);
	return rc;
}

/* ---- moving words ---- */

/* One direction of a move. */
struct move {
	struct mm_space *s;
	uint64_t from, to, pages;
	uint32_t vma; /* that entries name when they have moved */
	struct mappable *mappable; /* may be NULL */
	bool keep_leaves; /* the move may have to be undone: leaves at `from` stay */
	uint32_t *dead;
};

/* Counts the held entries of the old place for m->vma instead, and hides them from the host: before
 * the new place shows them, so that no page is ever seen in both. */
static void let_go(const struct move *m, const struct map_pair *p) REQUIRES(entry_class)
	MAY_LOCK_PLATFORM
{
	struct pool *vmas = &m->s->mm->vma_pool;
	uint64_t span = map_span(p->from.level);
	uint64_t page = p->from.page;
	uint64_t hosted_first = 0;
	uint64_t hosted_end = 0;
	uint32_t old = 0; /* the vma of a run of entries */
	unsigned run = 0;

	vma_add(vmas, m->vma, p->from.last - p->from.first + 1);
	for (unsigned i = p->from.first; i <= p->from.last; i++, page += span) {
		uint64_t word = map_unit_word(&p->from, i);

		if (entry_vma(word) != old) {
			if (run)
				vma_drop(vmas, old, run, m->dead);
			old = entry_vma(word);
			run = 0;
			MM_CHECK(old);
		}
		run++;
		if (word & ENTRY_HOSTED) {
			hosted_first = hosted_end ? hosted_first : page;
			hosted_end = page + span;
		}
	}
	vma_drop(vmas, old, run, m->dead);
	if (hosted_end)
		m->s->host->ops->unmap(m->s->host, pages_to_addresses(hosted_first, hosted_end));
}

/* Splits the folded translation at page, if it still is one. */
static void split_at(struct mm_space *s, uint64_t page) NO_TSA
{
	/* NO_TSA: releases by two calls. */
	struct map_unit u;
	uint64_t cursor = page;
	int error;

	if (!address_map_next(&s->map, &cursor, page + 1, MAP_WALK_PRESENT, &u, &error))
		return;
	if (u.level)
		unit_split(s, &u, 0, 0);
	else
		map_unit_unlock(&s->map, &u);
}

static bool is_in_leaf(const struct mm_space *s, uint64_t page)
{
	unsigned level;

	address_map_peek(&s->map, page, &level);
	return !level;
}

/* Makes both places alike. *foldable: some pieces are folded, which faults may expand again. */
static int prepare(const struct move *m, bool *foldable) MAY_LOCK_ENTRY
{
	uint64_t done = 0;
	int rc = 0;

	*foldable = false;
	while (done < m->pages && !rc) {
		uint64_t piece;

		rc = map_pair_expand(&m->s->map, m->from + done, m->to + done, m->pages - done,
				     &piece);
		if (rc == -EAGAIN) {
			split_at(m->s, m->from + done);
			rc = 0;
			continue;
		}
		*foldable |= !is_in_leaf(m->s, m->from + done);
		done += piece;
	}
	return rc;
}

/* Offsets of what the next piece can have present: of at most a leaf of each place. What a piece of
 * more stands for is not present, so there is nothing that an invalidation could miss. */
static struct mappable_range moved_offsets(const struct move *m, uint64_t done)
{
	const struct vma *to = vma_at(&m->s->mm->vma_pool, m->vma);
	uint64_t pages = m->pages - done < MAP_FANOUT ? m->pages - done : MAP_FANOUT;
	uint64_t start = vma_offset(to, m->to + done);

	return (struct mappable_range){ start, start + (pages << MM_PAGE_SHIFT) };
}

/* Moves the first piece of [done, pages). 0 with *piece its length, or -ENOMEM. */
static int move_piece(const struct move *m, uint64_t done, uint64_t *piece) NO_TSA
{
	/* NO_TSA: rmap is held only if there is a mappable, the pair only if it could be had. */
	struct mm_space *s = m->s;
	struct mappable_range offsets = moved_offsets(m, done);
	struct map_pair p;
	int rc;

	if (m->mappable)
		mappable_lock_mappings(m->mappable, offsets);
	while (!map_pair_lock(&s->map, m->from + done, m->to + done, m->pages - done, &p, &rc)) {
		if (rc != -EAGAIN)
			goto out;
		split_at(s, m->from + done);
	}
	let_go(m, &p);
	*piece = map_pair_pages(&p);
	map_pair_move(&s->map, &p, ENTRY_VMA_MASK | ENTRY_HOSTED, entry_of_vma(m->vma),
		      m->keep_leaves);
out:
	if (m->mappable)
		mappable_unlock_mappings(m->mappable, offsets);
	return rc;
}

/* Moves pieces until all are moved; *done = pages that are at `to` now. 0 or -ENOMEM. */
static int move_pieces(const struct move *m, uint64_t *done) MAY_LOCK_RMAP
{
	*done = 0;
	while (*done < m->pages) {
		uint64_t piece = 0;
		int rc = move_piece(m, *done, &piece);

		if (rc)
			return rc;
		*done += piece;
		MM_TEST_POINT(space_move_piece); /* mapping held */
	}
	return 0;
}

/* Moves the first `done` pages back. Returns how many: fewer only without memory for nodes. */
static uint64_t move_back(const struct move *m, const struct vma *v, uint64_t done) MAY_LOCK_RMAP
{
	struct move back = *m;
	uint64_t returned = 0;

	back.from = m->to;
	back.to = m->from;
	back.pages = done;
	if (clone_for(m->s, v, m->from, m->from, m->from + done, &back.vma))
		return 0;
	int rc = move_pieces(&back, &returned);

	(void)rc; /* `returned` tells */
	vma_drop(&m->s->mm->vma_pool, back.vma, VMA_BUILDING, m->dead);
	return returned;
}

/* ---- the move ---- */

/* v's mapping is no longer at address pages [start, start + pages); there it showed `offset`. */
static void unregister(struct mm_space *s, const struct vma *v, uint64_t start, uint64_t pages,
		       uint64_t offset) MAY_LOCK_RMAP
{
	if (v->mappable && pages)
		mappable_remove_mapping(v->mappable, &s->ms,
					pages_to_addresses(start, start + pages), offset,
					vma_writable(v));
}

/* Frees the leaves of a range in which nothing is mapped, as far as they lie in it whole. */
static void sweep(struct mm_space *s, uint64_t start, uint64_t pages, uint32_t *dead)
	REQUIRES(mapping_class) MAY_LOCK_RMAP
{
	uint64_t stopped;
	int rc = space_unmap(s, start, start + pages, dead, &stopped);

	(void)rc; /* leaves that stay are used or freed later */
}

/* The new place is registered, and what is behind the part to move is published: moves that part,
 * and takes the registrations back where it is not. */
static int move_registered(struct move *m, const struct vma *v, bool foldable)
	REQUIRES(mapping_class) MAY_LOCK_RMAP
{
	struct mm_space *s = m->s;
	uint64_t offset = vma_offset(v, m->from);
	uint64_t first = 0; /* [first, end) has moved */
	uint64_t end;

	m->keep_leaves = foldable;
	int rc = move_pieces(m, &end);

	if (rc)
		first = move_back(m, v, end);
	unregister(s, v, m->from + first, end - first, offset + (first << MM_PAGE_SHIFT));
	unregister(s, v, m->to, first, offset);
	unregister(s, v, m->to + end, m->pages - end, offset + (end << MM_PAGE_SHIFT));
	if (rc) {
		sweep(s, m->to, first, m->dead);
		sweep(s, m->to + end, m->pages - end, m->dead);
	} else if (foldable) {
		sweep(s, m->from, m->pages, m->dead);
	}
	return rc;
}

/* m->vma is made and both places are alike. */
static int register_and_move(struct move *m, const struct vma *v, uint64_t new_pages, bool foldable)
	REQUIRES(mapping_class) MAY_LOCK_RMAP
{
	struct mm_space *s = m->s;
	uint64_t tail = m->to + m->pages;
	uint64_t end = m->to + new_pages;
	uint64_t offset = vma_offset(v, m->from);
	uint64_t stopped;
	int rc = 0;

	if (v->mappable)
		rc = mappable_copy_mapping(v->mappable, &s->ms,
					   pages_to_addresses(m->from, m->from + m->pages),
					   pages_to_addresses(m->to, end), offset, vma_writable(v));
	if (rc) {
		sweep(s, m->to, m->pages, m->dead);
		return rc;
	}
	MM_TEST_POINT(space_move_registered); /* mapping held */
	rc = space_publish(s, tail, end, m->vma, &stopped);
	if (rc) {
		space_unpublish(s, m->vma, tail, stopped, end, m->dead);
		unregister(s, v, m->to, m->pages, offset);
		sweep(s, m->to, m->pages, m->dead);
		return rc;
	}
	rc = move_registered(m, v, foldable);
	if (rc)
		space_unpublish(s, m->vma, tail, end, end, m->dead);
	return rc;
}

int space_move(struct mm_space *s, uint64_t from, uint64_t pages, uint64_t to, uint64_t new_pages,
	       uint32_t *dead)
{
	const struct vma *v = vma_of(s, from);
	struct move m = { .s = s,
			  .from = from,
			  .to = to,
			  .pages = pages,
			  .mappable = v->mappable,
			  .dead = dead };
	bool foldable;
	int rc = clone_for(s, v, from, to, to + new_pages, &m.vma);

	if (rc)
		return rc;
	rc = prepare(&m, &foldable);
	if (rc)
		sweep(s, to, pages, dead);
	else
		rc = register_and_move(&m, v, new_pages, foldable);
	vma_drop(&s->mm->vma_pool, m.vma, VMA_BUILDING, dead);
	return rc;
}
