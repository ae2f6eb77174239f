/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-madvise - what the host takes to forget one page: MADV_DONTNEED of 4 KiB that the page
 * table shows, with the shootdown of other CPUs' TLBs if other workers run. Pages are touched
 * again between rounds, untimed.
 */
#include <errno.h>
#include <sys/mman.h>

#include "workloads/window.h"

static uint64_t floor_madvise_run(struct worker *w, uint64_t count)
{
	unsigned char *at = window_of(w)->base + window_offset(w) + w->cursor;
	uint64_t i;

	for (i = 0; i < count; i++, at += 4096) {
		if (madvise(at, 4096, MADV_DONTNEED)) {
			workload_fail(w, -errno);
			break;
		}
	}
	w->cursor += i * 4096;
	return i;
}

static void floor_madvise_reset(struct worker *w)
{
	window_touch(w);
	w->cursor = 0;
}

const struct workload workload_floor_madvise = {
	.name = "floor-madvise",
	.description = "madvise(MADV_DONTNEED) of one touched page of a shared memfd mapping",
	.operation = "MADV_DONTNEED of one page",
	.is_floor = true,
	.params = { { "region", "bytes for each worker", 16 << 20 } },
	.roles = { {
		.name = "adviser",
		.run = floor_madvise_run,
		.reset = floor_madvise_reset,
		.singles = true,
	} },
	.round_of = window_round,
	.setup = window_setup,
	.enter = window_enter_shown,
	.teardown = window_teardown,
};
