/* SPDX-License-Identifier: Apache-2.0 */
/*
 * comparison.h - a translator against the first one of the run, benchmark by benchmark.
 *
 * Samples of all translators are interleaved in random order, each in a process of its own, so the
 * two of one repetition are a pair: what drifts slowly is in both. Pure functions.
 */
#pragma once

#include "harness/result.h"

/* With fewer pairs there is no interval. */
#define COMPARISON_PAIRS_MIN 3

struct comparison {
	const struct result_benchmark *first; /* the same of the first translator; NULL: none */
	size_t pairs; /* repetitions that have both; 0: the rest is undefined */
	double ratio; /* throughput over that of the first: exp of the median log ratio */
	bool has_interval;
	double low, high; /* 95 %: percentile bootstrap over the pairs, from the run's seed */
};

/* Of the first translator itself, and of a floor, first is NULL. */
struct comparison comparison_of(const struct result *result, const struct result_benchmark *b);
