/* SPDX-License-Identifier: Apache-2.0 */
/*
 * versus.c - pairs of samples of two sides.
 *
 * Before the first round each workload is sampled once on both sides: what does not run at all is
 * found out, where A's tail begins is learned, and how long a pair takes; these samples are not
 * counted. Whether a benchmark has enough is judged by the width of its interval alone, and rarely:
 * to stop when the verdict is right would make it right too often.
 */
#include "harness/versus.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "harness/clock.h"
#include "harness/commands.h"
#include "harness/session.h"
#include "workloads/workload.h"

/* The first look at the width of an interval, and by how much the next is later. */
#define LOOK_FIRST 16
#define LOOK_FACTOR 3 / 2
/* Pairs that may come to nothing, besides a quarter of those that did not. */
#define LOST_MAX 4

/* Of a workload, which may measure several benchmarks (thread counts, pages). */
struct unit {
	const char *workload;
	size_t number; /* of it */
	uint64_t pair_ns; /* what a pair takes at most, by the last ones */
	bool dropped, enough;
	size_t taken, lost; /* pairs; lost: one of the two came to nothing */
	bool b_first; /* of the even round */
	size_t first, end; /* its benchmarks in pairs */
	size_t look; /* pairs at which the width is looked at again */
};

void versus_note(struct versus *versus, const char *format, ...)
{
	char text[1024];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	json_array_append_new(versus->notes, json_string(text));
}

uint64_t versus_duration(const struct options *options)
{
	return options_given(options, OPTION_DURATION) ? options->duration_ns : VERSUS_DURATION_NS;
}

static double tail_of(const char *key, void *context)
{
	const struct versus *v = context;

	for (size_t i = 0; i < v->pairs.count; i++) {
		if (strcmp(v->pairs.benchmarks[i].name, key) == 0)
			return v->pairs.benchmarks[i].tail_ns;
	}
	return NAN;
}

/* A side failed: said, noted, and its workload is left out from now on. */
static void drop(struct versus *v, struct unit *unit, const struct side *side, int rc, int code,
		 const char *why)
{
	complain("%s: %s: %s: %s", v->command, side->text, unit->workload, why);
	versus_note(v, "%s is not compared: %s: %s", unit->workload, side->text, why);
	if (v->code == CODE_OK || v->code == CODE_MACHINE)
		v->code = code ? code : code_of(rc);
	unit->dropped = true;
}

/* Counts what came of one; false: it failed or was to stop. */
static bool settle(struct versus *v, struct unit *unit, size_t which, int rc, int code,
		   const char *why)
{
	if (session_signal())
		v->interrupted = true;
	else if (rc == -EAGAIN && ++unit->lost <= LOST_MAX + unit->taken / 4)
		return false;
	else if (rc)
		drop(v, unit, &v->sides[which], rc, code, why);
	return !rc && !v->interrupted;
}

/* A sample under way. */
struct taking {
	size_t which;
	struct side_request request;
	struct side_run run;
	struct side_sample *sample;
};

static bool begin(struct versus *v, struct unit *unit, struct taking *t)
{
	char why[1024] = "";
	int rc = side_begin(&t->run, &v->sides[t->which], &t->request, why, sizeof(why));

	return settle(v, unit, t->which, rc, 0, why);
}

static bool end(struct versus *v, struct unit *unit, struct taking *t)
{
	char why[1024] = "";
	int rc = side_end(&t->run, &t->request, t->sample, why, sizeof(why));

	return settle(v, unit, t->which, rc, t->sample->code, why);
}

/*
 * A sample of each side with the same inputs: one after the other or, in halves, at the same time.
 * False: one of them failed or was to stop. Both are released by the caller in all cases.
 */
static bool take(struct versus *v, struct unit *unit, bool b_first, uint64_t seed,
		 struct side_sample samples[2])
{
	struct taking taking[2];
	bool begun, fine;

