/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outliers_test.c - the cause of an outlier from two readings, which are kept, what a watch sees.
 *
 * That planted preemptions and faults are found in a running window is in runner_test.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "harness/outliers.h"

static const struct outlier_state quiet = { .throttled_us = 5,
					    .preempted = 10,
					    .waited = 20,
					    .major_faults = 1,
					    .minor_faults = 300,
					    .cpu = 2 };

static void what_rose_is_the_cause(void **state)
{
	struct outlier_state after = quiet;

	(void)state;
	assert_int_equal(outlier_cause_of(&quiet, &after, 0), OUTLIER_UNEXPLAINED);
	/* One after the other, so that each is stronger than those before it. */
	after.minor_faults++;
	assert_int_equal(outlier_cause_of(&quiet, &after, 0), OUTLIER_MINOR_FAULT);
	after.major_faults++;
	assert_int_equal(outlier_cause_of(&quiet, &after, 0), OUTLIER_MAJOR_FAULT);
	after.waited++;
	assert_int_equal(outlier_cause_of(&quiet, &after, 0), OUTLIER_WAITED);
	after.preempted++;
	assert_int_equal(outlier_cause_of(&quiet, &after, 0), OUTLIER_PREEMPTED);
	after.cpu = 0;
	assert_int_equal(outlier_cause_of(&quiet, &after, 0), OUTLIER_MIGRATED);
	after.throttled_us++;
	assert_int_equal(outlier_cause_of(&quiet, &after, 0), OUTLIER_THROTTLED);
}

static void what_is_ordinary_is_no_cause(void **state)
{
	struct outlier_state after = quiet;
	unsigned faults = 1u << OUTLIER_MINOR_FAULT;

	(void)state;
	after.minor_faults += 100;
	after.preempted += 100;
	/* Every hundredth batch, and one less; others' doing is never ordinary. */
	assert_int_equal(outlier_ordinary(&quiet, &after, 10000), faults);
	assert_int_equal(outlier_ordinary(&quiet, &after, 10001), 0);
	assert_int_equal(outlier_ordinary(&quiet, &quiet, 0), 0);
	after.preempted = quiet.preempted;
	assert_int_equal(outlier_cause_of(&quiet, &after, faults), OUTLIER_UNEXPLAINED);
	after.waited++;
	assert_int_equal(outlier_cause_of(&quiet, &after, faults), OUTLIER_WAITED);
}

static void causes_have_names(void **state)
{
	(void)state;
	for (unsigned a = 0; a < OUTLIER_CAUSES; a++) {
		assert_true(strlen(outlier_cause_name(a)) > 0);
		for (unsigned b = 0; b < a; b++)
			assert_string_not_equal(outlier_cause_name(a), outlier_cause_name(b));
	}
}

static void the_longest_are_kept(void **state)
{
	struct outliers one = { .over_ns = 50000 }, all = { 0 };

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		/* 0, 7, 14, 1, 8 ...: in no order. */
		struct outlier o = { .at_ns = i,
				     .took_ns = 1000 + i * 7 % 20,
				     .cause = i % 2 ? OUTLIER_WAITED : OUTLIER_PREEMPTED };

		outliers_note(&one, &o);
	}
	assert_int_equal(outliers_count(&one), 20);
	assert_int_equal(one.count[OUTLIER_WAITED], 10);
	assert_int_equal(one.took_ns[OUTLIER_WAITED] + one.took_ns[OUTLIER_PREEMPTED],
			 20 * 1000 + 190);
	assert_int_equal(one.longest_count, OUTLIERS_LONGEST);
	for (unsigned i = 0; i < OUTLIERS_LONGEST; i++)
		assert_int_equal(one.longest[i].took_ns, 1019 - i);
	outliers_merge(&all, &one, 3);
	outliers_merge(&all, &one, 4);
	assert_int_equal(all.over_ns, 50000);
	assert_int_equal(outliers_count(&all), 40);
	assert_int_equal(all.longest_count, OUTLIERS_LONGEST);
	for (unsigned i = 0; i < OUTLIERS_LONGEST; i++) {
		assert_int_equal(all.longest[i].took_ns, 1019 - i / 2);
		assert_int_equal(all.longest[i].repetition, 3 + i % 2);
	}
}

