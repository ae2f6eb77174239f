/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.c - the cross product of what was asked, with floors, threads and CPUs.
 *
 * Floors come first, in the order of their names; then each translator's workloads in the order
 * in which they were named, one group after the other. What a translator cannot do is skipped with
 * the reason.
 */
#include "harness/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/env.h"
#include "harness/placement.h"
#include "harness/size.h"
#include "harness/suggest.h"

#define COUNTS_MAX 64
#define WORKLOADS_MAX 256
#define QUICK_REPEAT 3
#define QUICK_DURATION_NS_MIN UINT64_C(20000000)
#define QUICK_DURATION_NS_MAX UINT64_C(1000000000)

/* Of one group of benchmarks. */
struct planner {
	struct plan *plan;
	const struct options *options;
	const struct topology *topology;
	plan_describe *describe;
	const struct workload *workloads[WORKLOADS_MAX];
	size_t workload_count, asked_count; /* asked: the first ones, the others are floors */
	size_t *translators; /* indices in the plan */
	size_t translator_count;
	struct memory_policy policy;
	char **pages, **as, **refs, **params;
	size_t pages_count, as_count, refs_count, param_count;
	unsigned threads[COUNTS_MAX];
	size_t thread_count;
	char *error;
	size_t error_size;
};

static void *grow(void *array, size_t count, size_t item)
{
	void *larger = realloc(array, (count + 1) * item);

	if (!larger)
		abort();
	memset((char *)larger + count * item, 0, item);
	return larger;
}

static int find_workloads(struct planner *p)
{
	const char *names[WORKLOADS_MAX];
	char hint[96];
	size_t known = 0;

	for (; workload_list[known] && known < WORKLOADS_MAX; known++)
		names[known] = workload_list[known]->name;
	for (size_t i = 0; !p->options->argument_count && i < known; i++)
		p->workloads[p->workload_count++] = workload_list[i];
	for (size_t i = 0; i < p->options->argument_count; i++) {
		const char *name = p->options->arguments[i];
		const struct workload *w = workload_find(name);
		size_t j = 0;

		if (!w) {
			snprintf(p->error, p->error_size, "unknown workload \"%s\"%s", name,
				 suggest_text(name, names, known, hint, sizeof(hint)));
			return -EINVAL;
		}
		while (j < p->workload_count && p->workloads[j] != w)
			j++;
		if (j == p->workload_count && j < WORKLOADS_MAX)
			p->workloads[p->workload_count++] = w;
	}
	p->asked_count = p->workload_count;
	return 0;
}

static bool is_planned(const struct planner *p, const struct workload *w)
{
	for (size_t i = 0; i < p->workload_count; i++) {
		if (p->workloads[i] == w)
			return true;
	}
	return false;
}

/* The floors that the workloads name; they stand before all others. */
static void add_floors(struct planner *p)
{
	for (size_t i = 0; i < p->workload_count; i++) {
		const char *name = p->workloads[i]->floor;
		const struct workload *w = name ? workload_find(name) : NULL;

		if (w && !is_planned(p, w) && p->workload_count < WORKLOADS_MAX)
			p->workloads[p->workload_count++] = w;
	}
}

/* Every key of --param belongs to a workload of the plan, and its value is a size. */
static int check_params(struct planner *p)
{
	for (size_t i = 0; *p->options->text[OPTION_PARAM] && i < p->param_count; i++) {
		size_t length = strcspn(p->params[i], "="), count = 0;
		const char *keys[WORKLOADS_MAX];
		char key[64], hint[96], where[4352];
		bool known = false;
		uint64_t value;

		options_where(p->options, OPTION_PARAM, where, sizeof(where));
		snprintf(key, sizeof(key), "%.*s", (int)length, p->params[i]);
		for (size_t w = 0; w < p->workload_count; w++) {
			const struct workload_param *param = p->workloads[w]->params;

			for (; param < p->workloads[w]->params + 8 && param->name; param++) {
				known |= strcmp(param->name, key) == 0;
				if (count < WORKLOADS_MAX)
					keys[count++] = param->name;
			}
		}
		if (!known) {
			snprintf(p->error, p->error_size,
				 "%s \"%s\": no workload of this run has a parameter \"%s\"%s",
				 where, p->params[i], key,
				 suggest_text(key, keys, count, hint, sizeof(hint)));
			return -EINVAL;
		}
		if (size_parse(p->params[i] + length + 1, &value)) {
			snprintf(p->error, p->error_size,
				 "%s \"%s\": \"%s\" is not a number or a size", where, p->params[i],
				 p->params[i] + length + 1);
			return -EINVAL;
		}
	}
	return 0;
}