	for (size_t i = 0; i < 2; i++) {
		size_t which = i ? !b_first : b_first;

		samples[i] = (struct side_sample){ 0 };
		taking[i] = (struct taking){ .which = which,
					     .request = { .options = v->options,
							  .workload = unit->workload,
							  .seed = seed,
							  .duration_ns = v->duration_ns,
							  .directory = v->dir->path,
							  .slot = (unsigned)i,
							  .cpus = v->halves->cpus[i],
							  .cpu_count = v->halves->count,
							  .tail_ns = tail_of,
							  .context = v },
					     .sample = &samples[which] };
		if (v->jobs)
			taking[i].request.arguments = v->jobs->list[unit->number].arguments[which];
	}
	if (!v->halves->count)
		return begin(v, unit, &taking[0]) && end(v, unit, &taking[0]) &&
		       begin(v, unit, &taking[1]) && end(v, unit, &taking[1]);
	if (!begin(v, unit, &taking[0]))
		return false;
	begun = begin(v, unit, &taking[1]);
	fine = end(v, unit, &taking[0]);
	return begun && end(v, unit, &taking[1]) && fine;
}

static const struct side_figures *figures_of(const struct side_sample *sample, const char *key)
{
	for (size_t i = 0; i < sample->count; i++) {
		if (strcmp(sample->figures[i].key, key) == 0)
			return &sample->figures[i];
	}
	return NULL;
}

/* The first samples, of which only A's tail is kept. */
static void try_unit(struct versus *v, struct unit *unit)
{
	uint64_t start = clock_source_monotonic_ns();
	struct side_sample samples[2], *a = &samples[0], *b = &samples[1];

	unit->first = unit->end = v->pairs.count;
	if (take(v, unit, false, v->seed, samples)) {
		for (size_t i = 0; i < a->count; i++) {
			if (!figures_of(b, a->figures[i].key)) {
				versus_note(v, "%s: only A has it", a->figures[i].key);
				continue;
			}
			pairs_add_benchmark(&v->pairs, a->figures[i].key)->tail_ns =
				a->figures[i].p999;
			unit->end++;
		}
		for (size_t i = 0; i < b->count; i++) {
			if (!figures_of(a, b->figures[i].key))
				versus_note(v, "%s: only B has it", b->figures[i].key);
		}
	}
	unit->dropped |= unit->first == unit->end;
	unit->pair_ns = clock_source_monotonic_ns() - start;
	unit->look = LOOK_FIRST;
	side_sample_release(a);
	side_sample_release(b);
}

static void keep(struct versus *v, const struct unit *unit, bool b_first,
		 const struct side_sample samples[2])
{
	for (size_t i = unit->first; i < unit->end; i++) {
		struct pairs_benchmark *p = &v->pairs.benchmarks[i];
		const struct side_figures *a = figures_of(&samples[0], p->name);
		const struct side_figures *b = figures_of(&samples[1], p->name);
		struct sample_noise noise[2];
		enum sample_spoiler spoiler;
		json_t *line;
		int rc;

		if (!a || !b)
			continue;
		noise[0] = a->noise;
		noise[1] = b->noise;
		line = pairs_line(p->name, p->count + sample_noise_total(p->spoiled), b_first,
				  &a->sample, &b->sample, noise);
		spoiler = sample_noise_spoils(&noise[0], &noise[1]);
		if (spoiler == SAMPLE_CLEAN)
			pairs_add(p, &a->sample, &b->sample);
		else
			p->spoiled[spoiler]++;
		rc = result_dir_append(v->dir, line);
		json_decref(line);
		if (rc && v->code != CODE_FILES) {
			complain("%s: %s/samples.ndjson: %s", v->command, v->dir->path,
				 strerror(-rc));
			v->code = CODE_FILES;
		}
	}
}

/* Every benchmark of it is as narrow as was asked. */
static bool has_enough(const struct versus *v, struct unit *unit)
{
	size_t pairs = SIZE_MAX;

	/* What was spoiled is drawn again. */
	for (size_t i = unit->first; i < unit->end; i++) {
		if (v->pairs.benchmarks[i].count < pairs)
			pairs = v->pairs.benchmarks[i].count;
	}
	if (v->options->pairs)
		return pairs >= v->options->pairs ||
		       unit->taken >= VERSUS_REDRAWS * v->options->pairs;
	if (pairs < unit->look)
		return false;
	unit->look = pairs * LOOK_FACTOR;
	for (size_t i = unit->first; i < unit->end; i++) {
		/* Not <=: NAN is not enough. */
		if (!(pairs_precision(&v->pairs.benchmarks[i], v->seed) <= v->precision))
			return false;
	}
	return true;
}

