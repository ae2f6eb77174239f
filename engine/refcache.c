/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refcache.c - when is a sharded count zero?
 *
 * T, the true count of a page, is G (its word) plus the delta that each CPU c has for it. Whoever
 * adds a reference has one, so T = 0 is for good. A *pass* empties the tables one after another, c
 * at its time t(c), each delta going to its G; then the *review* looks at the pages whose G is or
 * was zero. That G is zero proves nothing: a reference that moves from a table that is still to be
 * emptied to one that was emptied already shows as G = 0 while T = 1. Nor does a second look: it
 * may move back, and both deltas be zero whenever they are collected. So an *event* is any use of
 * a slot, even one that left a delta of zero: whatever a table gives up, in a pass or to make
 * room, sets TOUCHED in the word. The review clears it, and frees a page that was untouched with
 * G = 0 at two reviews running, r1 and r2.
 *   A change at c between t1(c) and t2(c), its times in the two passes, would have filled a slot,
 *   given up at t2(c) at the latest: an event after r0 (the review before r1) and before r2, which
 *   one of the two reviews would have seen. So there was none: at r1, which lies between t1(c) and
 *   t2(c) for every c, all deltas were zero, as t1(c) had left them, and T = G = 0.
 * The last step, from a word with no count and not TOUCHED to a free page, is one
 * compare-and-swap: refcache_revive, the only one that counts up without having a reference, does
 * so in the word, so one of the two fails. No table has a slot of a page that is freed: t2 emptied
 * them, and nobody can have counted since.
 *
 * So a page is free after three passes: one that empties the tables (and touches it), two that
 * find nothing. Passes follow each other under one lock, whose holder alone has the lists.
 *
 * A hit adds to a slot in a restartable sequence of the table's CPU, which looks whether the lock
 * is free. All else takes the lock, then makes sure that no sequence is under way that began
 * before: on that CPU, because it runs instead of one; elsewhere, by a fence, and only if the
 * table has slots at all, which sequences never fill. Without sequences the lock alone does.
 *
 * Locks: a table's is a leaf. That of passes is of rank arena: tables are emptied under it, but
 * pages are freed after it.
 */
#include "engine/refcache.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/fail.h"
#include "engine/inject.h"
#include "engine/memory_chunk.h"
#include "engine/memory_pool.h"
#include "engine/os_memory.h"
#include "engine/park.h"
#include "engine/test_points.h"

static _Atomic uint32_t *word_of(const struct refcache *rc, uint32_t page)
{
	return &rc->mf->counts[page];
}

static uint32_t link_of(const struct refcache *rc, uint32_t page)
{
	return atomic_load_explicit(&rc->links[page], memory_order_relaxed);
}

static void set_link(struct refcache *rc, uint32_t page, uint32_t next)
{
	atomic_store_explicit(&rc->links[page], next, memory_order_relaxed);
}

/* ---- locks ---- */

/* Stops the sequences of the table's CPU as well. */
static void table_lock(struct refcache *rc, unsigned cpu) ACQUIRES(leaf_class)
	NO_TSA /* the lock is a word, the class a phantom */
{
	struct refcache_cpu *c = &rc->cpus[cpu];

	lock_rank_push(RANK_LEAF, (struct lock_key){ 0, (uintptr_t)c }, LOCK_SITE);
	park_lock_raw(&c->lock);
	if (rc->sequences && c->filled && !os_rseq_is_on(cpu))
		os_rseq_fence(cpu);
}

static void table_unlock(struct refcache *rc, unsigned cpu) RELEASES(leaf_class)
	NO_TSA /* as above */
{
	struct refcache_cpu *c = &rc->cpus[cpu];

	park_unlock_raw(&c->lock);
	lock_rank_pop(RANK_LEAF, (struct lock_key){ 0, (uintptr_t)c }, LOCK_SITE);
}

static struct lock_key pass_key(const struct refcache *rc)
{
	return (struct lock_key){ 0, (uintptr_t)rc };
}

