/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_pairs.c - two job files as the sides of a comparison.
 *
 * A file is read by the parser of `run`, whose arguments are made from those of the command: so
 * what wins over what is decided in one place.
 */
#include "harness/job_pairs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/session.h"

/* The arguments of a command, owned. */
struct words {
	char **list; /* ends with NULL */
	size_t count;
};

/* A job file, planned; it points into itself. */
struct job_side {
	const char *path;
	struct words words; /* options.arguments are some of them */
	struct options options;
	struct topology topology;
	struct plan plan;
};

static void add(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct words *words, const char *format, ...)
{
	va_list list;

	words->list = realloc(words->list, (words->count + 2) * sizeof(*words->list));
	va_start(list, format);
	if (!words->list || vasprintf(&words->list[words->count++], format, list) < 0)
		abort();
	va_end(list);
	words->list[words->count] = NULL;
}

static void words_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

static void add_option(struct words *words, const struct options *options, unsigned id)
{
	if (option_table[id].metavar)
		add(words, "--%s=%s", option_table[id].name, options->text[id]);
	else if (strcmp(options->text[id], "yes") == 0)
		add(words, "--%s", option_table[id].name);
}

/* ---- a file and its plan ---- */

/* `run --job PATH`, and whatever the command was given that `run` knows. */
static void add_command(struct words *words, const char *path, const struct options *command)
{
	add(words, "run");
	add(words, "--job=%s", path);
	/* Floors are what times are put beside, not what is compared. */
	add(words, "--bare");
	for (unsigned id = 0; id < OPTION_COUNT; id++) {
		if ((option_table[id].commands & FOR_RUN) &&
		    command->origin[id] == ORIGIN_COMMAND_LINE)
			add_option(words, command, id);
	}
	add(words, "--");
	for (size_t i = 2; i < command->argument_count; i++)
		add(words, "%s", command->arguments[i]);
}

static int job_side_open(struct job_side *side, const char *path, const struct options *command,
			 char *error, size_t size)
{
	char where[4352];
	int rc;

	side->path = path;
	add_command(&side->words, path, command);
	rc = options_parse(&side->options, FOR_RUN, (int)side->words.count, side->words.list, error,
			   size);
	if (!rc && *side->options.text[OPTION_TOPOLOGY]) {
		snprintf(error, size, "%s: nothing can be compared on another machine",
			 options_where(&side->options, OPTION_TOPOLOGY, where, sizeof(where)));
		rc = -EINVAL;
	}
	if (!rc)
		rc = topology_load(&side->topology, NULL, error, size);
	if (!rc)
		rc = plan_create(&side->plan, &side->options, &side->topology, session_describe,
				 error, size);
	for (size_t i = 0; i < side->plan.translator_count && !rc; i++) {
		rc = side->plan.translators[i].lost_rc;
		if (rc)
			snprintf(error, size, "%s: %s", path, side->plan.translators[i].lost);
	}
	return rc;
}

static void job_side_release(struct job_side *side)
{
	plan_release(&side->plan);
	topology_release(&side->topology);
	options_release(&side->options);
	words_free(side->words.list);
}

/* ---- what stands against what ---- */

static const char *name_of(const struct plan_benchmark *b)
{
	return b->name;
}

/* The name without its translator. */
static const char *key_of(const struct plan_benchmark *b)
{
	return b->translator ? b->name + strlen(b->translator->text) + 1 : b->name;
}

/* The next of a workload from *at on, or NULL; *at is behind it then. */
static const struct plan_benchmark *next_of(const struct plan *plan, const struct workload *w,
					    size_t *at)
{
	while (*at < plan->count) {
		const struct plan_benchmark *b = &plan->benchmarks[(*at)++];

		if (b->workload == w && b->asked)
			return b;
	}
	return NULL;
}

static size_t count_of(const struct plan *plan, const struct workload *w)
{
	size_t count = 0;

	for (size_t at = 0; next_of(plan, w, &at);)
		count++;
	return count;
}