static void take_pair(struct versus *v, struct unit *unit, unsigned round, struct worker *random)
{
	uint64_t start = clock_source_monotonic_ns(),
		 seed = v->seed + (round + 1) * UINT64_C(1000003), took;
	struct side_sample samples[2];
	bool b_first, taken;

	if (round % 2 == 0)
		unit->b_first = worker_random(random) >> 63;
	b_first = round % 2 == 0 ? unit->b_first : !unit->b_first;
	taken = take(v, unit, b_first, seed, samples);
	unit->taken += taken;
	if (taken)
		keep(v, unit, b_first, samples);
	side_sample_release(&samples[0]);
	side_sample_release(&samples[1]);
	took = clock_source_monotonic_ns() - start;
	/* Forgets a slow one, but slowly: better a pair less than over time. */
	unit->pair_ns = took > unit->pair_ns ? took : (3 * unit->pair_ns + took) / 4;
	if (taken && has_enough(v, unit))
		unit->enough = true;
}

static void shuffle(size_t *order, size_t count, struct worker *random)
{
	for (size_t i = 0; i < count; i++)
		order[i] = i;
	for (size_t i = count; i > 1; i--) {
		size_t j = worker_random(random) % i, swap = order[i - 1];

		order[i - 1] = order[j];
		order[j] = swap;
	}
}

void versus_measure(struct versus *v)
{
	struct worker random = { .seed = v->seed * UINT64_C(0x9e3779b97f4a7c15) | 1 };
	struct unit units[VERSUS_WORKLOADS_MAX] = { 0 };
	size_t order[VERSUS_WORKLOADS_MAX];
	struct progress progress;
	bool more = true;

	progress_begin(&progress, v->options->text[OPTION_PROGRESS], 0, v->duration_ns);
	progress_until(&progress, v->deadline_ns);
	for (size_t i = 0; i < v->workload_count && !v->interrupted; i++) {
		units[i].workload = v->workloads[i];
		units[i].number = i;
		if (clock_source_monotonic_ns() > v->deadline_ns) {
			versus_note(v, "%s: the time was over before its first pair",
				    v->workloads[i]);
			units[i].dropped = true;
			continue;
		}
		progress_step(&progress, units[i].workload, 0);
		try_unit(v, &units[i]);
	}
	for (unsigned round = 0; more; round++) {
		more = false;
		shuffle(order, v->workload_count, &random);
		for (size_t i = 0; i < v->workload_count; i++) {
			struct unit *unit = &units[order[i]];

			if (v->interrupted || v->code == CODE_FILES || unit->dropped ||
			    unit->enough ||
			    clock_source_monotonic_ns() + unit->pair_ns > v->deadline_ns)
				continue;
			progress_step(&progress, unit->workload, round);
			take_pair(v, unit, round, &random);
			progress_advance(&progress);
			more = true;
		}
	}
	progress_end(&progress);
	for (size_t i = 0; i < v->workload_count; i++) {
		if (units[i].lost)
			versus_note(v, "%s: %zu pairs, of which one sample came to nothing",
				    units[i].workload, units[i].lost);
	}
}

/* ---- what is compared ---- */

static void add_workload(struct versus *v, const char *name)
{
	for (size_t i = 0; i < v->workload_count; i++) {
		if (strcmp(v->workloads[i], name) == 0)
			return;
	}
	if (v->workload_count < VERSUS_WORKLOADS_MAX)
		v->workloads[v->workload_count++] = name;
}

static bool is_floor(const char *name)
{
	return strncmp(name, "floor-", 6) == 0;
}

