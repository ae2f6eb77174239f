/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range_lock.h - the `mapping` lock of a space: who may change the vmas of a range.
 *
 * Two calls whose ranges do not overlap run in parallel, and on different CPUs touch no common
 * line in the ordinary case (both inside one aligned 1 GiB stripe or few of them); overlapping
 * ones wait for each other in order of arrival at the stripe. Stripes are taken in ascending
 * order. range_lock_all takes every stripe (fork, whole-space changes, close).
 */
#pragma once

#include <stdatomic.h>

#include "engine/lock_order.h"
#include "engine/range.h"

#define RANGE_LOCK_STRIPES 64

struct range_lock_waiter; /* an entry of a stripe's list, lives in struct range_held */

struct range_lock {
	struct range_lock_stripe {
		_Atomic uint32_t lock; /* park word; leaf: guards held */
		struct range_held *held; /* ranges held or waited for in this stripe */
	} __attribute__((aligned(64))) stripe[RANGE_LOCK_STRIPES];
	uint64_t space_id; /* rank key; immutable */
};

/* Lives on the stack of the holder from lock to unlock; fields private. */
struct range_held {
	struct range_lock *lock;
	struct addr_range range;
	uint64_t stripes; /* bit mask of stripes it is listed in */
	struct range_held *next[RANGE_LOCK_STRIPES > 4 ? 4 : RANGE_LOCK_STRIPES];
	unsigned first_stripe, stripe_count;
	bool whole; /* covers more stripes than next[] has: uses the whole-lock path */
};

void range_lock_init(struct range_lock *l, uint64_t space_id);
void range_lock_release(struct range_lock *l); /* nobody holds it */
void range_lock_lock(struct range_lock *l, struct addr_range range, struct range_held *held)
	ACQUIRES(mapping_class) MAY_LOCK_MAPPING;
void range_lock_unlock(struct range_held *held) RELEASES(mapping_class);
void range_lock_all(struct range_lock *l, struct range_held *held)
	ACQUIRES(mapping_class) MAY_LOCK_MAPPING;
