/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refcount-shared - all workers take and drop references to one page: what a page of a shared
 * library suffers.
 */
#include "workloads/refcount.h"

static int refcount_shared_enter(struct worker *w)
{
	return refcount_pin(w, 0);
}

const struct workload workload_refcount_shared = {
	.name = "refcount-shared",
	.description = "references to pages, all workers the same page",
	.operation = "one reference taken and dropped",
	.floor = "floor-fetch-add",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_OBJECTS | TRANSLATOR_CAN_REFERENCES,
	.params = { { "region", "bytes between the pages", 2 << 20 }, WORKLOAD_PARAM_BATCH },
	.roles = { { .name = "counter", .run = refcount_run } },
	.setup = refcount_setup,
	.enter = refcount_shared_enter,
	.verify = refcount_verify,
	.teardown = refcount_teardown,
};
