/* SPDX-License-Identifier: Apache-2.0 */
/*
 * invalidate-batch - one worker has an object forget the translations of a batch of pages that are
 * shown, while another runs in the same window: its CPU has to be told, once a batch or a page.
 */
#include <errno.h>

#include "workloads/region.h"

static int invalidate_batch_setup(struct workload_run *run)
{
	int rc = region_setup_object(run);

	return rc ? rc : region_fit_batch(run, region_round(run, 0) - 1);
}

static uint64_t invalidate_batch_run(struct worker *w, uint64_t count)
{
	uint64_t bytes = w->run->params[1] * workload_page_size(w->run);

	for (uint64_t i = 0; i < count; i++, w->cursor += bytes) {
		int rc = w->t->object_invalidate(w->run->object, w->cursor, bytes);

		if (rc)
			return workload_fail(w, rc), i;
	}
	return count;
}

static void invalidate_batch_reset(struct worker *w)
{
	int rc = region_fault(w->run, region_start(w->run, 0), w->cursor);

	if (rc)
		workload_fail(w, rc);
	w->cursor = 0;
}

/* The last page is in no batch: loads of it go on. */
static uint64_t invalidate_batch_read(struct worker *w, uint64_t count)
{
	volatile uint64_t *at = w->t->host_address(w->run->space, region_start(w->run, 1) - 4096);

	for (uint64_t i = 0; i < count; i++)
		(void)*at;
	return count;
}

static uint64_t invalidate_batch_round(const struct workload_run *run, unsigned role)
{
	return role ? 0 : (region_round(run, role) - 1) / run->params[1];
}

/* What was invalidated in this round is absent, and can be had again. */
static int invalidate_batch_verify(struct workload_run *run)
{
	struct translator_translation t;
	uint64_t at = region_start(run, 0), done = run->workers[0].cursor;

	if (!(run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING) && done &&
	    run->t->lookup(run->space, at, TRANSLATOR_READ, &t) != -ENOENT)
		return -EIO;
	return region_fault(run, at, done);
}

const struct workload workload_invalidate_batch = {
	.name = "invalidate-batch",
	.description = "an object forgets a batch of pages that a running thread's window shows",
	.operation = "invalidation of a batch of pages",
	.floor = "floor-madvise",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_OBJECTS | TRANSLATOR_CAN_TOUCH,
	.touches = true,
	.params = { { "region", "bytes of it", 16 << 20 }, { "pages", "of a batch", 128 } },
	.roles = { { "invalidator", 1, 0, invalidate_batch_run, invalidate_batch_reset, true },
		   { .name = "reader", .run = invalidate_batch_read } },
	.round_of = invalidate_batch_round,
	.setup = invalidate_batch_setup,
	.verify = invalidate_batch_verify,
	.teardown = region_teardown,
};
