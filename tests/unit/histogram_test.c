/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram_test.c - layout, error bound against exact quantiles, merging, curve.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "harness/histogram.h"

#define SAMPLES 50000

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void buckets_cover_every_value_once(void **state)
{
	(void)state;
	assert_int_equal(histogram_lowest(0), 0);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t lowest = histogram_lowest(i), highest = histogram_highest(i);

		assert_int_equal(histogram_index(lowest), i);
		assert_int_equal(histogram_index(highest), i);
		if (i)
			assert_int_equal(lowest, histogram_highest(i - 1) + 1);
		/* 1.6 % is promised, the layout gives 0.8 %. */
		assert_true((highest - lowest) * 128 <= lowest);
	}
	assert_true(histogram_index(HISTOGRAM_VALUE_MAX) < HISTOGRAM_BUCKETS);
	assert_true(sizeof(struct histogram) <= 31 * 1024);
}

/* Values of several shapes: narrow, uniform, log-uniform, with a far tail. */
static uint64_t shaped(unsigned shape)
{
	uint64_t r = next_random();

	switch (shape) {
	case 0:
		return 20 + r % 5;
	case 1:
		return r % 1000000;
	case 2:
		return (r >> 30) >> (next_random() % 34);
	default:
		return r % 1000 ? 300 + r % 97 : 2000000 + (r >> 20) % 50000000000;
	}
}

static void quantiles_are_within_the_bound(void **state)
{
	static const double percentiles[] = { 0, 1, 10, 50, 90, 99, 99.9, 99.99, 100 };
	struct histogram *h = histogram_create(1);
	uint64_t *exact = malloc(SAMPLES * sizeof(*exact));

	(void)state;
	assert_non_null(h);
	assert_non_null(exact);
	for (unsigned shape = 0; shape < 4; shape++) {
		double sum = 0;

		histogram_reset(h, 1);
		for (unsigned i = 0; i < SAMPLES; i++) {
			exact[i] = shaped(shape);
			sum += (double)exact[i];
			histogram_record(h, exact[i]);
		}
		qsort(exact, SAMPLES, sizeof(*exact), compare_u64);
		assert_int_equal(histogram_count(h), SAMPLES);
		assert_true(h->min == exact[0] && h->max == exact[SAMPLES - 1]);
		for (unsigned p = 0; p < sizeof(percentiles) / sizeof(percentiles[0]); p++) {
			double rank = ceil(percentiles[p] * SAMPLES / 100 - 1e-6);
			uint64_t value = exact[rank < 1 ? 0 : (unsigned)rank - 1];
			double got = histogram_percentile_ns(h, percentiles[p]);

			assert_true(got >= (double)value);
			assert_true(got <= (double)value * (1 + 1.0 / 128));
		}
		assert_true(fabs(histogram_mean_ns(h) / (sum / SAMPLES) - 1) <= 0.016);
	}
	free(exact);
	histogram_destroy(h);
}

static void percentile_takes_the_rank_of_its_name(void **state)
{
	struct histogram *h = histogram_create(1);

	(void)state;
	for (unsigned value = 1; value <= 100; value++)
		histogram_record(h, value);
	for (unsigned p = 1; p <= 100; p++)
		assert_true(histogram_percentile_ns(h, p) == p);
	assert_true(histogram_percentile_ns(h, 0) == 1);
	assert_true(histogram_mean_ns(h) == 50.5);
	histogram_reset(h, 1);
	for (unsigned i = 0; i < 1000; i++)
		histogram_record(h, i < 999 ? 5 : 70);
	assert_true(histogram_percentile_ns(h, 99.9) == 5);
	assert_true(histogram_percentile_ns(h, 99.91) == 70);
	histogram_destroy(h);
}

static void empty_one_has_no_values(void **state)
{
	struct histogram_point points[4];
	struct histogram *h = histogram_create(1);

	(void)state;
	assert_int_equal(histogram_count(h), 0);
	assert_true(histogram_min_ns(h) == 0 && histogram_max_ns(h) == 0);
	assert_true(histogram_mean_ns(h) == 0 && histogram_percentile_ns(h, 50) == 0);
	assert_int_equal(histogram_curve(h, 4, points, 4), 0);
	histogram_destroy(h);
	histogram_destroy(NULL);
}

