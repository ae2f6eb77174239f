/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map-unmap - each worker maps 64 KiB of private memory in its own region and unmaps them, without
 * a page: what the bookkeeping of mappings alone takes.
 */
#include <errno.h>

#include "workloads/region.h"

static uint64_t map_unmap_run(struct worker *w, uint64_t count)
{
	int (*map)(struct translator_space *, const struct translator_map_options *) = w->t->map;
	int (*unmap)(struct translator_space *, uint64_t, uint64_t) = w->t->unmap;
	struct translator_space *space = w->run->space;
	struct translator_map_options options = {
		.address = region_start(w->run, w->index),
		.length = w->run->params[1],
		.perms = TRANSLATOR_READ | TRANSLATOR_WRITE,
	};

	for (uint64_t i = 0; i < count; i++) {
		int rc = map(space, &options);

		if (!rc)
			rc = unmap(space, options.address, options.length);
		if (__builtin_expect(rc != 0, 0)) {
			workload_fail(w, rc);
			return i;
		}
	}
	return count;
}

/* Nothing is mapped: a fault says so. */
static int map_unmap_verify(struct workload_run *run)
{
	if (run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return 0;
	for (unsigned i = 0; i < run->worker_count; i++)
		if (run->t->fault(run->space, region_start(run, i), TRANSLATOR_READ) != -EFAULT)
			return -EIO;
	return 0;
}

const struct workload workload_map_unmap = {
	.name = "map-unmap",
	.description = "map and unmap of 64 KiB that nobody touches, each worker in its own region",
	.operation = "64 KiB mapped and unmapped",
	.floor = "floor-map-unmap",
	.needs = TRANSLATOR_CAN_SPACES,
	.params = { { "region", "bytes between workers", 2 << 20 },
		    { "bytes", "of each mapping, at most region", 64 << 10 } },
	.roles = { { .name = "mapper", .run = map_unmap_run } },
	.setup = region_setup_parts,
	.verify = map_unmap_verify,
	.teardown = region_teardown,
};
