/* SPDX-License-Identifier: Apache-2.0 */
/*
 * comparison.c - a translator against the first one of the run: ratios and their intervals.
 *
 * Of ratios the logarithms are what is symmetric: twice as fast and half as fast are as far from
 * equal. The median of pairs bears with a repetition that something else disturbed.
 */
#include "harness/comparison.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/statistics_bootstrap.h"

static const struct result_benchmark *first_of(const struct result *result,
					       const struct plan_benchmark *b)
{
	const struct plan *plan = result->plan;

	if (!b->translator || b->translator == &plan->translators[0])
		return NULL;
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_benchmark *other = &plan->benchmarks[i];

		if (other->translator == &plan->translators[0] && other->workload == b->workload &&
		    other->threads == b->threads && strcmp(other->pages, b->pages) == 0 &&
		    strcmp(other->as, b->as) == 0 && strcmp(other->refs, b->refs) == 0 &&
		    memcmp(other->params, b->params, sizeof(b->params)) == 0)
			return &result->benchmarks[i];
	}
	return NULL;
}

struct comparison comparison_of(const struct result *result, const struct result_benchmark *b)
{
	struct comparison c = { .first = first_of(result, b->plan) };
	double *logs = calloc(b->sample_count + 1, sizeof(*logs));

	if (!logs)
		abort();
	for (size_t i = 0; c.first && i < b->sample_count; i++) {
		for (size_t j = 0; j < c.first->sample_count; j++) {
			const struct result_sample *ours = &b->samples[i];
			const struct result_sample *theirs = &c.first->samples[j];

			if (ours->repetition == theirs->repetition && ours->ops_per_s > 0 &&
			    theirs->ops_per_s > 0)
				logs[c.pairs++] = log(ours->ops_per_s / theirs->ops_per_s);
		}
	}
	if (c.pairs >= COMPARISON_PAIRS_MIN) {
		struct statistics_interval interval = statistics_interval(
			logs, c.pairs, statistics_median, result->options->seed);

		c.has_interval = true;
		c.low = exp(interval.low);
		c.high = exp(interval.high);
	}
	statistics_sort(logs, c.pairs);
	if (c.pairs)
		c.ratio = exp(statistics_median(logs, c.pairs));
	free(logs);
	return c;
}
