/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range_lock.c - range locks: a list of ranges per stripe, newest first, and counted blockers.
 *
 * A range is listed in every stripe that it touches, stripes in ascending order, and is granted
 * in a stripe when no older entry of that stripe's list overlaps it. On arrival it counts the
 * overlapping entries (all older) in `blockers`; a range that leaves takes one off the count of
 * every newer entry that it overlaps. Those are waiting in this very stripe, since a newer
 * overlapping range cannot have been granted here: so one count per range is enough.
 *
 * Ranges that overlap share a stripe, hence exclude each other there. Deadlock-free: a range
 * waits in stripe s for an older entry of s, which runs, or waits in s for a still older one, or
 * waits in a higher stripe; and its holder holds no other range of this lock (header). Fair: who
 * arrives later at a stripe never overtakes an overlapping earlier one.
 *
 * The stripe's list is guarded by LOCK in `head` (a leaf lock; bounded list walks only). An empty
 * list is pushed to, and a list of one popped from, by one compare-and-swap without that bit: a
 * pop that sees next == NULL cannot be overtaken by a change of next, since entries older than
 * it never appear; with an older neighbour, ABA would be possible and the bit is taken. Every
 * change of head is a read-modify-write with acquire and release: the next holder of a range
 * sees all that the last one did, and nobody's walk reads a frame that its owner has left.
 *
 * A waiter's frame may be gone once its count is 0, so the wake comes by address only.
 */
#include "engine/range_lock.h"

#include <stddef.h>

#include "engine/fail.h"
#include "engine/park.h"

#define LOCK ((uintptr_t)1)
#define WAITER ((uintptr_t)2)
#define BITS (LOCK | WAITER)
#define PARKED (UINT32_C(1) << 31)
#define SPINS 100
#define WAKES_DEFERRED_MAX 8

static unsigned stripe_of(uint64_t address)
{
	uint64_t n = address >> RANGE_LOCK_STRIPE_SHIFT;

	/* One-to-one inside each aligned 64 GiB; windows 64 GiB apart do not pile up on one. */
	return (unsigned)(n ^ (n >> 6) ^ (n >> 12)) % RANGE_LOCK_STRIPES;
}

static uint64_t stripes_of(struct addr_range range)
{
	uint64_t first = range.start >> RANGE_LOCK_STRIPE_SHIFT;
	uint64_t last = (range.end - 1) >> RANGE_LOCK_STRIPE_SHIFT;
	uint64_t mask = 0;

	if (last - first >= 2 * RANGE_LOCK_STRIPES - 2) /* holds an aligned group of 64 */
		return UINT64_MAX;
	for (uint64_t n = first; n <= last; n++)
		mask |= UINT64_C(1) << stripe_of(n << RANGE_LOCK_STRIPE_SHIFT);
	return mask;
}

static struct range_held *entry_of(uintptr_t head)
{
	return (struct range_held *)(head & ~BITS);
}

/* Takes the stripe's bit and returns its newest entry. */
static struct range_held *stripe_lock(struct range_lock_stripe *s) ACQUIRES(leaf_class)
	MAY_LOCK_LEAF NO_TSA /* a lock bit in a word */
{
	uintptr_t head = atomic_load_explicit(&s->head, memory_order_relaxed);

	for (int i = 0;; i++) {
		if (!(head & LOCK)) {
			if (atomic_compare_exchange_weak_explicit(&s->head, &head, head | LOCK,
								  memory_order_acquire,
								  memory_order_relaxed))
				return entry_of(head);
			continue;
		}
		if (i < SPINS) {
			__builtin_ia32_pause();
			head = atomic_load_explicit(&s->head, memory_order_relaxed);
			continue;
		}
		struct park_ticket ticket = park_prepare(s);

		head = atomic_fetch_or_explicit(&s->head, WAITER, memory_order_acq_rel);
		if (head & LOCK)
			park_wait(ticket);
		head = atomic_load_explicit(&s->head, memory_order_relaxed);
	}
}

/* Publishes the list's newest entry and gives the bit up. */
static void stripe_unlock(struct range_lock_stripe *s, struct range_held *newest)
	RELEASES(leaf_class) NO_TSA /* a lock bit in a word */
{
	if (atomic_exchange_explicit(&s->head, (uintptr_t)newest, memory_order_acq_rel) & WAITER)
		park_wake(s);
}

static void wait_for_blockers(struct range_held *held)
{
	for (int i = 0; i < SPINS; i++) {
		if (atomic_load_explicit(&held->blockers, memory_order_acquire) == 0)
			return;
		__builtin_ia32_pause();
	}
	for (;;) {
		struct park_ticket ticket = park_prepare(held);

		if (!(atomic_fetch_or_explicit(&held->blockers, PARKED, memory_order_acq_rel) &
		      ~PARKED))
			return;
		park_wait(ticket);
	}
}

