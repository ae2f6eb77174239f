/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault-shared - faults on a shared object whose pages exist already.
 *
 * One object, mapped once in one space; each worker faults its own part of it, page after page.
 * Between rounds the translations of the part are forgotten, while the object keeps its pages.
 */
#include "workloads/region.h"

static int fault_shared_setup(struct workload_run *run)
{
	int rc = region_fit(run, run->worker_count);
	uint64_t all = run->params[0] * run->worker_count;

	if (!rc)
		rc = region_space_create(run, run->worker_count);
	if (!rc)
		rc = region_object_create(run, all);
	if (!rc)
		rc = region_map(run, region_start(run, 0), all, run->object, 0);
	return rc;
}

const struct workload workload_fault_shared = {
	.name = "fault-shared",
	.description = "faults on existing pages of one shared object, each worker in its own part",
	.operation = "fault on an existing page of an object",
	.floor = "floor-fetch-add",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_OBJECTS,
	.params = { { "region", "bytes for each worker", 64 << 20 }, WORKLOAD_PARAM_BATCH },
	.roles = { { .name = "faulter", .run = region_fault_next, .reset = region_forget } },
	.round_of = region_round,
	.setup = fault_shared_setup,
	.enter = region_enter_object,
	.verify = region_verify_next,
	.teardown = region_teardown,
};
