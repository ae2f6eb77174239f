/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_gate.c - faultline gate: whether a change may go in.
 *
 * The time is shared: three fifths for the first batch, what is left for the second, which has
 * fewer benchmarks to measure. A batch that found nothing needs no second.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/clock.h"
#include "harness/commands.h"
#include "harness/gate.h"
#include "harness/gate_confirm.h"
#include "harness/session.h"

#define BASELINES "results/baselines"
#define FIRST_PART 3 / 5

/* What is measured if nothing is named: the paths that everything else is made of. */
static const char *const benchmarks[] = { "dontneed-refault", "fault-anon",   "fault-shared",
					  "map-unmap",	      "refcount-own", "translate" };

/* "make it with" for a baseline that is not there, or too old. */
static int need_baseline(const char *why, const char *directory)
{
	return usage_error("gate: --baseline: %s; to make it: ci/baseline.sh %s [REV]", why,
			   directory);
}

/*
 * Where `text` is: *program (owned), and *directory (owned) for the exact counts. False: it is
 * neither a directory, nor a file, nor the name of a baseline.
 */
static bool locate(const char *text, char **program, char **directory)
{
	struct stat status;
	char *path;

	if (asprintf(&path, stat(text, &status) ? BASELINES "/%s" : "%s", text) < 0)
		abort();
	if (stat(path, &status)) {
		free(path);
		return false;
	}
	if (S_ISDIR(status.st_mode)) {
		*directory = path;
		if (asprintf(program, "%s/faultline", path) < 0)
			abort();
		return true;
	}
	*program = path;
	path = strdup(*program);
	*directory = path ? strdup(dirname(path)) : NULL;
	if (!*directory)
		abort();
	free(path);
	return true;
}

/* With a slash, or it would be taken for a translator. */
static char *with_slash(char *program)
{
	char *path;

	if (strchr(program, '/'))
		return program;
	if (asprintf(&path, "./%s", program) < 0)
		abort();
	free(program);
	return path;
}

/* An exit code. */
static int open_side(struct gate *g, size_t which, const char *text, char **program)
{
	char error[1024] = "", directory[512];
	int rc;

	if (side_is_job(text))
		return usage_error("gate: --%s: %s is a job file: versus compares two of them",
				   which ? "candidate" : "baseline", text);
	if (locate(text, program, &g->directories[which])) {
		*program = with_slash(*program);
		if (access(*program, X_OK) && !which) {
			snprintf(error, sizeof(error), "%s is not there", *program);
			return need_baseline(error, g->directories[0]);
		}
		rc = side_open(&g->sides[which], *program, error, sizeof(error));
		if (rc && !which)
			return need_baseline(error, g->directories[0]);
	} else {
		rc = side_open(&g->sides[which], text, error, sizeof(error));
		if (rc && !which && !strchr(text, '/') && !strchr(text, ':')) {
			snprintf(directory, sizeof(directory), BASELINES "/%s", text);
			snprintf(error, sizeof(error), "there is no %s", directory);
			return need_baseline(error, directory);
		}
		if (rc && !which && strchr(text, '/') && !strchr(text, ':')) {
			snprintf(error, sizeof(error), "there is no %s", text);
			return need_baseline(error, text);
		}
	}
	if (rc) {
		complain("gate: --%s: %s", which ? "candidate" : "baseline", error);
		return code_of(rc);
	}
	return CODE_OK;
}

static int look_at_exact(struct gate *g)
{
	char error[4608] = "";
	int rc;

	if (!g->directories[0] || !g->directories[1])
		return CODE_OK;
	rc = gate_exact_compare(&g->exact, g->directories[0], g->directories[1], error,
				sizeof(error));
	if (rc == -ESTALE)
		return need_baseline(error, g->directories[0]);
	if (!rc)
		return CODE_OK;
	complain("gate: %s", error);
	return CODE_FILES;
}

/* A batch: the workloads, until the deadline. */
static void measure(struct gate *g, const char **workloads, size_t count, uint64_t deadline_ns,
		    uint64_t seed, struct pairs *pairs)
{
	struct versus v = { .command = "gate",
			    .options = g->options,
			    .sides = g->sides,
			    .workloads = workloads,
			    .workload_count = count,
			    .seed = seed,
			    .duration_ns = versus_duration(g->options),
			    .deadline_ns = deadline_ns,
			    .precision = g->rule.within / VERSUS_PRECISION,
			    .halves = &g->halves,
			    .dir = &g->dir,
			    .notes = g->notes };

	versus_measure(&v);
	*pairs = v.pairs;
	g->interrupted |= v.interrupted;
	if (v.code && !g->code)
		g->code = v.code;
}

static void *room(size_t count, size_t size)
{
	void *memory = calloc(count + 1, size);

	if (!memory)
		abort();
	return memory;
}

/* The first batch; what regressed in it is flagged. */
static void measure_first(struct gate *g, const char **workloads, size_t count,
			  uint64_t deadline_ns)
{
	size_t all;

	measure(g, workloads, count, deadline_ns, g->rule.seed, &g->first);
	all = g->first.count * PAIRS_METRICS;
	g->first_findings = room(all, sizeof(*g->first_findings));
	g->flagged = room(all, sizeof(*g->flagged));
	g->confirmed = room(all, sizeof(*g->confirmed));
	pairs_judge(&g->first, &g->rule, NULL, g->first_findings);
	g->flagged_count = gate_flag(g->first_findings, all, g->flagged);
}

/* Whether the first batch flagged anything of that workload, "fault-anon/...". */
static bool is_flagged(const struct gate *g, const char *workload)
{
	size_t length = strlen(workload);

	for (size_t i = 0; i < g->first.count * PAIRS_METRICS; i++) {
		const char *name = g->first.benchmarks[i / PAIRS_METRICS].name;

		if (g->flagged[i] && strncmp(name, workload, length) == 0 && name[length] == '/')
			return true;
	}
	return false;
}

