/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dontneed-refault - each worker discards a page of its private memory and faults it again, as an
 * allocator does that gives memory back too soon. The new page is zeroes: clearing
 * it is included, if the old one can have been stored to.
 */
#include <errno.h>

#include "workloads/region.h"

static uint64_t dontneed_refault_run(struct worker *w, uint64_t count)
{
	int (*discard)(struct translator_space *, uint64_t, uint64_t) = w->t->discard;
	int (*fault)(struct translator_space *, uint64_t, uint32_t) = w->t->fault;
	struct translator_space *space = w->run->space;
	uint64_t page = workload_page_size(w->run), start = region_start(w->run, w->index);

	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = start + w->cursor;
		int rc = discard(space, at, page);

		if (!rc)
			rc = fault(space, at, TRANSLATOR_WRITE);
		if (__builtin_expect(rc != 0, 0)) {
			workload_fail(w, rc);
			return i;
		}
		w->cursor = (w->cursor + page) % w->run->params[0];
	}
	return count;
}

/* Every page is there; what is discarded is not, until it is faulted. */
static int dontneed_refault_verify(struct workload_run *run)
{
	struct translator_translation tr;
	int rc = 0;

	if (run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return 0;
	for (unsigned i = 0; i < run->worker_count && !rc; i++) {
		uint64_t start = region_start(run, i), bytes = run->params[0];

		rc = region_verify(run, start, bytes);
		if (!rc && (run->t->discard(run->space, start, bytes) ||
			    run->t->lookup(run->space, start, TRANSLATOR_READ, &tr) != -ENOENT))
			rc = -EIO;
	}
	return rc;
}

const struct workload workload_dontneed_refault = {
	.name = "dontneed-refault",
	.description = "a page of private memory discarded and faulted again, each worker its own",
	.operation = "one page discarded and faulted",
	.floor = "floor-madvise",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_DISCARD,
	.params = { { "region", "bytes for each worker", 16 << 20 } },
	.roles = { { .name = "discarder", .run = dontneed_refault_run } },
	.setup = region_setup_each,
	.enter = region_enter,
	.verify = dontneed_refault_verify,
	.teardown = region_teardown,
};
