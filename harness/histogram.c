/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram.c - what is done with a histogram after recording: merge and percentiles.
 *
 * Everything here walks all buckets and is meant for after the timed window. No locks.
 */
#include "harness/histogram.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CURVE_LAST 99.99
#define PAGE_BYTES 4096

static_assert(HISTOGRAM_VALUE_MAX < UINT64_C(1) << 36, "the buckets end at 2^36");

void histogram_reset(struct histogram *h, double unit_ns)
{
	assert(unit_ns > 0);
	memset(h, 0, sizeof(*h));
	h->unit_ns = unit_ns;
	h->min = UINT64_MAX;
}

struct histogram *histogram_create(double unit_ns)
{
	/* Pages of its own, so that all of it is on the NUMA node of who touches it first. */
	size_t size = (sizeof(struct histogram) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	struct histogram *h = aligned_alloc(PAGE_BYTES, size);

	if (h)
		histogram_reset(h, unit_ns);
	return h;
}

void histogram_destroy(struct histogram *h)
{
	free(h);
}

static double middle(unsigned index)
{
	return ((double)histogram_lowest(index) + (double)histogram_highest(index)) / 2;
}

static uint64_t convert(double value, double ratio)
{
	double converted = value * ratio + 0.5;

	return converted >= (double)HISTOGRAM_VALUE_MAX ? HISTOGRAM_VALUE_MAX : (uint64_t)converted;
}

static void merge_converted(struct histogram *to, const struct histogram *from)
{
	double ratio = from->unit_ns / to->unit_ns;
	uint64_t min = convert((double)from->min, ratio), max = convert((double)from->max, ratio);

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t value;

		if (!from->counts[i])
			continue;
		value = convert(middle(i), ratio);
		/* A middle may lie outside of what was recorded; its bucket must not. */
		value = value < min ? min : value > max ? max : value;
		to->counts[histogram_index(value)] += from->counts[i];
	}
	if (min < to->min)
		to->min = min;
	if (max > to->max)
		to->max = max;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
	if (from->min == UINT64_MAX)
		return;
	if (from->unit_ns < to->unit_ns || from->unit_ns > to->unit_ns) {
		merge_converted(to, from);
		return;
	}
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->counts[i] += from->counts[i];
	if (from->min < to->min)
		to->min = from->min;
	if (from->max > to->max)
		to->max = from->max;
}

uint64_t histogram_count(const struct histogram *h)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		count += h->counts[i];
	return count;
}

double histogram_min_ns(const struct histogram *h)
{
	return h->min == UINT64_MAX ? 0 : (double)h->min * h->unit_ns;
}

double histogram_max_ns(const struct histogram *h)
{
	return (double)h->max * h->unit_ns;
}

double histogram_mean_ns(const struct histogram *h)
{
	double sum = 0, count = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (!h->counts[i])
			continue;
		sum += middle(i) * (double)h->counts[i];
		count += (double)h->counts[i];
	}
	return count > 0 ? sum / count * h->unit_ns : 0;
}

static uint64_t rank_of(double percentile, uint64_t count)
{
	/* The shade less keeps 99.9 % of 1000 at 999, whatever the rounding. */
	double rank = ceil(percentile * (double)count / 100 * (1 - 1e-12));

	return rank < 1 ? 1 : rank >= (double)count ? count : (uint64_t)rank;
}

static double bucket_ns(const struct histogram *h, unsigned index)
{
	uint64_t highest = histogram_highest(index);

	return (double)(highest > h->max ? h->max : highest) * h->unit_ns;
}

double histogram_percentile_ns(const struct histogram *h, double percentile)
{
	uint64_t count = histogram_count(h), seen = 0, rank = rank_of(percentile, count);

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->counts[i];
		if (seen >= rank)
			return bucket_ns(h, i);
	}
	return histogram_max_ns(h);
}

/* Point `index` of the grid, at most CURVE_LAST. */
static double grid(size_t index, unsigned per_half)
{
	double rest = ldexp(100, -(int)(index / per_half)); /* distance to 100 of this stretch */
	double percentile = 100 - rest + rest / 2 * (double)(index % per_half) / per_half;

	return percentile > CURVE_LAST ? CURVE_LAST : percentile;
}

size_t histogram_curve(const struct histogram *h, unsigned per_half, struct histogram_point *points,
		       size_t size)
{
	uint64_t count = histogram_count(h), seen = h->counts[0];
	double percentile = 0;
	unsigned bucket = 0;
	size_t used = 0;

	assert(per_half >= 1);
	while (count && used < size) {
		uint64_t rank = rank_of(percentile, count);

		while (seen < rank)
			seen += h->counts[++bucket];
		points[used++] = (struct histogram_point){ percentile, bucket_ns(h, bucket) };
		if (percentile >= 100)
			break;
		percentile = percentile < CURVE_LAST ? grid(used, per_half) : 100;
	}
	return used;
}
