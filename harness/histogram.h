/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram.h - a latency histogram of fixed size, in the HDR layout with 2 significant digits.
 *
 * Values below 256 have a bucket each; above, every power of two has 128 buckets, so that a
 * bucket is at most 1/128 (0.8 %) as wide as its values. Recording a value is a count of leading
 * zeros, a shift and an addition to memory of the recording thread: no lock, no allocation.
 * Values are in units of unit_ns nanoseconds; 1 by default, 1/16 for operations timed in batches,
 * whose time per operation is too short for whole nanoseconds.
 *
 * Concurrency: a histogram belongs to one thread while it records; merge after that thread ended
 * its window (the caller provides the ordering).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

#define HISTOGRAM_DIGITS 2
#define HISTOGRAM_SUB_BITS 7 /* log2 of the buckets in a power of two */
#define HISTOGRAM_VALUE_MAX UINT64_C(60000000000) /* 60 s in ns; larger ones count as this */
#define HISTOGRAM_BUCKETS (30u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_UNIT_BATCH 0.0625 /* unit_ns of batched operations: 1/16 ns, up to 3.75 s */

struct histogram {
	double unit_ns; /* nanoseconds in a unit; immutable once something is recorded */
	uint64_t min; /* smallest value recorded, exact; UINT64_MAX if none */
	uint64_t max; /* largest value recorded, exact; 0 if none */
	uint64_t counts[HISTOGRAM_BUCKETS]; /* values in each bucket */
};

struct histogram_point {
	double percentile; /* 0..100 */
	double ns;
};

/* Makes it empty. unit_ns > 0. */
void histogram_reset(struct histogram *h, double unit_ns);

/* Allocates an empty one, on pages of its own; NULL: no memory. Freed by histogram_destroy. */
struct histogram *histogram_create(double unit_ns);
/* h may be NULL. */
void histogram_destroy(struct histogram *h);

/* The bucket of a value that is at most HISTOGRAM_VALUE_MAX. */
static inline unsigned histogram_index(uint64_t value)
{
	unsigned shift = 56u - (unsigned)__builtin_clzll(value | 255);

	return (shift << HISTOGRAM_SUB_BITS) + (unsigned)(value >> shift);
}

/* The smallest value of a bucket. */
static inline uint64_t histogram_lowest(unsigned index)
{
	unsigned shift = index < 256 ? 0 : (index >> HISTOGRAM_SUB_BITS) - 1;

	return (uint64_t)(index - (shift << HISTOGRAM_SUB_BITS)) << shift;
}

/* The largest value of a bucket. */
static inline uint64_t histogram_highest(unsigned index)
{
	return histogram_lowest(index + 1) - 1;
}

/* Records a value n >= 1 times (a batch of n operations: value is the time of each). */
static inline void histogram_record_n(struct histogram *h, uint64_t value, uint64_t n)
{
	if (__builtin_expect(value > HISTOGRAM_VALUE_MAX, 0))
		value = HISTOGRAM_VALUE_MAX;
	if (__builtin_expect(value > h->max, 0))
		h->max = value;
	if (__builtin_expect(value < h->min, 0))
		h->min = value;
	h->counts[histogram_index(value)] += n;
}

static inline void histogram_record(struct histogram *h, uint64_t value)
{
	histogram_record_n(h, value, 1);
}

/* Adds all of `from` to `to`. If their units differ, values are converted (bucket middles). */
void histogram_merge(struct histogram *to, const struct histogram *from);

/* How many values were recorded. */
uint64_t histogram_count(const struct histogram *h);

/*
 * What follows is in ns, as 64-bit floating point because a unit may be less than 1 ns. Of an
 * empty histogram all of it is 0: ask histogram_count first (a missing value is never 0).
 */
double histogram_min_ns(const struct histogram *h);
double histogram_max_ns(const struct histogram *h);
/* Mean of bucket middles, within the bucket error. */
double histogram_mean_ns(const struct histogram *h);

/*
 * The value at a percentile (0..100): the highest value equivalent to that of rank
 * max(1, ceil(percentile/100 * count)), never above the exact maximum. At most 0.8 % above the
 * exact quantile, never below it.
 */
double histogram_percentile_ns(const struct histogram *h, double percentile);

/*
 * The curve of percentiles on a grid that halves the remaining distance to 100 every
 * `per_half` points (>= 1), from 0 up to 99.99, then 100. Fills at most `size` points and
 * returns how many; HISTOGRAM_CURVE_MAX is always enough for per_half <= 8. No points if empty.
 */
#define HISTOGRAM_CURVE_MAX 128
size_t histogram_curve(const struct histogram *h, unsigned per_half, struct histogram_point *points,
		       size_t size);
