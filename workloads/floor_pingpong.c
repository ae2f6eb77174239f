/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-pingpong - one cache line goes back and forth between two workers: how far apart they are.
 *
 * Who finds the count at its own parity adds one, which passes the line on. One operation is one
 * round trip. A wait is bounded: when the peer has stopped, run returns what it has done.
 */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "workloads/workload.h"

#define SPINS 4096 /* between offers to let the peer run, should both share one CPU */
#define OFFERS 64

struct ball {
	_Atomic uint64_t count;
} __attribute__((aligned(128)));

static int floor_pingpong_setup(struct workload_run *run)
{
	struct ball *ball = aligned_alloc(128, sizeof(*ball));

	if (!ball)
		return -ENOMEM;
	atomic_init(&ball->count, 0);
	run->data = ball;
	return 0;
}

/* The count, once its parity is ours; UINT64_MAX if the peer does not answer. */
static uint64_t await(struct ball *ball, uint64_t parity)
{
	for (int offer = 0; offer < OFFERS; offer++) {
		for (int spin = 0; spin < SPINS; spin++) {
			uint64_t count = atomic_load_explicit(&ball->count, memory_order_acquire);

			if ((count & 1) == parity)
				return count;
			__builtin_ia32_pause();
		}
		sched_yield();
	}
	return UINT64_MAX;
}

static uint64_t floor_pingpong_run(struct worker *w, uint64_t count)
{
	struct ball *ball = w->run->data;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t seen = await(ball, w->role & 1);

		if (seen == UINT64_MAX)
			return i;
		atomic_store_explicit(&ball->count, seen + 1, memory_order_release);
	}
	return count;
}

static void floor_pingpong_teardown(struct workload_run *run)
{
	free(run->data);
	run->data = NULL;
}

const struct workload workload_floor_pingpong = {
	.name = "floor-pingpong",
	.description = "a cache line that two workers pass back and forth",
	.operation = "round trip of a cache line",
	.is_floor = true,
	.two_party = true,
	.roles = { { .name = "ping", .threads = 1, .run = floor_pingpong_run },
		   { .name = "pong", .threads = 1, .run = floor_pingpong_run } },
	.setup = floor_pingpong_setup,
	.teardown = floor_pingpong_teardown,
};
