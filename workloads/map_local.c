/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map-local - each worker maps a page, faults it and unmaps it again, in a region of its own:
 * "local" of RadixVM's mapbench (EuroSys'13). Workers share the space and need share nothing else.
 */
#include <errno.h>

#include "workloads/region.h"

static uint64_t map_local_run(struct worker *w, uint64_t count)
{
	int (*map)(struct translator_space *, const struct translator_map_options *) = w->t->map;
	int (*unmap)(struct translator_space *, uint64_t, uint64_t) = w->t->unmap;
	int (*fault)(struct translator_space *, uint64_t, uint32_t) = w->t->fault;
	struct translator_space *space = w->run->space;
	uint64_t page = workload_page_size(w->run), address = region_start(w->run, w->index);
	struct translator_map_options options = {
		.address = address,
		.length = page,
		.perms = TRANSLATOR_READ | TRANSLATOR_WRITE,
	};

	for (uint64_t i = 0; i < count; i++) {
		int rc = map(space, &options);

		if (!rc)
			rc = fault(space, address, TRANSLATOR_WRITE);
		if (!rc)
			rc = unmap(space, address, page);
		if (__builtin_expect(rc != 0, 0)) {
			workload_fail(w, rc);
			return i;
		}
	}
	return count;
}

/* Unmapped is unmapped: no look-up finds anything. */
static int map_local_verify(struct workload_run *run)
{
	if (run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return 0;
	for (unsigned i = 0; i < run->worker_count; i++) {
		struct translator_translation tr;
		uint64_t at = region_start(run, i);

		if (run->t->lookup(run->space, at, TRANSLATOR_READ, &tr) != -ENOENT)
			return -EIO;
	}
	return 0;
}

const struct workload workload_map_local = {
	.name = "map-local",
	.description = "map, fault and unmap of one page, each worker in its own region",
	.operation = "one page mapped, faulted and unmapped",
	.floor = "floor-map-unmap",
	.needs = TRANSLATOR_CAN_SPACES,
	.params = { { "region", "bytes between workers", 2 << 20 } },
	.roles = { { .name = "mapper", .run = map_local_run } },
	.setup = region_setup_each,
	.verify = map_local_verify,
	.teardown = region_teardown,
};
