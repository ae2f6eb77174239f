/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_numa.h - memory and NUMA nodes: moving pages on request, and the proof of where things are.
 */
#pragma once

#include "engine/mm.h"

/* From now on what no mapping decides about comes from there. -EINVAL: no such node. Not while
 * other calls run. */
MM_MUST_CHECK int mm_set_place(struct mm *mm, const struct numa_place *place);

/* 4 KiB pages of a range. */
struct mm_moved {
	uint64_t moved;
	uint64_t there; /* were on the node */
	uint64_t shared; /* left alone: of a mappable, of a fork, pinned, or otherwise referenced */
	uint64_t failed; /* no memory on the node, or 1 GiB in one piece */
};

/*
 * Moves what is present of a range and private to it to `node`: a page is allocated there, gets the
 * bytes with the entry held, and takes the old one's place. Not by move_pages(2): the number of a
 * page says its node, and the next user of the old number would get memory of the wrong one; and
 * what is shared is not this space's to move. even_there: pages that are on the node are replaced
 * as well (what a move costs can then be seen on one node). What is not present is passed over,
 * what comes later follows its policy. 0; -EINVAL: arguments, no such node.
 */
MM_MUST_CHECK int mm_move(struct mm_space *s, uint64_t address, uint64_t length, int node,
			  bool even_there, struct mm_moved *out) MAY_LOCK_ANY;

/* How many of a kind there are, and how many are on the node of their user. */
struct mm_local {
	uint64_t count, local;
};

/*
 * Read back from the kernel (move_pages) at a quiescent point: present pages are to be on the node
 * that they were asked of; tree nodes on that of most pages that they name; counts and blocks on
 * that of the pages that they are of. In pages of 4 KiB (tree nodes: nodes). What names nothing, or
 * is not backed, is not counted. Slow.
 */
struct mm_locality {
	struct mm_local pages, tree_nodes, tables;
};
void mm_locality(struct mm *mm, struct mm_locality *out) MAY_LOCK_ANY;
