/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_types.h - the words of the memory files: what a page's count word and a 2 MiB block are
 * made of.
 *
 *   page    4 KiB, named by its number n; counts[n] = dirty | single | sharded | references
 *   block   512 pages that the host can map as one; counted page by page, or as a whole
 *   chunk   512 blocks of one file, node and class (memory_chunk.h)
 *   run     pages reserved together, to be claimed one by one
 *   pool    the blocks from which one CPU allocates (memory_pool.h)
 *
 * The block lock (rank block) guards a block's mode, its state and its deposits.
 *
 * NO_TSA: a lock here is a word and its class a phantom, so the bodies cannot be analysed.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/lock_order.h"
#include "engine/park.h"

enum page_class { PAGE_4K = 0, PAGE_THP, PAGE_2M, PAGE_1G, PAGE_CLASS_COUNT };

/* The level of an address map at which an entry stands for one page of the class. */
static inline unsigned page_class_level(enum page_class cls)
{
	return cls == PAGE_1G ? 2 : cls != PAGE_4K;
}

/* The host shows such a page as a whole, or not at all. */
static inline bool page_class_is_hugetlb(enum page_class cls)
{
	return cls >= PAGE_2M;
}

#define MEMORY_PAGE_COUNT_MASK UINT32_C(0x0fffffff)
#define MEMORY_PAGE_DIRTY UINT32_C(0x80000000) /* may hold bytes other than zero */
/* The page belongs to nobody's reservation: its last reference gives it back by itself. */
#define MEMORY_PAGE_SINGLE UINT32_C(0x40000000)
/*
 * The count is this word's, modulo 2^26, plus what CPUs have in their tables (refcache.h). A page
 * that is queued counts as referenced: it is not free before a review says so.
 */
#define MEMORY_PAGE_SHARDED UINT32_C(0x20000000)
#define MEMORY_SHARD_QUEUED UINT32_C(0x08000000) /* waits for a review, or is under one */
#define MEMORY_SHARD_TOUCHED UINT32_C(0x04000000) /* since the last review; only if queued */
#define MEMORY_SHARD_COUNT_MASK UINT32_C(0x03ffffff)
/* The block counts as a whole, or is about to: what is in this word is not the count. */
#define MEMORY_PAGE_FROZEN UINT32_C(0x10000000)

/* Block mode word: WHOLE | flags | count while the 512 pages are counted as one (then all their own
 * counts are 0); PAGES once it was split: then counts change by compare-and-swap only, and it may
 * become whole again; 0 if it never was whole. Rule 11. */
#define BLOCK_WHOLE UINT32_C(0x80000000)
#define BLOCK_CONVERTING UINT32_C(0x40000000) /* somebody is writing the 512 counts */
#define BLOCK_DIRTY UINT32_C(0x20000000) /* the 512 pages may hold bytes other than zero */
#define BLOCK_PAGES UINT32_C(0x10000000)
#define BLOCK_COUNT_MASK UINT32_C(0x0fffffff)

/*
 * Block state; changed under the block lock. Bit BLOCK_CLAIMS: the counts are in use and say for
 * each page whether it may be claimed, so that a claim needs nothing else.
 */
#define BLOCK_CLAIMS UINT32_C(1)
enum memory_block_state {
	BLOCK_IDLE = 0, /* free, or reserved with no page counted for itself */
	BLOCK_TOUCHED = 2 | BLOCK_CLAIMS, /* reserved, pages were claimed one by one */
	BLOCK_ORPHAN = 4, /* not reserved: free when the last page of it is */
	BLOCK_CPU = 8 | BLOCK_CLAIMS, /* a CPU allocates its pages */
};

struct node; /* a spare node of an address map, deposited for a folded translation */

/* First line: read by every claim, inc and dec, written seldom. Second: the owner's. Third: the
 * other CPUs'. */
struct memory_block {
	_Atomic uint32_t whole; /* the mode: BLOCK_WHOLE | count, BLOCK_PAGES or 0 */
	_Atomic uint32_t state; /* enum memory_block_state */
	_Atomic uint32_t lock; /* block lock (park.h word); guards what follows */
	int32_t owner; /* pool (CPU and node) that allocates from it, or -1 */
	struct node *deposits GUARDED_BY(block_class); /* list through the node */
	struct memory_block *next, *previous; /* the pool's list of blocks with free pages */
	_Atomic(struct memory_block *) remote_next; /* the pool's queue of remote frees */
	_Atomic uint32_t remote; /* 1: queued; + 2 for each free on its way */
	_Atomic uint16_t cursor; /* orphan: pages below have no reference */
	bool listed; /* on the pool's list */
	uint8_t dirty; /* idle: all pages may hold bytes other than zero */
	uint8_t counted; /* idle: counts may hold dirty bits */
	uint8_t populated; /* huge classes: the host memory is there */
	uint64_t free_local[8] __attribute__((aligned(64))); /* under the pool's lock */
	_Atomic uint64_t free_remote[8]; /* freed by other CPUs, taken over in batches */
} __attribute__((aligned(64)));

static inline void memory_block_lock(struct memory_block *b) ACQUIRES(block_class)
	MAY_LOCK_LEAF NO_TSA /* the lock is a word, the class a phantom */
{
	lock_rank_push(RANK_BLOCK, (struct lock_key){ 0, (uintptr_t)b }, LOCK_SITE);
	park_lock_raw(&b->lock);
}
static inline void memory_block_unlock(struct memory_block *b) RELEASES(block_class) NO_TSA
{
	park_unlock_raw(&b->lock);
	lock_rank_pop(RANK_BLOCK, (struct lock_key){ 0, (uintptr_t)b }, LOCK_SITE);
}
