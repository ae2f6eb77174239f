/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork - the copy of a space with many single private pages, each worker of a space of its own.
 *
 * Every second page of the mapping is there, so that nothing is copied in runs. One fork is a
 * whole round: an operation for each page. The child's end, and the stores that make the pages the
 * parent's own again, are not timed.
 */
#include <errno.h>

#include "workloads/family.h"

static uint64_t fork_bytes(const struct workload_run *run)
{
	return run->params[0] * 2 * workload_page_size(run);
}

static int fork_setup(struct workload_run *run)
{
	uint64_t most = run->memory_max / 2 / workload_page_size(run) / run->worker_count;

	if (run->params[0] > most)
		run->params[0] = most;
	return run->params[0] ? family_setup(run, fork_bytes(run)) : -ENOMEM;
}

static void fork_reset(struct worker *w)
{
	int rc;

	family_end(w);
	rc = family_fault(w, fork_bytes(w->run), 2 * workload_page_size(w->run));
	if (rc)
		workload_fail(w, rc);
}

static int fork_enter(struct worker *w)
{
	int rc = family_map(w, fork_bytes(w->run));

	if (!rc)
		fork_reset(w);
	return rc ? rc : w->error;
}

static uint64_t fork_run(struct worker *w, uint64_t count)
{
	int rc = w->t->space_fork(family_of(w)->parent, &family_of(w)->child);

	(void)count;
	if (rc)
		workload_fail(w, rc);
	return rc ? 0 : w->run->params[0];
}

static uint64_t fork_round(const struct workload_run *run, unsigned role)
{
	(void)role;
	return run->params[0];
}

static int fork_verify(struct workload_run *run)
{
	return family_verify(run, fork_bytes(run), 2 * workload_page_size(run));
}

const struct workload workload_fork = {
	.name = "fork",
	.description = "forks of a space with many single private pages, cost of each page",
	.operation = "one private page given to a child, as part of a fork",
	.floor = "floor-fetch-add",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_FORK,
	.params = { { "pages", "private pages, with gaps between them", 10000 } },
	.roles = { { .name = "forker", .run = fork_run, .reset = fork_reset } },
	.round_of = fork_round,
	.setup = fork_setup,
	.enter = fork_enter,
	.verify = fork_verify,
	.teardown = family_teardown,
};
