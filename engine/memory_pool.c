/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_pool.c - pages from 2 MiB blocks that the calling CPU owns, so that two CPUs do not
 * allocate neighbours.
 *
 * Remote frees. `remote` of a block is 1 while the block is queued, plus 2 for each free on its
 * way: add 2, set the bit in free_remote, then in one step take the 2 back and set the 1; who
 * set the 1 pushes the block on the queue. The owner pops, clears the 1, then takes the bits.
 * - No bit is lost: a free that found the 1 set did so before the owner cleared it, hence its bit
 *   was there when the owner took the bits (all changes of `remote` are read-modify-writes, each
 *   released to the next).
 * - No block is given back too early: all bits in free_local and remote == 0 means that nobody
 *   is in the middle of a free and that the block is on no queue. If remote is not 0 the free
 *   under way, or the queue, brings the owner back to the block.
 *
 * A page of a short reservation differs from an allocated one by MEMORY_PAGE_SINGLE only: its
 * last dec leaves it alone. Unreserve sets the flag where there are references: the
 * dec of the last one sees the flag or unreserve sees no references, never both, because both
 * change the same word.
 *
 * Locks: the pool's, tried first; a free that does not get it goes the remote way.
 */
#include "engine/memory_pool.h"

#include <errno.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/inject.h"
#include "engine/memory_block.h"
#include "engine/percpu.h"

#define RUN_SEARCH 8 /* blocks of the list looked at for a run */

static struct lock_key pool_key(const struct memory_pool *pool)
{
	return (struct lock_key){ 0, (uintptr_t)pool };
}

static void pool_lock(struct memory_pool *pool) ACQUIRES(arena_class)
	MAY_LOCK_BLOCK NO_TSA /* the lock is a word, the class a phantom */
{
	lock_rank_push(RANK_ARENA, pool_key(pool), LOCK_SITE);
	park_lock_raw(&pool->lock);
}

static bool pool_try_lock(struct memory_pool *pool) TRY_ACQUIRES(true, arena_class)
	MAY_LOCK_BLOCK NO_TSA /* as above */
{
	bool got = park_try_lock_raw(&pool->lock);

	if (got)
		lock_rank_push_tried(RANK_ARENA, pool_key(pool), LOCK_SITE);
	return got;
}

static void pool_unlock(struct memory_pool *pool) RELEASES(arena_class) NO_TSA /* as above */
{
	park_unlock_raw(&pool->lock);
	lock_rank_pop(RANK_ARENA, pool_key(pool), LOCK_SITE);
}

static struct memory_pool *pool_here(struct memory_file *mf, int node)
{
	struct memory_file_private *p = mf->private;

	return &p->pools[percpu_id() % p->cpus * (unsigned)p->nodes + (unsigned)node];
}

/* ---- blocks of a pool; all under its lock ---- */

static bool block_all_free(const struct memory_block *b)
{
	uint64_t all = ~UINT64_C(0);

	for (int i = 0; i < 8; i++)
		all &= b->free_local[i];
	return all == ~UINT64_C(0);
}

static bool block_any_free(const struct memory_block *b)
{
	uint64_t any = 0;

	for (int i = 0; i < 8; i++)
		any |= b->free_local[i];
	return any;
}

static void list_add(struct memory_pool *pool, struct memory_block *b)
{
	b->previous = NULL;
	b->next = pool->list;
	if (b->next)
		b->next->previous = b;
	pool->list = b;
	b->listed = true;
}

static void list_remove(struct memory_pool *pool, struct memory_block *b)
{
	if (b->previous)
		b->previous->next = b->next;
	else
		pool->list = b->next;
	if (b->next)
		b->next->previous = b->previous;
	b->next = NULL;
	b->previous = NULL;
	b->listed = false;
}

/* After bits of b were set: puts it where it belongs; on *surplus if the pool can do without. */
static void pool_settle(struct memory_pool *pool, struct memory_block *b,
			struct memory_block **surplus)
{
	if (b == pool->current || b == pool->spare)
		return;
	if (!block_all_free(b)) {
		if (!b->listed)
			list_add(pool, b);
		return;
	}
	if (b->listed)
		list_remove(pool, b);
	if (!pool->spare) {
		pool->spare = b;
	} else if (!atomic_load_explicit(&b->remote, memory_order_acquire)) {
		b->next = *surplus;
		*surplus = b;
	} else {
		list_add(pool, b);
	}
}