/* The values asked of one parameter; at least the default. */
static size_t param_values(const struct planner *p, const struct workload_param *param,
			   uint64_t values[COUNTS_MAX])
{
	size_t count = 0, length = strlen(param->name);

	for (size_t i = 0; i < p->param_count && count < COUNTS_MAX; i++) {
		if (strncmp(p->params[i], param->name, length) == 0 &&
		    p->params[i][length] == '=' &&
		    size_parse(p->params[i] + length + 1, &values[count]) == 0)
			count++;
	}
	if (!count)
		values[count++] = param->value;
	return count;
}

/* Shares threads among the roles; returns how many there are. */
static unsigned share_threads(const struct workload *w, unsigned asked,
			      unsigned role_threads[WORKLOAD_MAX_ROLES])
{
	unsigned fixed = 0, flexible = 0, total, left;

	for (unsigned r = 0; r < WORKLOAD_MAX_ROLES; r++) {
		role_threads[r] = w->roles[r].name ? w->roles[r].threads : 0;
		fixed += role_threads[r];
		flexible += w->roles[r].name && !w->roles[r].threads;
	}
	total = asked > fixed + flexible ? asked : fixed + flexible;
	if (!flexible)
		return fixed;
	left = total - fixed;
	for (unsigned r = 0; r < WORKLOAD_MAX_ROLES; r++) {
		if (!w->roles[r].name || w->roles[r].threads)
			continue;
		role_threads[r] = (left + flexible - 1) / flexible;
		left -= role_threads[r];
		flexible--;
	}
	return total;
}

static void add_skip(struct planner *p, const struct workload *w,
		     const struct translator_spec *spec, char *reason)
{
	struct plan *plan = p->plan;

	for (size_t i = 0; i < plan->skip_count; i++) {
		if (plan->skips[i].workload == w->name &&
		    strcmp(plan->skips[i].reason, reason) == 0 &&
		    strcmp(plan->skips[i].translator ? plan->skips[i].translator : "",
			   spec ? spec->text : "") == 0) {
			free(reason);
			return;
		}
	}
	plan->skips = grow(plan->skips, plan->skip_count, sizeof(*plan->skips));
	plan->skips[plan->skip_count++] = (struct plan_skip){
		.translator = spec ? strdup(spec->text) : NULL,
		.workload = w->name,
		.reason = reason,
	};
}

/* Why this cannot be measured at all, or NULL; the caller frees it. */
static char *reason_to_skip(const struct planner *p, const struct plan_benchmark *b)
{
	const struct translator_spec *spec = b->translator;
	uint64_t needs = b->workload->needs;
	char missing[160], *reason = NULL;
	unsigned threads = b->threads;
	int rc = 0;

	if (spec && strcmp(b->pages, "2m") == 0)
		needs |= TRANSLATOR_CAN_HUGE_2M;
	if (spec && strcmp(b->pages, "1g") == 0)
		needs |= TRANSLATOR_CAN_HUGE_1G;
	if (spec && strcmp(b->pages, "thp") == 0)
		needs |= TRANSLATOR_CAN_THP;
	if (spec && strcmp(b->refs, "sharded") == 0)
		needs |= TRANSLATOR_CAN_SHARD_REFERENCES;
	const char *lacks = b->workload->lacks ? b->workload->lacks() : NULL;

	if (spec && spec->lost)
		rc = asprintf(&reason, "%s", spec->lost);
	else if (lacks)
		rc = asprintf(&reason, "%s", lacks);
	else if (spec && (needs & ~spec->translator->capabilities))
		rc = asprintf(&reason, "the translator lacks: %s",
			      translator_missing(spec->translator, needs, missing,
						 sizeof(missing)));
	else if (b->workload->huge_pages * (UINT64_C(2) << 20) * threads >
		 env_huge_bytes_free(2048))
		rc = asprintf(&reason,
			      "needs %u free 2 MiB pages; as root: sysctl -w "
			      "vm.nr_hugepages=%u",
			      b->workload->huge_pages * threads,
			      8 * b->workload->huge_pages * threads);
	else if (threads > p->topology->pu_count)
		rc = asprintf(&reason, "needs %u threads, and only %u CPU%s may be used", threads,
			      p->topology->pu_count, p->topology->pu_count == 1 ? "" : "s");
	if (rc < 0)
		abort();
	return reason;
}

