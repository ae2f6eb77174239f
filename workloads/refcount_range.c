/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refcount-range - each worker takes and drops references to 2 MiB of an object in as few calls as
 * its pages allow or, with piece=4k, page by page: what is spared by who counts 2 MiB as one.
 */
#include <errno.h>
#include <stdlib.h>

#include "workloads/refcount.h"
#include "workloads/refcount_pieces.h"
#include "workloads/region.h"

#define RANGE REFCOUNT_RANGE

static int refcount_range_setup(struct workload_run *run)
{
	int rc = run->params[1] ? region_setup_each(run) : -EINVAL;

	run->data = aligned_alloc(128, run->worker_count * sizeof(struct refcount_range));
	if (!rc)
		rc = run->data ? region_object_create(run, run->worker_count * RANGE) : -ENOMEM;
	return rc;
}

static int refcount_range_enter(struct worker *w)
{
	struct refcount_range *r = (struct refcount_range *)w->run->data + w->index;
	uint64_t start = region_start(w->run, w->index);
	int rc = region_map(w->run, start, RANGE, w->run->object, w->index * RANGE);

	if (!rc)
		rc = region_fault(w->run, start, RANGE);
	return rc ? rc : refcount_gather(w, start, w->run->params[1], r);
}

static uint64_t refcount_range_run(struct worker *w, uint64_t count)
{
	const struct refcount_range *r = (struct refcount_range *)w->run->data + w->index;
	const struct translator_translation *end = r->piece + r->count;
	struct translator_engine *engine = w->run->engine;

	for (uint64_t i = 0; i < count; i++) {
		for (const struct translator_translation *p = r->piece; p < end; p++)
			w->t->incref(engine, p->file, p->offset, p->source.end - p->source.start);
		for (const struct translator_translation *p = r->piece; p < end; p++)
			w->t->decref(engine, p->file, p->offset, p->source.end - p->source.start);
	}
	return count;
}

static int refcount_range_verify(struct workload_run *run)
{
	int rc = 0;

	for (unsigned i = 0; i < run->worker_count && !rc; i++)
		rc = region_verify(run, region_start(run, i), RANGE);
	return rc;
}

const struct workload workload_refcount_range = {
	.name = "refcount-range",
	.description = "references to 2 MiB of an object, each worker its own",
	.operation = "references to 2 MiB taken and dropped",
	.floor = "floor-fetch-add",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_OBJECTS | TRANSLATOR_CAN_REFERENCES,
	.params = { { "region", "bytes between the ranges", RANGE },
		    { "piece", "bytes counted in one call, at most", RANGE } },
	.roles = { { .name = "counter", .run = refcount_range_run } },
	.setup = refcount_range_setup,
	.enter = refcount_range_enter,
	.verify = refcount_range_verify,
	.teardown = refcount_teardown,
};
