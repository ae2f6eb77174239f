/* SPDX-License-Identifier: Apache-2.0 */
/*
 * truncate-storm - one worker cuts an object short and lengthens it while others fault on it.
 *
 * A fault past the end is answered with a bus error, which is as good an answer as any here. The
 * pages cut off are freed, and new ones are made when they are faulted next.
 */
#include <errno.h>

#include "workloads/region.h"

static int truncate_storm_setup(struct workload_run *run)
{
	int rc = region_setup_object(run);

	if (!rc && (!run->params[1] || run->params[1] > run->params[0] || run->params[1] % 4096))
		rc = -EINVAL;
	return rc;
}

static uint64_t truncate_storm_truncate(struct worker *w, uint64_t count)
{
	int (*truncate)(struct translator_object *, uint64_t) = w->t->object_truncate;
	struct translator_object *object = w->run->object;
	uint64_t bytes = w->run->params[0], less = bytes - w->run->params[1];

	for (uint64_t i = 0; i < count; i++) {
		int rc = truncate(object, less);

		if (!rc)
			rc = truncate(object, bytes);
		if (rc) {
			workload_fail(w, rc);
			return i;
		}
	}
	return count;
}

/* An empty object answers every fault with a bus error; a lengthened one has pages again. */
static int truncate_storm_verify(struct workload_run *run)
{
	uint64_t start = region_start(run, 0), bytes = run->params[0];

	if (run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return 0;
	if (run->t->object_truncate(run->object, 0))
		return -EIO;
	for (uint64_t at = start; at < start + bytes; at += workload_page_size(run))
		if (run->t->fault(run->space, at, TRANSLATOR_READ) >= TRANSLATOR_BUS_ERROR(0))
			return -EIO;
	if (run->t->object_truncate(run->object, bytes) || region_fault(run, start, bytes))
		return -EIO;
	return region_verify(run, start, bytes);
}

const struct workload workload_truncate_storm = {
	.name = "truncate-storm",
	.description = "faults on random pages of an object against one that changes its size",
	.operation = "fault on a random page, or truncation down and up again",
	.floor = "floor-madvise",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_OBJECTS,
	.params = { { "region", "bytes of the object", 16 << 20 },
		    { "cut", "bytes that a truncation takes away", 1 << 20 } },
	.roles = { { .name = "faulter", .run = region_fault_random_or_bus },
		   { .name = "truncater", .threads = 1, .run = truncate_storm_truncate } },
	.setup = truncate_storm_setup,
	.verify = truncate_storm_verify,
	.teardown = region_teardown,
};
