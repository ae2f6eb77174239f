/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floors.h - ratios between benchmarks that were measured in one interleaved run.
 *
 * Absolute times drift; so a ratio is taken within each repetition, and the median of those is
 * what is reported. Pure functions.
 */
#pragma once

#include "harness/result.h"

struct floors_ratio {
	size_t pairs; /* repetitions that have both; 0: the rest is undefined */
	double median, min, max;
};

/* Time per operation of b over that of its floor. */
struct floors_ratio floors_ratio(const struct result *result, const struct result_benchmark *b);
/* Throughput of b over that of the same with the fewest threads. */
struct floors_ratio floors_scaling(const struct result *result, const struct result_benchmark *b);
/* That scaling over the scaling of floor-radix between the same thread counts, which shares
 * nothing. No pairs if floor-radix was not measured with both. */
struct floors_ratio floors_scaling_vs_control(const struct result *result,
					      const struct result_benchmark *b);
