/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock_test.c - conversion, order, calibration and its refusal.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "harness/clock.h"

static struct clock_source sources[2];

static int start_sources(void **state)
{
	(void)state;
	clock_source_start(&sources[0], CLOCK_SOURCE_TSC);
	clock_source_start(&sources[1], CLOCK_SOURCE_MONOTONIC);
	return 0;
}

static void names_are_read_back(void **state)
{
	enum clock_source_kind kind;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(
			clock_source_parse(clock_source_name((enum clock_source_kind)i), &kind), 0);
		assert_int_equal(kind, i);
	}
	assert_int_equal(clock_source_parse("TSC", &kind), -EINVAL);
	assert_int_equal(clock_source_parse("", &kind), -EINVAL);
}

static void tsc_is_used_or_refused_with_a_reason(void **state)
{
	char why[CLOCK_SOURCE_WHY_SIZE] = "?";
	bool usable = clock_source_tsc_usable(why, sizeof(why));

	(void)state;
	assert_int_equal(usable, why[0] == '\0');
	assert_int_equal(sources[0].kind == CLOCK_SOURCE_TSC, sources[0].why[0] == '\0');
	if (!usable)
		assert_int_equal(sources[0].kind, CLOCK_SOURCE_MONOTONIC);
	assert_int_equal(sources[1].kind, CLOCK_SOURCE_MONOTONIC);
	assert_string_equal(sources[1].why, "");
	assert_true(sources[1].hz == 1e9);
}

static void conversions_agree_with_the_frequency(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		const struct clock_source *s = &sources[i];
		uint64_t second = (uint64_t)s->hz, hour = (uint64_t)(s->hz * 3600);

		assert_true(fabs((double)clock_source_ns(s, second) - 1e9) < 3);
		assert_true(fabs((double)clock_source_ns16(s, second) - 16e9) < 48);
		assert_true(fabs((double)clock_source_ns(s, hour) / 3600e9 - 1) < 1e-8);
		assert_true(fabs((double)clock_source_counts(s, 1000000000) / s->hz - 1) < 1e-8);
		assert_int_equal(clock_source_ns(s, 0), 0);
		assert_true(clock_source_ns(s, UINT64_C(1) << 62) > clock_source_ns(s, hour));
	}
}

static void time_advances_in_steps(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		const struct clock_source *s = &sources[i];
		uint64_t last = clock_source_now(s);

		assert_true(s->step_counts >= 1 && s->step_ns > 0 && s->pair_ns > 0);
		for (unsigned j = 0; j < 10000; j++) {
			uint64_t now = clock_source_now(s);

			assert_true(now >= last);
			assert_int_equal((now - last) % s->step_counts, 0);
			last = now;
		}
	}
}

static void a_sleep_is_seen_whole(void **state)
{
	const struct timespec nap = { .tv_nsec = 5000000 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t begin = clock_source_now(&sources[i]);

		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
		assert_true(clock_source_ns(&sources[i], clock_source_now(&sources[i]) - begin) >=
			    5000000 * (1 - CLOCK_SOURCE_DRIFT_PPM_MAX / 1e6));
	}
}

static void finish_verifies_by_the_limit(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		int rc = clock_source_finish(&sources[i]);

		assert_true(sources[i].hz_end > 0);
		assert_int_equal(rc == 0, sources[i].drift_ppm <= CLOCK_SOURCE_DRIFT_PPM_MAX);
		assert_int_equal(rc == 0, sources[i].verified);
	}
}

static void finish_refuses_a_clock_that_drifted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct clock_source wrong = sources[i];

		wrong.hz *= 1.01;
		assert_int_equal(clock_source_finish(&wrong), -ERANGE);
		assert_false(wrong.verified);
		assert_true(wrong.drift_ppm > CLOCK_SOURCE_DRIFT_PPM_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_read_back),
		cmocka_unit_test(tsc_is_used_or_refused_with_a_reason),
		cmocka_unit_test(conversions_agree_with_the_frequency),
		cmocka_unit_test(time_advances_in_steps),
		cmocka_unit_test(a_sleep_is_seen_whole),
		cmocka_unit_test(finish_verifies_by_the_limit),
		cmocka_unit_test(finish_refuses_a_clock_that_drifted),
	};

	return cmocka_run_group_tests(tests, start_sources, NULL);
}
