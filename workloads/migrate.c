/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate - moving pages that are in use from one NUMA node to another and back, a piece at a time.
 * On a machine of one node pages are moved to where they are: that costs the same copies.
 */
#include <errno.h>

#include "workloads/region.h"

static int migrate_setup(struct workload_run *run)
{
	int rc = region_setup_each(run);

	if (run->params[1] < workload_page_size(run)) /* larger pages move whole */
		run->params[1] = workload_page_size(run);

	if (!rc && (run->params[1] % 4096 || run->params[0] % run->params[1]))
		rc = -EINVAL;
	return rc;
}

static int migrate_enter(struct worker *w)
{
	w->cursor = 0;
	return region_enter(w);
}

/* The worker's own node and node `other` in turn, each for all of the region. */
static uint64_t migrate_run(struct worker *w, uint64_t count)
{
	uint64_t start = region_start(w->run, w->index), bytes = w->run->params[0];
	uint64_t piece = w->run->params[1];

	for (uint64_t i = 0; i < count; i++, w->cursor += piece) {
		int node = w->cursor / bytes % 2 ? w->node : (int)w->run->params[2];
		struct translator_moved moved;
		int rc = w->t->move(w->run->space, start + w->cursor % bytes, piece, node,
				    TRANSLATOR_MOVE_EVEN_THERE, &moved);

		if (!rc && moved.moved + moved.failed != piece / 4096)
			rc = -EIO; /* nobody else has them */
		if (rc)
			return workload_fail(w, rc), i;
	}
	return count;
}

static int migrate_verify(struct workload_run *run)
{
	int rc = 0;

	for (unsigned i = 0; i < run->worker_count && !rc; i++)
		rc = region_verify(run, region_start(run, i), run->params[0]);
	return rc;
}

const struct workload workload_migrate = {
	.name = "migrate",
	.description = "moves present pages between two nodes, a piece at a time",
	.operation = "move of the pages of a piece to a node",
	.floor = "floor-copy",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_MOVE,
	.params = { { "region", "bytes for each worker", 16 << 20 },
		    { "piece", "bytes moved in one operation", 64 << 10 },
		    { "other", "the node beside the worker's own", 0 } },
	.roles = { { .name = "mover", .run = migrate_run, .singles = true } },
	.setup = migrate_setup,
	.enter = migrate_enter,
	.verify = migrate_verify,
	.teardown = region_teardown,
};
