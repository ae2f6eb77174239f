/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_versus.c - faultline versus A B: which of two is faster, and how sure that is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/clock.h"
#include "harness/commands.h"
#include "harness/findings.h"
#include "harness/session.h"
#include "harness/versus.h"

struct comparison_run {
	struct versus versus;
	struct side sides[2];
	struct job_pairs jobs; /* if the sides are job files */
	struct result_dir dir;
	struct cpu_halves halves;
	struct pairs_rule rule;
	struct pairs_finding *findings;
	uint64_t start_ns;
};

static struct findings view_of(const struct comparison_run *r)
{
	return (struct findings){ &r->versus.pairs, &r->rule, r->findings, false };
}

static json_t *side_json(const struct side *side)
{
	return json_pack("{s:s, s:s, s:s?}", "text", side->text, "version", side->version,
			 "translator", side->translator);
}

static json_t *run_json(const struct comparison_run *r, int code)
{
	struct findings f = view_of(r);

	return json_pack("{s:s, s:o, s:o, s:I, s:f, s:f, s:b, s:i, s:o, s:O, s:s, s:o}", "schema",
			 "faultline.versus/1", "a", side_json(&r->sides[0]), "b",
			 side_json(&r->sides[1]), "seed", (json_int_t)r->rule.seed,
			 "within_percent", 100 * r->rule.within, "allow_percent",
			 100 * r->rule.allow, "interrupted", r->versus.interrupted, "exit_code",
			 code, "side_by_side", versus_halves_json(&r->halves), "notes",
			 r->versus.notes, "directory", r->dir.path, "benchmarks",
			 findings_json(&f));
}

static void print_notes(const struct comparison_run *r)
{
	size_t i;
	json_t *each;

	json_array_foreach(r->versus.notes, i, each)
		printf("not compared: %s\n", json_string_value(each));
}

static void print_text(const struct comparison_run *r)
{
	struct findings f = view_of(r);
	char text[512];

	printf("A  %s  (%s)\nB  %s  (%s)\n\n", r->sides[0].text, r->sides[0].version,
	       r->sides[1].text, r->sides[1].version);
	findings_print(stdout, &f);
	if (r->halves.count)
		printf("side by side on CPUs %s, which are swapped\n",
		       cpu_halves_text(&r->halves, text, sizeof(text)));
	print_notes(r);
	if (r->versus.interrupted)
		puts("Interrupted: this is of the pairs so far.");
	printf("\n%s\n", findings_counts(&f, text, sizeof(text)));
	if (*findings_worst(&f, PAIRS_REGRESSED, text, sizeof(text)))
		printf("regressed most: %s\n", text);
	if (*findings_worst(&f, PAIRS_IMPROVED, text, sizeof(text)))
		printf("improved most: %s\n", text);
	printf("%s/versus.json\n", r->dir.path);
}

static void tell(void *versus, const char *what, const char *why)
{
	versus_note(versus, "%s: %s", what, why);
}

/* What is compared with what. */
static int choose(struct comparison_run *r, const struct options *o, char *error, size_t size)
{
	const char *const paths[2] = { o->arguments[0], o->arguments[1] };
	int rc;

	if (r->sides[0].job != r->sides[1].job) {
		snprintf(
			error, size,
			"%s is a job file, and %s is none: two job files are compared, or two that "
			"the same options hold for",
			paths[!r->sides[0].job], paths[r->sides[0].job]);
		return -EINVAL;
	}
	if (!r->sides[0].job)
		return versus_choose(&r->versus, o->arguments + 2, o->argument_count - 2, error,
				     size);
	rc = job_pairs_create(&r->jobs, paths, o, tell, &r->versus, error, size);
	return rc ? rc : versus_choose_jobs(&r->versus, &r->jobs, error, size);
}

/* What can be wrong before anything is measured. An exit code. */
static int prepare(struct comparison_run *r, const struct options *o)
{
	char error[1024] = "", path[512];
	int rc = 0;

	if (o->argument_count < 2)
		return usage_error("versus: two sides are needed: versus A B [WORKLOAD...]");
	for (size_t i = 0; i < 2 && !rc; i++)
		rc = side_open(&r->sides[i], o->arguments[i], error, sizeof(error));
	if (!rc)
		rc = choose(r, o, error, sizeof(error));
	if (rc) {
		complain("versus: %s", error);
		return code_of(rc);
	}
	/* What a job file says was read by this program. */
	if (!r->sides[0].job)
		versus_note_options(&r->versus);
	r->halves = versus_halves(&r->versus);
	rc = result_dir_create(&r->dir,
			       options_given(o, OPTION_OUT)
				       ? o->text[OPTION_OUT]
				       : result_dir_default(path, sizeof(path)),
			       error, sizeof(error));
	if (rc) {
		complain("versus: --out: %s", error);
		return rc == -EINVAL ? CODE_USAGE : CODE_FILES;
	}
	/* Of a run only. */
	unlinkat(r->dir.fd, "hist", AT_REMOVEDIR);
	unlinkat(r->dir.fd, "plots", AT_REMOVEDIR);
	return CODE_OK;
}

static int conclude(struct comparison_run *r)
{
	struct findings f;
	json_t *json;
	int code, rc;

	r->findings = calloc(r->versus.pairs.count * PAIRS_METRICS + 1, sizeof(*r->findings));
	if (!r->findings)
		abort();
	pairs_judge(&r->versus.pairs, &r->rule, NULL, r->findings);
	f = view_of(r);
	code = r->versus.interrupted ? 128 + session_signal()
	       : r->versus.code	     ? r->versus.code
				     : findings_code(&f);
	json = run_json(r, code);
	rc = result_dir_write_json(&r->dir, "versus.json", json);
	if (rc) {
		complain("versus: %s/versus.json: %s", r->dir.path, strerror(-rc));
		code = CODE_FILES;
	}
	if (r->versus.options->json) {
		json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
		putchar('\n');
	} else {
		print_text(r);
	}
	json_decref(json);
	return code;
}

int cmd_versus(const struct options *options)
{
	struct comparison_run r = { .dir = { .fd = -1, .samples = -1 } };
	int code;

	r.rule = (struct pairs_rule){ .allow = options->allow,
				      .within = options->within,
				      .level = PAIRS_LEVEL_DEFAULT,
				      .seed = options->seed };
	r.versus = (struct versus){
		.command = "versus",
		.options = options,
		.sides = r.sides,
		.seed = options->seed,
		.duration_ns = versus_duration(options),
		.deadline_ns = clock_source_monotonic_ns() + options->budget_ns,
		.precision = options->within / VERSUS_PRECISION,
		.halves = &r.halves,
		.dir = &r.dir,
		.notes = json_array(),
	};
	session_catch_signals();
	code = prepare(&r, options);
	if (!code) {
		versus_measure(&r.versus);
		code = conclude(&r);
	}
	free(r.findings);
	free(r.versus.workloads);
	job_pairs_release(&r.jobs);
	json_decref(r.versus.notes);
	pairs_release(&r.versus.pairs);
	cpu_halves_release(&r.halves);
	result_dir_close(&r.dir);
	side_release(&r.sides[0]);
	side_release(&r.sides[1]);
	return code;
}
