/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statistics_change.h - where a series changed: E-divisive (Matteson and James 2014).
 *
 * Of all places to cut a segment, that whose halves differ most (energy statistic with distances
 * |x - y|) is a change if not more than 5 % of random orders of the segment have a place that is
 * as good; then both halves are looked at. It assumes no distribution, and one wild value is no
 * change. Values are finite. Pure functions.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A change has at least as many values on either side, to the next change. */
#define STATISTICS_CHANGE_APART 4
/* Series are looked at whole, in time and room that grow with the square. */
#define STATISTICS_SERIES_MAX 2000

struct statistics_change {
	size_t index; /* of the first value after it */
	double statistic;
	double p; /* share of random orders that do as well, itself counted */
};

/*
 * Fills changes in ascending order of index, at most `capacity`, and returns how many. Only the
 * last STATISTICS_SERIES_MAX values are looked at. The same from the same seed.
 */
size_t statistics_changes(const double *values, size_t count, uint64_t seed,
			  struct statistics_change *changes, size_t capacity);

/* The best place to cut values: its statistic is < 0 if they are too few. p is not set. */
struct statistics_change statistics_change_best(const double *values, size_t count);