static void enter_stripe(struct range_held *held, unsigned index) MAY_LOCK_LEAF
{
	struct range_lock_stripe *s = &held->lock->stripe[index];
	uintptr_t empty = 0;
	uint32_t blockers = 0;

	atomic_store_explicit(&held->next[index], NULL, memory_order_relaxed);
	if (atomic_compare_exchange_strong_explicit(&s->head, &empty, (uintptr_t)held,
						    memory_order_acq_rel, memory_order_relaxed))
		return;

	struct range_held *newest = stripe_lock(s);

	for (struct range_held *h = newest; h;
	     h = atomic_load_explicit(&h->next[index], memory_order_relaxed))
		blockers += addr_range_overlaps(h->range, held->range);
	atomic_store_explicit(&held->blockers, blockers, memory_order_relaxed);
	atomic_store_explicit(&held->next[index], newest, memory_order_relaxed);
	stripe_unlock(s, held);
	if (blockers)
		wait_for_blockers(held);
}

static void leave_stripe(struct range_held *held, unsigned index) MAY_LOCK_LEAF
{
	struct range_lock_stripe *s = &held->lock->stripe[index];
	struct range_held *older = atomic_load_explicit(&held->next[index], memory_order_relaxed);
	uintptr_t alone = (uintptr_t)held;
	const void *wake[WAKES_DEFERRED_MAX];
	unsigned wakes = 0;

	if (!older && atomic_compare_exchange_strong_explicit(
			      &s->head, &alone, 0, memory_order_acq_rel, memory_order_relaxed))
		return;

	struct range_held *newest = stripe_lock(s);
	struct range_held *newer = NULL;

	for (struct range_held *h = newest; h != held;
	     h = atomic_load_explicit(&h->next[index], memory_order_relaxed)) {
		if (!h)
			mm_fail("range lock: [0x%llx, 0x%llx) is not held",
				(unsigned long long)held->range.start,
				(unsigned long long)held->range.end);
		newer = h;
		if (!addr_range_overlaps(h->range, held->range))
			continue;
		/* The last look at h's count: at 0 its owner may return. h stays listed, and so
		 * in place, until the owner has taken the stripe's bit, which we hold. */
		if (atomic_fetch_sub_explicit(&h->blockers, 1, memory_order_acq_rel) !=
		    (PARKED | 1))
			continue;
		if (wakes == WAKES_DEFERRED_MAX)
			park_wake(h);
		else
			wake[wakes++] = h;
	}
	older = atomic_load_explicit(&held->next[index], memory_order_relaxed);
	if (newer)
		atomic_store_explicit(&newer->next[index], older, memory_order_relaxed);
	stripe_unlock(s, newer ? newest : older);
	while (wakes > 0)
		park_wake(wake[--wakes]);
}

void range_lock_init(struct range_lock *l, uint64_t space_id)
{
	for (unsigned i = 0; i < RANGE_LOCK_STRIPES; i++)
		atomic_init(&l->stripe[i].head, 0);
	l->space_id = space_id;
}

void range_lock_release(struct range_lock *l)
{
	for (unsigned i = 0; i < RANGE_LOCK_STRIPES; i++)
		MM_CHECK(atomic_load_explicit(&l->stripe[i].head, memory_order_acquire) == 0);
}

static struct lock_key key_of(const struct range_held *held)
{
	return (struct lock_key){ .major = held->lock->space_id, .minor = held->range.start };
}

static void lock_stripes(const char *site, struct range_held *held, uint64_t stripes) MAY_LOCK_LEAF
{
	lock_rank_push(RANK_MAPPING, key_of(held), site);
	held->stripes = stripes;
	for (uint64_t rest = stripes; rest; rest &= rest - 1)
		enter_stripe(held, (unsigned)__builtin_ctzll(rest));
}

void range_lock_lock_at(const char *site, struct range_lock *l, struct addr_range range,
			struct range_held *held) NO_TSA /* a loop of stripes */
{
	MM_CHECK(range.start < range.end);
	held->lock = l;
	held->range = range;
	lock_stripes(site, held, stripes_of(range));
}

void range_lock_all_at(const char *site, struct range_lock *l, struct range_held *held)
	NO_TSA /* a loop of stripes */
{
	held->lock = l;
	held->range = (struct addr_range){ 0, UINT64_MAX };
	lock_stripes(site, held, UINT64_MAX);
}

void range_lock_unlock(struct range_held *held) NO_TSA /* a loop of stripes */
{
	for (uint64_t rest = held->stripes; rest; rest &= rest - 1)
		leave_stripe(held, (unsigned)__builtin_ctzll(rest));
	lock_rank_pop(RANK_MAPPING, key_of(held), LOCK_SITE);
}
