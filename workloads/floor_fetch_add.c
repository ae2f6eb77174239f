/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-fetch-add - one atomic addition to a counter of the worker's own: the least that any
 * operation costs which changes something that others may see.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "workloads/workload.h"

struct counter {
	_Atomic uint64_t value;
} __attribute__((aligned(128)));

static int floor_fetch_add_setup(struct workload_run *run)
{
	run->data = aligned_alloc(128, run->worker_count * sizeof(struct counter));
	if (!run->data)
		return -ENOMEM;
	for (unsigned i = 0; i < run->worker_count; i++)
		atomic_init(&((struct counter *)run->data)[i].value, 0);
	return 0;
}

static uint64_t floor_fetch_add_run(struct worker *w, uint64_t count)
{
	struct counter *mine = (struct counter *)w->run->data + w->index;

	for (uint64_t i = 0; i < count; i++)
		atomic_fetch_add_explicit(&mine->value, 1, memory_order_relaxed);
	w->cursor += count;
	return count;
}

static int floor_fetch_add_verify(struct workload_run *run)
{
	struct counter *counters = run->data;

	for (unsigned i = 0; i < run->worker_count; i++)
		if (atomic_load(&counters[i].value) != run->workers[i].cursor)
			return -EIO;
	return 0;
}

static void floor_fetch_add_teardown(struct workload_run *run)
{
	free(run->data);
	run->data = NULL;
}

const struct workload workload_floor_fetch_add = {
	.name = "floor-fetch-add",
	.description = "atomic additions, each worker to its own cache line",
	.operation = "atomic fetch-and-add",
	.is_floor = true,
	.roles = { { .name = "adder", .run = floor_fetch_add_run } },
	.setup = floor_fetch_add_setup,
	.verify = floor_fetch_add_verify,
	.teardown = floor_fetch_add_teardown,
};
