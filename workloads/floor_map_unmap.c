/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-map-unmap - the host's own map and unmap of a page, with the touch between them: RadixVM's
 * "local" done by the kernel. Each worker maps its own page of one memfd, where the kernel likes.
 */
#include <errno.h>
#include <sys/mman.h>

#include "workloads/window.h"

static uint64_t floor_map_unmap_run(struct worker *w, uint64_t count)
{
	int fd = window_of(w)->fd;
	off_t offset = (off_t)window_offset(w);
	bool touch = w->run->params[1] != 0;

	for (uint64_t i = 0; i < count; i++) {
		volatile unsigned char *at =
			mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

		if (at == MAP_FAILED) {
			workload_fail(w, -errno);
			return i;
		}
		if (touch)
			*at = 1;
		if (munmap((void *)at, 4096)) {
			workload_fail(w, -errno);
			return i;
		}
	}
	return count;
}

const struct workload workload_floor_map_unmap = {
	.name = "floor-map-unmap",
	.description = "mmap, touch and munmap of 4 KiB of a memfd by the host",
	.operation = "one page mapped, touched and unmapped",
	.is_floor = true,
	.params = { { "region", "bytes between workers in the memfd", 2 << 20 },
		    { "touch", "0: map and unmap only", 1 } },
	.roles = { { .name = "mapper", .run = floor_map_unmap_run, .singles = true } },
	.setup = window_setup,
	.enter = window_enter,
	.teardown = window_teardown,
};
