/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protect-flip - each worker takes the right to write from 64 KiB of its private memory, whose
 * pages are there, and gives it back.
 */
#include <errno.h>

#include "workloads/region.h"

/* cursor is how often it was done; even: writable. */
static uint64_t protect_flip_run(struct worker *w, uint64_t count)
{
	int (*protect)(struct translator_space *, uint64_t, uint64_t, uint32_t) = w->t->protect;
	struct translator_space *space = w->run->space;
	uint64_t start = region_start(w->run, w->index), bytes = w->run->params[1];

	for (uint64_t i = 0; i < count; i++, w->cursor++) {
		uint32_t perms = w->cursor & 1 ? TRANSLATOR_READ | TRANSLATOR_WRITE
					       : TRANSLATOR_READ;
		int rc = protect(space, start, bytes, perms);

		if (__builtin_expect(rc != 0, 0)) {
			workload_fail(w, rc);
			return i;
		}
	}
	return count;
}

/* Reads are always allowed, stores as the last flip says. */
static int protect_flip_verify(struct workload_run *run)
{
	struct translator_space *space = run->space;

	if (run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return 0;
	for (unsigned i = 0; i < run->worker_count; i++) {
		uint64_t start = region_start(run, i), end = start + run->params[1];
		int want = run->workers[i].cursor & 1 ? -EACCES : 0;

		for (uint64_t at = start; at < end; at += 4096)
			if (run->t->fault(space, at, TRANSLATOR_READ) ||
			    run->t->fault(space, at, TRANSLATOR_WRITE) != want)
				return -EIO;
	}
	return 0;
}

const struct workload workload_protect_flip = {
	.name = "protect-flip",
	.description = "protection of 64 KiB of private memory changed, each worker its own",
	.operation = "right to write taken from, or given to, 64 KiB of present pages",
	.floor = "floor-fetch-add",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_PROTECT,
	.params = { { "region", "bytes between workers", 2 << 20 },
		    { "bytes", "changed at once, at most region", 64 << 10 } },
	.roles = { { .name = "protector", .run = protect_flip_run } },
	.setup = region_setup_parts,
	.enter = region_enter_part,
	.verify = protect_flip_verify,
	.teardown = region_teardown,
};
