/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statistics_test.c - the statistics against SciPy and R (tests/golden/make_statistics.py), and
 * what has to hold for every sample: mirrored samples have mirrored answers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/statistics_bootstrap.h"
#include "harness/statistics_change.h"
#include "harness/statistics_rank.h"

#define VALUES_MAX 512
#define SEEDS 8

static json_t *golden;

static int load(void **state)
{
	(void)state;
	golden = json_load_file("tests/golden/statistics.json", 0, NULL);
	return golden ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	json_decref(golden);
	return 0;
}

static size_t numbers(const json_t *array, double *values)
{
	size_t i;
	json_t *each;

	assert_true(json_array_size(array) <= VALUES_MAX);
	json_array_foreach(array, i, each) values[i] = json_number_value(each);
	return json_array_size(array);
}

static size_t numbers_of(const json_t *object, const char *key, double *values)
{
	return numbers(json_object_get(object, key), values);
}

static double number_of(const json_t *object, const char *key)
{
	assert_true(json_is_number(json_object_get(object, key)));
	return json_number_value(json_object_get(object, key));
}

#define assert_near(a, b, what)                                                 \
	do {                                                                    \
		double near_a = (a), near_b = (b);                              \
		if (!(fabs(near_a - near_b) <= 1e-9 * fmax(1, fabs(near_b))))   \
			fail_msg("%s: %.17g, not %.17g", what, near_a, near_b); \
	} while (0)

static void test_one_sample(void **state)
{
	const json_t *cases = json_object_get(golden, "one_sample");
	double values[VALUES_MAX], sorted[VALUES_MAX];

	(void)state;
	assert_true(json_array_size(cases) >= 10);
	for (size_t i = 0; i < json_array_size(cases); i++) {
		const json_t *c = json_array_get(cases, i), *quantiles;
		const char *name = json_string_value(json_object_get(c, "name"));
		size_t count = numbers_of(c, "values", values);

		memcpy(sorted, values, sizeof(sorted));
		statistics_sort(sorted, count);
		assert_near(statistics_median(sorted, count), number_of(c, "median"), name);
		assert_near(statistics_shift(sorted, count), number_of(c, "shift"), name);
		assert_near(statistics_spread(sorted, count), number_of(c, "spread"), name);
		assert_near(statistics_signed_rank(values, count), number_of(c, "signed_rank"),
			    name);
		quantiles = json_object_get(c, "quantiles");
		for (size_t q = 0; q < json_array_size(quantiles); q++) {
			double pair[2];

			numbers(json_array_get(quantiles, q), pair);
			assert_near(statistics_quantile(sorted, count, pair[0]), pair[1], name);
		}
	}
	assert_true(isnan(statistics_median(NULL, 0)) && isnan(statistics_shift(NULL, 0)) &&
		    isnan(statistics_quantile(NULL, 0, 0.5)) && isnan(statistics_spread(NULL, 0)));
	assert_true(statistics_signed_rank(NULL, 0) == 1);
}

/* SciPy's ends are of ten times as many draws. */
static void test_interval_within_its_error(void **state)
{
	const json_t *cases = json_object_get(golden, "one_sample");
	double values[VALUES_MAX], wanted[2];
	size_t compared = 0;

	(void)state;
	for (size_t i = 0; i < json_array_size(cases); i++) {
		const json_t *c = json_array_get(cases, i);
		size_t count = numbers_of(c, "values", values);
		double low = 0, high = 0, low_2 = 0, high_2 = 0, error;

		if (!json_object_get(c, "interval"))
			continue;
		numbers_of(c, "interval", wanted);
		/* The Monte-Carlo error as the ends themselves show it, over seeds. */
		for (uint64_t seed = 1; seed <= SEEDS; seed++) {
			struct statistics_interval got =
				statistics_interval(values, count, statistics_shift, seed);

			low += got.low / SEEDS;
			high += got.high / SEEDS;
			low_2 += got.low * got.low / SEEDS;
			high_2 += got.high * got.high / SEEDS;
		}
		error = sqrt(fmax(0, fmax(low_2 - low * low, high_2 - high * high)));
		error = 2 * error + 0.01 * (wanted[1] - wanted[0]);
		if (fabs(low - wanted[0]) > error || fabs(high - wanted[1]) > error)
			fail_msg("%s: %g..%g, not %g..%g within %g",
				 json_string_value(json_object_get(c, "name")), low, high,
				 wanted[0], wanted[1], error);
		compared++;
	}
	assert_true(compared >= 10);
}

static void test_two_samples(void **state)
{
	const json_t *cases = json_object_get(golden, "two_samples");
	double a[VALUES_MAX], b[VALUES_MAX];
	struct statistics_interval interval;

	(void)state;
	for (size_t i = 0; i < json_array_size(cases); i++) {
		const json_t *c = json_array_get(cases, i);
		size_t n = numbers_of(c, "a", a), m = numbers_of(c, "b", b);

		assert_near(statistics_shift_between(a, n, b, m), number_of(c, "shift"), "shift");
		assert_near(statistics_rank_sum(a, n, b, m), number_of(c, "rank_sum"), "p");
		assert_near(statistics_rank_sum(b, m, a, n), number_of(c, "rank_sum"), "mirrored");
		interval = statistics_interval_between(a, n, b, m, 3);
		assert_true(interval.low <= number_of(c, "shift") &&
			    interval.high >= number_of(c, "shift"));
	}
	assert_true(json_array_size(cases) >= 6);
	assert_true(statistics_rank_sum(a, 0, b, 3) == 1);
	assert_true(isnan(statistics_shift_between(a, 0, b, 3)));
}

