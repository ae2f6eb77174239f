/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork-cow - the first store to each page after a fork, on both sides: the parent's page by page
 * and after each of them the child's. The first of the two copies, the other, then the only one
 * left, need not. Each worker has a parent and a child of its own.
 */
#include <errno.h>

#include "workloads/family.h"
#include "workloads/region.h"

static int fork_cow_setup(struct workload_run *run)
{
	int rc = region_fit(run, 2 * (uint64_t)run->worker_count);

	return rc ? rc : family_setup(run, run->params[0]);
}

static int fork_cow_enter(struct worker *w)
{
	int rc = family_map(w, w->run->params[0]);

	if (!rc)
		rc = family_fault(w, w->run->params[0], 4096);
	if (!rc)
		family_fork(w);
	return rc ? rc : w->error;
}

/* cursor counts stores: two for each page. */
static uint64_t fork_cow_run(struct worker *w, uint64_t count)
{
	int (*fault)(struct translator_space *, uint64_t, uint32_t) = w->t->fault;
	struct translator_space *both[2] = { family_of(w)->parent, family_of(w)->child };
	uint64_t page = workload_page_size(w->run);

	for (uint64_t i = 0; i < count; i++, w->cursor++) {
		int rc = fault(both[w->cursor & 1], FAMILY_START + w->cursor / 2 * page,
			       TRANSLATOR_WRITE);

		if (__builtin_expect(rc != 0, 0)) {
			workload_fail(w, rc);
			return i;
		}
	}
	return count;
}

static uint64_t fork_cow_round(const struct workload_run *run, unsigned role)
{
	return 2 * region_round(run, role);
}

static int fork_cow_verify(struct workload_run *run)
{
	if (run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return 0;
	for (unsigned i = 0; i < run->worker_count; i++)
		for (uint64_t k = 0; k < run->workers[i].cursor / 2; k++)
			if (family_shares(run, family_of(&run->workers[i]),
					  FAMILY_START + k * workload_page_size(run)))
				return -EIO;
	return 0;
}

const struct workload workload_fork_cow = {
	.name = "fork-cow",
	.description = "first stores after a fork, parent and child in turn on each page",
	.operation = "write fault on a page that a fork has shared",
	.floor = "floor-copy",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_FORK,
	.params = { { "region", "bytes for each worker", 16 << 20 } },
	.roles = { { .name = "writer", .run = fork_cow_run, .reset = family_fork } },
	.round_of = fork_cow_round,
	.setup = fork_cow_setup,
	.enter = fork_cow_enter,
	.verify = fork_cow_verify,
	.teardown = family_teardown,
};
