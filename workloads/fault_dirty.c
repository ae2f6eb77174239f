/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault-dirty - the first fault on pages that came back with something written on them: whoever
 * takes one finds zeroes, so somebody has cleared it, in the fault or ahead of it. Between rounds
 * each page is written and all are unmapped; then there is a pause for who works ahead.
 */
#include <unistd.h>

#include "workloads/region.h"

static int write_pages(struct worker *w)
{
	uint64_t start = region_start(w->run, w->index), byte = 1, done;
	int rc = 0;

	for (uint64_t at = 0; at < w->run->params[0] && !rc; at += workload_page_size(w->run))
		rc = w->t->write(w->run->space, start + at, &byte, sizeof(byte), &done);
	return rc;
}

static void fault_dirty_reset(struct worker *w)
{
	uint64_t start = region_start(w->run, w->index), bytes = w->run->params[0];
	int rc = write_pages(w);

	if (!rc)
		rc = w->t->unmap(w->run->space, start, bytes);
	if (!rc)
		rc = region_map(w->run, start, bytes, NULL, 0);
	if (rc)
		workload_fail(w, rc);
	usleep((useconds_t)w->run->params[1]);
	w->cursor = 0;
}

static int fault_dirty_enter(struct worker *w)
{
	int rc = region_map(w->run, region_start(w->run, w->index), w->run->params[0], NULL, 0);

	if (!rc)
		fault_dirty_reset(w);
	return rc ? rc : w->error;
}

const struct workload workload_fault_dirty = {
	.name = "fault-dirty",
	.description = "first faults on pages that must be zero and came back written",
	.operation = "first fault on a page that was written before it was freed",
	.floor = "floor-huge-touch",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_IO,
	.params = { { "region", "bytes for each worker", 16 << 20 },
		    { "pause", "microseconds between rounds", 20000 } },
	.roles = { {
		.name = "faulter",
		.run = region_fault_next,
		.reset = fault_dirty_reset,
		.singles = true,
	} },
	.round_of = region_round,
	.setup = region_setup_each,
	.enter = fault_dirty_enter,
	.verify = region_verify_next,
	.teardown = region_teardown,
};
