/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refcount-churn - each worker makes a page of an object, takes a reference to it, punches the
 * object and drops the reference, the last one: pages die as fast as they are counted.
 */
#include <errno.h>

#include "workloads/region.h"

static int refcount_churn_setup(struct workload_run *run)
{
	uint64_t start = region_start(run, 0), bytes;
	int rc = region_setup_each(run);

	bytes = run->params[0] * run->worker_count;
	if (!rc)
		rc = region_object_create(run, bytes);
	return rc ? rc : region_map(run, start, bytes, run->object, 0);
}

static uint64_t refcount_churn_run(struct worker *w, uint64_t count)
{
	struct workload_run *run = w->run;
	uint64_t page = workload_page_size(run), first = w->index * run->params[0];

	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = region_start(run, 0) + first + w->cursor;
		struct translator_translation t;
		int rc = w->t->fault(run->space, at, TRANSLATOR_WRITE);

		if (!rc)
			rc = w->t->lookup(run->space, at, TRANSLATOR_READ, &t);
		if (!rc) {
			w->t->incref(run->engine, t.file, t.offset, page);
			rc = w->t->object_punch(run->object, first + w->cursor, page);
			w->t->decref(run->engine, t.file, t.offset, page);
		}
		if (rc) {
			workload_fail(w, rc);
			return i;
		}
		w->cursor = (w->cursor + page) % run->params[0];
	}
	return count;
}

/* All that was made is gone. */
static int refcount_churn_verify(struct workload_run *run)
{
	struct translator_stat stat = { .live_pages = TRANSLATOR_UNKNOWN };
	int rc = run->t->stat(run->engine, &stat);

	if (rc || run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return rc;
	return stat.live_pages && stat.live_pages != TRANSLATOR_UNKNOWN ? -EIO : 0;
}

const struct workload workload_refcount_churn = {
	.name = "refcount-churn",
	.description = "pages of an object that are made, counted and dropped for good",
	.operation = "page made, counted, punched and freed",
	.floor = "floor-fetch-add",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_OBJECTS | TRANSLATOR_CAN_REFERENCES,
	.params = { { "region", "bytes for each worker", 2 << 20 } },
	.roles = { { .name = "worker", .run = refcount_churn_run } },
	.setup = refcount_churn_setup,
	.verify = refcount_churn_verify,
	.teardown = region_teardown,
};