static void drain_queue(struct memory_pool *pool, struct memory_queue *queue,
			struct memory_block **surplus)
{
	struct memory_block *b = atomic_load_explicit(&queue->head, memory_order_relaxed);
	uint32_t taken = 0;

	if (!b)
		return;
	b = atomic_exchange_explicit(&queue->head, NULL, memory_order_acquire);
	while (b) {
		struct memory_block *next =
			atomic_load_explicit(&b->remote_next, memory_order_relaxed);

		atomic_fetch_and_explicit(&b->remote, ~UINT32_C(1), memory_order_acq_rel);
		for (int i = 0; i < 8; i++) {
			uint64_t bits = 0;

			if (atomic_load_explicit(&b->free_remote[i], memory_order_relaxed))
				bits = atomic_exchange_explicit(&b->free_remote[i], 0,
								memory_order_acquire);
			MM_CHECK(!(b->free_local[i] & bits)); /* a page that is freed twice */
			b->free_local[i] |= bits;
		}
		pool_settle(pool, b, surplus);
		taken++;
		b = next;
	}
	atomic_fetch_sub_explicit(&queue->length, taken, memory_order_relaxed);
}

/* Takes over what other CPUs freed. */
static void pool_drain(struct memory_pool *pool, struct memory_block **surplus)
{
	for (unsigned i = 0; i < POOL_QUEUES; i++)
		drain_queue(pool, &pool->remote[i], surplus);
}

/* Gives empty blocks that no pool knows any more to the arena. */
static void give_surplus(struct memory_file *mf, struct memory_block *b) MAY_LOCK_ARENA
{
	while (b) {
		struct memory_block *next = b->next;

		memory_block_lock(b);
		b->next = NULL;
		b->owner = -1;
		atomic_store_explicit(&b->state, BLOCK_IDLE, memory_order_release);
		memory_block_unlock(b);
		memory_chunk_give_one(mf, memory_block_index(mf, b));
		b = next;
	}
}

/* A block for the pool from the arena, all of its pages free. NULL and *rc. */
static struct memory_block *pool_fetch(struct memory_file *mf, struct memory_pool *pool, int node,
				       int *rc) MAY_LOCK_ARENA
{
	struct memory_file_private *p = mf->private;
	struct memory_block *b;
	uint32_t index;

	if (mf->refcache)
		refcache_step(mf->refcache);
	*rc = memory_chunk_take(mf, &p->arenas[node][PAGE_4K], 1, &index);
	if (*rc)
		return NULL;
	*rc = memory_chunk_charge(mf, index);
	if (*rc) {
		memory_chunk_give_one(mf, index);
		return NULL;
	}
	b = &mf->blocks[index];
	memory_block_lock(b);
	memory_block_count_pages(mf, b);
	b->owner = (int32_t)(pool - p->pools);
	memset(b->free_local, 0xff, sizeof(b->free_local));
	atomic_store_explicit(&b->state, BLOCK_CPU, memory_order_release);
	memory_block_unlock(b);
	return b;
}

/* ---- single pages ---- */

/* Makes a block with free pages current; false: the pool has none. */
static bool pool_next(struct memory_pool *pool, struct memory_block **surplus)
{
	pool_drain(pool, surplus);
	if (pool->current && block_any_free(pool->current))
		return true;
	pool->current = NULL; /* full: comes back when a page of it is freed */
	if (pool->list) {
		pool->current = pool->list;
		list_remove(pool, pool->current);
	} else if (pool->spare) {
		pool->current = pool->spare;
		pool->spare = NULL;
	}
	pool->hint = 0;
	return pool->current;
}

/* A free page of the current block, or 0. */
static uint32_t pool_pop(struct memory_file *mf, struct memory_pool *pool)
{
	struct memory_block *b = pool->current;

	for (unsigned n = 0; b && n < 8; n++) {
		unsigned i = (pool->hint + n) % 8;
		uint64_t w = b->free_local[i];

		if (!w)
			continue;
		b->free_local[i] = w & (w - 1);
		pool->hint = i;
		return memory_block_first(mf, b) + i * 64 + (uint32_t)__builtin_ctzll(w);
	}
	return 0;
}