static void test_holm(void **state)
{
	const json_t *cases = json_object_get(golden, "holm");
	double p[VALUES_MAX], wanted[VALUES_MAX];

	(void)state;
	for (size_t i = 0; i < json_array_size(cases); i++) {
		size_t count = numbers_of(json_array_get(cases, i), "p", p);

		numbers_of(json_array_get(cases, i), "adjusted", wanted);
		statistics_holm(p, count);
		for (size_t k = 0; k < count; k++)
			assert_near(p[k], wanted[k], "holm");
	}
	assert_true(json_array_size(cases) >= 4);
}

static void test_normal(void **state)
{
	const json_t *cases = json_object_get(golden, "normal");
	double row[3];

	(void)state;
	for (size_t i = 0; i < json_array_size(cases); i++) {
		numbers(json_array_get(cases, i), row);
		assert_near(statistics_normal_quantile(row[0]), row[1], "quantile");
		assert_near(statistics_normal_above(row[1]), row[2], "above");
	}
	assert_true(json_array_size(cases) >= 8);
}

static void test_changes(void **state)
{
	const json_t *cases = json_object_get(golden, "changes");
	double values[VALUES_MAX], wanted[8];
	struct statistics_change found[8], again[8];

	(void)state;
	for (size_t i = 0; i < json_array_size(cases); i++) {
		const json_t *c = json_array_get(cases, i);
		const char *name = json_string_value(json_object_get(c, "name"));
		size_t count = numbers_of(c, "values", values);
		size_t planted = numbers_of(c, "changes", wanted);
		struct statistics_change best = statistics_change_best(values, count);

		assert_int_equal(best.index, number_of(c, "best"));
		assert_near(best.statistic, number_of(c, "statistic"), name);
		if (statistics_changes(values, count, 7, found, 8) != planted)
			fail_msg("%s: not as many changes as were planted", name);
		for (size_t k = 0; k < planted; k++) {
			assert_true(fabs((double)found[k].index - wanted[k]) <= 2);
			assert_true(found[k].p <= 0.05 && found[k].statistic > 0);
		}
		assert_int_equal(statistics_changes(values, count, 7, again, 8), planted);
		assert_memory_equal(found, again, planted * sizeof(found[0]));
	}
	assert_true(json_array_size(cases) >= 5);
	/* Too few to have a change, and no room for one. */
	assert_int_equal(statistics_changes(values, 7, 1, found, 8), 0);
	assert_int_equal(statistics_changes(values, 0, 1, found, 8), 0);
	for (size_t k = 0; k < 40; k++)
		values[k] = k < 20 ? 0.01 * (double)(k % 3) : 5;
	assert_int_equal(statistics_changes(values, 40, 1, found, 0), 0);
	assert_int_equal(statistics_changes(values, 40, 1, found, 8), 1);
	assert_int_equal(found[0].index, 20);
}

/* Negated log ratios are those of the swapped pairs: everything must be mirrored to the bit. */
static void test_mirrored(void **state)
{
	const json_t *cases = json_object_get(golden, "one_sample");
	double values[VALUES_MAX], negated[VALUES_MAX];

	(void)state;
	for (size_t i = 0; i < json_array_size(cases); i++) {
		size_t count = numbers_of(json_array_get(cases, i), "values", values);
		struct statistics_interval a, b;

		for (size_t k = 0; k < count; k++)
			negated[k] = -values[k];
		a = statistics_interval(values, count, statistics_shift, 5);
		b = statistics_interval(negated, count, statistics_shift, 5);
		assert_true(a.low == -b.high && a.high == -b.low);
		assert_true(statistics_signed_rank(values, count) ==
			    statistics_signed_rank(negated, count));
		assert_true(statistics_noise_floor(values, count, 9, 1) ==
			    statistics_noise_floor(negated, count, 9, 1));
		statistics_sort(values, count);
		statistics_sort(negated, count);
		assert_true(statistics_shift(values, count) == -statistics_shift(negated, count));
	}
}

/* Of normal noise, 95 % of the shifts of n pairs lie within 1.96 / sqrt(n) / efficiency 0.955. */
static void test_noise_floor(void **state)
{
	const json_t *cases = json_object_get(golden, "one_sample");
	double values[VALUES_MAX], few, many;
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < json_array_size(cases); i++) {
		if (json_array_size(json_object_get(json_array_get(cases, i), "values")) == 200)
			count = numbers_of(json_array_get(cases, i), "values", values);
	}
	assert_int_equal(count, 200);
	few = statistics_noise_floor(values, count, 25, 1);
	many = statistics_noise_floor(values, count, 100, 1);
	/* The sample: 0.05 around 0.02. */
	assert_true(few > 0.017 && few < 0.027);
	assert_true(few / many > 1.7 && few / many < 2.3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_sample),
		cmocka_unit_test(test_interval_within_its_error),
		cmocka_unit_test(test_two_samples),
		cmocka_unit_test(test_holm),
		cmocka_unit_test(test_normal),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_mirrored),
		cmocka_unit_test(test_noise_floor),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
