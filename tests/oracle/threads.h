/* SPDX-License-Identifier: Apache-2.0 */
/* threads.h - the engine under threads, judged by what each of them must see. */
#pragma once

#include <stdint.h>

#define THREADS_MAX 16

/*
 * `threads` owners of disjoint ranges, and one thread that disturbs them all by truncating,
 * punching, invalidating and forking, for that many seconds. Aborts with a message at the first
 * thing that ought not to be. Returns the operations done.
 */
uint64_t threads_run(uint64_t seed, unsigned threads, unsigned seconds);
/*
 * One thread writes A and then B, over and over (odd seeds: many fresh pages in turn), while
 * another forks: no child has a write without those before it. Returns the forks done.
 */
uint64_t threads_order(uint64_t seed, unsigned seconds);
