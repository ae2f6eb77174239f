/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-uffd-continue - what it takes to show a resident page by userfaultfd: one UFFDIO_CONTINUE
 * in a range that is registered for minor faults. Pages are hidden again between rounds, untimed.
 * There are as many as in fault-shared and fault-anon, and so as many of their kernel's structures.
 */
#include "workloads/window_uffd.h"

static uint64_t floor_uffd_continue_run(struct worker *w, uint64_t count)
{
	uint64_t offset = window_offset(w) + w->cursor, i;

	for (i = 0; i < count; i++, offset += 4096) {
		int rc = window_uffd_show(offset);

		if (rc) {
			workload_fail(w, rc);
			break;
		}
	}
	w->cursor += i * 4096;
	return i;
}

const struct workload workload_floor_uffd_continue = {
	.name = "floor-uffd-continue",
	.description = "UFFDIO_CONTINUE of 4 KiB of a memfd that is registered with userfaultfd",
	.operation = "UFFDIO_CONTINUE of one resident page",
	.is_floor = true,
	.lacks = window_uffd_lacks,
	.params = { { "region", "bytes for each worker", 64 << 20 } },
	.roles = { {
		.name = "shower",
		.run = floor_uffd_continue_run,
		.reset = window_uffd_reset,
		.singles = true,
	} },
	.round_of = window_round,
	.setup = window_uffd_setup,
	.enter = window_uffd_enter,
	.verify = window_uffd_verify,
	.teardown = window_uffd_teardown,
};
