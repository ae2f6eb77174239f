/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result.c - gathers repetitions; the JSON of what was gathered is in result_json.c.
 */
#include "harness/result.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/result_noise.h"
#include "harness/result_time.h"
#include "harness/statistics_location.h"

/* Repetitions that differ by more than this part of their median are unsteady. */
#define UNSTEADY 0.25
/* Shorter operations are timed in batches, or coarsely. */
#define COARSE_NS 100
/* Of the pages that belong on a node, what may be on another: a thread may have been moved for a
 * moment before it was pinned, or a neighbour's fault have made a page on its behalf. */
#define ELSEWHERE 0.01

double result_median(double *values, size_t count)
{
	statistics_sort(values, count);
	return statistics_median(values, count);
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);

	if (!memory)
		abort();
	return memory;
}

void result_prepare(struct result *result)
{
	result->benchmarks = allocate(result->plan->count, sizeof(*result->benchmarks));
	result->notes = json_array();
	result->record_ns = result->fetch_add_ns = result->overhead_ns = -1;
	for (size_t i = 0; i < result->plan->count; i++) {
		struct result_benchmark *b = &result->benchmarks[i];
		unsigned index = 0;

		b->plan = &result->plan->benchmarks[i];
		b->workers = allocate(b->plan->threads, sizeof(*b->workers));
		for (unsigned role = 0; role < WORKLOAD_MAX_ROLES; role++) {
			for (unsigned n = 0; n < b->plan->role_threads[role]; n++, index++) {
				b->workers[index].role = role;
				b->workers[index].cpu_asked = b->plan->cpus[index];
				b->workers[index].cpu = b->workers[index].node = -1;
			}
		}
	}
}

static void cells_release(struct result_cell *cells, size_t count)
{
	for (size_t i = 0; i < count; i++)
		histogram_destroy(cells[i].latency);
	free(cells);
}

void result_release(struct result *result)
{
	for (size_t i = 0; result->benchmarks && i < result->plan->count; i++) {
		struct result_benchmark *b = &result->benchmarks[i];

		for (unsigned w = 0; w < b->plan->threads; w++)
			histogram_destroy(b->workers[w].latency);
		for (unsigned role = 0; role < WORKLOAD_MAX_ROLES; role++)
			histogram_destroy(b->latency[role]);
		cells_release(b->pairs, b->pair_count);
		cells_release(b->nodes, b->node_count);
		result_time_release(b);
		json_decref(b->failure);
		free(b->workers);
		free(b->samples);
	}
	free(result->benchmarks);
	json_decref(result->notes);
	result->benchmarks = NULL;
	result->notes = NULL;
}

void result_note(struct result *result, const char *format, ...)
{
	char text[512];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	json_array_append_new(result->notes, json_string(text));
}

void result_merge_histogram(struct histogram **to, const struct histogram *from)
{
	if (!from)
		return;
	if (!*to)
		*to = histogram_create(from->unit_ns);
	if (!*to)
		abort();
	histogram_merge(*to, from);
}

static bool at_least_one(uint64_t count)
{
	return count && count != TRANSLATOR_UNKNOWN;
}

unsigned result_placement_flags(const struct result_benchmark *b, const struct runner_result *run)
{
	const struct workload *w = b->plan->workload;
	uint64_t asked = workload_page_bytes(b->plan->pages);
	unsigned flags = 0;

	if (run->kernel_page_size && run->kernel_page_size != asked)
		flags |= RESULT_PAGE_SIZE_MISMATCH;
	if (run->pages_elsewhere > run->pages_asked * ELSEWHERE)
		flags |= RESULT_NODE_MISMATCH;
	if (run->has_stat && asked > 4096 &&
	    (at_least_one(run->stat.demotions) || at_least_one(run->stat.fallbacks)))
		flags |= RESULT_DEMOTED;
	if (strcmp(b->plan->as, b->plan->as_asked) != 0)
		flags |= RESULT_AS_MISMATCH;
	if (b->plan->translator && b->plan->translator->unchecked)
		flags |= RESULT_NOT_VERIFIED;
	if (!w->is_floor && (!w->verify || b->plan->translator->translator->capabilities &
						   TRANSLATOR_COMPUTES_NOTHING))
		flags |= RESULT_NOT_VERIFIED;
	return flags;
}

static unsigned noise_to_flags(unsigned noise)
{
	return (noise & NOISE_PREEMPTED ? RESULT_PREEMPTED : 0) |
	       (noise & NOISE_THROTTLED ? RESULT_THROTTLED : 0) |
	       (noise & NOISE_MIGRATED ? RESULT_MIGRATED : 0);
}

static void merge_threads(struct result_benchmark *b, const struct runner_result *run,
			  struct result_sample *sample)
{
	uint64_t ops = 0, busy = 0;

