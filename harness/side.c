/* SPDX-License-Identifier: Apache-2.0 */
/*
 * side.c - what a side is, and samples of it.
 */
#include "harness/side.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/commands.h"
#include "harness/hlog.h"
#include "harness/result_dir.h"
#include "harness/side_files.h"
#include "harness/stored.h"
#include "harness/translators.h"
#include "harness/view.h"

#define ASK_NS UINT64_C(20000000000)
#define ARGUMENTS_MAX (2 * OPTION_COUNT + 24)
#define JOB_SUFFIX ".ini"

/* Runs `binary WORDS...`: its output (owned), or NULL with a sentence. */
static char *ask(const char *binary, const char *const *words, char *error, size_t size)
{
	char *argv[8] = { (char *)(uintptr_t)binary };
	struct child child;
	char *out = NULL;
	int rc;

	for (size_t i = 0; words[i]; i++)
		argv[i + 1] = (char *)(uintptr_t)words[i];
	rc = child_run(&child, argv, ASK_NS);
	if (rc || child.code)
		snprintf(error, size, "%s %s: %s", binary, words[0],
			 rc ? strerror(-rc) : "it does not answer as faultline does");
	else
		out = strdup(child.out);
	child_release(&child);
	return out;
}

/* The options in its help: "--name" at the start of a line. */
static void read_help(struct side *side, const char *help)
{
	for (unsigned id = 0; id < OPTION_COUNT; id++) {
		const char *name = option_table[id].name, *at = help;
		size_t length = strlen(name);

		while (!side->knows[id] && (at = strstr(at, "\n  --"))) {
			at += strlen("\n  --");
			side->knows[id] = strncmp(at, name, length) == 0 &&
					  (at[length] == ' ' || at[length] == '\n');
		}
	}
}

static int learn(struct side *side, char *error, size_t size)
{
	static const char *const version[] = { "--version", NULL };
	static const char *const help[] = { "run", "--help", NULL };
	static const char *const list[] = { "list", "workloads", "--json", NULL };
	char *text = ask(side->binary, version, error, size);
	json_t *json = NULL;
	size_t i;
	json_t *each;

	if (!text || strncmp(text, "faultline ", 10) != 0) {
		snprintf(error, size, "%s is not a faultline binary", side->text);
		free(text);
		return -EINVAL;
	}
	side->version = text;
	side->version[strcspn(side->version, "\n")] = '\0';
	text = ask(side->binary, help, error, size);
	if (text)
		read_help(side, text);
	free(text);
	text = ask(side->binary, list, error, size);
	if (text)
		json = json_loads(text, 0, NULL);
	free(text);
	side->workloads = json_array();
	json_array_foreach(json, i, each)
	{
		if (view_text(each, "name", NULL))
			json_array_append_new(side->workloads,
					      json_string(view_text(each, "name", "")));
	}
	json_decref(json);
	if (json_array_size(side->workloads) && side->knows[OPTION_OUT])
		return 0;
	snprintf(error, size, "%s does not say what it can measure", side->text);
	return -ECHILD;
}

bool side_is_job(const char *text)
{
	size_t length = strlen(text);

	return length > strlen(JOB_SUFFIX) &&
	       strcmp(text + length - strlen(JOB_SUFFIX), JOB_SUFFIX) == 0;
}

int side_open(struct side *side, const char *text, char *error, size_t size)
{
	struct translator_spec spec;
	struct stat status;
	const char *so = strstr(text, ".so");
	bool library = so && (!so[3] || so[3] == ':');
	int rc;

	*side = (struct side){ .text = text, .job = side_is_job(text) };
	if (strchr(text, '/') && !library && !side->job) {
		side->binary = stat(text, &status) ? NULL : realpath(text, NULL);
		if (!side->binary || access(side->binary, X_OK)) {
			snprintf(error, size, "%s: %s", text,
				 side->binary ? "cannot be executed, and is not called " JOB_SUFFIX
						" as a job file is"
					      : strerror(errno));
			return -EINVAL;
		}
		return learn(side, error, size);
	}
	if (!side->job) {
		rc = translator_spec_parse(&spec, text, error, size);
		translator_spec_release(&spec);
		if (rc)
			return rc;
		side->translator = text;
	}
	side->binary = realpath("/proc/self/exe", NULL);
	if (!side->binary) {
		snprintf(error, size, "this program is not where it was started: %s",
			 strerror(errno));
		return -errno;
	}
	return learn(side, error, size);
}

void side_release(struct side *side)
{
	free(side->binary);
	free(side->version);
	json_decref(side->workloads);
	*side = (struct side){ 0 };
}

bool side_has_workload(const struct side *side, const char *workload)
{
	size_t i;
	json_t *each;

	json_array_foreach(side->workloads, i,
			   each) if (strcmp(json_string_value(each), workload) == 0) return true;
	return false;
}

/* ---- a sample ---- */

struct arguments {
	char *list[ARGUMENTS_MAX];
	size_t count;
};

static void add(struct arguments *arguments, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct arguments *arguments, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	if (vasprintf(&arguments->list[arguments->count++], format, list) < 0)
		abort();
	va_end(list);
}

/* Ours to decide; the others are the user's. */
static bool is_ours(unsigned id)
{
	return id == OPTION_DURATION || id == OPTION_OUT || id == OPTION_JSON ||
	       id == OPTION_SEED || id == OPTION_PROGRESS || id == OPTION_TRANSLATOR;
}