int versus_choose(struct versus *v, char *const *named, size_t count, char *error, size_t size)
{
	const struct side *a = &v->sides[0], *b = &v->sides[1];
	size_t i;
	json_t *each;

	v->workloads = calloc(VERSUS_WORKLOADS_MAX, sizeof(*v->workloads));
	if (!v->workloads)
		abort();
	for (size_t n = 0; n < count; n++) {
		bool in_a = side_has_workload(a, named[n]), in_b = side_has_workload(b, named[n]);

		if (!in_a && !in_b) {
			snprintf(error, size, "unknown workload \"%s\" (faultline list workloads)",
				 named[n]);
			return -EINVAL;
		}
		if (in_a && in_b)
			add_workload(v, named[n]);
		else
			versus_note(v, "%s: only %s has it", named[n], in_a ? "A" : "B");
	}
	json_array_foreach(a->workloads, i, each)
	{
		if (!count && !is_floor(json_string_value(each)) &&
		    side_has_workload(b, json_string_value(each)))
			add_workload(v, json_string_value(each));
		else if (!count && !side_has_workload(b, json_string_value(each)))
			versus_note(v, "%s: only A has it", json_string_value(each));
	}
	json_array_foreach(b->workloads, i, each)
	{
		if (!count && !side_has_workload(a, json_string_value(each)))
			versus_note(v, "%s: only B has it", json_string_value(each));
	}
	if (v->workload_count)
		return 0;
	snprintf(error, size, "A and B have no workload in common");
	return -EINVAL;
}

/* Threads that a workload has at least; 0: one that only other versions know. */
static unsigned least_threads(const char *workload)
{
	const struct workload *w = workload_find(workload);
	unsigned threads = 0;

	for (unsigned r = 0; w && r < WORKLOAD_MAX_ROLES && w->roles[r].name; r++)
		threads += w->roles[r].threads ? w->roles[r].threads : 1;
	return threads;
}

/* Whether a half is machine enough for what is to be measured. */
static bool half_serves(const struct versus *v, const struct cpu_halves *halves)
{
	const struct options *o = v->options;
	unsigned counts[64];
	size_t n;

	for (size_t i = 0; i < v->workload_count; i++) {
		if (least_threads(v->workloads[i]) > halves->count)
			return false;
	}
	/*
	 * Half of the machine is not what "max" means, nor is it where a CPU or node was named; and
	 * a pool of huge pages that was made for one need not have enough for two.
	 */
	return !strchr(o->text[OPTION_PLACE], ':') && !strstr(o->text[OPTION_THREADS], "max") &&
	       !strstr(o->text[OPTION_PAGES], "2m") && !strstr(o->text[OPTION_PAGES], "1g") &&
	       !options_threads(o->text[OPTION_THREADS], halves->count, counts,
				sizeof(counts) / sizeof(counts[0]), &n, NULL, 0);
}

struct cpu_halves versus_halves(const struct versus *v)
{
	struct cpu_halves halves = { 0 };
	struct topology t;

	/* A job says itself how many threads there are, and where. */
	if (v->jobs || topology_load(&t, NULL, NULL, 0))
		return halves;
	halves = cpu_halves_of(&t);
	topology_release(&t);
	if (halves.count && !half_serves(v, &halves))
		cpu_halves_release(&halves);
	return halves;
}

json_t *versus_halves_json(const struct cpu_halves *halves)
{
	char text[4096];

	return halves->count
		       ? json_pack("{s:s}", "cpus", cpu_halves_text(halves, text, sizeof(text)))
		       : json_null();
}

int versus_choose_jobs(struct versus *v, const struct job_pairs *jobs, char *error, size_t size)
{
	if (jobs->count > VERSUS_WORKLOADS_MAX) {
		snprintf(error, size, "%zu benchmarks in pairs, and at most %d are compared",
			 jobs->count, VERSUS_WORKLOADS_MAX);
		return -EINVAL;
	}
	v->workloads = calloc(VERSUS_WORKLOADS_MAX, sizeof(*v->workloads));
	if (!v->workloads)
		abort();
	for (size_t i = 0; i < jobs->count; i++)
		v->workloads[v->workload_count++] = jobs->list[i].name;
	v->jobs = jobs;
	if (jobs->duration_ns)
		v->duration_ns = jobs->duration_ns;
	return 0;
}

void versus_note_options(struct versus *v)
{
	for (unsigned id = 0; id < OPTION_COUNT; id++) {
		const struct option *option = &option_table[id];

		for (size_t s = 0; s < 2; s++) {
			if ((option->commands & FOR_RUN) && (option->commands & FOR_VERSUS) &&
			    options_given(v->options, id) && !v->sides[s].knows[id])
				versus_note(v, "--%s: %s does not know it", option->name,
					    s ? "B" : "A");
		}
	}
}