/* The one of a workload that is called so, or PLAN_NONE: none, or more than one. */
static size_t only_one(const struct plan *plan, const struct workload *w,
		       const char *(*called)(const struct plan_benchmark *), const char *text)
{
	const struct plan_benchmark *b;
	size_t found = PLAN_NONE;

	for (size_t at = 0; (b = next_of(plan, w, &at));) {
		if (strcmp(called(b), text) != 0)
			continue;
		if (found != PLAN_NONE)
			return PLAN_NONE;
		found = at - 1;
	}
	return found;
}

static bool match_by(const struct plan *a, const struct plan *b, const struct workload *w,
		     const char *(*called)(const struct plan_benchmark *), size_t *partner)
{
	const struct plan_benchmark *each;
	bool any = false;

	for (size_t at = 0; (each = next_of(a, w, &at));) {
		if (only_one(a, w, called, called(each)) == PLAN_NONE)
			continue;
		partner[at - 1] = only_one(b, w, called, called(each));
		any |= partner[at - 1] != PLAN_NONE;
	}
	return any;
}

static void match_by_place(const struct plan *a, const struct plan *b, const struct workload *w,
			   size_t *partner)
{
	if (count_of(a, w) != count_of(b, w))
		return;
	for (size_t in_a = 0, in_b = 0; next_of(a, w, &in_a) && next_of(b, w, &in_b);)
		partner[in_a - 1] = in_b - 1;
}

void job_pairs_match(const struct plan *a, const struct plan *b, size_t *partner)
{
	for (size_t i = 0; i < a->count; i++)
		partner[i] = PLAN_NONE;
	for (size_t i = 0; i < a->count; i++) {
		const struct workload *w = a->benchmarks[i].workload;
		size_t at = 0;

		/* Each workload once: at the first of it. */
		if (next_of(a, w, &at) != &a->benchmarks[i])
			continue;
		if (!match_by(a, b, w, name_of, partner) && !match_by(a, b, w, key_of, partner))
			match_by_place(a, b, w, partner);
	}
}

/* ---- a sample of one ---- */

/* Set by the benchmark itself, or by who takes the samples. */
static bool is_set_elsewhere(unsigned id)
{
	static const enum option_id set[] = {
		OPTION_AS,	   OPTION_BARE,	    OPTION_DRY_RUN, OPTION_DURATION,
		OPTION_JOB,	   OPTION_JSON,	    OPTION_OUT,	    OPTION_PAGES,
		OPTION_PARAM,	   OPTION_PROGRESS, OPTION_QUICK,   OPTION_REFS,
		OPTION_REPEAT,	   OPTION_SEED,	    OPTION_THREADS, OPTION_TOPOLOGY,
		OPTION_TRANSLATOR,
	};

	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
		if (set[i] == id)
			return true;
	}
	return false;
}

static char **arguments_of(const struct plan_benchmark *b)
{
	struct words words = { 0 };

	add(&words, "%s", b->workload->name);
	if (b->translator)
		add(&words, "--translator=%s", b->translator->text);
	add(&words, "--threads=%u", b->threads);
	add(&words, "--pages=%s", b->pages_asked);
	add(&words, "--as=%s", b->as_asked);
	add(&words, "--refs=%s", b->refs);
	for (unsigned k = 0; k < 8 && b->workload->params[k].name; k++)
		add(&words, "--param=%s=%" PRIu64, b->workload->params[k].name, b->params[k]);
	for (unsigned id = 0; id < OPTION_COUNT; id++) {
		if ((option_table[id].commands & FOR_RUN) && !is_set_elsewhere(id) &&
		    options_given(b->options, id))
			add_option(&words, b->options, id);
	}
	return words.list;
}

static void add_pair(struct job_pairs *pairs, const struct plan_benchmark *a,
		     const struct plan_benchmark *b)
{
	struct job_pair *pair;
	int rc;

	pairs->list = realloc(pairs->list, (pairs->count + 1) * sizeof(*pairs->list));
	if (!pairs->list)
		abort();
	pair = &pairs->list[pairs->count++];
	*pair = (struct job_pair){ .arguments = { arguments_of(a), arguments_of(b) } };
	if (strcmp(a->name, b->name) == 0)
		rc = asprintf(&pair->name, "%s", a->name);
	else if (strcmp(key_of(a), key_of(b)) == 0)
		rc = asprintf(&pair->name, "%s", key_of(a));
	else
		rc = asprintf(&pair->name, "%s against %s", a->name, b->name);
	if (rc < 0)
		abort();
}

