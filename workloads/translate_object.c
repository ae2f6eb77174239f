/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translate-object - hot translations of a shared object: random offsets whose pages exist.
 *
 * This is what a fault asks of the object, without the space. The order of offsets is that of
 * floor-radix.
 */
#include <errno.h>

#include "workloads/region.h"

static int translate_object_setup(struct workload_run *run)
{
	uint64_t pages = run->params[0], bytes = pages * 4096;
	int rc;

	if (pages < 512 || pages & (pages - 1) || bytes / 4096 != pages)
		return -EINVAL;
	if (bytes > run->memory_max)
		return -ENOMEM;
	rc = run->t->space_create(run->engine, 2 * bytes, &run->space);
	if (!rc)
		rc = region_object_create(run, bytes);
	if (!rc)
		rc = region_map(run, bytes, bytes, run->object, 0);
	if (!rc)
		rc = region_fault(run, bytes, bytes);
	return rc;
}

static uint64_t translate_object_run(struct worker *w, uint64_t count)
{
	int (*translate)(struct translator_object *, struct translator_range,
			 struct translator_range, uint32_t, struct translator_translation *, size_t,
			 size_t *) = w->t->translate;
	struct translator_object *object = w->run->object;
	uint64_t mask = w->run->params[0] - 1;
	struct translator_translation out;
	size_t answers;

	if (w->run->batch) {
		const struct translator_batch batch = { .op = TRANSLATOR_BATCH_TRANSLATE,
							.access = TRANSLATOR_READ,
							.object = object,
							.stride = 4096,
							.length = 4096,
							.count = count };

		return workload_batch(w, &batch, mask + 1);
	}
	for (uint64_t i = 0; i < count; i++) {
		uint64_t offset = (worker_random(w) & mask) << 12;
		struct translator_range range = { offset, offset + 4096 };
		int rc = translate(object, range, range, TRANSLATOR_READ, &out, 1, &answers);

		if (__builtin_expect(rc != 0, 0)) {
			workload_fail(w, rc);
			return i;
		}
	}
	return count;
}

static int translate_object_verify(struct workload_run *run)
{
	return region_verify(run, run->params[0] * 4096, run->params[0] * 4096);
}

const struct workload workload_translate_object = {
	.name = "translate-object",
	.description = "translations of random existing pages of one object, all workers",
	.operation = "translation of an existing page of an object",
	.floor = "floor-radix",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_OBJECTS,
	.params = { { "pages", "4 KiB pages, a power of two", 65536 }, WORKLOAD_PARAM_BATCH },
	.roles = { { .name = "reader", .run = translate_object_run } },
	.setup = translate_object_setup,
	.verify = translate_object_verify,
	.teardown = region_teardown,
};
