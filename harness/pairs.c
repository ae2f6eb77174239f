/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairs.c - what paired samples show.
 *
 * Logarithms are subtracted, not taken of the ratio: log a - log b is exactly -(log b - log a).
 */
#include "harness/pairs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/statistics_rank.h"

/* One-sided 5 %: what is found in 95 of 100. */
#define FOUND 0.95

const char *const pairs_metric_names[PAIRS_METRICS] = { "throughput", "p50", "p99", "tail" };
const char *const pairs_verdict_names[] = { "not decided", "same", "improved", "regressed" };

static void *room(size_t count, size_t size)
{
	void *memory = calloc(count + 1, size);

	if (!memory)
		abort();
	return memory;
}

/* Of the pairs that have both; returns how many. */
static size_t log_ratios(const struct pairs_benchmark *b, enum pairs_metric metric, double *logs)
{
	size_t count = 0;

	for (size_t i = 0; i < b->count; i++) {
		double from = b->a[i].value[metric], to = b->b[i].value[metric];

		if (from > 0 && to > 0)
			logs[count++] = log(to) - log(from);
	}
	return count;
}

/* Adds what lies between each sample of a side and the next of the same: nothing but noise. */
static size_t distances(const struct pairs_sample *side, size_t samples, enum pairs_metric metric,
			double *logs, size_t count)
{
	for (size_t i = 1; i < samples; i++) {
		double from = side[i - 1].value[metric], to = side[i].value[metric];

		if (from > 0 && to > 0)
			logs[count++] = log(to) - log(from);
	}
	return count;
}

const struct pairs_finding pairs_nothing = { .shift = NAN,
					     .interval = { NAN, NAN },
					     .p = NAN,
					     .p_family = NAN,
					     .floor = NAN,
					     .detectable = NAN };

static bool misses_rate(const struct pairs_benchmark *b, enum pairs_metric metric)
{
	return metric != PAIRS_THROUGHPUT &&
	       PAIRS_RATE_MISSED * (b->rate_missed[0] + b->rate_missed[1]) >= b->count &&
	       b->rate_missed[0] + b->rate_missed[1];
}

static void measure(const struct pairs_benchmark *b, enum pairs_metric metric, uint64_t seed,
		    struct pairs_finding *f)
{
	double *logs = room(2 * b->count, sizeof(*logs));
	size_t noise;

	*f = pairs_nothing;
	f->pairs = log_ratios(b, metric, logs);
	if (f->pairs >= PAIRS_MIN && !misses_rate(b, metric)) {
		f->p = statistics_signed_rank(logs, f->pairs);
		f->interval = statistics_interval(logs, f->pairs, statistics_shift, seed);
		statistics_sort(logs, f->pairs);
		f->shift = statistics_shift(logs, f->pairs);
		noise = distances(b->a, b->count, metric, logs, 0);
		noise = distances(b->b, b->count, metric, logs, noise);
		if (noise)
			f->floor = statistics_noise_floor(logs, noise, f->pairs, seed);
	}
	free(logs);
}

/* Two things have to be so for a change to be found: its test, and its interval. */
static double detectable(const struct pairs_finding *f, const struct pairs_rule *rule,
			 size_t family)
{
	double error = (f->interval.high - f->interval.low) / 2 / statistics_normal_quantile(0.975);
	double power = statistics_normal_quantile(FOUND);
	double by_test = statistics_normal_quantile(1 - rule->level / 2 / (double)family);

	return fmax(by_test * error,
		    log1p(rule->allow) + statistics_normal_quantile(0.975) * error) +
	       power * error;
}

static enum pairs_verdict conclude(const struct pairs_finding *f, enum pairs_metric metric,
				   const struct pairs_rule *rule)
{
	double allow = log1p(rule->allow), within = log1p(rule->within);
	bool more = metric == PAIRS_THROUGHPUT, better;

	if (f->p_family <= rule->level && (f->interval.low > allow || f->interval.high < -allow)) {
		better = (f->interval.low > 0) == more;
		return better ? PAIRS_IMPROVED : PAIRS_REGRESSED;
	}
	if (f->interval.low >= -within && f->interval.high <= within)
		return PAIRS_SAME;
	return PAIRS_UNDECIDED;
}

