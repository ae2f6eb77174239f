/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statistics_change.c - E-divisive change points.
 *
 * Moving the cut by one place moves one value from the right to the left: the sums of distances
 * within and between the sides follow from its distances to all, so a segment of n is scanned in
 * n^2 steps and no room.
 */
#include "harness/statistics_change.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/workload.h"

#define ORDERS 199
#define LEVEL 0.05

struct statistics_change statistics_change_best(const double *values, size_t count)
{
	struct statistics_change best = { .statistic = -1 };
	double left = 0, right = 0, between = 0;

	for (size_t i = 0; i < count; i++) {
		for (size_t j = i + 1; j < count; j++)
			right += fabs(values[i] - values[j]);
	}
	for (size_t cut = 1; cut + STATISTICS_CHANGE_APART <= count; cut++) {
		double to_left = 0, to_right = 0, n = (double)cut, m = (double)(count - cut), q;

		for (size_t j = 0; j + 1 < cut; j++)
			to_left += fabs(values[cut - 1] - values[j]);
		for (size_t j = cut; j < count; j++)
			to_right += fabs(values[cut - 1] - values[j]);
		left += to_left;
		right -= to_right;
		between += to_right - to_left;
		if (cut < STATISTICS_CHANGE_APART)
			continue;
		q = n * m / (n + m) *
		    (2 * between / (n * m) - 2 * left / (n * (n - 1)) - 2 * right / (m * (m - 1)));
		if (q > best.statistic)
			best = (struct statistics_change){ .index = cut, .statistic = q };
	}
	return best;
}

static double chance(const double *values, size_t count, double statistic, struct worker *random)
{
	double *order = calloc(count, sizeof(*order));
	size_t as_good = 1;

	if (!order)
		abort();
	memcpy(order, values, count * sizeof(*order));
	for (int k = 0; k < ORDERS; k++) {
		for (size_t i = count; i > 1; i--) {
			size_t j = worker_random(random) % i;
			double swap = order[i - 1];

			order[i - 1] = order[j];
			order[j] = swap;
		}
		as_good += statistics_change_best(order, count).statistic >= statistic;
	}
	free(order);
	return (double)as_good / (ORDERS + 1);
}

struct search {
	const double *values;
	struct worker random;
	struct statistics_change *changes;
	size_t found, capacity;
};

/* In order: what lies left of a change comes before it. */
static void divide(struct search *s, size_t start, size_t end)
{
	struct statistics_change best = statistics_change_best(s->values + start, end - start);

	if (best.statistic <= 0)
		return;
	best.p = chance(s->values + start, end - start, best.statistic, &s->random);
	if (best.p > LEVEL)
		return;
	best.index += start;
	divide(s, start, best.index);
	if (s->found < s->capacity)
		s->changes[s->found++] = best;
	divide(s, best.index, end);
}

size_t statistics_changes(const double *values, size_t count, uint64_t seed,
			  struct statistics_change *changes, size_t capacity)
{
	size_t start = count > STATISTICS_SERIES_MAX ? count - STATISTICS_SERIES_MAX : 0;
	struct search s = { .values = values,
			    .random = { .seed = seed * UINT64_C(0x9e3779b97f4a7c15) | 1 },
			    .changes = changes,
			    .capacity = capacity };

	divide(&s, start, count);
	return s.found;
}
