/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floors.c - paired ratios: engine against floor, many threads against few.
 */
#include "harness/floors.h"

#include <stdlib.h>
#include <string.h>

#define CONTROL "floor-radix"

static const struct result_sample *sample_of(const struct result_benchmark *b, unsigned repetition)
{
	for (size_t i = 0; b && i < b->sample_count; i++) {
		if (b->samples[i].repetition == repetition)
			return &b->samples[i];
	}
	return NULL;
}

static double scaling_in(const struct result_benchmark *many, const struct result_benchmark *few,
			 unsigned repetition)
{
	const struct result_sample *m = sample_of(many, repetition);
	const struct result_sample *f = sample_of(few, repetition);

	return m && f && f->ops_per_s > 0 ? m->ops_per_s / f->ops_per_s : 0;
}

static double time_in(const struct result_benchmark *ours, const struct result_benchmark *floor,
		      unsigned repetition)
{
	const struct result_sample *o = sample_of(ours, repetition);
	const struct result_sample *f = sample_of(floor, repetition);

	return o && f && f->ns_per_op > 0 ? o->ns_per_op / f->ns_per_op : 0;
}

/* Of positive values; values is freed. */
static struct floors_ratio summarize(double *values, size_t count)
{
	struct floors_ratio ratio = { .pairs = count };

	if (count) {
		ratio.median = result_median(values, count);
		ratio.min = values[0];
		ratio.max = values[count - 1];
	}
	free(values);
	return ratio;
}

static double *room(const struct result_benchmark *b)
{
	double *values = calloc(b->sample_count + 1, sizeof(*values));

	if (!values)
		abort();
	return values;
}

struct floors_ratio floors_ratio(const struct result *result, const struct result_benchmark *b)
{
	double *values = room(b), value;
	size_t count = 0;

	for (size_t i = 0; b->plan->floor != PLAN_NONE && i < b->sample_count; i++) {
		value = time_in(b, &result->benchmarks[b->plan->floor], b->samples[i].repetition);
		if (value > 0)
			values[count++] = value;
	}
	return summarize(values, count);
}

struct floors_ratio floors_scaling(const struct result *result, const struct result_benchmark *b)
{
	double *values = room(b), value;
	size_t count = 0;

	for (size_t i = 0; b->plan->fewest != PLAN_NONE && i < b->sample_count; i++) {
		value = scaling_in(b, &result->benchmarks[b->plan->fewest],
				   b->samples[i].repetition);
		if (value > 0)
			values[count++] = value;
	}
	return summarize(values, count);
}

static const struct result_benchmark *control(const struct result *result, unsigned threads)
{
	for (size_t i = 0; i < result->plan->count; i++) {
		const struct plan_benchmark *p = &result->plan->benchmarks[i];

		if (p->threads == threads && strcmp(p->workload->name, CONTROL) == 0)
			return &result->benchmarks[i];
	}
	return NULL;
}

struct floors_ratio floors_scaling_vs_control(const struct result *result,
					      const struct result_benchmark *b)
{
	const struct result_benchmark *few, *control_many, *control_few;
	double *values = room(b);
	size_t count = 0;

	if (b->plan->fewest == PLAN_NONE)
		return summarize(values, 0);
	few = &result->benchmarks[b->plan->fewest];
	control_many = control(result, b->plan->threads);
	control_few = control(result, few->plan->threads);
	for (size_t i = 0; i < b->sample_count; i++) {
		unsigned repetition = b->samples[i].repetition;
		double ours = scaling_in(b, few, repetition);
		double theirs = scaling_in(control_many, control_few, repetition);

		if (ours > 0 && theirs > 0)
			values[count++] = ours / theirs;
	}
	return summarize(values, count);
}
