/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refcount.c - the common part of refcount-own and refcount-shared.
 *
 * The pages are an object's: those that many spaces, and devices, count on. The object holds one
 * reference to each page throughout, so a count never reaches zero while workers run. Whether they
 * lost or left one is looked at in refcount_verify.c.
 */
#include "workloads/refcount.h"

#include <errno.h>
#include <stdlib.h>

#include "workloads/region.h"

/* What one worker counts on; a line of its own. */
struct refcount_page {
	uint64_t file;
	uint64_t offset;
} __attribute__((aligned(128)));

int refcount_setup(struct workload_run *run)
{
	uint64_t page = workload_page_size(run);
	int rc = region_fit(run, run->worker_count);

	if (rc)
		return rc;
	run->data = aligned_alloc(128, run->worker_count * sizeof(struct refcount_page));
	if (!run->data)
		return -ENOMEM;
	rc = region_space_create(run, run->worker_count);
	if (!rc)
		rc = region_object_create(run, region_start(run, run->worker_count - 1) + page);
	for (unsigned i = 0; i < run->worker_count && !rc; i++) {
		uint64_t at = region_start(run, i);

		rc = region_map(run, at, page, run->object, at);
		if (!rc)
			rc = region_fault(run, at, page);
	}
	return rc;
}

int refcount_pin(struct worker *w, unsigned index)
{
	struct refcount_page *mine = (struct refcount_page *)w->run->data + w->index;
	struct translator_translation tr;
	int rc = w->t->lookup(w->run->space, region_start(w->run, index), TRANSLATOR_READ, &tr);

	if (rc)
		return rc;
	mine->file = tr.file;
	mine->offset = tr.offset;
	w->data = mine;
	return 0;
}

uint64_t refcount_run(struct worker *w, uint64_t count)
{
	void (*incref)(struct translator_engine *, uint64_t, uint64_t, uint64_t) = w->t->incref;
	void (*decref)(struct translator_engine *, uint64_t, uint64_t, uint64_t) = w->t->decref;
	struct translator_engine *engine = w->run->engine;
	const struct refcount_page *mine = w->data;
	uint64_t file = mine->file, offset = mine->offset, page = workload_page_size(w->run);

	if (w->run->batch) {
		const struct translator_batch batch = { .op = TRANSLATOR_BATCH_REFERENCE,
							.file = file,
							.address = offset,
							.length = page,
							.count = count };

		return workload_batch(w, &batch, 0);
	}
	for (uint64_t i = 0; i < count; i++) {
		incref(engine, file, offset, page);
		decref(engine, file, offset, page);
	}
	return count;
}

void refcount_teardown(struct workload_run *run)
{
	region_teardown(run);
	free(run->data);
	run->data = NULL;
}