static void pass_lock(struct refcache *rc) ACQUIRES(arena_class)
	MAY_LOCK_BLOCK NO_TSA /* as above */
{
	lock_rank_push(RANK_ARENA, pass_key(rc), LOCK_SITE);
	park_lock_raw(&rc->lock);
}

static bool pass_try_lock(struct refcache *rc) TRY_ACQUIRES(true, arena_class)
	MAY_LOCK_BLOCK NO_TSA /* as above */
{
	bool got = park_try_lock_raw(&rc->lock);

	if (got)
		lock_rank_push_tried(RANK_ARENA, pass_key(rc), LOCK_SITE);
	return got;
}

static void pass_unlock(struct refcache *rc) RELEASES(arena_class) NO_TSA /* as above */
{
	park_unlock_raw(&rc->lock);
	lock_rank_pop(RANK_ARENA, pass_key(rc), LOCK_SITE);
}

/* ---- counting ---- */

/* For the next review. The page is on no list: its word has just become QUEUED. */
static void queue(struct refcache *rc, uint32_t page)
{
	uint32_t head = atomic_load_explicit(&rc->head, memory_order_relaxed);

	do {
		set_link(rc, page, head);
	} while (!atomic_compare_exchange_weak_explicit(
		&rc->head, &head, page, memory_order_release, memory_order_relaxed));
	atomic_fetch_add_explicit(&rc->waiting, 1, memory_order_relaxed);
}

/* An event: what a table knew of a page goes to its word. */
static void give_up(struct refcache *rc, uint64_t pair)
{
	uint32_t page = (uint32_t)(pair >> 32), delta = (uint32_t)pair;
	_Atomic uint32_t *word = word_of(rc, page);
	uint32_t old = atomic_load_explicit(word, memory_order_relaxed), now;

	do {
		if (!(old & MEMORY_PAGE_SHARDED))
			mm_fail("page %u was freed while a CPU's table had changes of its count",
				page);
		now = (old & ~MEMORY_SHARD_COUNT_MASK) | ((old + delta) & MEMORY_SHARD_COUNT_MASK);
		if (now & MEMORY_SHARD_QUEUED)
			now |= MEMORY_SHARD_TOUCHED;
		else if (!(now & MEMORY_SHARD_COUNT_MASK))
			now |= MEMORY_SHARD_QUEUED | MEMORY_SHARD_TOUCHED;
	} while (!atomic_compare_exchange_weak_explicit(word, &old, now, memory_order_acq_rel,
							memory_order_relaxed));
	if ((now & ~old) & MEMORY_SHARD_QUEUED)
		queue(rc, page);
}

void refcache_add_at(struct refcache *rc, unsigned cpu, uint32_t page, uint32_t delta)
{
	struct refcache_cpu *c = &rc->cpus[cpu];
	_Atomic uint64_t *slot = &c->slots[refcache_slot(page)].both;
	uint64_t pair;

	table_lock(rc, cpu);
	pair = atomic_load_explicit(slot, memory_order_relaxed);
	if (pair >> 32 != page) {
		if (pair)
			give_up(rc, pair);
		else
			c->filled++;
		pair = (uint64_t)page << 32;
	}
	atomic_store_explicit(slot, (uint64_t)page << 32 | (uint32_t)((uint32_t)pair + delta),
			      memory_order_relaxed);
	table_unlock(rc, cpu);
}

/* Adds to the delta of the page in this CPU's table, if it is there. */
static inline bool refcache_hit(struct refcache *rc, uint32_t page, uint32_t delta)
{
	unsigned cpu = percpu_id();

	return __builtin_expect(rc->sequences, 1) && cpu < rc->cpu_count &&
	       os_rseq_add(cpu, &rc->cpus[cpu].lock, &rc->cpus[cpu].slots[refcache_slot(page)],
			   page, delta);
}

void refcache_inc_sharded(struct refcache *rc, uint32_t page)
{
	if (__builtin_expect(refcache_hit(rc, page, 1), 1))
		return;
	refcache_add_at(rc, percpu_id() % rc->cpu_count, page, 1);
}

