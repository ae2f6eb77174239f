/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c - the option table, and how arguments and environment are read by it.
 */
#include "harness/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "harness/size.h"
#include "harness/suggest.h"

#define PREFIX "FAULTLINE_"
#define REPEAT_MAX 10000
#define THREADS_MAX 65536

static int fail(char *error, size_t size, const char *sentence)
{
	snprintf(error, size, "%s", sentence);
	return -EINVAL;
}

static int parse_time(uint64_t *time_ns, const char *value, char *error, size_t size)
{
	uint64_t ns;

	if (duration_parse(value, &ns))
		return fail(error, size, "is not a time (a number with ns, us, ms, s, m or h)");
	if (ns < 1000000)
		return fail(error, size, "is too short: at least 1ms");
	if (ns > UINT64_C(24) * 3600 * 1000000000)
		return fail(error, size, "is too long: at most 24h");
	*time_ns = ns;
	return 0;
}

static int parse_duration(struct options *options, const char *value, char *error, size_t size)
{
	return parse_time(&options->duration_ns, value, error, size);
}

static int parse_budget(struct options *options, const char *value, char *error, size_t size)
{
	return parse_time(&options->budget_ns, value, error, size);
}

/* "5%", or "5". */
static int parse_percent(double *share, const char *value, char *error, size_t size)
{
	char *end;
	double percent = strtod(value, &end);

	if (end == value || !((*end == '%' && !end[1]) || !*end))
		return fail(error, size, "is not a percentage (5%)");
	if (!(percent >= 0 && percent <= 50))
		return fail(error, size, "is not from 0% to 50%");
	*share = percent / 100;
	return 0;
}

static int parse_allow(struct options *options, const char *value, char *error, size_t size)
{
	return parse_percent(&options->allow, value, error, size);
}

static int parse_within(struct options *options, const char *value, char *error, size_t size)
{
	return parse_percent(&options->within, value, error, size);
}

static int parse_memory_max(struct options *options, const char *value, char *error, size_t size)
{
	uint64_t bytes = 0;

	if (strcmp(value, "auto") != 0) {
		if (size_parse(value, &bytes))
			return fail(error, size, "is not a size (a number with k, m or g)");
		if (bytes < (UINT64_C(16) << 20))
			return fail(error, size, "is too small: at least 16m");
	}
	options->memory_max = bytes;
	return 0;
}

static int parse_rate(struct options *options, const char *value, char *error, size_t size)
{
	if (rate_parse(value, &options->rate))
		return fail(error, size,
			    "is not a rate: operations per second from 1 to 1g (k, m, g: 1000s)");
	return 0;
}

static int parse_repeat(struct options *options, const char *value, char *error, size_t size)
{
	if (count_parse(value, &options->repeat) || options->repeat < 1 ||
	    options->repeat > REPEAT_MAX)
		return fail(error, size, "is not a number from 1 to 10000");
	return 0;
}

static int parse_pairs(struct options *options, const char *value, char *error, size_t size)
{
	options->pairs = 0;
	if (strcmp(value, "auto") != 0 && (count_parse(value, &options->pairs) ||
					   options->pairs < 1 || options->pairs > REPEAT_MAX))
		return fail(error, size, "is neither \"auto\" nor a number from 1 to 10000");
	return 0;
}

static int parse_seed(struct options *options, const char *value, char *error, size_t size)
{
	struct timespec now;

	if (strcmp(value, "random") == 0) {
		clock_gettime(CLOCK_REALTIME, &now);
		options->seed = ((uint64_t)now.tv_sec * 1000003 ^ (uint64_t)now.tv_nsec) >> 1;
		return 0;
	}
	/* JSON readers keep 63 bits of an integer. */
	if (count_parse(value, &options->seed) || options->seed > INT64_MAX)
		return fail(error, size, "is not a number from 0 to 2^63 - 1, nor \"random\"");
	return 0;
}

static int parse_threads(struct options *options, const char *value, char *error, size_t size)
{
	unsigned counts[64];
	size_t count;

	(void)options;
	/* The machine is not known yet: any maximum shows whether the text is well formed. */
	return options_threads(value, THREADS_MAX, counts, 64, &count, error, size) ? -EINVAL : 0;
}

static int parse_not_empty(struct options *options, const char *value, char *error, size_t size)
{
	(void)options;
	return *value ? 0 : fail(error, size, "is empty");
}

