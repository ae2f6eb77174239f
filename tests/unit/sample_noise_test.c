/* SPDX-License-Identifier: Apache-2.0 */
/* sample_noise_test.c - which pairs the machine spoiled, from both sides of each limit. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "harness/sample_noise.h"

static const struct sample_noise quiet = { 0, 0, 0, 1 };

/* Noise of one side spoils the pair, whichever side it is. */
static void spoils(struct sample_noise noise, enum sample_spoiler wanted)
{
	assert_int_equal(sample_noise_spoils(&noise, &quiet), wanted);
	assert_int_equal(sample_noise_spoils(&quiet, &noise), wanted);
	assert_int_equal(sample_noise_spoils(&noise, &noise), wanted);
}

static void test_limits(void **state)
{
	(void)state;
	spoils(quiet, SAMPLE_CLEAN);
	spoils((struct sample_noise){ SAMPLE_LOST_MAX, 0, 0, 1 }, SAMPLE_CLEAN);
	spoils((struct sample_noise){ 0.51, 0, 0, 1 }, SAMPLE_LOST);
	spoils((struct sample_noise){ 0, SAMPLE_THROTTLED_MAX, 0, 1 }, SAMPLE_CLEAN);
	spoils((struct sample_noise){ 0, 0.06, 0, 1 }, SAMPLE_THROTTLED);
	spoils((struct sample_noise){ 0, 0, SAMPLE_STOLEN_MAX, 1 }, SAMPLE_CLEAN);
	spoils((struct sample_noise){ 0, 0, 0.26, 1 }, SAMPLE_STOLEN);
	spoils((struct sample_noise){ 0, 0, 0, 0.81 }, SAMPLE_CLEAN);
	spoils((struct sample_noise){ 0, 0, 0, 1.24 }, SAMPLE_CLEAN);
	spoils((struct sample_noise){ 0, 0, 0, 0.79 }, SAMPLE_SPEED);
	spoils((struct sample_noise){ 0, 0, 0, 1.26 }, SAMPLE_SPEED);
	/* What is not known spoils nothing, and hides nothing. */
	spoils(sample_noise_unknown, SAMPLE_CLEAN);
	spoils((struct sample_noise){ NAN, 0.5, NAN, NAN }, SAMPLE_THROTTLED);
	/* The first is the one that is counted. */
	spoils((struct sample_noise){ 0.9, 0.9, 0.9, 0.1 }, SAMPLE_LOST);
}

static struct sample_noise read_text(const char *text, double cpus)
{
	json_t *json = json_loads(text, 0, NULL);
	struct sample_noise noise = sample_noise_read(json, cpus);

	assert_non_null(json);
	json_decref(json);
	return noise;
}

static void test_read(void **state)
{
	struct sample_noise n;

	(void)state;
	n = read_text("{\"lost_part\":0.25,\"speed_ratio\":0.5,\"elapsed_ns\":100000000,"
		      "\"throttled_us\":10000,\"steal_ticks\":9}",
		      2);
	assert_true(n.lost_part == 0.25 && n.speed_ratio == 0.5);
	assert_true(fabs(n.throttled_part - 0.1) < 1e-12);
	/* Eight whole ticks of 10 ms, of 200 ms of two CPUs. */
	assert_true(fabs(n.stolen_part - 0.4) < 1e-12);
	/* One tick may be the rounding. */
	n = read_text("{\"elapsed_ns\":1000000,\"steal_ticks\":1}", 1);
	assert_true(n.stolen_part == 0 && isnan(n.throttled_part) && isnan(n.lost_part));
	n = read_text("{\"elapsed_ns\":1000000,\"steal_ticks\":0}", 1);
	assert_true(n.stolen_part == 0);
	n = read_text("{\"elapsed_ns\":0,\"throttled_us\":1,\"lost_part\":null}", 1);
	assert_true(isnan(n.throttled_part) && isnan(n.stolen_part) && isnan(n.lost_part));
	n = sample_noise_read(NULL, NAN);
	assert_true(isnan(n.lost_part) && isnan(n.speed_ratio));
}

static void test_text(void **state)
{
	size_t spoiled[SAMPLE_SPOILERS] = { [SAMPLE_CLEAN] = 99, [SAMPLE_SPEED] = 2 };
	char text[160];

	(void)state;
	assert_int_equal(sample_noise_total(spoiled), 2);
	assert_string_equal(sample_noise_text(spoiled, text, sizeof(text)), "2: changed speed 2");
	spoiled[SAMPLE_LOST] = 7;
	assert_string_equal(sample_noise_text(spoiled, text, sizeof(text)),
			    "9: lost time 7, changed speed 2");
	assert_int_equal(strlen(sample_noise_text(spoiled, text, 8)), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
