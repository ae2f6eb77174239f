/* SPDX-License-Identifier: Apache-2.0 */
/*
 * invalidate-storm - one invalidator takes translations away while faulters bring them back.
 *
 * One object, mapped once. What an invalidation costs the others is the faulters' tail.
 */
#include <errno.h>

#include "workloads/region.h"

static uint64_t invalidate_storm_invalidate(struct worker *w, uint64_t count)
{
	int (*invalidate)(struct translator_object *, uint64_t, uint64_t) = w->t->object_invalidate;
	struct translator_object *object = w->run->object;
	uint64_t page = workload_page_size(w->run), pages = w->run->params[0] / page;

	if (w->run->batch) {
		const struct translator_batch batch = { .op = TRANSLATOR_BATCH_INVALIDATE,
							.object = object,
							.stride = page,
							.length = page,
							.count = count };

		return workload_batch(w, &batch, pages);
	}
	for (uint64_t i = 0; i < count; i++) {
		int rc = invalidate(object, region_random(w, pages) * page, page);

		if (rc) {
			workload_fail(w, rc);
			return i;
		}
	}
	return count;
}

/* After an invalidation of everything nothing is present, and faults find the old pages. */
static int invalidate_storm_verify(struct workload_run *run)
{
	struct translator_translation before, after;
	uint64_t at = region_start(run, 0);

	if (run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return 0;
	if (region_fault(run, at, run->params[0]) || region_verify(run, at, run->params[0]) ||
	    run->t->lookup(run->space, at, TRANSLATOR_READ, &before) ||
	    run->t->object_invalidate(run->object, 0, run->params[0]) ||
	    run->t->lookup(run->space, at, TRANSLATOR_READ, &after) != -ENOENT ||
	    run->t->fault(run->space, at, TRANSLATOR_WRITE) ||
	    run->t->lookup(run->space, at, TRANSLATOR_READ, &after))
		return -EIO;
	return before.file == after.file && before.offset == after.offset ? 0 : -EIO;
}

const struct workload workload_invalidate_storm = {
	.name = "invalidate-storm",
	.description = "faults on random pages of an object against one that invalidates them",
	.operation = "fault on, or invalidation of, a random page",
	.floor = "floor-madvise",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_OBJECTS,
	.params = { { "region", "bytes of the object", 16 << 20 }, WORKLOAD_PARAM_BATCH },
	.roles = { { .name = "faulter", .run = region_fault_random },
		   { .name = "invalidator", .threads = 1, .run = invalidate_storm_invalidate } },
	.setup = region_setup_object,
	.verify = invalidate_storm_verify,
	.teardown = region_teardown,
};
