/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-huge-touch - the kernel's first touch of a 2 MiB page: it takes one from the reserved pool,
 * clears it and maps it. Between rounds the pages go back to the pool.
 */
#include <errno.h>
#include <sys/mman.h>

#include "workloads/workload.h"

#define HUGE_BYTES (UINT64_C(2) << 20)
#define HUGE_FLAGS (MAP_HUGETLB | 21 << 26) /* of 2^21 bytes, whatever the default size is */

static uint64_t floor_huge_touch_run(struct worker *w, uint64_t count)
{
	volatile unsigned char *at = (unsigned char *)w->data + w->cursor;

	for (uint64_t i = 0; i < count; i++, at += HUGE_BYTES)
		*at = 1;
	w->cursor += count * HUGE_BYTES;
	return count;
}

static void floor_huge_touch_reset(struct worker *w)
{
	if (madvise(w->data, w->run->params[0], MADV_DONTNEED))
		workload_fail(w, -errno);
	w->cursor = 0;
}

static int floor_huge_touch_setup(struct workload_run *run)
{
	if (!run->params[0] || run->params[0] % HUGE_BYTES)
		return -EINVAL;
	void *at = mmap(NULL, run->params[0] * run->worker_count, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | HUGE_FLAGS, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	run->data = at;
	return 0;
}

static int floor_huge_touch_enter(struct worker *w)
{
	w->data = (unsigned char *)w->run->data + w->index * w->run->params[0];
	return 0;
}

static void floor_huge_touch_teardown(struct workload_run *run)
{
	if (run->data)
		munmap(run->data, run->params[0] * run->worker_count);
	run->data = NULL;
}

static uint64_t floor_huge_touch_round(const struct workload_run *run, unsigned role)
{
	(void)role;
	return run->params[0] / HUGE_BYTES;
}

const struct workload workload_floor_huge_touch = {
	.name = "floor-huge-touch",
	.description = "the kernel's first touch of a 2 MiB page of the reserved pool",
	.operation = "first store to a 2 MiB hugetlb page",
	.is_floor = true,
	.huge_pages = 8,
	.params = { { "region", "bytes for each worker", 16 << 20 } },
	.roles = { {
		.name = "toucher",
		.run = floor_huge_touch_run,
		.reset = floor_huge_touch_reset,
		.singles = true,
	} },
	.round_of = floor_huge_touch_round,
	.setup = floor_huge_touch_setup,
	.enter = floor_huge_touch_enter,
	.teardown = floor_huge_touch_teardown,
};
