/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family.c - parents and children, one pair for each worker. Nothing here is timed; takes no lock.
 */
#include "workloads/family.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int family_setup(struct workload_run *run, uint64_t bytes)
{
	struct family *families = aligned_alloc(128, run->worker_count * sizeof(*families));
	int rc = 0;

	if (!families)
		return -ENOMEM;
	memset(families, 0, run->worker_count * sizeof(*families));
	run->data = families;
	for (unsigned i = 0; i < run->worker_count && !rc; i++)
		rc = run->t->space_create(run->engine, FAMILY_START + bytes, &families[i].parent);
	return rc;
}

void family_teardown(struct workload_run *run)
{
	struct family *families = run->data;

	for (unsigned i = 0; families && i < run->worker_count; i++) {
		if (families[i].child)
			run->t->space_destroy(families[i].child);
		if (families[i].parent)
			run->t->space_destroy(families[i].parent);
	}
	free(families);
	run->data = NULL;
}

int family_map(struct worker *w, uint64_t bytes)
{
	struct translator_map_options options = {
		.address = FAMILY_START,
		.length = bytes,
		.perms = TRANSLATOR_READ | TRANSLATOR_WRITE,
	};

	return w->t->map(family_of(w)->parent, &options);
}

int family_fault(struct worker *w, uint64_t bytes, uint64_t step)
{
	int rc = 0;

	for (uint64_t done = 0; done < bytes && !rc; done += step)
		rc = w->t->fault(family_of(w)->parent, FAMILY_START + done, TRANSLATOR_WRITE);
	return rc;
}

void family_end(struct worker *w)
{
	struct family *family = family_of(w);

	if (family->child)
		w->t->space_destroy(family->child);
	family->child = NULL;
	w->cursor = 0;
}

void family_fork(struct worker *w)
{
	int rc;

	family_end(w);
	rc = w->t->space_fork(family_of(w)->parent, &family_of(w)->child);
	if (rc)
		workload_fail(w, rc);
}