static int parse_param(struct options *options, const char *value, char *error, size_t size)
{
	char **items;
	size_t count = options_list(value, &items);
	int rc = 0;

	(void)options;
	for (size_t i = 0; i < count && !rc; i++) {
		const char *equals = strchr(items[i], '=');

		if (*value && (!equals || equals == items[i] || !equals[1]))
			rc = fail(error, size, "is not of the form key=value");
	}
	options_list_free(items, count);
	return rc;
}

/* A word of the table, or one of its words that end with ':' followed by more. */
static int parse_prefixed(const char *const *words, const char *value, char *error, size_t size)
{
	char hint[96];
	size_t count = 0;

	for (; words[count]; count++) {
		size_t length = strlen(words[count]);

		if (words[count][length - 1] != ':') {
			if (strcmp(value, words[count]) == 0)
				return 0;
		} else if (strncmp(value, words[count], length) == 0) {
			return value[length] ? 0 : fail(error, size, "lacks what follows the ':'");
		}
	}
	snprintf(error, size, "is unknown%s",
		 suggest_text(value, words, count, hint, sizeof(hint)));
	return -EINVAL;
}

static int parse_place(struct options *options, const char *value, char *error, size_t size)
{
	static const char *const words[] = {
		"compact", "scatter", "cores", "node:", "cpus:", NULL
	};

	(void)options;
	return parse_prefixed(words, value, error, size);
}

static int parse_mem(struct options *options, const char *value, char *error, size_t size)
{
	static const char *const words[] = { "local",	  "bind:",    "interleave", "preferred:",
					     "weighted:", "weighted", NULL };

	(void)options;
	return parse_prefixed(words, value, error, size);
}

static const char *const as_choices[] = { "none", "mmap", "uffd", NULL };
static const char *const clock_choices[] = { "tsc", "monotonic", NULL };
static const char *const pages_choices[] = { "4k", "thp", "2m", "1g", "auto", NULL };
static const char *const progress_choices[] = { "auto", "tty", "plain", "json", "none", NULL };

