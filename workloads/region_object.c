/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region_object.c - the object that regions show, as several workloads start from it. Nothing here
 * is timed; takes no lock.
 */
#include "workloads/region.h"

void region_forget(struct worker *w)
{
	uint64_t bytes = w->run->params[0];
	int rc = w->t->object_invalidate(w->run->object, w->index * bytes, bytes);

	if (rc)
		workload_fail(w, rc);
	w->cursor = 0;
}

int region_enter_object(struct worker *w)
{
	int rc = region_fault(w->run, region_start(w->run, w->index), w->run->params[0]);

	if (!rc)
		region_forget(w);
	return rc ? rc : w->error;
}

int region_object_create(struct workload_run *run, uint64_t bytes)
{
	struct translator_object_options options = { .size = bytes };

	return run->t->object_create(run->engine, &options, &run->object);
}

int region_setup_object(struct workload_run *run)
{
	int rc = region_fit(run, 1);

	if (!rc)
		rc = region_space_create(run, 1);
	if (!rc)
		rc = region_object_create(run, run->params[0]);
	if (!rc)
		rc = region_map(run, region_start(run, 0), run->params[0], run->object, 0);
	return rc ? rc : region_fault(run, region_start(run, 0), run->params[0]);
}
