/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refcount_verify.c - whether the workers of refcount-own and refcount-shared lost or left a
 * reference: punching the object would free too few or too many pages. Takes no lock.
 */
#include <errno.h>

#include "workloads/refcount.h"
#include "workloads/region.h"

static int live_pages(struct workload_run *run, uint64_t *pages)
{
	struct translator_stat stat;
	int rc = run->t->stat(run->engine, &stat);

	*pages = rc ? 0 : stat.live_pages;
	return rc;
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
