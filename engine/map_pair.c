/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map_pair.c - see map_pair.h.
 *
 * Both places are first made alike with nothing held, then locked, then looked at again: meanwhile
 * a fault may have expanded one of them or filled a folded entry. Structure only becomes finer
 * while `mapping` is held, so trying again ends. Of the two holds the lower address is always
 * taken first, and inside each the order is that of address_map_next: ascending throughout, as
 * the `entry` class asks.
 *
 * NO_TSA: Clang cannot express two holds of one class, nor a lock that is taken in a loop.
 */
#include "engine/map_pair.h"

#include <errno.h>

/* The level at which the first piece can be held: no coarser than either place is now, and only
 * where both are aligned to it and long enough. */
static unsigned piece_level(const struct address_map *m, uint64_t from, uint64_t to, uint64_t pages)
{
	unsigned level;
	unsigned other;

	address_map_peek(m, from, &level);
	address_map_peek(m, to, &other);
	if (other < level)
		level = other;
	while (level && (((from | to) & (map_span(level) - 1)) || pages < map_span(level)))
		level--;
	return level;
}

static uint64_t piece_pages(uint64_t from, uint64_t to, uint64_t pages, unsigned level)
{
	unsigned slot = map_slot(from, 0) > map_slot(to, 0) ? map_slot(from, 0) : map_slot(to, 0);

	if (level)
		return map_span(level);
	return pages < MAP_FANOUT - slot ? pages : MAP_FANOUT - slot;
}

static int make_alike(struct address_map *m, uint64_t from, uint64_t to, uint64_t pages,
		      unsigned *level) MAY_LOCK_ENTRY
{
	*level = piece_level(m, from, to, pages);
	int rc = address_map_expand(m, from, *level);

	return rc ? rc : address_map_expand(m, to, *level);
}

int map_pair_expand(struct address_map *m, uint64_t from, uint64_t to, uint64_t pages,
		    uint64_t *piece)
{
	unsigned level;
	int rc = make_alike(m, from, to, pages, &level);

	*piece = piece_pages(from, to, pages, level);
	return rc;
}

/* Locks exactly [page, page + pages) as entries of that level. */
static bool lock_exactly(struct address_map *m, uint64_t page, uint64_t pages, unsigned level,
			 struct map_unit *u, int *error) NO_TSA
{
	uint64_t cursor = page;

	if (!address_map_next(m, &cursor, page + pages, MAP_WALK_ALL, u, error))
		return false;
	if (u->level == level && u->page == page && map_unit_end(u) == page + pages)
		return true;
	map_unit_unlock(m, u);
	return false;
}

bool map_pair_lock(struct address_map *m, uint64_t from, uint64_t to, uint64_t pages,
		   struct map_pair *p, int *error) NO_TSA
{
	struct map_unit *low = from < to ? &p->from : &p->to;
	struct map_unit *high = from < to ? &p->to : &p->from;

	for (;;) {
		unsigned level;

		*error = make_alike(m, from, to, pages, &level);
		if (*error)
			return false;
		uint64_t piece = piece_pages(from, to, pages, level);

		if (lock_exactly(m, from < to ? from : to, piece, level, low, error)) {
			if (lock_exactly(m, from < to ? to : from, piece, level, high, error))
				return true;
			map_unit_unlock(m, low);
		}
		if (*error)
			return false;
	}
}

void map_pair_move(struct address_map *m, struct map_pair *p, uint64_t cleared, uint64_t set,
		   bool keep_leaf) NO_TSA
{
	unsigned count = p->from.last - p->from.first + 1;
	uint64_t page = p->to.page;

	/* One exchange each: `from` is held, so nobody sees a page in both places. */
	for (unsigned i = 0; i < count; i++, page += map_span(p->to.level)) {
		uint64_t word = map_unit_word(&p->from, p->from.first + i);

		lock_rank_pop(RANK_ENTRY, entry_key(m, page), LOCK_SITE);
		entry_unlock(&p->to.node->entry[p->to.first + i], (word & ~cleared) | set);
	}
	if (map_unit_is_leaf(&p->from) && !keep_leaf) {
		address_map_remove_leaf(m, &p->from, 0);
		return;
	}
	page = p->from.page;
	for (unsigned i = p->from.first; i <= p->from.last; i++, page += map_span(p->from.level)) {
		lock_rank_pop(RANK_ENTRY, entry_key(m, page), LOCK_SITE);
		entry_unlock(&p->from.node->entry[i], 0);
	}
}