/* Stable words: pages, as and refs outlive the option lists that they were read from. */
static const char *constant_word(const char *word)
{
	static const char *const words[] = { "4k",   "thp",  "2m",   "1g",     "auto",
					     "none", "mmap", "uffd", "atomic", "sharded" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i], word) == 0)
			return words[i];
	}
	return "";
}

/* b: all but its threads and CPUs. */
static int add_benchmark(struct planner *p, struct plan_benchmark b, unsigned asked)
{
	struct plan *plan = p->plan;
	bool wrapped;
	char *reason;
	int rc;

	b.options = p->options;
	b.policy = p->policy;
	b.pages = constant_word(b.pages);
	b.pages_asked = b.pages;
	b.as = constant_word(b.as);
	b.as_asked = b.as;
	b.refs = constant_word(b.refs);
	for (size_t i = 0; i < p->asked_count; i++)
		b.asked |= p->workloads[i] == b.workload;
	b.rate = b.workload->is_floor ? 0 : p->options->rate;
	b.threads = share_threads(b.workload, asked, b.role_threads);
	reason = reason_to_skip(p, &b);
	if (reason) {
		add_skip(p, b.workload, b.translator, reason);
		return 0;
	}
	b.cpus = calloc(b.threads, sizeof(*b.cpus));
	if (!b.cpus)
		abort();
	rc = placement_plan(p->topology, p->options->text[OPTION_PLACE], b.threads, b.cpus,
			    &wrapped, p->error, p->error_size);
	if (!rc && wrapped) {
		char *text;

		if (asprintf(&text, "needs %u threads, and --place %s has fewer CPUs", b.threads,
			     p->options->text[OPTION_PLACE]) < 0)
			abort();
		add_skip(p, b.workload, b.translator, text);
		free(b.cpus);
		return 0;
	}
	if (rc) {
		free(b.cpus);
		return rc;
	}
	plan->benchmarks = grow(plan->benchmarks, plan->count, sizeof(*plan->benchmarks));
	plan->benchmarks[plan->count++] = b;
	return 0;
}

/* All combinations of the values of its parameters. */
static int add_combinations(struct planner *p, struct plan_benchmark b, unsigned threads)
{
	const struct workload *w = b.workload;
	uint64_t values[8][COUNTS_MAX];
	size_t counts[8], combinations = 1;
	unsigned count = 0;
	int rc = 0;

	for (; count < 8 && w->params[count].name; count++) {
		counts[count] = param_values(p, &w->params[count], values[count]);
		combinations *= counts[count];
	}
	for (size_t i = 0; i < combinations && !rc; i++) {
		size_t rest = i;

		for (unsigned k = 0; k < count; k++) {
			b.params[k] = values[k][rest % counts[k]];
			rest /= counts[k];
		}
		rc = add_benchmark(p, b, threads);
	}
	return rc;
}

/* A workload that touches memory needs some window. */
static const char *address_space(const struct workload *w, const char *asked)
{
	return w->touches && strcmp(asked, "none") == 0 ? "mmap" : asked;
}

