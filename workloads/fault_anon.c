/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault-anon - the first fault on each page of a fresh private mapping.
 *
 * All workers share one space, at least 2 MiB apart: nothing that they do need meet. Pages come
 * back from the round before, so that what is timed is the fault, not the host's first touch.
 */
#include "workloads/region.h"

static void fault_anon_reset(struct worker *w)
{
	uint64_t start = region_start(w->run, w->index), bytes = w->run->params[0];
	int rc = w->t->unmap(w->run->space, start, bytes);

	if (!rc)
		rc = region_map(w->run, start, bytes, NULL, 0);
	if (rc)
		workload_fail(w, rc);
	w->cursor = 0;
}

static int fault_anon_enter(struct worker *w)
{
	uint64_t start = region_start(w->run, w->index), bytes = w->run->params[0];
	int rc = region_map(w->run, start, bytes, NULL, 0);

	if (!rc)
		rc = region_fault(w->run, start, bytes);
	if (!rc)
		fault_anon_reset(w);
	return rc ? rc : w->error;
}

const struct workload workload_fault_anon = {
	.name = "fault-anon",
	.description = "first faults on fresh private memory, each worker in its own part",
	.operation = "first fault on a ready page of a fresh mapping",
	.floor = "floor-fetch-add",
	.needs = TRANSLATOR_CAN_SPACES,
	.params = { { "region", "bytes for each worker", 64 << 20 }, WORKLOAD_PARAM_BATCH },
	.roles = { { .name = "faulter", .run = region_fault_next, .reset = fault_anon_reset } },
	.round_of = region_round,
	.setup = region_setup_each,
	.enter = fault_anon_enter,
	.verify = region_verify_next,
	.teardown = region_teardown,
};
