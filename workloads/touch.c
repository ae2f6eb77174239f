/* SPDX-License-Identifier: Apache-2.0 */
/* touch.c - the stores that touch-anon and fault-ahead share. Takes no lock. */
#include "workloads/touch.h"

#include <errno.h>

void touch_reset(struct worker *w)
{
	uint64_t start = region_start(w->run, w->index);
	int rc = w->t->discard(w->run->space, start, w->run->params[0]);

	if (rc)
		workload_fail(w, rc);
	w->cursor = 0;
}

int touch_enter(struct worker *w)
{
	uint64_t start = region_start(w->run, w->index), bytes = w->run->params[0];
	int rc = region_map(w->run, start, bytes, NULL, 0);

	if (!rc)
		rc = region_fault(w->run, start, bytes);
	if (!rc)
		touch_reset(w);
	return rc ? rc : w->error;
}

void touch_pages(struct worker *w, uint64_t count)
{
	void *(*host_address)(struct translator_space *, uint64_t) = w->t->host_address;
	struct translator_space *space = w->run->space;
	uint64_t page = workload_page_size(w->run);
	uint64_t address = region_start(w->run, w->index) + w->cursor;

	for (uint64_t i = 0; i < count; i++, address += page)
		*(volatile uint64_t *)host_address(space, address) = address;
	w->cursor += count * page;
}

int touch_verify(struct workload_run *run)
{
	if (run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return 0;
	for (unsigned i = 0; i < run->worker_count; i++) {
		uint64_t start = region_start(run, i), end = start + run->workers[i].cursor;

		for (uint64_t at = start; at < end; at += workload_page_size(run))
			if (*(volatile uint64_t *)run->t->host_address(run->space, at) != at)
				return -EIO;
	}
	return 0;
}