void pairs_conclude(struct pairs_finding *findings, size_t all, const struct pairs_rule *rule)
{
	double *p = room(all, sizeof(*p));
	size_t family = 0;

	for (size_t i = 0; i < all; i++) {
		if (!isnan(findings[i].p))
			p[family++] = findings[i].p;
	}
	statistics_holm(p, family);
	for (size_t i = 0, at = 0; i < all; i++) {
		if (isnan(findings[i].p))
			continue;
		findings[i].p_family = p[at++];
		findings[i].detectable = detectable(&findings[i], rule, family);
		findings[i].verdict = conclude(&findings[i], i % PAIRS_METRICS, rule);
	}
	free(p);
}

void pairs_judge(const struct pairs *pairs, const struct pairs_rule *rule, const bool *asked,
		 struct pairs_finding *findings)
{
	for (size_t i = 0; i < pairs->count * PAIRS_METRICS; i++) {
		if (!asked || asked[i])
			measure(&pairs->benchmarks[i / PAIRS_METRICS], i % PAIRS_METRICS,
				rule->seed, &findings[i]);
		else
			findings[i] = pairs_nothing;
	}
	pairs_conclude(findings, pairs->count * PAIRS_METRICS, rule);
}

double pairs_precision(const struct pairs_benchmark *b, uint64_t seed)
{
	double *logs = room(b->count, sizeof(*logs));
	size_t count = log_ratios(b, PAIRS_THROUGHPUT, logs);
	struct statistics_interval interval = { NAN, NAN };

	if (count >= PAIRS_MIN)
		interval = statistics_interval(logs, count, statistics_shift, seed);
	free(logs);
	return (interval.high - interval.low) / 2;
}

struct pairs_benchmark *pairs_add_benchmark(struct pairs *pairs, const char *name)
{
	struct pairs_benchmark *b;

	pairs->benchmarks = realloc(pairs->benchmarks, (pairs->count + 1) * sizeof(*b));
	if (!pairs->benchmarks)
		abort();
	b = &pairs->benchmarks[pairs->count++];
	*b = (struct pairs_benchmark){ .name = strdup(name), .tail_ns = NAN };
	if (!b->name)
		abort();
	return b;
}

void pairs_add(struct pairs_benchmark *b, const struct pairs_sample *a,
	       const struct pairs_sample *other)
{
	b->a = realloc(b->a, (b->count + 1) * sizeof(*b->a));
	b->b = realloc(b->b, (b->count + 1) * sizeof(*b->b));
	if (!b->a || !b->b)
		abort();
	b->rate_missed[0] += a->rate_missed;
	b->rate_missed[1] += other->rate_missed;
	b->a[b->count] = *a;
	b->b[b->count++] = *other;
}

void pairs_release(struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		free(pairs->benchmarks[i].name);
		free(pairs->benchmarks[i].a);
		free(pairs->benchmarks[i].b);
	}
	free(pairs->benchmarks);
	*pairs = (struct pairs){ 0 };
}

bool pairs_too_noisy(const struct pairs_benchmark *b)
{
	return b->count < PAIRS_MIN && b->count + sample_noise_total(b->spoiled) >= PAIRS_MIN;
}

const char *pairs_reason(const struct pairs_benchmark *b, enum pairs_metric metric,
			 const struct pairs_finding *f, char *text, size_t size)
{
	char spoiled[160];

	*text = '\0';
	if (f->verdict != PAIRS_UNDECIDED)
		return text;
	if (pairs_too_noisy(b))
		snprintf(text, size, "the machine was too noisy (spoiled of %zu pairs %s)",
			 b->count + sample_noise_total(b->spoiled),
			 sample_noise_text(b->spoiled, spoiled, sizeof(spoiled)));
	else if (misses_rate(b, metric))
		snprintf(text, size, "rate not reached (in %zu pairs: by A %zu times, by B %zu)",
			 b->count, b->rate_missed[0], b->rate_missed[1]);
	else if (f->pairs < PAIRS_MIN)
		snprintf(text, size, "%zu pairs, and at least %d are needed", f->pairs, PAIRS_MIN);
	return text;
}

double pairs_percent(double log_ratio)
{
	return 100 * expm1(log_ratio);
}

const char *pairs_verdict_text(enum pairs_verdict verdict, const struct pairs_rule *rule,
			       char *text, size_t size)
{
	if (verdict == PAIRS_SAME)
		snprintf(text, size, "same within %g %%", 100 * rule->within);
	else
		snprintf(text, size, "%s", pairs_verdict_names[verdict]);
	return text;
}
