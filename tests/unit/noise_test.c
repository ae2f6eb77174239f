/* SPDX-License-Identifier: Apache-2.0 */
/*
 * noise_test.c - flags from samples, samples from imagined kernel files, the spin sentinel.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/noise.h"

static char root[64];

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/noise_test.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file below the root, with the folders that it needs. */
static void put(const char *path, const char *text)
{
	char name[512];
	FILE *file;

	snprintf(name, sizeof(name), "%s%s", root, path);
	for (char *slash = strchr(name + strlen(root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(name, 0777);
		*slash = '/';
	}
	file = fopen(name, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void samples_read_the_kernels_files(void **state)
{
	struct noise_sample sample;

	(void)state;
	put("/proc/pressure/cpu", "some avg10=0.00 avg60=0.05 avg300=0.59 total=14047831\n"
				  "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");
	put("/proc/stat", "cpu  1 2 3 4 5 6 7 88 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n");
	put("/proc/self/cgroup", "0::/a/b\n");
	put("/proc/self/mountinfo", "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	put("/sys/fs/cgroup/a/b/cpu.stat", "usage_usec 9\nnr_throttled 3\nthrottled_usec 500\n");
	put("/sys/fs/cgroup/a/cpu.stat", "usage_usec 9\nnr_throttled 1\nthrottled_usec 40\n");
	put("/sys/fs/cgroup/a/b/cpu.pressure", "some avg10=0.00 avg60=0.05 avg300=0.59 total=77\n");
	noise_sample_take(&sample, root);
	assert_int_equal(sample.group_pressure_us, 77);
	assert_int_equal(sample.pressure_us, 14047831);
	assert_int_equal(sample.steal_ticks, 88);
	assert_int_equal(sample.throttled_count, 4);
	assert_int_equal(sample.throttled_us, 540);
	assert_true(sample.thread_preempted != NOISE_MISSING);
	assert_true(sample.at_ns > 0);
}

static void samples_understand_cgroup_v1(void **state)
{
	struct noise_sample sample;

	(void)state;
	put("/proc/self/cgroup", "2:cpu,cpuacct:/a\n");
	put("/proc/self/mountinfo", "30 22 0:26 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
	put("/cg/cpu/a/cpu.stat", "nr_periods 0\nnr_throttled 2\nthrottled_time 70000\n");
	noise_sample_take(&sample, root);
	assert_int_equal(sample.throttled_count, 2);
	assert_int_equal(sample.throttled_us, 70);
}

static void what_is_not_there_is_missing(void **state)
{
	struct noise_sample sample;

	(void)state;
	put("/proc/pressure/cpu", "what is this\n");
	put("/proc/stat", "cpu  1 2 3\n");
	noise_sample_take(&sample, root);
	assert_true(sample.pressure_us == NOISE_MISSING);
	assert_true(sample.group_pressure_us == NOISE_MISSING);
	assert_true(sample.steal_ticks == NOISE_MISSING);
	assert_true(sample.throttled_count == NOISE_MISSING);
	assert_true(sample.throttled_us == NOISE_MISSING);
	assert_int_equal(noise_flags(&sample, &sample), 0);
}

static void flags_tell_what_grew(void **state)
{
	const struct noise_sample quiet = { .thread_cpu = 1, .steal_ticks = 5 };
	struct noise_sample after = quiet;

	(void)state;
	assert_int_equal(noise_flags(&quiet, &after), 0);
	after.thread_preempted++;
	assert_int_equal(noise_flags(&quiet, &after), NOISE_PREEMPTED);
	after = quiet;
	after.throttled_count++;
	assert_int_equal(noise_flags(&quiet, &after), NOISE_THROTTLED);
	after = quiet;
	after.throttled_us += 10;
	assert_int_equal(noise_flags(&quiet, &after), NOISE_THROTTLED);
	after = quiet;
	after.steal_ticks += 1;
	assert_int_equal(noise_flags(&quiet, &after), 0);
	after.steal_ticks += 4;
	assert_int_equal(noise_flags(&quiet, &after), NOISE_THROTTLED);
	after.thread_cpu = 0;
	after.thread_preempted++;
	after.thread_yielded++;
	assert_int_equal(noise_flags(&quiet, &after),
			 NOISE_PREEMPTED | NOISE_THROTTLED | NOISE_MIGRATED);
	after = quiet;
	after.throttled_count = after.throttled_us = after.steal_ticks = NOISE_MISSING;
	after.thread_preempted = NOISE_MISSING;
	after.thread_cpu = -1;
	assert_int_equal(noise_flags(&quiet, &after), 0);
	assert_int_equal(noise_flags(&after, &quiet), 0);
}

static void changes_are_differences_or_missing(void **state)
{
	const struct noise_sample before = { .at_ns = 100,
					     .pressure_us = 10,
					     .group_pressure_us = 7,
					     .throttled_us = NOISE_MISSING,
					     .steal_ticks = 4 };
	const struct noise_sample after = { .at_ns = 1100,
					    .pressure_us = 25,
					    .group_pressure_us = NOISE_MISSING,
					    .throttled_us = 3,
					    .steal_ticks = 4 };
	struct noise_change change;

	(void)state;
	noise_change(&before, &after, &change);
	assert_int_equal(change.elapsed_ns, 1000);
	assert_int_equal(change.pressure_us, 15);
	assert_true(change.group_pressure_us == NOISE_MISSING);
	assert_true(change.throttled_us == NOISE_MISSING);
	assert_int_equal(change.steal_ticks, 0);
}

static void a_frequency_is_read_or_missing(void **state)
{
	(void)state;
	put("/sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq", "2450000\n");
	put("/sys/devices/system/cpu/cpu4/cpufreq/scaling_cur_freq", "<unknown>\n");
	assert_int_equal(noise_frequency_khz(root, 3), 2450000);
	assert_true(noise_frequency_khz(root, 4) == NOISE_MISSING);
	assert_true(noise_frequency_khz(root, 5) == NOISE_MISSING);
}

static void throttling_is_asked_where_there_is_a_quota(void **state)
{
	struct noise_throttle throttle;

	(void)state;
	put("/proc/self/cgroup", "0::/a/b\n");
	put("/proc/self/mountinfo", "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	put("/sys/fs/cgroup/a/b/cpu.stat", "usage_usec 9\nnr_throttled 3\nthrottled_usec 500\n");
	put("/sys/fs/cgroup/a/cpu.stat", "usage_usec 9\nnr_throttled 1\nthrottled_usec 40\n");
	noise_throttle_open(&throttle, root);
	assert_int_equal(throttle.count, 0);
	assert_int_equal(noise_throttle_us(&throttle), 0);
	put("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
	noise_throttle_open(&throttle, root);
	assert_int_equal(throttle.count, 2);
	assert_int_equal(noise_throttle_us(&throttle), 540);
	put("/sys/fs/cgroup/a/cpu.stat", "usage_usec 9\nnr_throttled 2\nthrottled_usec 90\n");
	assert_int_equal(noise_throttle_us(&throttle), 590);
	noise_throttle_close(&throttle);
	assert_int_equal(throttle.count, 0);
}

static void flags_have_the_names_of_the_format(void **state)
{
	(void)state;
	assert_string_equal(noise_flag_name(NOISE_PREEMPTED), "preempted");
	assert_string_equal(noise_flag_name(NOISE_THROTTLED), "throttled");
	assert_string_equal(noise_flag_name(NOISE_MIGRATED), "migrated");
	assert_string_equal(noise_flag_name(NOISE_PREEMPTED | NOISE_MIGRATED), "");
}

static void a_thread_that_moves_is_seen(void **state)
{
	struct noise_sample sample;
	cpu_set_t before;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		cpu_set_t one;

		if (!CPU_ISSET(cpu, &before))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		noise_sample_thread(&sample);
		assert_int_equal(sample.thread_cpu, cpu);
		assert_true(sample.pressure_us == NOISE_MISSING);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void spinning_adds_up(void **state)
{
	struct clock_source source;
	struct noise_spin spin;

	(void)state;
	clock_source_start(&source, CLOCK_SOURCE_MONOTONIC);
	noise_spin(&source, 5000, &spin);
	assert_true(spin.lost_ns <= spin.spun_ns);
	/* Either as much was not lost as was asked for, or it gave up. */
	assert_true(spin.spun_ns - spin.lost_ns >= 4999999 || spin.spun_ns >= 99999999);
	assert_true(spin.gap_ns_max <= spin.lost_ns);
	assert_true(spin.lost_ns >= spin.gap_count * (NOISE_GAP_NS - 1));
	assert_int_equal(spin.gap_count == 0, spin.lost_ns == 0);
	assert_true(spin.block_ns >= 0 && spin.block_ns < (double)spin.spun_ns);
}

static void both_spins_count(void **state)
{
	struct noise_around around = {
		.before = { .spun_ns = 1000, .lost_ns = 0, .block_ns = 200 },
		.after = { .spun_ns = 3000, .lost_ns = 1000, .block_ns = 250 }
	};

	(void)state;
	assert_true(noise_lost_part(&around) == 0.25);
	assert_true(noise_speed_ratio(&around) == 0.8);
	around.after.block_ns = 0;
	assert_true(isnan(noise_speed_ratio(&around)));
	around = (struct noise_around){ 0 };
	assert_true(isnan(noise_lost_part(&around)));
	assert_true(isnan(noise_speed_ratio(&around)));
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ROOT(samples_read_the_kernels_files),
		IN_ROOT(samples_understand_cgroup_v1),
		IN_ROOT(what_is_not_there_is_missing),
		IN_ROOT(a_frequency_is_read_or_missing),
		IN_ROOT(throttling_is_asked_where_there_is_a_quota),
		cmocka_unit_test(changes_are_differences_or_missing),
		cmocka_unit_test(flags_tell_what_grew),
		cmocka_unit_test(flags_have_the_names_of_the_format),
		cmocka_unit_test(a_thread_that_moves_is_seen),
		cmocka_unit_test(spinning_adds_up),
		cmocka_unit_test(both_spins_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
