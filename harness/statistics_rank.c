/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statistics_rank.c - signed ranks, rank sums, Holm.
 *
 * The exact distributions are counted: how many subsets of the ranks have a sum, in doubles, of
 * which 2^49 subsets need no more bits than they have.
 */
#include "harness/statistics_rank.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_BELOW 50

struct entry {
	double key; /* what is ranked */
	size_t index;
	double rank; /* from 1; ties share the middle */
};

static void *room(size_t count, size_t size)
{
	void *memory = calloc(count + 1, size);

	if (!memory)
		abort();
	return memory;
}

static int compare_keys(const void *a, const void *b)
{
	double x = ((const struct entry *)a)->key, y = ((const struct entry *)b)->key;

	return (x > y) - (x < y);
}

/* Sorts and ranks; the sum of t^3 - t over groups of t ties, 0 without ties. */
static double rank(struct entry *entries, size_t count)
{
	double ties = 0;

	qsort(entries, count, sizeof(*entries), compare_keys);
	for (size_t i = 0, end; i < count; i = end) {
		double t;

		for (end = i + 1; end < count && entries[end].key == entries[i].key; end++)
			;
		t = (double)(end - i);
		ties += t * t * t - t;
		for (size_t k = i; k < end; k++)
			entries[k].rank = (double)(i + end + 1) / 2;
	}
	return ties;
}

double statistics_normal_above(double x)
{
	return erfc(x / sqrt(2)) / 2;
}

double statistics_normal_quantile(double below)
{
	double low = -40, high = 40;

	/* Used a few times a verdict: halving until nothing changes is exact and short. */
	for (int i = 0; i < 100; i++) {
		double middle = (low + high) / 2;

		if (statistics_normal_above(-middle) < below)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

/* Two-sided, of a statistic's distance from its mean, with continuity correction. */
static double normal_p(double distance, double variance)
{
	/* The correction goes half a step towards the mean, and past it as R's does. */
	double size = distance == 0 ? 0 : fabs(fabs(distance) - 0.5);

	return 2 * statistics_normal_above(size / sqrt(variance));
}

/* Subsets of 1..count with a sum of at most `sum`, as a share of all. */
static double share_of_subsets(size_t count, size_t sum)
{
	size_t most = count * (count + 1) / 2;
	double *ways = room(most, sizeof(*ways)), total = 0;

	ways[0] = 1;
	for (size_t r = 1; r <= count; r++) {
		for (size_t s = most; s >= r; s--)
			ways[s] += ways[s - r];
	}
	for (size_t s = 0; s <= sum; s++)
		total += ways[s];
	free(ways);
	return ldexp(total, -(int)count);
}

double statistics_signed_rank(const double *values, size_t count)
{
	struct entry *entries = room(count, sizeof(*entries));
	double plus = 0, all, ties, p = 1;
	bool zeros = false;
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		if (values[i] == 0)
			zeros = true;
		else
			entries[used++] = (struct entry){ .key = fabs(values[i]), .index = i };
	}
	ties = rank(entries, used);
	for (size_t i = 0; i < used; i++)
		plus += values[entries[i].index] > 0 ? entries[i].rank : 0;
	all = (double)used * (double)(used + 1) / 2;
	if (used && (used >= EXACT_BELOW || ties > 0 || zeros)) {
		double variance = all * (double)(2 * used + 1) / 12 - ties / 48;

		p = normal_p(plus - all / 2, variance);
	} else if (used) {
		p = fmin(1, 2 * share_of_subsets(used, (size_t)fmin(plus, all - plus)));
	}
	free(entries);
	return p;
}

/* Ways to choose ranks with at most `most` others below them, counted for each, as a share. */
static double share_of_choices(size_t chosen, size_t others, size_t most)
{
	size_t width = chosen * others + 1;
	/* ways[c * width + u]: of the ranks so far, c chosen, u others below them. */
	double *ways = room((chosen + 1) * width, sizeof(*ways)), total = 0, all = 0;

	ways[0] = 1;
	for (size_t r = 1; r <= chosen + others; r++) {
		/* The c-th chosen has r - c others below it. */
		for (size_t c = chosen < r ? chosen : r; c >= 1; c--) {
			size_t below = r - c;

			for (size_t u = width; below <= others && u-- > below;)
				ways[c * width + u] += ways[(c - 1) * width + u - below];
		}
	}
	for (size_t u = 0; u < width; u++) {
		all += ways[chosen * width + u];
		total += u <= most ? ways[chosen * width + u] : 0;
	}
	free(ways);
	return total / all;
}

double statistics_rank_sum(const double *a, size_t a_count, const double *b, size_t b_count)
{
	size_t count = a_count + b_count;
	struct entry *entries = room(count, sizeof(*entries));
	double n = (double)a_count, m = (double)b_count, u = -m * (m + 1) / 2, ties, p = 1;

	for (size_t i = 0; i < count; i++)
		entries[i] =
			(struct entry){ .key = i < a_count ? a[i] : b[i - a_count], .index = i };
	ties = rank(entries, count);
	for (size_t i = 0; i < count; i++)
		u += entries[i].index >= a_count ? entries[i].rank : 0;
	if (!a_count || !b_count) {
		p = 1;
	} else if (a_count < EXACT_BELOW && b_count < EXACT_BELOW && ties == 0) {
		p = fmin(1, 2 * share_of_choices(b_count, a_count, (size_t)fmin(u, n * m - u)));
	} else {
		double variance = n * m / 12 * ((n + m + 1) - ties / ((n + m) * (n + m - 1)));

		p = variance > 0 ? normal_p(u - n * m / 2, variance) : 1;
	}
	free(entries);
	return p;
}

static int compare_pointed(const void *a, const void *b)
{
	double x = **(double *const *)a, y = **(double *const *)b;

	return (x > y) - (x < y);
}

void statistics_holm(double *p, size_t count)
{
	double **order = room(count, sizeof(*order)), least = 0;

	for (size_t i = 0; i < count; i++)
		order[i] = &p[i];
	qsort(order, count, sizeof(*order), compare_pointed);
	for (size_t i = 0; i < count; i++) {
		least = fmax(least, *order[i] * (double)(count - i));
		*order[i] = fmin(1, least);
	}
	free(order);
}
