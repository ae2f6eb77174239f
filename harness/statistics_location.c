/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statistics_location.c - median, quantile, Hodges-Lehmann shift.
 *
 * The averages of pairs of sorted values ascend along rows and columns of a triangle, so the k-th
 * of them is found without making them all (Johnson and Mizoguchi 1978): a pivot is taken out of
 * what is left, each row gives up what lies on its wrong side, and a walk along the border between
 * the sides counts in O(n). What is found is an order statistic, so it depends neither on the
 * pivots nor on the order of the input.
 */
#include "harness/statistics_location.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define NORMAL_SPREAD 1.4826022185056018 /* 1 / the 75 % quantile of the normal distribution */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void statistics_sort(double *values, size_t count)
{
	if (count)
		qsort(values, count, sizeof(*values), compare);
}

double statistics_median(const double *sorted, size_t count)
{
	if (!count)
		return NAN;
	return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

double statistics_quantile(const double *sorted, size_t count, double at)
{
	double place = at * (double)(count - 1);
	size_t below = (size_t)place;

	if (!count)
		return NAN;
	if (below + 1 >= count)
		return sorted[count - 1];
	return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

/* What is left of a row: averages of value i with values first[i] up to before end[i]. */
struct triangle {
	const double *sorted;
	size_t count, left;
	size_t *first, *end;
	size_t *less, *not_more; /* of each row, where values reach the pivot, and pass it */
	uint64_t random;
};

static double average(const struct triangle *t, size_t i, size_t j)
{
	return (t->sorted[i] + t->sorted[j]) / 2;
}

static double pivot(struct triangle *t)
{
	size_t at, i = 0;

	t->random = t->random * UINT64_C(6364136223846793005) + 1442695040888963407;
	at = (t->random >> 33) % t->left;
	while (at >= t->end[i] - t->first[i]) {
		at -= t->end[i] - t->first[i];
		i++;
	}
	return average(t, i, t->first[i] + at);
}

/* Fills less and not_more; how many averages of the whole triangle are less, and not more. */
static void divide(struct triangle *t, double value, size_t *less, size_t *not_more)
{
	size_t a = t->count, b = a;

	*less = *not_more = 0;
	for (size_t i = 0; i < t->count; i++) {
		while (a > i && average(t, i, a - 1) >= value)
			a--;
		while (b > i && average(t, i, b - 1) > value)
			b--;
		t->less[i] = a > i ? a : i;
		t->not_more[i] = b > i ? b : i;
		*less += t->less[i] - i;
		*not_more += t->not_more[i] - i;
	}
}

/* The largest average that is less than that of which less[] was filled. */
static double average_below(const struct triangle *t)
{
	double most = -INFINITY;

	for (size_t i = 0; i < t->count; i++) {
		if (t->less[i] > i)
			most = fmax(most, average(t, i, t->less[i] - 1));
	}
	return most;
}

/* The average of that rank, from 0; *less: how many are less. */
static double average_of_rank(struct triangle *t, size_t rank, size_t *less)
{
	for (size_t i = 0; i < t->count; i++) {
		t->first[i] = i;
		t->end[i] = t->count;
	}
	t->left = t->count * (t->count + 1) / 2;
	for (;;) {
		double value = pivot(t);
		size_t not_more;

		divide(t, value, less, &not_more);
		if (rank >= *less && rank < not_more)
			return value;
		t->left = 0;
		for (size_t i = 0; i < t->count; i++) {
			if (rank < *less && t->end[i] > t->less[i])
				t->end[i] = t->less[i];
			if (rank >= not_more && t->first[i] < t->not_more[i])
				t->first[i] = t->not_more[i];
			if (t->end[i] < t->first[i])
				t->end[i] = t->first[i];
			t->left += t->end[i] - t->first[i];
		}
	}
}

double statistics_shift(const double *sorted, size_t count)
{
	struct triangle t = { .sorted = sorted, .count = count, .random = 1 };
	size_t all = count * (count + 1) / 2, less;
	double shift;

	if (!count)
		return NAN;
	t.first = calloc(4 * count, sizeof(*t.first));
	if (!t.first)
		abort();
	t.end = t.first + count;
	t.less = t.end + count;
	t.not_more = t.less + count;
	shift = average_of_rank(&t, all / 2, &less);
	/* The one before it is as large, or the largest of those that are less. */
	if (all % 2 == 0 && less == all / 2)
		shift = (average_below(&t) + shift) / 2;
	free(t.first);
	return shift;
}

double statistics_shift_between(const double *a, size_t a_count, const double *b, size_t b_count)
{
	double *differences = calloc(a_count * b_count + 1, sizeof(*differences)), shift;

	if (!differences)
		abort();
	for (size_t i = 0; i < a_count; i++) {
		for (size_t j = 0; j < b_count; j++)
			differences[i * b_count + j] = b[j] - a[i];
	}
	statistics_sort(differences, a_count * b_count);
	shift = statistics_median(differences, a_count * b_count);
	free(differences);
	return shift;
}

double statistics_spread(const double *sorted, size_t count)
{
	double middle = statistics_median(sorted, count), spread;
	double *distances = calloc(count + 1, sizeof(*distances));

	if (!distances)
		abort();
	for (size_t i = 0; i < count; i++)
		distances[i] = fabs(sorted[i] - middle);
	statistics_sort(distances, count);
	spread = statistics_median(distances, count) * NORMAL_SPREAD;
	free(distances);
	return spread;
}