static void add_options(struct arguments *arguments, const struct side *side,
			const struct side_request *request)
{
	const struct options *o = request->options;

	for (unsigned id = 0; id < OPTION_COUNT; id++) {
		const struct option *option = &option_table[id];

		if (!(option->commands & FOR_RUN) || !options_given(o, id) || is_ours(id) ||
		    !side->knows[id])
			continue;
		if (option->metavar)
			add(arguments, "--%s=%s", option->name, o->text[id]);
		else if (strcmp(o->text[id], "yes") == 0)
			add(arguments, "--%s", option->name);
	}
}

/* The command line of a sample. */
static void arguments_make(struct arguments *arguments, const struct side *side,
			   const struct side_request *request, const char *out)
{
	const char *translator = side->translator;

	*arguments = (struct arguments){ 0 };
	add(arguments, "%s", side->binary);
	add(arguments, "run");
	for (size_t i = 0; request->arguments && request->arguments[i]; i++)
		add(arguments, "%s", request->arguments[i]);
	if (!request->arguments) {
		add(arguments, "%s", request->workload);
		if (!translator && options_given(request->options, OPTION_TRANSLATOR))
			translator = request->options->text[OPTION_TRANSLATOR];
		if (translator)
			add(arguments, "--translator=%s", translator);
		add_options(arguments, side, request);
	}
	add(arguments, "--duration=%" PRIu64 "ns", request->duration_ns);
	add(arguments, "--seed=%" PRIu64, request->seed);
	add(arguments, "--repeat=1");
	add(arguments, "--progress=none");
	add(arguments, "--out=%s", out);
	if (side->knows[OPTION_BARE])
		add(arguments, "--bare");
}

static struct side_figures figures_of(const struct stored_benchmark *b, const char *directory,
				      const struct side_request *request)
{
	const char *key = request->arguments ? request->workload : b->key;
	double tail_ns = request->tail_ns ? request->tail_ns(key, request->context) : NAN;
	struct side_figures f = { .key = strdup(key), .p999 = NAN, .noise = b->samples[0].noise };

	if (!f.key)
		abort();
	f.sample.value[PAIRS_THROUGHPUT] = b->samples[0].ops_per_s;
	f.sample.value[PAIRS_P50] = b->samples[0].p50;
	f.sample.value[PAIRS_P99] = b->samples[0].p99;
	f.sample.value[PAIRS_TAIL] = side_files_tail(directory, b->name, tail_ns, &f.p999);
	f.sample.rate_missed = b->samples[0].rate_missed;
	if (f.sample.rate_missed)
		f.sample.value[PAIRS_TAIL] = f.p999 = NAN;
	return f;
}

/* What it left in its directory. */
static int collect(const char *directory, const struct side_request *request,
		   struct side_sample *sample, char *error, size_t size)
{
	struct stored stored;
	int rc = stored_read(&stored, directory, error, size);
	size_t length = strlen(request->workload);

	if (!rc)
		sample->figures = calloc(stored.count + 1, sizeof(*sample->figures));
	if (!rc && !sample->figures)
		abort();
	for (size_t i = 0; i < stored.count && !rc; i++) {
		const struct stored_benchmark *b = &stored.benchmarks[i];

		/* Floors that a version without --bare measures beside what it was asked for. */
		if (!request->arguments &&
		    (strncmp(b->key, request->workload, length) != 0 || b->key[length] != '/'))
			continue;
		if (b->void_reason || b->count != 1) {
			snprintf(error, size, "%s: %s", b->name,
				 b->void_reason ? b->void_reason : "nothing was measured");
			rc = b->void_reason && strcmp(b->void_reason, STORED_NO_OPERATION) == 0
				     ? -EAGAIN
				     : -EBADE;
		} else {
			sample->figures[sample->count++] = figures_of(b, directory, request);
		}
	}
	stored_release(&stored);
	return rc;
}

int side_begin(struct side_run *run, const struct side *side, const struct side_request *request,
	       char *error, size_t size)
{
	struct arguments arguments;
	int rc;

	*run = (struct side_run){ .side = side };
	if (asprintf(&run->out, "%s/sample.%u", request->directory, request->slot) < 0)
		abort();
	arguments_make(&arguments, side, request, run->out);
	rc = child_start(&run->child, arguments.list, request->cpus, request->cpu_count,
			 20 * request->duration_ns + 3 * ASK_NS);
	for (size_t i = 0; i < arguments.count; i++)
		free(arguments.list[i]);
	if (rc) {
		snprintf(error, size, "%s: %s", side->text, strerror(-rc));
		child_release(&run->child);
		free(run->out);
	}
	return rc;
}

int side_end(struct side_run *run, const struct side_request *request, struct side_sample *sample,
	     char *error, size_t size)
{
	int rc = child_wait(&run->child);

	*sample = (struct side_sample){ 0 };
	if (rc && rc != -EINTR)
		snprintf(error, size, "%s: %s", run->side->text, strerror(-rc));
	if (!rc && run->child.code) {
		sample->code = run->child.code;
		snprintf(error, size, "%s", child_last_line(run->child.err));
		rc = -ECHILD;
	}
	if (!rc)
		rc = collect(run->out, request, sample, error, size);
	side_files_remove(run->out);
	child_release(&run->child);
	free(run->out);
	return rc;
}

void side_sample_release(struct side_sample *sample)
{
	for (size_t i = 0; i < sample->count; i++)
		free(sample->figures[i].key);
	free(sample->figures);
	*sample = (struct side_sample){ 0 };
}