static int add_workload(struct planner *p, const struct workload *w,
			const struct translator_spec *spec)
{
	size_t settings = w->is_floor ? 1 : p->pages_count * p->as_count * p->refs_count;
	int rc = 0;

	for (size_t n = 0; n < p->thread_count && !rc; n++) {
		for (size_t i = 0; i < settings && !rc; i++) {
			struct plan_benchmark b = { .workload = w,
						    .translator = spec,
						    .pages = "4k",
						    .as = "none",
						    .refs = "atomic" };

			if (!w->is_floor) {
				b.refs = p->refs[i % p->refs_count];
				b.as = p->as[i / p->refs_count % p->as_count];
				b.pages = p->pages[i / p->refs_count / p->as_count];
			}
			b.as = address_space(w, b.as);
			rc = add_combinations(p, b, p->threads[n]);
		}
	}
	return rc;
}

static int add_floors_of(struct planner *p)
{
	int rc = 0;

	for (size_t i = 0; i < p->workload_count && !rc; i++) {
		if (p->workloads[i]->is_floor)
			rc = add_workload(p, p->workloads[i], NULL);
	}
	return rc;
}

static int add_others_of(struct planner *p)
{
	int rc = 0;

	for (size_t t = 0; t < p->translator_count && !rc; t++) {
		for (size_t i = 0; i < p->workload_count && !rc; i++) {
			if (!p->workloads[i]->is_floor)
				rc = add_workload(p, p->workloads[i],
						  &p->plan->translators[p->translators[t]]);
		}
	}
	return rc;
}

/* What was found wrong with an option, and said without its place in a job file. */
static int place_error(struct planner *p, enum option_id id, int rc)
{
	char sentence[1024];

	if (!rc || p->options->origin[id] != ORIGIN_JOB)
		return rc;
	snprintf(sentence, sizeof(sentence), "%s", p->error);
	snprintf(p->error, p->error_size, "%s:%u: %s", p->options->job_path,
		 p->options->job_line[id], sentence);
	return rc;
}

/* A translator of the group, which other groups may have too: one is one of the whole plan. */
static int add_translator(struct planner *p, const char *text)
{
	struct plan *plan = p->plan;
	struct translator_spec *spec = plan->translators;
	struct translator_spec *end = spec + plan->translator_count;
	char where[4352];
	int rc;

	while (spec < end && strcmp(spec->text, text) != 0)
		spec++;
	p->translators[p->translator_count++] = (size_t)(spec - plan->translators);
	if (spec < end)
		return 0;
	plan->translator_count++;
	rc = translator_spec_parse(spec, text, p->error, p->error_size);
	if (rc || spec->translator)
		return place_error(p, OPTION_TRANSLATOR, rc);
	if (p->describe)
		return p->describe(spec, p->options, p->error, p->error_size);
	snprintf(p->error, p->error_size, "%s \"%s\": no plug-ins here",
		 options_where(p->options, OPTION_TRANSLATOR, where, sizeof(where)), text);
	return -EINVAL;
}

static int parse_translators(struct planner *p)
{
	char **items;
	size_t count = options_list(p->options->text[OPTION_TRANSLATOR], &items);
	int rc = 0;

	p->translators = calloc(count, sizeof(*p->translators));
	if (!p->translators)
		abort();
	for (size_t i = 0; i < count && !rc; i++)
		rc = add_translator(p, items[i]);
	options_list_free(items, count);
	return rc;
}

static int read_options(struct planner *p)
{
	const struct options *o = p->options;
	const char *threads = o->text[OPTION_THREADS];
	char why[256] = "", where[4352];
	int rc = parse_translators(p);

	if (rc)
		return rc;
	if (p->plan->quick && !options_given(o, OPTION_THREADS))
		threads = p->plan->quick_threads;
	rc = options_threads(threads, p->topology->pu_count, p->threads, COUNTS_MAX,
			     &p->thread_count, why, sizeof(why));
	if (rc) {
		snprintf(p->error, p->error_size, "%s \"%s\": %s",
			 options_where(o, OPTION_THREADS, where, sizeof(where)), threads, why);
		return rc == -ERANGE ? -ENODEV : rc;
	}
	rc = place_error(p, OPTION_PLACE,
			 placement_check(o->text[OPTION_PLACE], p->error, p->error_size));
	if (!rc)
		rc = place_error(p, OPTION_MEM,
				 memory_policy_parse(o->text[OPTION_MEM], p->topology, &p->policy,
						     p->error, p->error_size));
	if (rc)
		return rc;
	rc = find_workloads(p);
	if (!rc && !o->bare)
		add_floors(p);
	return rc ? rc : check_params(p);
}