void refcache_dec_sharded(struct refcache *rc, uint32_t page)
{
	if (__builtin_expect(refcache_hit(rc, page, UINT32_MAX), 1))
		return;
	refcache_add_at(rc, percpu_id() % rc->cpu_count, page, UINT32_MAX);
	if (atomic_load_explicit(&rc->waiting, memory_order_relaxed) >=
	    REFCACHE_WAITING * rc->cpu_count)
		refcache_step(rc);
}

bool refcache_revive(struct refcache *rc, uint32_t page)
{
	_Atomic uint32_t *word = word_of(rc, page);
	uint32_t old = atomic_load_explicit(word, memory_order_relaxed), now;

	do {
		if (!(old & MEMORY_PAGE_SHARDED))
			return false;
		now = (old & ~MEMORY_SHARD_COUNT_MASK) | ((old + 1) & MEMORY_SHARD_COUNT_MASK);
		if (now & MEMORY_SHARD_QUEUED)
			now |= MEMORY_SHARD_TOUCHED;
		else if (!(now & MEMORY_SHARD_COUNT_MASK)) /* others have taken one already */
			now |= MEMORY_SHARD_QUEUED | MEMORY_SHARD_TOUCHED;
	} while (!atomic_compare_exchange_weak_explicit(word, &old, now, memory_order_acquire,
							memory_order_relaxed));
	if ((now & ~old) & MEMORY_SHARD_QUEUED)
		queue(rc, page);
	return true;
}

uint32_t refcache_count(struct refcache *rc, uint32_t page)
{
	uint32_t count = atomic_load_explicit(word_of(rc, page), memory_order_acquire);

	for (unsigned cpu = 0; cpu < rc->cpu_count; cpu++) {
		uint64_t pair = atomic_load_explicit(&rc->cpus[cpu].slots[refcache_slot(page)].both,
						     memory_order_acquire);

		if (pair >> 32 == page)
			count += (uint32_t)pair;
	}
	return count & MEMORY_SHARD_COUNT_MASK;
}

void refcache_adopt(struct memory_file *mf, uint32_t page)
{
	uint32_t word;

	if (!mf->refcache)
		return;
	word = atomic_load_explicit(&mf->counts[page], memory_order_relaxed);
	if (word & MEMORY_PAGE_SINGLE) /* not a part of 2 MiB */
		atomic_store_explicit(&mf->counts[page], word | MEMORY_PAGE_SHARDED,
				      memory_order_relaxed);
}

/* ---- passes ---- */

static void empty_table(struct refcache *rc, unsigned cpu) MAY_LOCK_LEAF
{
	struct refcache_cpu *c = &rc->cpus[cpu];

	table_lock(rc, cpu);
	for (unsigned i = 0; c->filled && i < REFCACHE_SLOTS; i++) {
		uint64_t pair = atomic_load_explicit(&c->slots[i].both, memory_order_relaxed);

		if (!pair)
			continue;
		give_up(rc, pair);
		atomic_store_explicit(&c->slots[i].both, 0, memory_order_relaxed);
		c->filled--;
	}
	table_unlock(rc, cpu);
	MM_TEST_POINT(refcache_emptied); /* the lock of passes held */
}

/* Where a page under review goes: off the lists, back to either, or to *dead. */
static void review_page(struct refcache *rc, uint32_t page, bool was_clean, uint32_t *dead)
{
	_Atomic uint32_t *word = word_of(rc, page);
	uint32_t seen = atomic_load_explicit(word, memory_order_acquire), now;
	uint32_t *list;

	do {
		now = seen & ~MEMORY_SHARD_TOUCHED;
		if (seen & MEMORY_SHARD_COUNT_MASK) {
			now &= ~MEMORY_SHARD_QUEUED;
			list = NULL;
		} else if (seen & MEMORY_SHARD_TOUCHED) {
			list = &rc->touched;
		} else if (!was_clean) {
			list = &rc->clean;
		} else {
			now = seen & (MEMORY_PAGE_DIRTY | MEMORY_PAGE_SINGLE);
			list = dead;
		}
	} while (!atomic_compare_exchange_weak_explicit(word, &seen, now, memory_order_acq_rel,
							memory_order_acquire));
	if (!list)
		return; /* others may have queued it again already */
	set_link(rc, page, *list);
	*list = page;
}