static void too_large_values_count_as_the_largest(void **state)
{
	struct histogram *h = histogram_create(1);

	(void)state;
	histogram_record(h, UINT64_MAX);
	histogram_record_n(h, HISTOGRAM_VALUE_MAX + 1, 4);
	assert_int_equal(histogram_count(h), 5);
	assert_true(h->max == HISTOGRAM_VALUE_MAX);
	assert_true(histogram_percentile_ns(h, 50) == (double)HISTOGRAM_VALUE_MAX);
	histogram_destroy(h);
}

static void batches_count_every_operation(void **state)
{
	struct histogram *h = histogram_create(HISTOGRAM_UNIT_BATCH);

	(void)state;
	histogram_record_n(h, 35, 64); /* 2.1875 ns each */
	histogram_record_n(h, 40, 192); /* 2.5 ns each */
	assert_int_equal(histogram_count(h), 256);
	assert_true(histogram_percentile_ns(h, 25) == 2.1875);
	assert_true(histogram_percentile_ns(h, 26) == 2.5);
	assert_true(histogram_min_ns(h) == 2.1875 && histogram_max_ns(h) == 2.5);
	histogram_destroy(h);
}

static void merging_equals_recording_into_one(void **state)
{
	struct histogram *parts[2] = { histogram_create(1), histogram_create(1) };
	struct histogram *whole = histogram_create(1), *merged = histogram_create(1);

	(void)state;
	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t value = shaped(i % 4);

		histogram_record(parts[next_random() & 1], value);
		histogram_record(whole, value);
	}
	histogram_merge(merged, parts[0]);
	histogram_merge(merged, parts[1]);
	assert_memory_equal(merged->counts, whole->counts, sizeof(whole->counts));
	assert_true(merged->min == whole->min && merged->max == whole->max);
	for (unsigned i = 0; i < 2; i++)
		histogram_destroy(parts[i]);
	histogram_destroy(whole);
	histogram_destroy(merged);
}

static void merging_converts_units(void **state)
{
	struct histogram *fine = histogram_create(HISTOGRAM_UNIT_BATCH);
	struct histogram *ns = histogram_create(1), *empty = histogram_create(2);

	(void)state;
	histogram_record_n(fine, 160, 3); /* 10 ns */
	histogram_record_n(fine, 16000, 5); /* 1000 ns */
	histogram_merge(ns, fine);
	histogram_merge(ns, empty);
	assert_int_equal(histogram_count(ns), 8);
	assert_int_equal(ns->counts[histogram_index(10)], 3);
	assert_true(ns->min == 10 && ns->max == 1000);
	assert_true(fabs(histogram_percentile_ns(ns, 90) / 1000 - 1) <= 0.016);
	histogram_destroy(fine);
	histogram_destroy(ns);
	histogram_destroy(empty);
}

static void curve_rises_to_the_maximum(void **state)
{
	struct histogram_point points[HISTOGRAM_CURVE_MAX];
	struct histogram *h = histogram_create(1);
	bool has_9999 = false;
	size_t count;

	(void)state;
	for (unsigned i = 0; i < SAMPLES; i++)
		histogram_record(h, shaped(3));
	for (unsigned per_half = 1; per_half <= 8; per_half++) {
		count = histogram_curve(h, per_half, points, HISTOGRAM_CURVE_MAX);
		assert_in_range(count, 10, HISTOGRAM_CURVE_MAX - 1);
		assert_true(points[0].percentile == 0);
		assert_true(points[count - 1].percentile == 100);
		assert_true(points[count - 1].ns == histogram_max_ns(h));
		for (size_t i = 0; i < count; i++) {
			has_9999 |= points[i].percentile == 99.99;
			assert_true(points[i].ns ==
				    histogram_percentile_ns(h, points[i].percentile));
			if (i)
				assert_true(points[i].percentile > points[i - 1].percentile);
		}
		assert_true(has_9999);
	}
	assert_int_equal(histogram_curve(h, 5, points, 3), 3);
	histogram_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_cover_every_value_once),
		cmocka_unit_test(quantiles_are_within_the_bound),
		cmocka_unit_test(percentile_takes_the_rank_of_its_name),
		cmocka_unit_test(empty_one_has_no_values),
		cmocka_unit_test(too_large_values_count_as_the_largest),
		cmocka_unit_test(batches_count_every_operation),
		cmocka_unit_test(merging_equals_recording_into_one),
		cmocka_unit_test(merging_converts_units),
		cmocka_unit_test(curve_rises_to_the_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