static void what_another_process_says_is_checked(void **state)
{
	struct outliers o = { .longest_count = 2 };

	(void)state;
	assert_true(outliers_sound(&o));
	o.longest[1].cause = OUTLIER_CAUSES;
	assert_false(outliers_sound(&o));
	o.longest_count = 1;
	assert_true(outliers_sound(&o));
	o.longest_count = OUTLIERS_LONGEST + 1;
	assert_false(outliers_sound(&o));
}

static void a_watch_knows_what_is_long(void **state)
{
	struct noise_throttle throttle = { .count = 0 };
	struct outliers found = { 0 };
	struct outlier_watch watch;
	struct clock_source clock;
	uint64_t us;

	(void)state;
	clock_source_start(&clock, CLOCK_SOURCE_MONOTONIC);
	us = clock_source_counts(&clock, 1000);
	outlier_watch_warm_up(&watch, &clock, &throttle, &found);
	/* Nothing is looked at in the warm-up. */
	assert_true(watch.look == UINT64_MAX);
	outlier_watch_settle(&watch, 1000000, 1000);
	assert_int_equal(watch.look, 10 * us);
	assert_int_equal(watch.over, 50 * us);
	outlier_watch_settle(&watch, 1000000, 5000);
	assert_int_equal(watch.look, 20 * us);
	assert_int_equal(watch.over, 50 * us);
	/* Operations that are long themselves. */
	outlier_watch_settle(&watch, 1000000, 1e6);
	assert_int_equal(watch.look, 4000 * us);
	assert_int_equal(watch.over, 4000 * us);
	assert_int_equal(found.over_ns, 4000000);
	outlier_watch_settle(&watch, 0, INFINITY);
	outlier_watch_begin(&watch, 1000 * us);
	outlier_watch_look(&watch, 1100 * us, 50 * us);
	assert_int_equal(outliers_count(&found), 0);
	outlier_watch_look(&watch, 1100 * us, 51 * us);
	assert_int_equal(outliers_count(&found), 1);
	assert_int_equal(found.longest[0].at_ns, 100000);
	assert_int_equal(found.longest[0].took_ns, 51000);
	outlier_watch_look(&watch, 900 * us, 60 * us);
	assert_int_equal(found.longest[0].at_ns, 0);
}

/* Touches fresh memory between two readings; whether something stronger happened meanwhile. */
static bool touch(struct outlier_watch *watch, struct outliers *found, bool reset)
{
	size_t size = 16 * 4096;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t others = outliers_count(found);

	assert_ptr_not_equal(memory, MAP_FAILED);
	memset(memory, 1, size);
	assert_int_equal(munmap(memory, size), 0);
	if (reset)
		outlier_watch_read(watch);
	outlier_watch_look(watch, 0, 60000);
	assert_int_equal(outliers_count(found), others + 1);
	return found->count[reset ? OUTLIER_UNEXPLAINED : OUTLIER_MINOR_FAULT];
}

static void a_watch_sees_faults_but_not_those_of_resets(void **state)
{
	struct noise_throttle throttle = { .count = 0 };
	struct outliers found = { 0 };
	struct outlier_watch watch;
	struct clock_source clock;
	unsigned tries = 0;

	(void)state;
	clock_source_start(&clock, CLOCK_SOURCE_MONOTONIC);
	outlier_watch_warm_up(&watch, &clock, &throttle, &found);
	outlier_watch_settle(&watch, 1000000, 1);
	/* A busy machine may preempt us just then. */
	while (!touch(&watch, &found, false))
		assert_true(++tries < 1000);
	memset(&found, 0, sizeof(found));
	tries = 0;
	while (!touch(&watch, &found, true))
		assert_true(++tries < 1000);
	assert_int_equal(found.count[OUTLIER_MINOR_FAULT], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_rose_is_the_cause),
		cmocka_unit_test(what_is_ordinary_is_no_cause),
		cmocka_unit_test(causes_have_names),
		cmocka_unit_test(the_longest_are_kept),
		cmocka_unit_test(what_another_process_says_is_checked),
		cmocka_unit_test(a_watch_knows_what_is_long),
		cmocka_unit_test(a_watch_sees_faults_but_not_those_of_resets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
