/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault-cow - the first store to each page of a private mapping of an object, after it was read.
 *
 * Each worker has its own part of one object, whose pages exist, mapped privately. Between rounds
 * the copies are discarded and the pages read again, untimed. A translator that copies more than
 * a page at a time has its next faults for little.
 */
#include <errno.h>

#include "workloads/region.h"

/* The object is mapped once more, shared, after the regions of the workers. */
static int fault_cow_setup(struct workload_run *run)
{
	int rc = region_fit(run, 2 * (uint64_t)run->worker_count);
	uint64_t all = run->params[0] * run->worker_count;

	if (!rc)
		rc = region_space_create(run, 2 * (uint64_t)run->worker_count);
	if (!rc)
		rc = region_object_create(run, all);
	if (!rc)
		rc = region_map(run, region_start(run, run->worker_count), all, run->object, 0);
	return rc ? rc : region_fault(run, region_start(run, run->worker_count), all);
}

static void fault_cow_reset(struct worker *w)
{
	uint64_t start = region_start(w->run, w->index), bytes = w->run->params[0];
	int rc = w->t->discard(w->run->space, start, bytes);

	for (uint64_t at = start; at < start + bytes && !rc; at += 4096)
		rc = w->t->fault(w->run->space, at, TRANSLATOR_READ);
	if (rc)
		workload_fail(w, rc);
	w->cursor = 0;
}

static int fault_cow_enter(struct worker *w)
{
	uint64_t start = region_start(w->run, w->index), bytes = w->run->params[0];
	int rc = region_map_private(w->run, start, bytes, w->run->object, w->index * bytes);

	if (!rc)
		rc = region_fault(w->run, start, bytes);
	if (!rc)
		fault_cow_reset(w);
	return rc ? rc : w->error;
}

/* What was stored to is a page other than the object's. */
static int fault_cow_verify(struct workload_run *run)
{
	int rc = region_verify_next(run);

	for (unsigned i = 0; i < run->worker_count && !rc; i++)
		rc = region_verify_pairs(run, region_start(run, i),
					 region_start(run, run->worker_count + i),
					 run->workers[i].cursor, false);
	return rc;
}

const struct workload workload_fault_cow = {
	.name = "fault-cow",
	.description = "first stores to pages of a private mapping of an object, read before",
	.operation = "write fault on a page that is shown and not yet copied",
	.floor = "floor-copy",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_OBJECTS | TRANSLATOR_CAN_PRIVATE |
		 TRANSLATOR_CAN_DISCARD,
	.params = { { "region", "bytes for each worker", 16 << 20 } },
	.roles = { { .name = "writer", .run = region_fault_next, .reset = fault_cow_reset } },
	.round_of = region_round,
	.setup = fault_cow_setup,
	.enter = fault_cow_enter,
	.verify = fault_cow_verify,
	.teardown = region_teardown,
};
