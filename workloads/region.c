/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region.c - the space, and the regions in it, that several workloads start from.
 *
 * Nothing here is timed: see region_fault.c. Where all regions show one object: region_object.c.
 * What it comes to is looked at in region_verify.c. Takes no lock.
 */
#include "workloads/region.h"

#include <errno.h>

int region_fit(struct workload_run *run, uint64_t shares)
{
	uint64_t align = workload_page_size(run), most = run->memory_max / (shares ? shares : 1);

	if (align < REGION_ALIGN)
		align = REGION_ALIGN;
	if (align == REGION_ALIGN || most / 2 >= align)
		most /= 2;
	if (run->params[0] > most)
		run->params[0] = most;
	else
		run->params[0] += align - 1;
	run->params[0] -= run->params[0] % align;
	return run->params[0] ? 0 : -ENOMEM;
}

int region_fit_batch(struct workload_run *run, uint64_t most)
{
	if (run->params[1] > most)
		run->params[1] = most;
	return run->params[1] ? 0 : -EINVAL;
}

int region_space_create(struct workload_run *run, uint64_t regions)
{
	/* Nothing is mapped at address 0: a translator may keep that page free, as Linux does. */
	return run->t->space_create(run->engine, (regions + 1) * run->params[0], &run->space);
}

int region_setup_each(struct workload_run *run)
{
	int rc = region_fit(run, run->worker_count);

	run->own_start = region_start(run, 0);
	run->own_bytes = run->params[0];
	return rc ? rc : region_space_create(run, run->worker_count);
}

int region_setup_parts(struct workload_run *run)
{
	int rc = region_setup_each(run);

	if (!rc &&
	    (!run->params[1] || run->params[1] % 4096 || run->params[1] > run->params[0] / 2))
		rc = -EINVAL;
	return rc;
}

static int enter(struct worker *w, uint64_t bytes)
{
	uint64_t start = region_start(w->run, w->index);
	int rc = region_map(w->run, start, bytes, NULL, 0);

	return rc ? rc : region_fault(w->run, start, bytes);
}

int region_enter(struct worker *w)
{
	return enter(w, w->run->params[0]);
}

int region_enter_part(struct worker *w)
{
	return enter(w, w->run->params[1]);
}

static int map(const struct workload_run *run, uint64_t address, uint64_t bytes,
	       struct translator_object *object, uint64_t offset, uint32_t flags)
{
	struct translator_map_options options = {
		.address = address,
		.length = bytes,
		.object = object,
		.offset = offset,
		.perms = TRANSLATOR_READ | TRANSLATOR_WRITE,
		.flags = flags,
	};

	return run->t->map(run->space, &options);
}

int region_map(const struct workload_run *run, uint64_t address, uint64_t bytes,
	       struct translator_object *object, uint64_t offset)
{
	return map(run, address, bytes, object, offset, 0);
}

int region_map_private(const struct workload_run *run, uint64_t address, uint64_t bytes,
		       struct translator_object *object, uint64_t offset)
{
	return map(run, address, bytes, object, offset, TRANSLATOR_MAP_PRIVATE);
}

int region_fault(const struct workload_run *run, uint64_t address, uint64_t bytes)
{
	/* Small steps even with huge pages: what fell back to small ones is present as well. */
	for (uint64_t done = 0; done < bytes; done += 4096) {
		int rc = run->t->fault(run->space, address + done, TRANSLATOR_WRITE);

		if (rc)
			return rc;
	}
	return 0;
}

uint64_t region_round(const struct workload_run *run, unsigned role)
{
	(void)role;
	return run->params[0] / workload_page_size(run);
}

void region_teardown(struct workload_run *run)
{
	if (run->space)
		run->t->space_destroy(run->space);
	run->space = NULL;
	if (run->object)
		run->t->object_destroy(run->object);
	run->object = NULL;
}
