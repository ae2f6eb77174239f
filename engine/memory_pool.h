/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_pool.h - inside the memory files: the pools from which each CPU allocates single pages
 * and short runs.
 *
 * A pool belongs to one CPU and one node. Its blocks are on `list` while they have free pages
 * that it knows of, or are `current` or `spare` (all free), or are full and on no list. Who frees
 * a page on another CPU sets its bit in free_remote and queues the block at the pool once.
 *
 * Lock: one per pool (rank arena, never held with another lock of that rank).
 */
#pragma once

#include "engine/memory_chunk.h"

/* Blocks of a pool in which other CPUs have freed pages. */
struct memory_queue {
	_Atomic(struct memory_block *) head;
	_Atomic uint32_t length; /* about */
} __attribute__((aligned(64)));

/* By the number of the block, so that who frees in neighbouring blocks meets nobody. */
#define POOL_QUEUES 8
/* Blocks in one of them from which on the one who frees tries to drain the pool himself. */
#define POOL_REMOTE_MAX 4

struct memory_pool {
	_Atomic uint32_t lock;
	struct memory_block *current; /* where pages come from; on no list */
	struct memory_block *spare; /* one empty block kept back; on no list */
	struct memory_block *list; /* blocks with free pages */
	unsigned hint; /* word of current to look at first */
	_Atomic uint64_t zeroed_pages; /* by threads of this CPU */
	_Atomic uint32_t zeroed_last; /* the last of them */
	struct memory_queue remote[POOL_QUEUES];
} __attribute__((aligned(64)));

/* Gives one page back whose word says MEMORY_PAGE_SINGLE and whose last reference is gone. */
void memory_pool_free(struct memory_file *mf, uint32_t page, uint32_t old) MAY_LOCK_ARENA;
/* A run of 1 .. 511 pages out of one CPU-owned block, not referenced. 0 or -errno. */
MM_MUST_CHECK int memory_pool_reserve(struct memory_file *mf, int node, uint32_t pages,
				      uint32_t *first) MAY_LOCK_ARENA;
void memory_pool_unreserve(struct memory_file *mf, uint32_t first, uint32_t pages) MAY_LOCK_ARENA;
/* Takes over remote frees of all pools and gives empty blocks back to the arenas. */
void memory_pool_reclaim(struct memory_file *mf) MAY_LOCK_ARENA;
