/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_write.c - job.ini: what a run did, as a job file.
 *
 * What was left to choose (the workloads of the quick suite, its times, the seed) is written as it
 * was chosen: a later version may choose otherwise.
 */
#include <inttypes.h>
#include <string.h>

#include "harness/job.h"
#include "harness/plan.h"
#include "workloads/workload.h"

static void write_value(FILE *out, const char *text)
{
	size_t length = strlen(text);

	if (length && *text != '"' && !strchr(" \t", *text) && !strchr(" \t\r", text[length - 1]) &&
	    !strpbrk(text, "\n\v\f")) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		if (*text == '\n')
			fputs("\\n", out);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

static void write_workloads(const struct options *options, FILE *out)
{
	fputs("workload = ", out);
	for (size_t i = 0; i < options->argument_count; i++)
		fprintf(out, "%s%s", i ? "," : "", options->arguments[i]);
	for (size_t i = 0; !options->argument_count && workload_list[i]; i++)
		fprintf(out, "%s%s", i ? "," : "", workload_list[i]->name);
	fputc('\n', out);
}

/* Those that vary, or those that do not; which is which says the table. */
static void write_options(const struct options *options, const struct plan *plan, bool varies,
			  FILE *out)
{
	for (unsigned id = 0; id < OPTION_COUNT; id++) {
		const struct option *option = &option_table[id];
		const char *text = options->text[id];

		/* How a run is watched and where it is kept do not decide what it does. */
		if (id == OPTION_DRY_RUN || id == OPTION_JOB || id == OPTION_JSON ||
		    id == OPTION_OUT || id == OPTION_PROGRESS || !(option->commands & FOR_RUN) ||
		    option->varies != varies)
			continue;
		if (id == OPTION_THREADS && plan->quick && !options_given(options, id))
			text = plan->quick_threads;
		if (!*text)
			continue;
		fprintf(out, "%s = ", option->name);
		if (id == OPTION_SEED)
			fprintf(out, "%" PRIu64, options->seed);
		else if (id == OPTION_DURATION)
			fprintf(out, "%" PRIu64 "ns", plan->duration_ns);
		else if (id == OPTION_REPEAT)
			fprintf(out, "%u", plan->repeat);
		else
			write_value(out, text);
		fputc('\n', out);
	}
}

void job_write(const struct options *options, const struct plan *plan, FILE *out)
{
	fputs("; faultline job, fully expanded\n[run]\n", out);
	write_options(options, plan, false, out);
	if (!options->group_count) {
		write_workloads(options, out);
		write_options(options, plan, true, out);
	}
	for (size_t i = 0; i < options->group_count; i++) {
		fprintf(out, "\n[%s]\n", options->groups[i].group);
		write_workloads(&options->groups[i], out);
		write_options(&options->groups[i], plan, true, out);
	}
}
