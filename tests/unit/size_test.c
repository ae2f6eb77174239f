/* SPDX-License-Identifier: Apache-2.0 */
/* size_test.c - sizes, counts and times, on both sides of every limit. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "harness/size.h"

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t bytes;
	} cases[] = {
		{ "0", 0, 0 },
		{ "4096", 0, 4096 },
		{ "64k", 0, 65536 },
		{ "64K", 0, 65536 },
		{ "2m", 0, 2097152 },
		{ "4g", 0, UINT64_C(4294967296) },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "17179869184g", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "k", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1kk", -EINVAL, 0 },
		{ "1t", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t bytes = 77;

		assert_int_equal(size_parse(cases[i].text, &bytes), cases[i].rc);
		assert_int_equal(bytes, cases[i].rc ? 77 : cases[i].bytes);
	}
}

static void test_counts(void **state)
{
	uint64_t count = 0;

	(void)state;
	assert_int_equal(count_parse("17", &count), 0);
	assert_int_equal(count, 17);
	assert_int_equal(count_parse("17k", &count), -EINVAL);
	assert_int_equal(count_parse("", &count), -EINVAL);
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t ns;
	} cases[] = {
		{ "7ns", 0, 7 },
		{ "3us", 0, 3000 },
		{ "20ms", 0, 20000000 },
		{ "1s", 0, 1000000000 },
		{ "1", 0, 1000000000 },
		{ "0.5s", 0, 500000000 },
		{ "1.25ms", 0, 1250000 },
		{ "2m", 0, UINT64_C(120000000000) },
		{ "1h", 0, UINT64_C(3600000000000) },
		{ "1.s", -EINVAL, 0 },
		{ "1x", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "999999999h", -ERANGE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t ns = 77;

		assert_int_equal(duration_parse(cases[i].text, &ns), cases[i].rc);
		assert_int_equal(ns, cases[i].rc ? 77 : cases[i].ns);
	}
}

static void test_rates(void **state)
{
	double rate = 7;

	(void)state;
	assert_int_equal(rate_parse("1", &rate), 0);
	assert_true(rate == 1);
	assert_int_equal(rate_parse("100k", &rate), 0);
	assert_true(rate == 100000);
	assert_int_equal(rate_parse("2.5M", &rate), 0);
	assert_true(rate == 2500000);
	assert_int_equal(rate_parse("1g", &rate), 0);
	assert_true(rate == 1e9);
	rate = 7;
	assert_int_equal(rate_parse("", &rate), -EINVAL);
	assert_int_equal(rate_parse("-1", &rate), -EINVAL);
	assert_int_equal(rate_parse("1.", &rate), -EINVAL);
	assert_int_equal(rate_parse("1kk", &rate), -EINVAL);
	assert_int_equal(rate_parse("1x", &rate), -EINVAL);
	assert_int_equal(rate_parse("0.5", &rate), -ERANGE);
	assert_int_equal(rate_parse("2g", &rate), -ERANGE);
	assert_true(rate == 7);
}

static void test_formats(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(size_format(0, text, sizeof(text)), "0");
	assert_string_equal(size_format(4097, text, sizeof(text)), "4097");
	assert_string_equal(size_format(65536, text, sizeof(text)), "64k");
	assert_string_equal(size_format(UINT64_C(5) << 40, text, sizeof(text)), "5120g");
	assert_string_equal(duration_format(12.7, text, sizeof(text)), "12.7ns");
	assert_string_equal(duration_format(1300000, text, sizeof(text)), "1.30ms");
	assert_string_equal(duration_format(999.6, text, sizeof(text)), "1.00us");
	assert_string_equal(duration_format(2.5e9, text, sizeof(text)), "2.50s");
	assert_string_equal(duration_format(3.6e12, text, sizeof(text)), "3600s");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),	  cmocka_unit_test(test_counts),
		cmocka_unit_test(test_durations), cmocka_unit_test(test_rates),
		cmocka_unit_test(test_formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
