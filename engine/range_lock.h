/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range_lock.h - the `mapping` lock of a space: who may change the vmas of a range.
 *
 * Two calls whose ranges do not overlap run in parallel. A narrow range, one inside an aligned
 * 2 MiB, writes the line of one narrow stripe only (2 MiB blocks, folded to 128), so that narrow
 * ranges in different stripes write no common cache line. A wide range is listed in wide
 * stripes (address / 1 GiB, folded to 64), and costs more. Overlapping ranges wait for each other,
 * in order of arrival at a stripe. range_lock_all conflicts with everything (fork, whole-space
 * changes, close).
 *
 * A thread holds at most one range of a lock at a time: because waiters queue in order of
 * arrival, a second one could wait behind somebody who waits for the first. Call with the hull
 * of all that is to change. Ranges of two spaces are taken in ascending space id.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "engine/lock_order.h"
#include "engine/range.h"

#define RANGE_LOCK_WIDE 64
#define RANGE_LOCK_NARROW 128

struct range_lock_stripe {
	/* Newest range_held of the stripe, with the stripe's own lock and waiter bit in the low
	 * bits. */
	_Alignas(64) _Atomic uintptr_t head;
};

struct range_lock {
	struct range_lock_stripe wide[RANGE_LOCK_WIDE];
	struct range_lock_stripe narrow[RANGE_LOCK_NARROW];
	uint64_t space_id; /* rank key; immutable */
};

/*
 * Lives in the holder's frame from lock to unlock, and may not move; all fields private. It need
 * not be initialised. 570 bytes, of which an ordinary range touches the first line or two.
 */
struct range_held {
	struct range_lock *lock;
	struct addr_range range;
	uint64_t wide; /* bit mask: wide stripes where it is, or will be, listed; 0: narrow */
	unsigned narrow; /* index of its narrow stripe */
	/* older overlapping ranges in the stripe waited for; top bit: parked */
	_Atomic uint32_t blockers;
	_Atomic(struct range_held *) next[1 + RANGE_LOCK_WIDE]; /* older, by slot */
};

/* Nothing is held. space_id: unique. */
void range_lock_init(struct range_lock *l, uint64_t space_id);
/* Nobody holds or waits for it; reported through mm_fail() otherwise. */
void range_lock_release(struct range_lock *l);

/*
 * range_lock_lock(l, range, held): returns once no older range overlaps. range is not empty.
 * range_lock_unlock(held): by the same thread. range_lock_all(l, held): the range of everything.
 */
#define range_lock_lock(...) range_lock_lock_at(LOCK_SITE, __VA_ARGS__)
#define range_lock_all(...) range_lock_all_at(LOCK_SITE, __VA_ARGS__)

void range_lock_lock_at(const char *site, struct range_lock *l, struct addr_range range,
			struct range_held *held) ACQUIRES(mapping_class) MAY_LOCK_MAPPING;
void range_lock_unlock(struct range_held *held) RELEASES(mapping_class);
void range_lock_all_at(const char *site, struct range_lock *l, struct range_held *held)
	ACQUIRES(mapping_class) MAY_LOCK_MAPPING;
