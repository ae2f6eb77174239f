/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region_verify.c - whether regions show what a workload must have left there. Not timed; takes no
 * lock, and no worker runs.
 */
#include "workloads/region.h"

#include <errno.h>

int region_verify(const struct workload_run *run, uint64_t address, uint64_t bytes)
{
	uint64_t page = workload_page_size(run);

	if (run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return 0;
	for (uint64_t at = address; at < address + bytes; at += page) {
		struct translator_translation tr;

		if (run->t->lookup(run->space, at, TRANSLATOR_READ, &tr))
			return -EIO;
		if (tr.source.start > at || tr.source.end <= at || !(tr.perms & TRANSLATOR_READ))
			return -EIO;
	}
	return 0;
}

int region_verify_pairs(const struct workload_run *run, uint64_t one, uint64_t other,
			uint64_t bytes, bool same)
{
	if (run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return 0;
	for (uint64_t at = 0; at < bytes; at += workload_page_size(run)) {
		struct translator_translation a, b;

		if (run->t->lookup(run->space, one + at, TRANSLATOR_READ, &a) ||
		    run->t->lookup(run->space, other + at, TRANSLATOR_READ, &b) ||
		    same != (a.file == b.file && a.offset == b.offset))
			return -EIO;
	}
	return 0;
}

int region_verify_next(struct workload_run *run)
{
	int rc = 0;

	for (unsigned i = 0; i < run->worker_count && !rc; i++)
		rc = region_verify(run, region_start(run, i), run->workers[i].cursor);
	return rc;
}
