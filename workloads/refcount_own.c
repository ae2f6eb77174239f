/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refcount-own - each worker takes and drops a reference to a page of its own, which it faulted
 * first, on its own CPU: nothing but the count is written, and nobody else writes it.
 */
#include "workloads/refcount.h"
#include "workloads/region.h"

static int refcount_own_enter(struct worker *w)
{
	uint64_t start = region_start(w->run, w->index), page = workload_page_size(w->run);
	int rc = w->t->object_punch(w->run->object, start, page);

	if (!rc)
		rc = region_fault(w->run, start, page);
	return rc ? rc : refcount_pin(w, w->index);
}

const struct workload workload_refcount_own = {
	.name = "refcount-own",
	.description = "references to pages, each worker its own page",
	.operation = "one reference taken and dropped",
	.floor = "floor-fetch-add",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_OBJECTS | TRANSLATOR_CAN_REFERENCES,
	.params = { { "region", "bytes between the pages", 2 << 20 }, WORKLOAD_PARAM_BATCH },
	.roles = { { .name = "counter", .run = refcount_run } },
	.setup = refcount_setup,
	.enter = refcount_own_enter,
	.verify = refcount_verify,
	.teardown = refcount_teardown,
};
