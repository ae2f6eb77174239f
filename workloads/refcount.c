/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refcount.c - the common part of refcount-own and refcount-shared.
 *
 * The pages are an object's: those that many spaces, and devices, count on. The object holds one
 * reference to each page throughout, so a count never reaches zero while workers run. If they lost
 * or left one, punching the object frees too few or too many pages: verify looks.
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

static int live_pages(struct workload_run *run, uint64_t *pages)
{
	struct translator_stat stat;
	int rc = run->t->stat(run->engine, &stat);

	*pages = rc ? 0 : stat.live_pages;
	return rc;
}

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

int refcount_verify(struct workload_run *run)
{
	uint64_t page = workload_page_size(run), before, after;
	int rc = 0;

	if (run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return 0;
	rc = live_pages(run, &before);
	for (unsigned i = 0; i < run->worker_count && !rc; i++) {
		rc = region_verify(run, region_start(run, i), page);
		if (!rc)
			rc = run->t->object_punch(run->object, region_start(run, i), page);
	}
	if (!rc)
		rc = live_pages(run, &after);
	if (!rc && before - after != run->worker_count * (page / 4096))
		rc = -EIO;
	return rc;
}

void refcount_teardown(struct workload_run *run)
{
	region_teardown(run);
	free(run->data);
	run->data = NULL;
}
