/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-minor-fault - the host's own page fault: a store to a page of a mapped memfd that is in
 * the page cache, but not in the page table. Stores are not faulted around, so each one traps.
 */
#include <errno.h>
#include <sys/mman.h>

#include "workloads/window.h"

static uint64_t floor_minor_fault_run(struct worker *w, uint64_t count)
{
	volatile unsigned char *at = window_of(w)->base + window_offset(w) + w->cursor;

	for (uint64_t i = 0; i < count; i++, at += 4096)
		*at = 1;
	w->cursor += count * 4096;
	return count;
}

/* Drops the page table's entries; the memfd keeps its pages. */
static void floor_minor_fault_reset(struct worker *w)
{
	if (madvise(window_of(w)->base + window_offset(w), window_of(w)->stride, MADV_DONTNEED))
		workload_fail(w, -errno);
	w->cursor = 0;
}

static int floor_minor_fault_enter(struct worker *w)
{
	int rc = window_enter_shown(w);

	if (!rc)
		floor_minor_fault_reset(w);
	return rc ? rc : w->error;
}

const struct workload workload_floor_minor_fault = {
	.name = "floor-minor-fault",
	.description = "the host's minor fault on a cached page of a shared memfd mapping",
	.operation = "store to a cached page that the page table lacks",
	.is_floor = true,
	.params = { { "region", "bytes for each worker", 16 << 20 } },
	.roles = { {
		.name = "toucher",
		.run = floor_minor_fault_run,
		.reset = floor_minor_fault_reset,
		.singles = true,
	} },
	.round_of = window_round,
	.setup = window_setup,
	.enter = floor_minor_fault_enter,
	.teardown = window_teardown,
};