	for (unsigned i = 0; i < run->thread_count; i++) {
		const struct runner_thread *t = &run->threads[i];
		struct result_worker *w = &b->workers[i];

		w->cpu = t->cpu;
		w->node = t->node;
		w->ops += t->ops;
		w->span_ns += t->span_ns;
		result_merge_histogram(&w->latency, t->latency);
		result_merge_histogram(&b->latency[t->role], t->latency);
		if (t->batch > b->batch[t->role])
			b->batch[t->role] = t->batch;
		/* Of an open loop operations are timed one by one, however short. */
		if (t->batch > 1 || (t->response && t->ops && t->busy_ns / t->ops < COARSE_NS))
			sample->flags |= RESULT_TIMER_COARSE;
		b->preempted += t->preempted;
		sample->flags |= noise_to_flags(t->noise);
		ops += t->role ? 0 : t->ops;
		busy += t->role ? 0 : t->busy_ns;
	}
	sample->ns_per_op = ops ? (double)busy / (double)ops : 0;
}

static bool is_unsteady(const struct result_benchmark *b)
{
	double *values = allocate(b->sample_count, sizeof(*values)), spread, median;

	for (size_t i = 0; i < b->sample_count; i++)
		values[i] = b->samples[i].ops_per_s;
	median = result_median(values, b->sample_count);
	spread = values[b->sample_count - 1] - values[0];
	free(values);
	return b->sample_count > 2 && spread > UNSTEADY * median;
}

void result_merge(struct result_benchmark *b, const struct runner_result *run, unsigned repetition)
{
	struct result_sample *sample;

	b->samples = realloc(b->samples, (b->sample_count + 1) * sizeof(*b->samples));
	if (!b->samples)
		abort();
	sample = &b->samples[b->sample_count++];
	*sample = (struct result_sample){ .repetition = repetition,
					  .ops_per_s = runner_ops_per_s(run, -1),
					  .flags = noise_to_flags(run->noise) };
	for (int role = 0; role < WORKLOAD_MAX_ROLES; role++)
		sample->role_ops_per_s[role] = runner_ops_per_s(run, role);
	merge_threads(b, run, sample);
	result_noise_merge(b, run, sample);
	sample->flags |= result_placement_flags(b, run);
	b->has_stat = run->has_stat;
	b->stat = run->stat;
	b->rss_anon = run->rss_anon;
	b->kernel_page_size = run->kernel_page_size;
	b->pages_asked = run->pages_asked;
	b->pages_elsewhere = run->pages_elsewhere;
	memcpy(b->pages_per_node, run->pages_per_node, sizeof(b->pages_per_node));
	memcpy(b->placement_reason, run->placement_reason, sizeof(b->placement_reason));
	b->locality = run->locality;
	b->histogram_pages = run->histogram_pages;
	b->histogram_pages_local = run->histogram_pages_local;
	result_time_merge(b, run, repetition);
	b->flags &= ~(unsigned)RESULT_RATE_NOT_REACHED;
	if (!result_rate_reached(b))
		b->flags |= RESULT_RATE_NOT_REACHED;
	b->flags |= sample->flags;
	if (run->outcome == RUNNER_VOID)
		snprintf(b->error, sizeof(b->error), "%s", run->error);
	b->verified = !b->error[0] && b->plan->workload->verify &&
		      !(b->flags & RESULT_NOT_VERIFIED);
	b->flags &= ~(unsigned)RESULT_UNSTEADY;
	if (is_unsteady(b))
		b->flags |= RESULT_UNSTEADY;
}

void result_set_failure(struct result_benchmark *b, const char *sentence, const char *phase,
			int signal, const char *trace)
{
	const char *name = signal ? sigabbrev_np(signal) : NULL;
	json_t *lines = json_array();

	while (*trace) {
		size_t length = strcspn(trace, "\n");

		json_array_append_new(lines, json_stringn_nocheck(trace, length));
		trace += length + (trace[length] == '\n');
	}
	json_decref(b->failure);
	b->failure = json_pack("{s:s, s:s, s:o, s:o}", "sentence", sentence, "phase", phase,
			       "signal", name ? json_sprintf("SIG%s", name) : json_null(), "trace",
			       lines);
}

void result_merge_cell(struct result_cell **cells, size_t *count, unsigned a, unsigned b,
		       const struct runner_result *run)
{
	size_t i = 0;

	while (i < *count && ((*cells)[i].a != a || (*cells)[i].b != b))
		i++;
	if (i == *count) {
		*cells = realloc(*cells, (i + 1) * sizeof(**cells));
		if (!*cells)
			abort();
		(*cells)[i] = (struct result_cell){ .a = a, .b = b };
		*count = i + 1;
	}
	for (unsigned t = 0; t < run->thread_count; t++) {
		if (run->threads[t].role == 0)
			result_merge_histogram(&(*cells)[i].latency, run->threads[t].latency);
	}
}
