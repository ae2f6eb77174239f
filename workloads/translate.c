/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translate - hot look-ups in a space: random present pages, nothing is filled or changed.
 *
 * The order of addresses is that of floor-radix, the bare tree of the same size.
 */
#include <errno.h>

#include "workloads/region.h"

static int translate_setup(struct workload_run *run)
{
	uint64_t pages = run->params[0], bytes = pages * 4096;
	int rc;

	if (pages < 512 || pages & (pages - 1) || bytes / 4096 != pages)
		return -EINVAL;
	if (bytes > run->memory_max)
		return -ENOMEM;
	rc = run->t->space_create(run->engine, 2 * bytes, &run->space);
	if (!rc)
		rc = region_map(run, bytes, bytes, NULL, 0);
	if (!rc)
		rc = region_fault(run, bytes, bytes);
	return rc;
}

static uint64_t translate_run(struct worker *w, uint64_t count)
{
	int (*lookup)(struct translator_space *, uint64_t, uint32_t,
		      struct translator_translation *) = w->t->lookup;
	struct translator_space *space = w->run->space;
	uint64_t pages = w->run->params[0], mask = pages - 1;
	struct translator_translation out;

	if (w->run->batch) {
		const struct translator_batch batch = { .op = TRANSLATOR_BATCH_LOOKUP,
							.access = TRANSLATOR_READ,
							.space = space,
							.address = pages << 12,
							.stride = 4096,
							.count = count };

		return workload_batch(w, &batch, pages);
	}
	for (uint64_t i = 0; i < count; i++) {
		uint64_t page = pages + (worker_random(w) & mask);
		int rc = lookup(space, page << 12, TRANSLATOR_READ, &out);

		if (__builtin_expect(rc != 0, 0)) {
			workload_fail(w, rc);
			return i;
		}
	}
	return count;
}

static int translate_verify(struct workload_run *run)
{
	return region_verify(run, run->params[0] * 4096, run->params[0] * 4096);
}

const struct workload workload_translate = {
	.name = "translate",
	.description = "look-ups of random present pages of one space, all workers in all of it",
	.operation = "look-up of a present page",
	.floor = "floor-radix",
	.needs = TRANSLATOR_CAN_SPACES,
	.params = { { "pages", "4 KiB pages, a power of two", 65536 }, WORKLOAD_PARAM_BATCH },
	.roles = { { .name = "reader", .run = translate_run } },
	.setup = translate_setup,
	.verify = translate_verify,
	.teardown = region_teardown,
};
