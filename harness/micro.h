/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro.h - the parts of the micro suite: each micro_*.c registers the benchmarks of one module.
 *
 * Alone in harness/, these files may look inside the engine. Names are module/what; operations
 * that last nanoseconds come in batches, so that the loop's own cost does not show.
 */
#pragma once

#include "harness/gbench_shim.h"

#define MICRO_BATCH 64

void micro_address_map(void);
void micro_floor(void);
void micro_histogram(void);
void micro_mapping_set(void);
void micro_page_count(void);
void micro_range(void);

/* Pseudo-random numbers, the same in each run: xorshift64 of a state that is not 0. */
static inline uint64_t micro_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x;
}
