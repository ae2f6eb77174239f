/* SPDX-License-Identifier: Apache-2.0 */
/*
 * touch-anon - from the hardware trap to the resumed instruction: a store to each page of private
 * memory, through the address that the translator shows.
 */
#include "workloads/touch.h"

static uint64_t touch_anon_run(struct worker *w, uint64_t count)
{
	touch_pages(w, count);
	return count;
}

const struct workload workload_touch_anon = {
	.name = "touch-anon",
	.description = "stores to fresh private memory: trap, fault, retried instruction",
	.operation = "store to a page that is not there, trap to resumed instruction",
	.floor = "floor-sigsegv-mmap",
	.first_touch = true,
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_DISCARD | TRANSLATOR_CAN_TOUCH,
	.touches = true,
	.params = { { "region", "bytes for each worker", 16 << 20 } },
	.roles = { {
		.name = "toucher",
		.run = touch_anon_run,
		.reset = touch_reset,
		.singles = true,
	} },
	.round_of = region_round,
	.setup = region_setup_each,
	.enter = touch_enter,
	.verify = touch_verify,
	.teardown = region_teardown,
};