/* ---- both ---- */

static int choose_duration(struct job_pairs *pairs, const struct job_side sides[2], char *error,
			   size_t size)
{
	uint64_t ns[2];

	for (size_t s = 0; s < 2; s++)
		ns[s] = options_given(&sides[s].options, OPTION_DURATION)
				? sides[s].options.duration_ns
				: 0;
	pairs->duration_ns = ns[0] ? ns[0] : ns[1];
	if (!ns[0] || !ns[1] || ns[0] == ns[1])
		return 0;
	snprintf(error, size,
		 "%s says duration = %s and %s %s: samples of both sides are as long, "
		 "say --duration",
		 sides[0].path, sides[0].options.text[OPTION_DURATION], sides[1].path,
		 sides[1].options.text[OPTION_DURATION]);
	return -EINVAL;
}

/* Both plans, told apart and put together. */
static void pair_up(struct job_pairs *pairs, const struct job_side sides[2], job_pairs_tell *tell,
		    void *context)
{
	const struct plan *a = &sides[0].plan, *b = &sides[1].plan;
	size_t *partner = calloc(a->count + 1, sizeof(*partner));
	bool *taken = calloc(b->count + 1, sizeof(*taken));
	char why[512];

	if (!partner || !taken)
		abort();
	job_pairs_match(a, b, partner);
	for (size_t i = 0; i < a->count; i++) {
		if (partner[i] == PLAN_NONE) {
			tell(context, a->benchmarks[i].name, "only A has it");
			continue;
		}
		taken[partner[i]] = true;
		add_pair(pairs, &a->benchmarks[i], &b->benchmarks[partner[i]]);
	}
	for (size_t i = 0; i < b->count; i++) {
		if (!taken[i])
			tell(context, b->benchmarks[i].name, "only B has it");
	}
	for (size_t s = 0; s < 2; s++) {
		for (size_t i = 0; i < sides[s].plan.skip_count; i++) {
			const struct plan_skip *skip = &sides[s].plan.skips[i];

			snprintf(why, sizeof(why), "%s: %s", skip->workload, skip->reason);
			tell(context, sides[s].path, why);
		}
	}
	free(partner);
	free(taken);
}

/* Nothing of a file can be measured here: -ENODEV, or 0 if that is not so. */
static int why_nothing(const struct job_side *side, char *error, size_t size)
{
	if (side->plan.count || !side->plan.skip_count)
		return 0;
	snprintf(error, size, "%s: %s: %s", side->path, side->plan.skips[0].workload,
		 side->plan.skips[0].reason);
	return -ENODEV;
}

int job_pairs_create(struct job_pairs *pairs, const char *const paths[2],
		     const struct options *command, job_pairs_tell *tell, void *context,
		     char *error, size_t size)
{
	struct job_side sides[2] = { 0 };
	int rc = 0;

	*pairs = (struct job_pairs){ 0 };
	for (size_t s = 0; s < 2 && !rc; s++)
		rc = job_side_open(&sides[s], paths[s], command, error, size);
	if (!rc)
		rc = choose_duration(pairs, sides, error, size);
	if (!rc)
		pair_up(pairs, sides, tell, context);
	for (size_t s = 0; s < 2 && !rc && !pairs->count; s++)
		rc = why_nothing(&sides[s], error, size);
	if (!rc && !pairs->count) {
		snprintf(error, size,
			 "no benchmark of %s has a partner in %s: of a workload those of the same "
			 "name are compared, or else as many as the other has",
			 paths[0], paths[1]);
		rc = -EINVAL;
	}
	job_side_release(&sides[0]);
	job_side_release(&sides[1]);
	return rc;
}

void job_pairs_release(struct job_pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		free(pairs->list[i].name);
		words_free(pairs->list[i].arguments[0]);
		words_free(pairs->list[i].arguments[1]);
	}
	free(pairs->list);
	*pairs = (struct job_pairs){ 0 };
}