const struct option option_table[OPTION_COUNT] = {
	[OPTION_ALLOW] = { .name = "allow",
			   .metavar = "1%",
			   .value = "1%",
			   .parse = parse_allow,
			   .commands = FOR_COMPARE | FOR_GATE | FOR_VERSUS,
			   .help = "a change counts if its whole interval lies past this" },
	[OPTION_ALLOW_WRITABLE] = { .name = "allow-writable",
				    .value = "no",
				    .sets = offsetof(struct options, allow_writable),
				    .commands = FOR_RUN | FOR_CHECK | FOR_GATE | FOR_VERSUS,
				    .help = "load plug-ins that anybody may write or replace" },
	[OPTION_ANY_MACHINE] = { .name = "any-machine",
				 .value = "no",
				 .sets = offsetof(struct options, any_machine),
				 .commands = FOR_COMPARE,
				 .help = "compare although the machines are not the same" },
	[OPTION_AS] = { .name = "as",
			.metavar = "none|mmap|uffd",
			.value = "none",
			.choices = as_choices,
			.list = true,
			.varies = true,
			.commands = FOR_RUN | FOR_GATE | FOR_VERSUS,
			.help = "what the host sees: nothing, or real mappings, by mmap "
				"or by userfaultfd" },
	[OPTION_BARE] = { .name = "bare",
			  .value = "no",
			  .sets = offsetof(struct options, bare),
			  .commands = FOR_RUN,
			  .help = "only what is named: no floors, no costs, no report" },
	[OPTION_BASELINE] = { .name = "baseline",
			      .metavar = "DIR|NAME|BINARY",
			      .value = "",
			      .parse = parse_not_empty,
			      .commands = FOR_GATE,
			      .help = "what to be not slower than" },
	[OPTION_BUDGET] = { .name = "budget",
			    .metavar = "2m",
			    .value = "2m",
			    .parse = parse_budget,
			    .commands = FOR_GATE | FOR_VERSUS,
			    .help = "time for the whole call" },
	[OPTION_CANDIDATE] = { .name = "candidate",
			       .metavar = "DIR|BINARY",
			       .value = "",
			       .parse = parse_not_empty,
			       .commands = FOR_GATE,
			       .help = "what is judged [this program]" },
	[OPTION_CLOCK] = { .name = "clock",
			   .metavar = "tsc|monotonic",
			   .value = "tsc",
			   .choices = clock_choices,
			   .commands = FOR_RUN | FOR_GATE | FOR_VERSUS,
			   .help = "what time is read from" },
	[OPTION_DIR] = { .name = "dir",
			 .metavar = "DIR",
			 .value = ".",
			 .parse = parse_not_empty,
			 .commands = FOR_NEW,
			 .help = "where the files go; made if there is none" },
	[OPTION_DOCTOR] = { .name = "doctor",
			    .value = "no",
			    .sets = offsetof(struct options, doctor),
			    .commands = FOR_INFO,
			    .help = "what on this machine spoils measurements" },
	[OPTION_DRY_RUN] = { .name = "dry-run",
			     .value = "no",
			     .sets = offsetof(struct options, dry_run),
			     .commands = FOR_RUN,
			     .help = "print the plan, measure nothing" },
	[OPTION_DURATION] = { .name = "duration",
			      .metavar = "1s",
			      .value = "1s",
			      .parse = parse_duration,
			      .commands = FOR_RUN | FOR_GATE | FOR_VERSUS,
			      .help = "time of a repetition (quick suite: what fits)" },
	[OPTION_FIX] = { .name = "fix",
			 .value = "no",
			 .sets = offsetof(struct options, fix),
			 .commands = FOR_INFO,
			 .help = "with --doctor: record what is set, and set it right" },
	[OPTION_INDEX] = { .name = "index",
			   .metavar = "FILE",
			   .value = "",
			   .parse = parse_not_empty,
			   .commands = FOR_HISTORY,
			   .help = "the index [$XDG_DATA_HOME/faultline/history.sqlite]" },
	[OPTION_JOB] = { .name = "job",
			 .metavar = "FILE",
			 .value = "",
			 .parse = parse_not_empty,
			 .commands = FOR_RUN,
			 .help = "options and workloads from a job file (job.ini of a result)" },
	[OPTION_JSON] = { .name = "json",
			  .value = "no",
			  .sets = offsetof(struct options, json),
			  .commands = FOR_RUN | FOR_OTHERS | FOR_REPORT | FOR_CHECK | FOR_NEW |
				      FOR_INFO | FOR_VERSUS | FOR_COMPARE | FOR_GATE | FOR_HISTORY,
			  .help = "print JSON on standard output" },
	[OPTION_LABEL] = { .name = "label",
			   .metavar = "TEXT",
			   .value = "",
			   .commands = FOR_RUN,
			   .help = "kept with the result" },
	[OPTION_LIST] = { .name = "list",
			  .value = "no",
			  .commands = FOR_CHECK,
			  .help = "name the properties, and check nothing" },
	[OPTION_MEM] = { .name = "mem",
			 .metavar = "local|bind:N|interleave|preferred:N|weighted[:N=W,...]",
			 .value = "local",
			 .parse = parse_mem,
			 .varies = true,
			 .commands = FOR_RUN | FOR_GATE | FOR_VERSUS,
			 .help = "NUMA policy of the memory" },
	[OPTION_MEMORY_MAX] = { .name = "memory-max",
				.metavar = "4g",
				.value = "auto",
				.parse = parse_memory_max,
				.commands = FOR_RUN | FOR_GATE | FOR_VERSUS,
				.help = "memory of a benchmark (auto: half of the free, to 4g)" },
	[OPTION_ONLY] = { .name = "only",
			  .metavar = "PROPERTY",
			  .value = "",
			  .parse = parse_not_empty,
			  .commands = FOR_CHECK,
			  .help = "check one property (see --list)" },
	[OPTION_OUT] = { .name = "out",
			 .metavar = "DIR",
			 .value = "",
			 .commands = FOR_RUN | FOR_REPORT | FOR_GATE | FOR_VERSUS | FOR_HISTORY,
			 .help = "result directory, new or empty (results/<UTC>-<host>-<hash8>)" },
	[OPTION_PAGES] = { .name = "pages",
			   .metavar = "4k|thp|2m|1g|auto",
			   .value = "4k",
			   .choices = pages_choices,
			   .list = true,
			   .varies = true,
			   .commands = FOR_RUN | FOR_GATE | FOR_VERSUS,
			   .help = "page size of the memory; auto: the largest that can be had" },
	[OPTION_PAIRS] = { .name = "pairs",
			   .metavar = "N|auto",
			   .value = "auto",
			   .parse = parse_pairs,
			   .commands = FOR_GATE | FOR_VERSUS,
			   .help = "pairs of each benchmark that noise did not spoil; auto: what "
				   "precision takes" },
	[OPTION_PARAM] = { .name = "param",
			   .metavar = "k=v",
			   .value = "",
			   .parse = parse_param,
			   .list = true,
			   .repeats = true,
			   .varies = true,
			   .commands = FOR_RUN | FOR_GATE | FOR_VERSUS,
			   .help = "parameter of the workloads (list params); may be repeated" },
	[OPTION_PLACE] = { .name = "place",
			   .metavar = "compact|scatter|cores|node:N|cpus:LIST",
			   .value = "compact",
			   .parse = parse_place,
			   .varies = true,
			   .commands = FOR_RUN | FOR_GATE | FOR_VERSUS,
			   .help = "which CPUs the threads are pinned to" },
	[OPTION_PROGRESS] = { .name = "progress",
			      .metavar = "auto|tty|plain|json|none",
			      .value = "auto",
			      .choices = progress_choices,
			      .commands = FOR_RUN | FOR_GATE | FOR_VERSUS,
			      .help = "progress on standard error" },
	[OPTION_QUICK] = { .name = "quick",
			   .value = "no",
			   .commands = FOR_CHECK,
			   .help = "take 5 s and not a minute" },
	[OPTION_RATE] = { .name = "rate",
			  .metavar = "OPS",
			  .value = "",
			  .parse = parse_rate,
			  .varies = true,
			  .commands = FOR_RUN | FOR_GATE | FOR_VERSUS,
			  .help = "open loop: so many operations begin each second, whatever they "
				  "take" },
	[OPTION_REFS] = { .name = "refs",
			  .metavar = "atomic|sharded",
			  .value = "atomic",
			  .choices = (const char *const[]){ "atomic", "sharded", NULL },
			  .list = true,
			  .commands = FOR_RUN | FOR_GATE | FOR_VERSUS,
			  .help = "how references to objects' pages are counted" },
	[OPTION_REPEAT] = { .name = "repeat",
			    .metavar = "5",
			    .value = "5",
			    .parse = parse_repeat,
			    .commands = FOR_RUN,
			    .help = "repetitions of each benchmark, interleaved" },
	[OPTION_REPLAY] = { .name = "replay",
			    .metavar = "FILE",
			    .value = "",
			    .parse = parse_not_empty,
			    .commands = FOR_CHECK,
			    .help = "play the list of operations that a failure left" },
	[OPTION_ROOT] = { .name = "root",
			  .metavar = "DIR",
			  .value = "",
			  .parse = parse_not_empty,
			  .commands = FOR_INFO,
			  .help = "with --doctor: look at /proc, /sys and /run below DIR" },
	[OPTION_SEED] = { .name = "seed",
			  .metavar = "N",
			  .value = "random",
			  .parse = parse_seed,
			  .commands = FOR_RUN | FOR_CHECK | FOR_GATE | FOR_VERSUS,
			  .help = "of the order and of the workloads' randomness" },
	[OPTION_STRICT_PLACEMENT] = { .name = "strict-placement",
				      .value = "no",
				      .sets = offsetof(struct options, strict_placement),
				      .commands = FOR_RUN,
				      .help = "exit 4 if anything is not placed as asked" },
	[OPTION_THREADS] = { .name = "threads",
			     .metavar = "1,2,4..max",
			     .value = "1",
			     .parse = parse_threads,
			     .varies = true,
			     .commands = FOR_RUN | FOR_GATE | FOR_VERSUS,
			     .help = "thread counts; A..B doubles from A to B (quick suite: 1,2)" },
	[OPTION_TOPOLOGY] = { .name = "topology",
			      .metavar = "FILE|SYNTHETIC",
			      .value = "",
			      .parse = parse_not_empty,
			      .commands = FOR_RUN | FOR_REPORT,
			      .help = "plan and draw for a machine: hwloc XML or synthetic" },
	[OPTION_TRANSLATOR] = { .name = "translator",
				.metavar = "T[,T...]",
				.value = "memmap",
				.parse = parse_not_empty,
				.repeats = true,
				.varies = true,
				.commands = FOR_RUN | FOR_GATE | FOR_VERSUS,
				.help = "NAME or PATH.so, followed by :key=value options; "
					"side by side with the first" },
	[OPTION_UNCHECKED] = { .name = "unchecked",
			       .value = "no",
			       .sets = offsetof(struct options, unchecked),
			       .commands = FOR_RUN | FOR_GATE | FOR_VERSUS,
			       .help = "time plug-ins that have not passed check, not_verified" },
	[OPTION_UNDO] = { .name = "undo",
			  .value = "no",
			  .sets = offsetof(struct options, undo),
			  .commands = FOR_INFO,
			  .help = "with --doctor: put back what --fix has changed" },
	[OPTION_WITHIN] = { .name = "within",
			    .metavar = "5%",
			    .value = "5%",
			    .parse = parse_within,
			    .commands = FOR_COMPARE | FOR_GATE | FOR_VERSUS,
			    .help = "the same: the whole interval lies inside +- this" },
};

