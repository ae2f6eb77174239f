/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-mmap-fixed - what the host takes to show one page: mmap of 4 KiB of a resident memfd over
 * a reservation. The offset follows the address, so host mappings merge.
 */
#include "workloads/map_fixed.h"
#include "workloads/window.h"

const struct workload workload_floor_mmap_fixed = {
	.name = "floor-mmap-fixed",
	.description = "mmap(MAP_FIXED | MAP_SHARED) of 4 KiB of a memfd over PROT_NONE",
	.operation = "mmap of one page at a fixed address",
	.is_floor = true,
	.params = { { "region", "bytes for each worker", 16 << 20 },
		    { "populate", "1: fill the page table in the same call", 0 } },
	.roles = { {
		.name = "mapper",
		.run = map_fixed_run,
		.reset = window_reset_hidden,
		.singles = true,
	} },
	.round_of = window_round,
	.setup = window_setup,
	.enter = window_enter,
	.verify = map_fixed_verify,
	.teardown = window_teardown,
};