int memory_file_alloc(struct memory_file *mf, int node, uint32_t *page)
{
	struct memory_block *surplus = NULL, *fresh = NULL;
	struct memory_pool *pool;
	uint32_t found = 0, word;
	bool reconciled = !mf->refcache;
	int rc = 0;

	node = memory_chunk_node(mf, node);
	if (node < 0)
		return node;
	if (MM_INJECT(INJECT_PAGE))
		return -ENOMEM;
	pool = pool_here(mf, node);
	while (!found) {
		pool_lock(pool);
		if (fresh)
			list_add(pool, fresh);
		fresh = NULL;
		found = pool_pop(mf, pool);
		if (!found && pool_next(pool, &surplus))
			found = pool_pop(mf, pool);
		pool_unlock(pool);
		if (found)
			break;
		fresh = pool_fetch(mf, pool, node, &rc);
		if (!fresh && reconciled)
			break;
		if (!fresh)
			refcache_reconcile(mf); /* what is dead but not free yet */
		reconciled = reconciled || !fresh;
	}
	if (__builtin_expect(surplus != NULL, 0))
		give_surplus(mf, surplus);
	if (!found)
		return rc;
	word = atomic_load_explicit(&mf->counts[found], memory_order_acquire);
	MM_CHECK(!(word & MEMORY_PAGE_COUNT_MASK));
	if (word & MEMORY_PAGE_DIRTY)
		memory_block_zero_page(mf, found);
	atomic_store_explicit(&mf->counts[found], MEMORY_PAGE_SINGLE | 1, memory_order_relaxed);
	*page = found;
	return 0;
}

/* Frees pages of a block from a CPU that does not own it. */
static void free_remotely(struct memory_file *mf, struct memory_block *b,
			  const struct memory_bits *bits) MAY_LOCK_ARENA
{
	struct memory_pool *pool = &mf->private->pools[b->owner];
	struct memory_queue *queue = &pool->remote[memory_block_index(mf, b) % POOL_QUEUES];
	struct memory_block *surplus = NULL, *head;
	uint32_t old, length;

	atomic_fetch_add_explicit(&b->remote, 2, memory_order_acq_rel);
	for (int i = 0; i < 8; i++)
		if (bits->word[i])
			atomic_fetch_or_explicit(&b->free_remote[i], bits->word[i],
						 memory_order_acq_rel);
	old = atomic_load_explicit(&b->remote, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&b->remote, &old, (old - 2) | 1,
						      memory_order_acq_rel, memory_order_relaxed))
		;
	if (old & 1)
		return; /* queued already; the block may not be ours to look at any more */
	length = atomic_fetch_add_explicit(&queue->length, 1, memory_order_relaxed);
	head = atomic_load_explicit(&queue->head, memory_order_relaxed);
	do {
		atomic_store_explicit(&b->remote_next, head, memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(
		&queue->head, &head, b, memory_order_release, memory_order_relaxed));
	/* An owner that allocates no more must not keep memory for ever. */
	if (length >= POOL_REMOTE_MAX && pool_try_lock(pool)) {
		pool_drain(pool, &surplus);
		pool_unlock(pool);
		give_surplus(mf, surplus);
	}
}

static void pool_free_bits(struct memory_file *mf, struct memory_block *b,
			   const struct memory_bits *bits) MAY_LOCK_ARENA
{
	struct memory_file_private *p = mf->private;
	struct memory_pool *pool = &p->pools[b->owner];
	struct memory_block *surplus = NULL;

	if ((uint32_t)b->owner / (uint32_t)p->nodes != percpu_id() % p->cpus ||
	    !pool_try_lock(pool)) {
		free_remotely(mf, b, bits);
		return;
	}
	for (int i = 0; i < 8; i++) {
		MM_CHECK(!(b->free_local[i] & bits->word[i])); /* a page that is freed twice */
		b->free_local[i] |= bits->word[i];
	}
	pool_settle(pool, b, &surplus);
	pool_unlock(pool);
	if (surplus)
		give_surplus(mf, surplus);
}

void memory_pool_free(struct memory_file *mf, uint32_t page, uint32_t old)
{
	struct memory_bits bits = { { 0 } };
	unsigned i = page % (unsigned)MM_HUGE_PAGES;

	/* Nobody refers to the page: the word is ours until the bit is set. */
	atomic_store_explicit(&mf->counts[page], old & MEMORY_PAGE_DIRTY, memory_order_relaxed);
	bits.word[i / 64] = UINT64_C(1) << (i % 64);
	pool_free_bits(mf, memory_file_block(mf, page), &bits);
}