/* Returns how many. */
static uint32_t review_list(struct refcache *rc, uint32_t page, bool was_clean, uint32_t *dead)
{
	uint32_t count = 0;

	for (uint32_t next; page; page = next) {
		next = link_of(rc, page); /* it may get another as soon as it is off */
		review_page(rc, page, was_clean, dead);
		count++;
	}
	return count;
}

static void review(struct refcache *rc, uint32_t *dead) REQUIRES(arena_class)
{
	uint32_t clean = rc->clean, touched = rc->touched;

	rc->clean = 0;
	rc->touched = 0;
	review_list(rc, clean, true, dead);
	review_list(rc, touched, false, dead);
	atomic_fetch_sub_explicit(
		&rc->waiting,
		review_list(rc, atomic_exchange_explicit(&rc->head, 0, memory_order_acquire), false,
			    dead),
		memory_order_relaxed);
}

static void pass(struct refcache *rc, uint32_t *dead) REQUIRES(arena_class) MAY_LOCK_LEAF
{
	for (unsigned cpu = 0; cpu < rc->cpu_count; cpu++)
		empty_table(rc, cpu);
	review(rc, dead);
	atomic_store_explicit(&rc->passes,
			      atomic_load_explicit(&rc->passes, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static void free_dead(struct refcache *rc, uint32_t page) MAY_LOCK_ARENA
{
	for (uint32_t next; page; page = next) {
		uint32_t word = atomic_load_explicit(word_of(rc, page), memory_order_relaxed);

		next = link_of(rc, page); /* somebody may have the page a moment later */
		memory_pool_free(rc->mf, page, word);
	}
}

void refcache_pass(struct refcache *rc)
{
	uint32_t dead = 0;

	pass_lock(rc);
	pass(rc, &dead);
	pass_unlock(rc);
	free_dead(rc, dead);
}

void refcache_step(struct refcache *rc)
{
	uint32_t dead = 0;

	if (!pass_try_lock(rc))
		return;
	if (rc->clean || rc->touched || atomic_load_explicit(&rc->head, memory_order_relaxed))
		pass(rc, &dead);
	pass_unlock(rc);
	free_dead(rc, dead);
}

void refcache_reconcile(struct memory_file *mf)
{
	for (int i = 0; mf->refcache && i < 3; i++)
		refcache_pass(mf->refcache);
}

/* ---- create and destroy ---- */

static uint64_t tables_bytes(unsigned cpus)
{
	uint64_t bytes = cpus * sizeof(struct refcache_cpu);

	return (bytes + MM_PAGE_SIZE - 1) / MM_PAGE_SIZE * MM_PAGE_SIZE;
}

uint64_t refcache_bytes(const struct refcache *rc)
{
	return sizeof(*rc) + tables_bytes(rc->cpu_count);
}

int refcache_create(struct memory_file *mf)
{
	struct refcache *rc = mm_aligned_alloc(_Alignof(struct refcache), sizeof(*rc));

	if (!rc)
		return -ENOMEM;
	*rc = (struct refcache){ .mf = mf, .cpu_count = percpu_count() };
	rc->cpus = os_memory_reserve(tables_bytes(rc->cpu_count), MM_PAGE_SIZE, true);
	rc->links = os_memory_reserve(mf->page_limit * sizeof(rc->links[0]), MM_PAGE_SIZE, true);
	/* Else two CPUs might have one table, and sequences come one by one on one CPU only. */
	rc->sequences = rc->cpu_count < PERCPU_MAX && os_rseq_available();
	mf->refcache = rc;
	if (rc->cpus && rc->links)
		return 0;
	refcache_destroy(mf);
	return -ENOMEM;
}

void refcache_destroy(struct memory_file *mf)
{
	struct refcache *rc = mf->refcache;

	if (!rc)
		return;
	os_rseq_forget();
	os_memory_release(rc->cpus, tables_bytes(rc->cpu_count));
	os_memory_release((void *)rc->links, mf->page_limit * sizeof(rc->links[0]));
	free(rc);
	mf->refcache = NULL;
}