/* A quick suite fits its budget whatever the number of workloads is. */
static void choose_times(struct plan *plan, const struct options *options)
{
	plan->repeat = (unsigned)options->repeat;
	plan->duration_ns = options->duration_ns;
	if (!plan->quick)
		return;
	if (!options_given(options, OPTION_REPEAT))
		plan->repeat = QUICK_REPEAT;
	if (options_given(options, OPTION_DURATION) || !plan->count)
		return;
	plan->duration_ns = PLAN_QUICK_NS / plan->count / plan->repeat;
	if (plan->duration_ns > QUICK_DURATION_NS_MAX)
		plan->duration_ns = QUICK_DURATION_NS_MAX;
	if (plan->duration_ns < QUICK_DURATION_NS_MIN)
		plan->duration_ns = QUICK_DURATION_NS_MIN;
}

static void planner_release(struct planner *p)
{
	options_list_free(p->pages, p->pages_count);
	options_list_free(p->as, p->as_count);
	options_list_free(p->refs, p->refs_count);
	options_list_free(p->params, p->param_count);
	free(p->translators);
}

static int planner_prepare(struct planner *p, const struct options *options)
{
	p->options = options;
	p->pages_count = options_list(options->text[OPTION_PAGES], &p->pages);
	p->refs_count = options_list(options->text[OPTION_REFS], &p->refs);
	p->as_count = options_list(options->text[OPTION_AS], &p->as);
	p->param_count = options_list(options->text[OPTION_PARAM], &p->params);
	return read_options(p);
}

/* Benchmarks point at translators: there is room for all from the start. */
static void make_room(struct plan *plan, const struct options *groups, size_t count)
{
	size_t most = 1;

	plan->quick = true;
	for (size_t g = 0; g < count; g++) {
		plan->quick &= !groups[g].argument_count;
		most++;
		for (const char *c = groups[g].text[OPTION_TRANSLATOR]; *c; c++)
			most += *c == ',';
	}
	plan->translators = calloc(most, sizeof(*plan->translators));
	if (!plan->translators)
		abort();
}

int plan_create(struct plan *plan, const struct options *options, const struct topology *t,
		plan_describe *describe, char *error, size_t size)
{
	const struct options *groups = options->group_count ? options->groups : options;
	size_t count = options->group_count ? options->group_count : 1;
	struct planner *planners = calloc(count, sizeof(*planners));
	int rc = 0;

	if (!planners)
		abort();
	memset(plan, 0, sizeof(*plan));
	make_room(plan, groups, count);
	/* Two threads show sharing, where there are two CPUs. */
	snprintf(plan->quick_threads, sizeof(plan->quick_threads), "%s",
		 t->pu_count > 1 ? "1,2" : "1");
	for (size_t g = 0; g < count && !rc; g++) {
		planners[g] = (struct planner){ .plan = plan,
						.topology = t,
						.describe = describe,
						.error = error,
						.error_size = size };
		rc = planner_prepare(&planners[g], &groups[g]);
	}
	for (size_t g = 0; g < count && !rc; g++)
		rc = add_floors_of(&planners[g]);
	for (size_t g = 0; g < count && !rc; g++)
		rc = add_others_of(&planners[g]);
	if (!rc) {
		plan_finish(plan);
		choose_times(plan, options);
	}
	for (size_t g = 0; g < count; g++)
		planner_release(&planners[g]);
	free(planners);
	return rc;
}

void plan_benchmark_release(struct plan_benchmark *b)
{
	free(b->name);
	free(b->cpus);
	free(b->as_reason);
}

void plan_release(struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		plan_benchmark_release(&plan->benchmarks[i]);
	for (size_t i = 0; i < plan->skip_count; i++) {
		free(plan->skips[i].translator);
		free(plan->skips[i].reason);
	}
	for (size_t i = 0; i < plan->translator_count; i++)
		translator_spec_release(&plan->translators[i]);
	free(plan->benchmarks);
	free(plan->skips);
	free(plan->translators);
	memset(plan, 0, sizeof(*plan));
}
