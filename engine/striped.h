/* SPDX-License-Identifier: Apache-2.0 */
/*
 * striped.h - a counter that every CPU adds to in a cache line of its own, for sums that are added
 * to often and told rarely.
 *
 * A stripe may be negative: what one CPU added, another may have taken away. The sum is exact when
 * nobody adds.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "engine/percpu.h"

struct striped {
	struct stripe {
		_Alignas(64) _Atomic int64_t value;
	} of_cpu[PERCPU_MAX];
};

static inline void striped_add(struct striped *s, int64_t n)
{
	atomic_fetch_add_explicit(&s->of_cpu[percpu_id()].value, n, memory_order_relaxed);
}

static inline int64_t striped_sum(const struct striped *s)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < PERCPU_MAX; i++)
		sum += atomic_load_explicit(&s->of_cpu[i].value, memory_order_relaxed);
	return sum;
}
