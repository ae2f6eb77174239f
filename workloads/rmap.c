/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rmap - a page of an object that is mapped a thousand times is mapped once more and unmapped:
 * who keeps a list of mappings for each piece of an object, has a long one to cut, copy and join.
 * With invalidate=1 the page is invalidated in between, which visits all of them.
 */
#include <errno.h>

#include "workloads/region.h"

/* A region for the single pages of each worker, then one for each mapping of the whole. */
static int rmap_setup(struct workload_run *run)
{
	unsigned first = run->worker_count, end = first + (unsigned)run->params[1];
	int rc = end > first ? region_fit(run, 1) : -EINVAL;

	if (!rc)
		rc = region_space_create(run, end);
	if (!rc)
		rc = region_object_create(run, run->params[0]);
	for (unsigned i = first; i < end && !rc; i++)
		rc = region_map(run, region_start(run, i), run->params[0], run->object, 0);
	return rc;
}

static uint64_t rmap_run(struct worker *w, uint64_t count)
{
	const struct workload_run *run = w->run;
	uint64_t page = workload_page_size(run), pages = run->params[0] / page;
	struct translator_map_options options = {
		.address = region_start(run, w->index),
		.length = page,
		.object = run->object,
		.perms = TRANSLATOR_READ | TRANSLATOR_WRITE,
	};

	for (uint64_t i = 0; i < count; i++) {
		options.offset = region_random(w, pages) * page;

		int rc = w->t->map(run->space, &options);

		if (!rc && run->params[2])
			rc = w->t->object_invalidate(options.object, options.offset, page);
		if (!rc)
			rc = w->t->unmap(run->space, options.address, page);
		if (__builtin_expect(rc != 0, 0)) {
			workload_fail(w, rc);
			return i;
		}
	}
	return count;
}

/* The mappings of the whole are what they were: faults there show the same page. */
static int rmap_verify(struct workload_run *run)
{
	uint64_t first = region_start(run, run->worker_count);
	uint64_t last = first + (run->params[1] - 1) * run->params[0];

	if (run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return 0;
	if (region_fault(run, first, 4096) || region_fault(run, last, 4096))
		return -EIO;
	return region_verify_pairs(run, first, last, 1, true);
}

const struct workload workload_rmap = {
	.name = "rmap",
	.description = "mappings of single pages of an object that is mapped a thousand times",
	.operation = "one page mapped and unmapped",
	.floor = "floor-fetch-add",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_OBJECTS,
	.params = { { "region", "bytes of the object", 2 << 20 },
		    { "mappings", "of the whole object", 1000 },
		    { "invalidate", "1: the page also is invalidated", 0 } },
	.roles = { { .name = "mapper", .run = rmap_run } },
	.setup = rmap_setup,
	.verify = rmap_verify,
	.teardown = region_teardown,
};
