/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counters_test.c - counts of hardware and kernel: scaling, reasons, a PMU that is made up.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/counters.h"

static void counts_are_scaled_by_their_part_of_the_time(void **state)
{
	const struct counter_reading before = { .value = 100, .enabled = 50, .running = 20 };
	struct counter_reading after = { .value = 400, .enabled = 150, .running = 120 };
	double count = -1;

	(void)state;
	assert_int_equal(counter_between(&before, &after, &count), 0);
	assert_true(count == 300);
	/* A quarter of the time: four times as many. */
	after.running = 45;
	assert_int_equal(counter_between(&before, &after, &count), 0);
	assert_true(count == 1200);
	after.running = 20;
	assert_int_equal(counter_between(&before, &after, &count), -ENODATA);
}

/* Readings as a PMU would give them, one after the other, for event `c`. */
static void plant(struct counters *counters, unsigned c, const struct counter_reading *readings,
		  size_t count)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], readings, count * sizeof(*readings)),
			 (ssize_t)(count * sizeof(*readings)));
	close(ends[1]);
	counters->fds[c] = ends[0];
	counters->errors[c] = 0;
}

static void a_made_up_pmu_is_read(void **state)
{
	static const struct counter_reading cycles[] = { { 1000, 10, 10 }, { 9000, 20, 20 } };
	static const struct counter_reading misses[] = { { 7, 10, 5 }, { 17, 20, 10 } };
	static const struct counter_reading starved[] = { { 7, 10, 5 }, { 7, 20, 5 } };
	struct counters counters = { .user_only = true };
	struct counter_readings before, after;
	struct counter_counts counts, sum = { 0 };

	(void)state;
	for (unsigned c = 0; c < COUNTERS_PERF; c++) {
		counters.fds[c] = -1;
		counters.errors[c] = ENOENT;
	}
	plant(&counters, COUNTER_CYCLES, cycles, 2);
	plant(&counters, COUNTER_CACHE_MISSES, misses, 2);
	plant(&counters, COUNTER_DTLB_MISSES, starved, 2);
	/* One reading, then the end of the file. */
	plant(&counters, COUNTER_BRANCH_MISSES, misses, 1);
	counters_read(&counters, &before);
	counters_read(&counters, &after);
	counters_between(&counters, &before, &after, &counts);
	counters_close(&counters);
	assert_int_equal(counts.errors[COUNTER_CYCLES], 0);
	assert_true(counts.count[COUNTER_CYCLES] == 8000);
	assert_true(counts.count[COUNTER_CACHE_MISSES] == 20);
	assert_int_equal(counts.errors[COUNTER_DTLB_MISSES], ENODATA);
	assert_int_equal(counts.errors[COUNTER_BRANCH_MISSES], ENODATA);
	assert_int_equal(counts.errors[COUNTER_INSTRUCTIONS], ENOENT);
	assert_int_equal(counts.errors[COUNTER_MIGRATIONS], ENOENT);
	assert_true(counts.user_only);
	assert_true(counters_sound(&counts));

	/* Of several threads: sums, and what one of them lacks is lacking. */
	counters_add(&sum, &counts);
	counts.errors[COUNTER_CACHE_MISSES] = EACCES;
	counters_add(&sum, &counts);
	assert_true(sum.count[COUNTER_CYCLES] == 16000);
	assert_int_equal(sum.errors[COUNTER_CYCLES], 0);
	assert_int_equal(sum.errors[COUNTER_CACHE_MISSES], EACCES);
	assert_true(sum.user_only);

	counts.count[COUNTER_CYCLES] = NAN;
	assert_false(counters_sound(&counts));
	counts.count[COUNTER_CYCLES] = -1;
	assert_false(counters_sound(&counts));
}

/* Of this machine, whatever it has: each event counts, or says why not. */
static void every_event_counts_or_has_a_reason(void **state)
{
	struct counters counters;
	struct counter_readings before, after;
	struct counter_counts counts;
	size_t pages = 64;
	char *memory, why[160] = "";

	(void)state;
	counters_open(&counters);
	counters_read(&counters, &before);
	memory = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_int_equal(madvise(memory, pages * 4096, MADV_NOHUGEPAGE), 0);
	memset(memory, 1, pages * 4096);
	counters_read(&counters, &after);
	counters_between(&counters, &before, &after, &counts);
	assert_int_equal(munmap(memory, pages * 4096), 0);
	counters_close(&counters);
	for (unsigned c = 0; c < COUNTERS; c++) {
		assert_true(strlen(counter_name(c)) > 0);
		if (counts.errors[c])
			assert_true(strlen(counter_reason(counts.errors[c])) > 0);
	}
	/* What getrusage tells works everywhere. */
	assert_int_equal(counts.errors[COUNTER_MINOR_FAULTS], 0);
	assert_true(counts.count[COUNTER_MINOR_FAULTS] >= (double)pages);
	assert_int_equal(counts.errors[COUNTER_MAJOR_FAULTS], 0);
	assert_int_equal(counts.errors[COUNTER_WAITS], 0);
	if (counters_hardware(why, sizeof(why))) {
		assert_int_equal(counts.errors[COUNTER_INSTRUCTIONS], 0);
		assert_true(counts.count[COUNTER_INSTRUCTIONS] > (double)pages);
	} else {
		assert_true(counts.errors[COUNTER_INSTRUCTIONS] != 0);
		assert_string_equal(why, counter_reason(counts.errors[COUNTER_INSTRUCTIONS]));
	}
}

static void reasons_say_what_to_do(void **state)
{
	(void)state;
	assert_non_null(strstr(counter_reason(ENOENT), "no PMU"));
	assert_non_null(strstr(counter_reason(EACCES), "kernel.perf_event_paranoid"));
	assert_non_null(strstr(counter_reason(EPERM), "kernel.perf_event_paranoid"));
	assert_non_null(strstr(counter_reason(ENOSYS), "filter of system calls"));
	assert_non_null(strstr(counter_reason(ENODATA), "others"));
	assert_true(strlen(counter_reason(EMFILE)) > 0);
	assert_string_equal(counter_reason(123456), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_scaled_by_their_part_of_the_time),
		cmocka_unit_test(a_made_up_pmu_is_read),
		cmocka_unit_test(every_event_counts_or_has_a_reason),
		cmocka_unit_test(reasons_say_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
