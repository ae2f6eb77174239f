/* SPDX-License-Identifier: Apache-2.0 */
/*
 * touch-anon - from the hardware trap to the resumed instruction: a store to each page of private
 * memory, through the address that the translator shows. Between rounds the pages are discarded,
 * so that the next store traps again and finds zeroes.
 */
#include <errno.h>

#include "workloads/region.h"

static void touch_anon_reset(struct worker *w)
{
	uint64_t start = region_start(w->run, w->index);
	int rc = w->t->discard(w->run->space, start, w->run->params[0]);

	if (rc)
		workload_fail(w, rc);
	w->cursor = 0;
}

static int touch_anon_enter(struct worker *w)
{
	uint64_t start = region_start(w->run, w->index), bytes = w->run->params[0];
	int rc = region_map(w->run, start, bytes, NULL, 0);

	if (!rc)
		rc = region_fault(w->run, start, bytes);
	if (!rc)
		touch_anon_reset(w);
	return rc ? rc : w->error;
}

static uint64_t touch_anon_run(struct worker *w, uint64_t count)
{
	void *(*host_address)(struct translator_space *, uint64_t) = w->t->host_address;
	struct translator_space *space = w->run->space;
	uint64_t page = workload_page_size(w->run);
	uint64_t address = region_start(w->run, w->index) + w->cursor;

	for (uint64_t i = 0; i < count; i++, address += page)
		*(volatile uint64_t *)host_address(space, address) = address;
	w->cursor += count * page;
	return count;
}

static int touch_anon_verify(struct workload_run *run)
{
	if (run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return 0;
	for (unsigned i = 0; i < run->worker_count; i++) {
		uint64_t start = region_start(run, i), end = start + run->workers[i].cursor;

		for (uint64_t at = start; at < end; at += workload_page_size(run))
			if (*(volatile uint64_t *)run->t->host_address(run->space, at) != at)
				return -EIO;
	}
	return 0;
}

const struct workload workload_touch_anon = {
	.name = "touch-anon",
	.description = "stores to fresh private memory: trap, fault, retried instruction",
	.operation = "store to a page that is not there, trap to resumed instruction",
	.floor = "floor-sigsegv-mmap",
	.first_touch = true,
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_DISCARD | TRANSLATOR_CAN_TOUCH,
	.only_as = "mmap",
	.params = { { "region", "bytes for each worker", 16 << 20 } },
	.roles = { {
		.name = "toucher",
		.run = touch_anon_run,
		.reset = touch_anon_reset,
		.singles = true,
	} },
	.round_of = region_round,
	.setup = region_setup_each,
	.enter = touch_anon_enter,
	.verify = touch_anon_verify,
	.teardown = region_teardown,
};
