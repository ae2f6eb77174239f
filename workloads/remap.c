/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remap - each worker moves 64 KiB of private memory with its pages to and fro between two places
 * of its own region, 1 MiB apart.
 */
#include <errno.h>

#include "workloads/region.h"

/* Where the memory is after `moves` of them. */
static uint64_t remap_place(const struct workload_run *run, unsigned index, uint64_t moves)
{
	return region_start(run, index) + (moves & 1) * (run->params[0] / 2);
}

static uint64_t remap_run(struct worker *w, uint64_t count)
{
	int (*remap)(struct translator_space *, uint64_t, uint64_t, uint64_t, uint64_t) =
		w->t->remap;
	struct translator_space *space = w->run->space;
	uint64_t bytes = w->run->params[1], from = remap_place(w->run, w->index, w->cursor);
	uint64_t to = remap_place(w->run, w->index, w->cursor + 1), i;

	for (i = 0; i < count; i++) {
		uint64_t next = from;
		int rc = remap(space, from, bytes, to, bytes);

		if (__builtin_expect(rc != 0, 0)) {
			workload_fail(w, rc);
			break;
		}
		from = to;
		to = next;
	}
	w->cursor += i;
	return i;
}

/* The pages are where they were moved to, and nothing is where they were. */
static int remap_verify(struct workload_run *run)
{
	int rc = 0;

	if (run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return 0;
	for (unsigned i = 0; i < run->worker_count && !rc; i++) {
		uint64_t moves = run->workers[i].cursor;

		rc = region_verify(run, remap_place(run, i, moves), run->params[1]);
		if (!rc && run->t->fault(run->space, remap_place(run, i, moves + 1),
					 TRANSLATOR_READ) != -EFAULT)
			rc = -EIO;
	}
	return rc;
}

const struct workload workload_remap = {
	.name = "remap",
	.description =
		"moves of 64 KiB of private memory, pages included, within a worker's region",
	.operation = "64 KiB with their pages moved to another address",
	.floor = "floor-map-unmap",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_REMAP,
	.params = { { "region", "bytes between workers", 2 << 20 },
		    { "bytes", "moved, at most half of region", 64 << 10 } },
	.roles = { { .name = "mover", .run = remap_run } },
	.setup = region_setup_parts,
	.enter = region_enter_part,
	.verify = remap_verify,
	.teardown = region_teardown,
};
