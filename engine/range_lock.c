/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range_lock.c - range locks: a list of ranges per stripe, newest first, and counted blockers.
 *
 * A wide range is listed in every wide stripe that it touches, in ascending order, and is granted
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
 *
 * Narrow against wide: a narrow range enters its narrow stripe, then looks whether the wide stripe
 * of its address is empty; a wide one enters its wide stripes, then looks at every narrow stripe
 * that its range may meet. All four are sequentially consistent, so one of them sees the other. A
 * narrow range that sees somebody leaves its stripe and becomes a wide one, which queues; a wide
 * one passes through the narrow stripe, which it may do when the older overlapping ranges are
 * gone. Nobody waits in a wide stripe while listed in a narrow one, so a wide range waits for
 * narrow ones that run or leave, and for nothing that waits for it.
 *
 * Slots of `next`: 0 for the one narrow stripe that a range is listed in, 1 + i for wide stripe i.
 */
#include "engine/range_lock.h"

#include <stddef.h>

#include "engine/fail.h"
#include "engine/park.h"

#define WIDE_SHIFT 30
#define NARROW_SHIFT 21
#define NARROW_SLOT 0u
#define WIDE_SLOT(stripe) (1u + (stripe))
#define LOCK ((uintptr_t)1)
#define WAITER ((uintptr_t)2)
#define BITS (LOCK | WAITER)
#define PARKED (UINT32_C(1) << 31)
#define SPINS 100
#define WAKES_DEFERRED_MAX 8

/* n: address / 1 GiB. One-to-one inside each aligned 64 GiB; windows 64 GiB apart do not pile up on
 * one. */
static unsigned wide_stripe(uint64_t n)
{
	return (unsigned)(n ^ (n >> 6) ^ (n >> 12)) % RANGE_LOCK_WIDE;
}

static uint64_t wide_stripes(struct addr_range range)
{
	uint64_t first = range.start >> WIDE_SHIFT;
	uint64_t last = (range.end - 1) >> WIDE_SHIFT;
	uint64_t mask = 0;

	if (last - first >= 2 * RANGE_LOCK_WIDE - 2) /* holds an aligned group of 64 */
		return UINT64_MAX;
	for (uint64_t n = first; n <= last; n++)
		mask |= UINT64_C(1) << wide_stripe(n);
	return mask;
}

