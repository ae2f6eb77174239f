/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-mmap-populate - floor-mmap-fixed with MAP_POPULATE: the page can be touched afterwards
 * without another trap.
 */
#include "workloads/map_fixed.h"
#include "workloads/window.h"

const struct workload workload_floor_mmap_populate = {
	.name = "floor-mmap-populate",
	.description = "mmap(MAP_FIXED | MAP_SHARED | MAP_POPULATE) of 4 KiB over PROT_NONE",
	.operation = "mmap of one page at a fixed address, page table filled",
	.is_floor = true,
	.params = { { "region", "bytes for each worker", 16 << 20 },
		    { "populate", "1: fill the page table in the same call", 1 } },
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
