/* SPDX-License-Identifier: Apache-2.0 */
/* micro_floor.c - what the primitives are set against: one atomic addition, own line and shared. */
#include <stdatomic.h>

#include "harness/micro.h"

#define MAX_THREADS 64

static struct {
	_Atomic uint64_t value;
} __attribute__((aligned(128))) counters[MAX_THREADS];

static void add(struct gbench_state *s, _Atomic uint64_t *counter)
{
	while (gbench_state_keep_running_batch(s, MICRO_BATCH))
		for (int i = 0; i < MICRO_BATCH; i++)
			atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void add_own(struct gbench_state *s)
{
	add(s, &counters[gbench_state_thread(s) % MAX_THREADS].value);
}

static void add_shared(struct gbench_state *s)
{
	add(s, &counters[0].value);
}

void micro_floor(void)
{
	struct gbench *b = gbench_register("floor/fetch_add", add_own);

	gbench_threads(b, 1);
	gbench_threads(b, 2);
	gbench_threads(gbench_register("floor/fetch_add_shared", add_shared), 2);
}