/* n: address / 2 MiB. One-to-one inside each aligned 256 MiB. */
static unsigned narrow_stripe(uint64_t n)
{
	return (unsigned)(n ^ (n >> 7) ^ (n >> 14)) % RANGE_LOCK_NARROW;
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
	/* seq_cst: narrow against wide, see above */
	if (atomic_exchange_explicit(&s->head, (uintptr_t)newest, memory_order_seq_cst) & WAITER)
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

static __attribute__((noinline)) void enter_crowd(struct range_held *held,
						  struct range_lock_stripe *s, unsigned slot)
	MAY_LOCK_LEAF
{
	uint32_t blockers = 0;
	struct range_held *newest = stripe_lock(s);

	for (struct range_held *h = newest; h;
	     h = atomic_load_explicit(&h->next[slot], memory_order_relaxed))
		blockers += addr_range_overlaps(h->range, held->range);
	atomic_store_explicit(&held->blockers, blockers, memory_order_relaxed);
	atomic_store_explicit(&held->next[slot], newest, memory_order_relaxed);
	stripe_unlock(s, held);
	if (blockers)
		wait_for_blockers(held);
}

/* Lists held in s, and waits until no older overlapping range is. */
static inline void enter_stripe(struct range_held *held, struct range_lock_stripe *s, unsigned slot)
	MAY_LOCK_LEAF
{
	uintptr_t empty = 0;

	atomic_store_explicit(&held->next[slot], NULL, memory_order_relaxed);
	/* seq_cst: narrow against wide, see above */
	if (__builtin_expect(!atomic_compare_exchange_strong_explicit(
				     &s->head, &empty, (uintptr_t)held, memory_order_seq_cst,
				     memory_order_relaxed),
			     0))
		enter_crowd(held, s, slot);
}

static __attribute__((noinline)) void leave_crowd(struct range_held *held,
						  struct range_lock_stripe *s, unsigned slot)
	MAY_LOCK_LEAF
{
	const void *wake[WAKES_DEFERRED_MAX];
	unsigned wakes = 0;
	struct range_held *newest = stripe_lock(s);
	struct range_held *newer = NULL;

	for (struct range_held *h = newest; h != held;
	     h = atomic_load_explicit(&h->next[slot], memory_order_relaxed)) {
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
	struct range_held *older = atomic_load_explicit(&held->next[slot], memory_order_relaxed);

	if (newer)
		atomic_store_explicit(&newer->next[slot], older, memory_order_relaxed);
	stripe_unlock(s, newer ? newest : older);
	while (wakes > 0)
		park_wake(wake[--wakes]);
}

static inline void leave_stripe(struct range_held *held, struct range_lock_stripe *s, unsigned slot)
	MAY_LOCK_LEAF
{
	uintptr_t alone = (uintptr_t)held;

	if (atomic_load_explicit(&held->next[slot], memory_order_relaxed) ||
	    !atomic_compare_exchange_strong_explicit(&s->head, &alone, 0, memory_order_acq_rel,
						     memory_order_relaxed))
		leave_crowd(held, s, slot);
}

void range_lock_init(struct range_lock *l, uint64_t space_id)
{
	for (unsigned i = 0; i < RANGE_LOCK_WIDE; i++)
		atomic_init(&l->wide[i].head, 0);
	for (unsigned i = 0; i < RANGE_LOCK_NARROW; i++)
		atomic_init(&l->narrow[i].head, 0);
	l->space_id = space_id;
}

void range_lock_release(struct range_lock *l)
{
	for (unsigned i = 0; i < RANGE_LOCK_WIDE; i++)
		MM_CHECK(atomic_load_explicit(&l->wide[i].head, memory_order_acquire) == 0);
	for (unsigned i = 0; i < RANGE_LOCK_NARROW; i++)
		MM_CHECK(atomic_load_explicit(&l->narrow[i].head, memory_order_acquire) == 0);
}

static struct lock_key key_of(const struct range_held *held)
{
	return (struct lock_key){ .major = held->lock->space_id, .minor = held->range.start };
}

/* Waits until no narrow range that overlaps is left; later ones see us in the wide stripes. */
static void pass_narrow(struct range_held *held, unsigned index) MAY_LOCK_LEAF
{
	struct range_lock_stripe *s = &held->lock->narrow[index];

	if (!atomic_load_explicit(&s->head, memory_order_seq_cst))
		return;
	enter_stripe(held, s, NARROW_SLOT);
	leave_stripe(held, s, NARROW_SLOT);
}

static void lock_wide(struct range_held *held, uint64_t stripes) MAY_LOCK_LEAF
{
	uint64_t first = held->range.start >> NARROW_SHIFT;
	uint64_t last = (held->range.end - 1) >> NARROW_SHIFT;

	held->wide = stripes;
	for (uint64_t rest = stripes; rest; rest &= rest - 1) {
		unsigned i = (unsigned)__builtin_ctzll(rest);

		enter_stripe(held, &held->lock->wide[i], WIDE_SLOT(i));
	}
	if (last - first >= RANGE_LOCK_NARROW)
		for (unsigned i = 0; i < RANGE_LOCK_NARROW; i++)
			pass_narrow(held, i);
	else
		for (uint64_t n = first; n <= last; n++)
			pass_narrow(held, narrow_stripe(n));
}

void range_lock_lock_at(const char *site, struct range_lock *l, struct addr_range range,
			struct range_held *held) NO_TSA /* a loop of stripes */
{
	uint64_t block = range.start >> NARROW_SHIFT;

	MM_CHECK(range.start < range.end);
	held->lock = l;
	held->range = range;
	lock_rank_push(RANK_MAPPING, key_of(held), site);
	if (block == (range.end - 1) >> NARROW_SHIFT) {
		struct range_lock_stripe *wide = &l->wide[wide_stripe(range.start >> WIDE_SHIFT)];

		held->wide = 0;
		held->narrow = narrow_stripe(block);
		enter_stripe(held, &l->narrow[held->narrow], NARROW_SLOT);
		if (__builtin_expect(!atomic_load_explicit(&wide->head, memory_order_seq_cst), 1))
			return;
		leave_stripe(held, &l->narrow[held->narrow], NARROW_SLOT);
	}
	lock_wide(held, wide_stripes(range));
}

void range_lock_all_at(const char *site, struct range_lock *l, struct range_held *held)
	NO_TSA /* a loop of stripes */
{
	held->lock = l;
	held->range = (struct addr_range){ 0, UINT64_MAX };
	lock_rank_push(RANK_MAPPING, key_of(held), site);
	lock_wide(held, UINT64_MAX);
}

void range_lock_unlock(struct range_held *held) NO_TSA /* a loop of stripes */
{
	if (!held->wide)
		leave_stripe(held, &held->lock->narrow[held->narrow], NARROW_SLOT);
	for (uint64_t rest = held->wide; rest; rest &= rest - 1) {
		unsigned i = (unsigned)__builtin_ctzll(rest);

		leave_stripe(held, &held->lock->wide[i], WIDE_SLOT(i));
	}
	lock_rank_pop(RANK_MAPPING, key_of(held), LOCK_SITE);
}
