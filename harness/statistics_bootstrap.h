/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statistics_bootstrap.h - how far an estimate would move if the sample were drawn again.
 *
 * Percentile bootstrap (Efron 1979), the same from the same seed. Values are finite. Pure
 * functions.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "harness/statistics_location.h"

/* How often a sample is drawn again. */
#define STATISTICS_DRAWS 2000

struct statistics_interval {
	double low, high;
};

/*
 * The 95 % interval of a location. The values of pairs are the log ratios of the pairs, so that
 * drawing them draws pairs. Of the negated values it is exactly the negated interval. count >= 1.
 */
struct statistics_interval statistics_interval(const double *values, size_t count,
					       statistics_location *location, uint64_t seed);

/* Of statistics_shift_between, each sample drawn by itself; both counts >= 1. */
struct statistics_interval statistics_interval_between(const double *a, size_t a_count,
						       const double *b, size_t b_count,
						       uint64_t seed);

/*
 * The noise floor: the size below which 95 % of the shifts lie that `pairs` pairs of equal things
 * show, judged from distances that were seen between samples of equal things (>= 1 of them), which
 * may as well have had the other sign. Order and signs of the distances do not matter.
 */
double statistics_noise_floor(const double *distances, size_t count, size_t pairs, uint64_t seed);
