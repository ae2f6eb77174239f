/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intervals_test.c - a window cut into intervals: where a value goes, and what they add up to.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "harness/intervals.h"

#define MS UINT64_C(1000000)

static void test_how_many(void **state)
{
	(void)state;
	assert_int_equal(intervals_for(1000 * MS, 5, 1), INTERVALS_MAX);
	assert_int_equal(intervals_for(210 * MS, 5, 1), 10);
	/* Shorter than one, kept too often, or of too many threads. */
	assert_int_equal(intervals_for(19 * MS, 5, 1), 0);
	assert_int_equal(intervals_for(1000 * MS, 25, 1), 4);
	assert_int_equal(intervals_for(1000 * MS, 101, 1), 0);
	assert_int_equal(intervals_for(1000 * MS, 5, 1024), 2);
}

static void test_edges(void **state)
{
	struct intervals i;

	(void)state;
	assert_int_equal(intervals_init(&i, 3), 0);
	intervals_reset(&i, 1.0);
	intervals_begin(&i, 1000, 100);
	assert_ptr_equal(intervals_now(&i, 1000), i.histograms[0]);
	assert_ptr_equal(intervals_now(&i, 1099), i.histograms[0]);
	assert_ptr_equal(intervals_now(&i, 1100), i.histograms[1]);
	/* The last has no end; what is passed over stays empty. */
	intervals_begin(&i, 1000, 100);
	assert_ptr_equal(intervals_now(&i, 5000), i.histograms[2]);
	assert_ptr_equal(intervals_now(&i, UINT64_MAX - 1), i.histograms[2]);
	intervals_release(&i);
}

static void test_one_has_no_end(void **state)
{
	struct intervals i;

	(void)state;
	assert_int_equal(intervals_init(&i, 1), 0);
	intervals_begin(&i, 0, 1);
	assert_ptr_equal(intervals_now(&i, UINT64_MAX - 1), i.histograms[0]);
	intervals_release(&i);
	assert_int_equal(i.count, 0);
}

static void test_sums(void **state)
{
	struct histogram *all = histogram_create(1.0);
	struct intervals a, b;

	(void)state;
	assert_int_equal(intervals_init(&a, 2), 0);
	assert_int_equal(intervals_init(&b, 2), 0);
	intervals_begin(&a, 0, 10);
	intervals_begin(&b, 0, 10);
	histogram_record_n(intervals_now(&a, 5), 7, 3);
	histogram_record_n(intervals_now(&b, 6), 9, 2);
	histogram_record_n(intervals_now(&b, 15), 100, 1);
	intervals_merge(&a, &b);
	assert_int_equal(histogram_count(a.histograms[0]), 5);
	assert_int_equal(histogram_count(a.histograms[1]), 1);
	intervals_sum(&a, all);
	assert_int_equal(histogram_count(all), 6);
	assert_int_equal(all->min, 7);
	assert_int_equal(all->max, 100);
	intervals_release(&a);
	intervals_release(&b);
	histogram_destroy(all);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_how_many),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_one_has_no_end),
		cmocka_unit_test(test_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