const char *option_variable(const struct option *option, char *buffer, size_t size)
{
	snprintf(buffer, size, PREFIX "%s", option->name);
	for (char *p = buffer + strlen(PREFIX); *p; p++)
		*p = (char)(*p == '-' ? '_' : *p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
	return buffer;
}

/* value, or each element of a list, is one of the choices. */
static int check_choices(const struct option *option, const char *value, char *error, size_t size)
{
	size_t known = 0, count, i, j = 0;
	char **items, hint[96];

	while (option->choices[known])
		known++;
	count = options_list(value, &items);
	for (i = 0; i < count; i++) {
		for (j = 0; j < known && strcmp(items[i], option->choices[j]) != 0; j++)
			;
		if (j == known || (count > 1 && !option->list))
			break;
	}
	if (i == count) {
		options_list_free(items, count);
		return 0;
	}
	if (j < known)
		snprintf(error, size, "takes only one of %s", option->metavar);
	else
		snprintf(error, size, "\"%s\" is unknown, it is one of %s%s", items[i],
			 option->metavar,
			 suggest_text(items[i], option->choices, known, hint, sizeof(hint)));
	options_list_free(items, count);
	return -EINVAL;
}

static const char *place_of(const struct options *options, enum option_id id,
			    enum option_origin origin, char *buffer, size_t size)
{
	const struct option *option = &option_table[id];

	if (origin == ORIGIN_ENVIRONMENT)
		return option_variable(option, buffer, size);
	if (origin == ORIGIN_JOB)
		snprintf(buffer, size, "%s:%u: %s", options->job_path, options->job_line[id],
			 option->name);
	else
		snprintf(buffer, size, "--%s", option->name);
	return buffer;
}

const char *options_where(const struct options *options, enum option_id id, char *buffer,
			  size_t size)
{
	return place_of(options, id, options->origin[id], buffer, size);
}

int options_set(struct options *options, enum option_id id, const char *value,
		enum option_origin origin, char *error, size_t size)
{
	const struct option *option = &option_table[id];
	bool add = option->repeats && origin == options->origin[id] && origin != ORIGIN_DEFAULT;
	char reason[256] = "", where[4352], *text;
	int rc;

	if (asprintf(&text, "%s%s%s", add ? options->text[id] : "", add ? "," : "", value) < 0)
		abort();
	rc = option->choices ? check_choices(option, text, reason, sizeof(reason)) : 0;
	/* No default is checked but for its side effect: an empty one means none. */
	if (!rc && option->parse && (*text || origin != ORIGIN_DEFAULT))
		rc = option->parse(options, text, reason, sizeof(reason));
	if (rc) {
		place_of(options, id, origin, where, sizeof(where));
		/* Choices are lists: their reason names the element. */
		if (option->choices)
			snprintf(error, size, "%s: %s", where, reason);
		else
			snprintf(error, size, "%s: \"%s\" %s", where, value, reason);
		free(text);
		return -EINVAL;
	}
	if (option->sets)
		*(bool *)((char *)options + option->sets) = strcmp(text, "yes") == 0;
	free(options->text[id]);
	options->text[id] = text;
	options->origin[id] = origin;
	return 0;
}

static bool truth(const char *value, bool *yes)
{
	static const char *const words[] = { "0", "no", "false", "off", "1", "yes", "true", "on" };

	for (size_t i = 0; i < 8; i++) {
		if (strcasecmp(value, words[i]) == 0) {
			*yes = i >= 4;
			return true;
		}
	}
	return false;
}

int options_set_word(struct options *options, enum option_id id, const char *value,
		     enum option_origin origin, char *error, size_t size)
{
	char where[4352];
	bool yes;

	if (!option_table[id].metavar) {
		if (!truth(value, &yes)) {
			snprintf(error, size, "%s: \"%s\" is neither yes nor no",
				 place_of(options, id, origin, where, sizeof(where)), value);
			return -EINVAL;
		}
		value = yes ? "yes" : "no";
	}
	return options_set(options, id, value, origin, error, size);
}
