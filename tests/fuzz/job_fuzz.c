/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_fuzz.c - whatever a job file says, it is read or refused with its place, and so is what each
 * of its sections sets.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is inherited stands above: it ends. */
static void check_sections(const struct job *job)
{
	if (!job->count || strcmp(job->sections[0].name, "run") != 0)
		abort();
	for (size_t i = 1; i < job->count; i++) {
		if (job->sections[i].parent >= i)
			abort();
	}
}

static void check_apply(const struct job *job, size_t section)
{
	char *none[] = { (char *)"run", NULL }, error[2048] = "";
	struct options options;

	if (options_parse(&options, FOR_RUN, 1, none, error, sizeof(error)))
		abort();
	if (job_apply(job, section, &options, error, sizeof(error)) &&
	    strncmp(error, "fuzz:", 5) != 0)
		abort();
	options_release(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[2048] = "";
	struct job job;

	if (job_parse(&job, "fuzz", (const char *)data, size, error, sizeof(error))) {
		if (strncmp(error, "fuzz:", 5) != 0)
			abort();
	} else {
		check_sections(&job);
		for (size_t i = 0; i < job.count; i++)
			check_apply(&job, i);
	}
	job_release(&job);
	return 0;
}