/* Other processes, another seed, and no question but what was flagged. */
static void measure_second(struct gate *g, const char **workloads, size_t count,
			   uint64_t deadline_ns)
{
	const char **some = room(count, sizeof(*some));
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (is_flagged(g, workloads[i]))
			some[kept++] = workloads[i];
	}
	measure(g, some, kept, deadline_ns, ~g->rule.seed >> 1, &g->second);
	g->confirmed_count =
		gate_confirm(&g->first, g->flagged, &g->second, &g->rule, g->confirmed);
	free(some);
}

static void conclude(struct gate *g)
{
	struct findings f = gate_findings(g);
	int code = findings_code(&f);
	char text[512];

	if (g->interrupted)
		g->code = 128 + session_signal();
	else if (!g->code && (g->exact.worse || g->confirmed_count))
		g->code = CODE_REGRESSED;
	/* Flagged once is decided: it was not confirmed; unless it could not be. */
	else if (!g->code && ((code == CODE_UNDECIDED && !g->flagged_count) ||
			      *findings_noisy(&g->second, text, sizeof(text))))
		g->code = CODE_UNDECIDED;
}

static int write_with(struct gate *g, const char *name, void (*write)(FILE *, const struct gate *))
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int rc;

	if (!out)
		return -ENOMEM;
	write(out, g);
	rc = fclose(out) ? -ENOMEM : result_dir_write(&g->dir, name, text, size);
	free(text);
	return rc;
}

static void report(struct gate *g)
{
	json_t *json = gate_json(g);
	int rc = result_dir_write_json(&g->dir, "gate.json", json);

	if (!rc)
		rc = write_with(g, "summary.md", gate_markdown);
	if (!rc)
		rc = write_with(g, "junit.xml", gate_junit);
	if (!rc)
		rc = write_with(g, "openmetrics.txt", gate_openmetrics);
	if (rc) {
		complain("gate: %s: %s", g->dir.path, strerror(-rc));
		g->code = CODE_FILES;
	}
	if (g->options->json) {
		json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
		putchar('\n');
	} else {
		gate_print(stdout, g);
	}
	json_decref(json);
}

/* Everything that can be wrong before anything is measured. An exit code. */
static int prepare(struct gate *g, struct versus *chosen, char *programs[2])
{
	const struct options *o = g->options;
	char error[1024] = "", path[512], *names[sizeof(benchmarks) / sizeof(benchmarks[0])];
	size_t count = o->argument_count ? o->argument_count : sizeof(names) / sizeof(names[0]);
	int code, rc;

	if (!*o->text[OPTION_BASELINE])
		return usage_error("gate: --baseline is needed: a directory, its name in " BASELINES
				   ", or a binary; to make one: ci/baseline.sh " BASELINES
				   "/main [REV]");
	code = open_side(g, 0, o->text[OPTION_BASELINE], &programs[0]);
	if (!code)
		code = open_side(g, 1,
				 *o->text[OPTION_CANDIDATE] ? o->text[OPTION_CANDIDATE]
							    : "/proc/self/exe",
				 &programs[1]);
	if (!code)
		code = look_at_exact(g);
	if (code)
		return code;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		names[i] = (char *)(uintptr_t)benchmarks[i];
	rc = versus_choose(chosen, o->argument_count ? o->arguments : names, count, error,
			   sizeof(error));
	if (rc) {
		complain("gate: %s", error);
		return code_of(rc);
	}
	versus_note_options(chosen);
	g->halves = versus_halves(chosen);
	rc = result_dir_create(&g->dir,
			       options_given(o, OPTION_OUT)
				       ? o->text[OPTION_OUT]
				       : result_dir_default(path, sizeof(path)),
			       error, sizeof(error));
	if (rc) {
		complain("gate: --out: %s", error);
		return rc == -EINVAL ? CODE_USAGE : CODE_FILES;
	}
	unlinkat(g->dir.fd, "hist", AT_REMOVEDIR);
	unlinkat(g->dir.fd, "plots", AT_REMOVEDIR);
	return CODE_OK;
}

static void release(struct gate *g)
{
	free(g->first_findings);
	free(g->flagged);
	free(g->confirmed);
	pairs_release(&g->first);
	pairs_release(&g->second);
	gate_exact_release(&g->exact);
	cpu_halves_release(&g->halves);
	result_dir_close(&g->dir);
	json_decref(g->notes);
	for (size_t i = 0; i < 2; i++) {
		side_release(&g->sides[i]);
		free(g->directories[i]);
	}
}

int cmd_gate(const struct options *options)
{
	struct gate g = { .options = options,
			  .rule = { .allow = options->allow,
				    .within = options->within,
				    .level = PAIRS_LEVEL_DEFAULT,
				    .seed = options->seed },
			  .notes = json_array(),
			  .dir = { .fd = -1, .samples = -1 } };
	struct versus chosen = { .options = options, .sides = g.sides, .notes = g.notes };
	uint64_t start = clock_source_monotonic_ns();
	char *programs[2] = { NULL, NULL };
	int code;

	session_catch_signals();
	code = prepare(&g, &chosen, programs);
	if (!code) {
		measure_first(&g, chosen.workloads, chosen.workload_count,
			      start + options->budget_ns * FIRST_PART);
		if (g.flagged_count && !g.interrupted)
			measure_second(&g, chosen.workloads, chosen.workload_count,
				       start + options->budget_ns);
		conclude(&g);
		report(&g);
		code = g.code;
	}
	free(chosen.workloads);
	free(programs[0]);
	free(programs[1]);
	release(&g);
	return code;
}
