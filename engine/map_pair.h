/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map_pair.h - two places of one address map held together: what mremap moves in one hold.
 *
 * The places are `pages` address pages from `from` and from `to`; they do not overlap, and the
 * caller holds the `mapping` lock of both, so that no vma changes and no node is removed. A piece
 * is what can be held at once: two folded entries of one level, or runs of equal length of one
 * leaf each, at most 2 MiB of leaf entries.
 */
#pragma once

#include "engine/address_map.h"

struct map_pair {
	struct map_unit from, to; /* of one level, with as many entries each */
};

/* Pages of the address space that a held pair stands for. */
static inline uint64_t map_pair_pages(const struct map_pair *p)
{
	return map_unit_end(&p->from) - p->from.page;
}

/*
 * Expands both places until their first pieces are alike; *piece is the length of one in pages. 0,
 * -ENOMEM, or -EAGAIN: at `from` stands a folded translation that cannot move whole: split it.
 */
MM_MUST_CHECK int map_pair_expand(struct address_map *m, uint64_t from, uint64_t to, uint64_t pages,
				  uint64_t *piece) MAY_LOCK_ENTRY;

/*
 * Locks the first piece of both places, the lower address first. True with *p; false with *error as
 * map_pair_expand says, and nothing held. After a map_pair_expand of the whole of both places it
 * needs memory only where a fault at `from` has expanded an entry since.
 */
bool map_pair_lock(struct address_map *m, uint64_t from, uint64_t to, uint64_t pages,
		   struct map_pair *p, int *error) TRY_ACQUIRES(true, entry_class) MAY_LOCK_ENTRY;

/*
 * Moves the words of a held pair and lets it go: entry i of `to` becomes (word & ~cleared) | set,
 * that of `from` 0. A leaf that lies in the piece whole is removed, unless keep_leaf.
 */
void map_pair_move(struct address_map *m, struct map_pair *p, uint64_t cleared, uint64_t set,
		   bool keep_leaf) RELEASES(entry_class);
