/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-membarrier - what it takes to make every other thread of the process pass a full barrier:
 * the host's way to wait for readers that themselves write nothing.
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "workloads/workload.h"

static int membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0) ? -errno : 0;
}

static int floor_membarrier_setup(struct workload_run *run)
{
	(void)run;
	return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

static uint64_t floor_membarrier_run(struct worker *w, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		int rc = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);

		if (rc) {
			workload_fail(w, rc);
			return i;
		}
	}
	return count;
}

/* The registration ends with the process. */
static void floor_membarrier_teardown(struct workload_run *run)
{
	(void)run;
}

const struct workload workload_floor_membarrier = {
	.name = "floor-membarrier",
	.description = "membarrier(2), private and expedited: a barrier in each running thread",
	.operation = "membarrier",
	.is_floor = true,
	.roles = { { .name = "waiter", .run = floor_membarrier_run, .singles = true } },
	.setup = floor_membarrier_setup,
	.teardown = floor_membarrier_teardown,
};