void memory_pool_reclaim(struct memory_file *mf)
{
	struct memory_file_private *p = mf->private;

	refcache_reconcile(mf);
	for (unsigned i = 0; i < p->cpus * (unsigned)p->nodes; i++) {
		struct memory_pool *pool = &p->pools[i];
		struct memory_block *surplus = NULL;

		pool_lock(pool);
		pool_drain(pool, &surplus);
		if (pool->current && block_all_free(pool->current) &&
		    !atomic_load_explicit(&pool->current->remote, memory_order_acquire)) {
			pool->current->next = surplus;
			surplus = pool->current;
			pool->current = NULL;
		}
		if (pool->spare &&
		    !atomic_load_explicit(&pool->spare->remote, memory_order_acquire)) {
			pool->spare->next = surplus;
			surplus = pool->spare;
			pool->spare = NULL;
		}
		pool_unlock(pool);
		give_surplus(mf, surplus);
	}
}

/* ---- short runs ---- */

/* Cuts a run out of a block; the page number of its first page, or 0. */
static uint32_t block_cut_run(struct memory_file *mf, struct memory_block *b, uint32_t pages)
{
	struct memory_bits bits, run = { { 0 } };
	int at;

	memcpy(&bits, b->free_local, sizeof(bits));
	at = memory_bits_find_run(&bits, pages);
	if (at < 0)
		return 0;
	memory_bits_set_run(&run, (unsigned)at, pages);
	for (int i = 0; i < 8; i++)
		b->free_local[i] &= ~run.word[i];
	return memory_block_first(mf, b) + (uint32_t)at;
}

/* A run out of any block of the pool, or 0. */
static uint32_t pool_cut_run(struct memory_file *mf, struct memory_pool *pool, uint32_t pages)
{
	struct memory_block *b = pool->list;
	uint32_t found = pool->current ? block_cut_run(mf, pool->current, pages) : 0;

	for (int n = 0; !found && b && n < RUN_SEARCH; n++, b = b->next) {
		found = block_cut_run(mf, b, pages);
		if (found && !block_any_free(b)) {
			list_remove(pool, b);
			break;
		}
	}
	if (!found && pool->spare) {
		b = pool->spare;
		pool->spare = NULL;
		found = block_cut_run(mf, b, pages);
		list_add(pool, b);
	}
	return found;
}

int memory_pool_reserve(struct memory_file *mf, int node, uint32_t pages, uint32_t *first)
{
	struct memory_pool *pool = pool_here(mf, node);
	struct memory_block *surplus = NULL, *fresh = NULL;
	uint32_t found = 0;
	int rc = 0;

	while (!found && !rc) {
		pool_lock(pool);
		if (fresh) {
			/* Cut before anybody else can: it has the run. */
			found = block_cut_run(mf, fresh, pages);
			list_add(pool, fresh);
		} else {
			pool_drain(pool, &surplus);
			found = pool_cut_run(mf, pool, pages);
		}
		pool_unlock(pool);
		if (!found)
			fresh = pool_fetch(mf, pool, node, &rc);
	}
	give_surplus(mf, surplus);
	if (!rc)
		*first = found;
	return rc;
}

void memory_pool_unreserve(struct memory_file *mf, uint32_t first, uint32_t pages)
{
	struct memory_block *b = memory_file_block(mf, first);
	struct memory_bits bits = { { 0 } };

	MM_CHECK(atomic_load_explicit(&b->state, memory_order_relaxed) == BLOCK_CPU);
	for (uint32_t page = first; page < first + pages; page++) {
		_Atomic uint32_t *count = &mf->counts[page];
		uint32_t word = atomic_load_explicit(count, memory_order_acquire);
		unsigned i = page % (unsigned)MM_HUGE_PAGES;

		/* Zero stays zero: the reservation is the caller's, who claims no more. */
		if (word & MEMORY_PAGE_COUNT_MASK)
			word = atomic_fetch_or_explicit(count, MEMORY_PAGE_SINGLE,
							memory_order_acq_rel);
		MM_CHECK(!(word & MEMORY_PAGE_SINGLE));
		if (word & MEMORY_PAGE_COUNT_MASK)
			continue; /* freed by its last dec */
		atomic_fetch_and_explicit(count, ~MEMORY_PAGE_SINGLE, memory_order_relaxed);
		bits.word[i / 64] |= UINT64_C(1) << (i % 64);
	}
	if (!memory_bits_empty(&bits))
		pool_free_bits(mf, b, &bits);
}
