/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statistics_bootstrap.c - percentile bootstrap.
 *
 * A draw takes places of the sample, not values: each value is taken as often as its place was
 * drawn, in the order of the sorted values. So nothing is sorted again, and the draws of the
 * negated sample are the negated draws.
 */
#include "harness/statistics_bootstrap.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/workload.h"

#define TAIL 0.025

static void *room(size_t count, size_t size)
{
	void *memory = calloc(count + 1, size);

	if (!memory)
		abort();
	return memory;
}

static struct worker random_of(uint64_t seed)
{
	return (struct worker){ .seed = seed * UINT64_C(0x9e3779b97f4a7c15) | 1 };
}

/* Both ends leave out as many: mirrored estimates have the mirrored interval. */
static struct statistics_interval ends(double *estimates)
{
	size_t out = (size_t)(TAIL * STATISTICS_DRAWS);

	statistics_sort(estimates, STATISTICS_DRAWS);
	return (struct statistics_interval){ estimates[out],
					     estimates[STATISTICS_DRAWS - 1 - out] };
}

/* A value and its place. */
struct ranked {
	double value;
	size_t place;
};

static int compare_ranked(const void *a, const void *b)
{
	double x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;

	return (x > y) - (x < y);
}

struct statistics_interval statistics_interval(const double *values, size_t count,
					       statistics_location *location, uint64_t seed)
{
	struct worker random = random_of(seed);
	struct ranked *ranked = room(count, sizeof(*ranked));
	size_t *rank = room(count, sizeof(*rank)), *times = room(count, sizeof(*times));
	double *drawn = room(count, sizeof(*drawn));
	double *estimates = room(STATISTICS_DRAWS, sizeof(*estimates));
	struct statistics_interval interval;

	for (size_t i = 0; i < count; i++)
		ranked[i] = (struct ranked){ values[i], i };
	qsort(ranked, count, sizeof(*ranked), compare_ranked);
	for (size_t i = 0; i < count; i++)
		rank[ranked[i].place] = i;
	for (size_t d = 0; d < STATISTICS_DRAWS; d++) {
		size_t at = 0;

		memset(times, 0, count * sizeof(*times));
		for (size_t i = 0; i < count; i++)
			times[rank[worker_random(&random) % count]]++;
		for (size_t i = 0; i < count; i++) {
			for (size_t n = times[i]; n; n--)
				drawn[at++] = ranked[i].value;
		}
		estimates[d] = location(drawn, count);
	}
	interval = ends(estimates);
	free(ranked);
	free(rank);
	free(times);
	free(drawn);
	free(estimates);
	return interval;
}

struct statistics_interval statistics_interval_between(const double *a, size_t a_count,
						       const double *b, size_t b_count,
						       uint64_t seed)
{
	struct worker random = random_of(seed);
	double *drawn_a = room(a_count, sizeof(*drawn_a)), *drawn_b = room(b_count, sizeof(*b));
	double *estimates = room(STATISTICS_DRAWS, sizeof(*estimates));
	struct statistics_interval interval;

	for (size_t d = 0; d < STATISTICS_DRAWS; d++) {
		for (size_t i = 0; i < a_count; i++)
			drawn_a[i] = a[worker_random(&random) % a_count];
		for (size_t i = 0; i < b_count; i++)
			drawn_b[i] = b[worker_random(&random) % b_count];
		estimates[d] = statistics_shift_between(drawn_a, a_count, drawn_b, b_count);
	}
	interval = ends(estimates);
	free(drawn_a);
	free(drawn_b);
	free(estimates);
	return interval;
}

double statistics_noise_floor(const double *distances, size_t count, size_t pairs, uint64_t seed)
{
	struct worker random = random_of(seed);
	double *sizes = room(count, sizeof(*sizes)), *drawn = room(pairs, sizeof(*drawn));
	double *estimates = room(STATISTICS_DRAWS, sizeof(*estimates)), floor;
	/* Of each size, how often it was drawn with either sign. */
	size_t *minus = room(count, sizeof(*minus)), *plus = room(count, sizeof(*plus));

	for (size_t i = 0; i < count; i++)
		sizes[i] = fabs(distances[i]);
	statistics_sort(sizes, count);
	for (size_t d = 0; d < STATISTICS_DRAWS; d++) {
		size_t at = 0;

		memset(minus, 0, count * sizeof(*minus));
		memset(plus, 0, count * sizeof(*plus));
		for (size_t i = 0; i < pairs; i++) {
			uint64_t bits = worker_random(&random);

			(bits & 1 ? minus : plus)[(bits >> 1) % count]++;
		}
		for (size_t i = count; i-- > 0;) {
			for (size_t n = minus[i]; n; n--)
				drawn[at++] = -sizes[i];
		}
		for (size_t i = 0; i < count; i++) {
			for (size_t n = plus[i]; n; n--)
				drawn[at++] = sizes[i];
		}
		estimates[d] = fabs(statistics_shift(drawn, pairs));
	}
	statistics_sort(estimates, STATISTICS_DRAWS);
	floor = statistics_quantile(estimates, STATISTICS_DRAWS, 1 - 2 * TAIL);
	free(sizes);
	free(minus);
	free(plus);
	free(drawn);
	free(estimates);
	return floor;
}
