/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault-ahead - stores to a batch of consecutive pages that are not there: as many traps as pages,
 * unless the translator brings some along (memmap:fault_ahead=64k). Counter host_mappings says how
 * many it took.
 */
#include "workloads/touch.h"

static int fault_ahead_setup(struct workload_run *run)
{
	int rc = region_setup_each(run);

	return rc ? rc : region_fit_batch(run, region_round(run, 0));
}

static uint64_t fault_ahead_run(struct worker *w, uint64_t count)
{
	touch_pages(w, count * w->run->params[1]);
	return count;
}

static uint64_t fault_ahead_round(const struct workload_run *run, unsigned role)
{
	return region_round(run, role) / run->params[1];
}

const struct workload workload_fault_ahead = {
	.name = "fault-ahead",
	.description = "stores to consecutive pages, which a translator may bring in batches",
	.operation = "stores to a batch of pages that are not there",
	.floor = "floor-sigsegv-mmap",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_DISCARD | TRANSLATOR_CAN_TOUCH,
	.touches = true,
	.params = { { "region", "bytes for each worker", 16 << 20 },
		    { "pages", "of a batch", 16 } },
	.roles = { {
		.name = "toucher",
		.run = fault_ahead_run,
		.reset = touch_reset,
		.singles = true,
	} },
	.round_of = fault_ahead_round,
	.setup = fault_ahead_setup,
	.enter = touch_enter,
	.verify = touch_verify,
	.teardown = region_teardown,
};
