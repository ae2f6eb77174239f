/* SPDX-License-Identifier: Apache-2.0 */
/*
 * noise.c - the spin sentinel, and what the kernel says about lost time.
 *
 * Every source is optional: containers hide /proc/pressure, cgroup v1 counts throttling in ns and
 * v2 in us. Throttling is summed over the groups from ours up to the root, for quotas may be set
 * at any of them. No locks.
 */
#include "harness/noise.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "harness/cgroup.h"
#include "harness/kernel_file.h"

/* /proc/stat steal is in ticks and rounded: one tick is noise of the counter itself. */
#define STEAL_TICKS_MIN 2

void noise_spin(const struct clock_source *source, unsigned ms, struct noise_spin *out)
{
	uint64_t gap_counts = clock_source_counts(source, NOISE_GAP_NS);
	uint64_t begin = clock_source_now(source), last = begin, now = begin;
	uint64_t end = begin + clock_source_counts(source, (uint64_t)ms * 1000000);
	uint64_t lost = 0, longest = 0;

	*out = (struct noise_spin){ 0 };
	while (now < end) {
		now = clock_source_now(source);
		if (now - last > gap_counts) {
			lost += now - last;
			if (now - last > longest)
				longest = now - last;
			out->gap_count++;
		}
		last = now;
	}
	out->spun_ns = clock_source_ns(source, now - begin);
	out->lost_ns = clock_source_ns(source, lost);
	out->gap_ns_max = clock_source_ns(source, longest);
	out->lost = out->spun_ns ? (double)out->lost_ns / (double)out->spun_ns : 0;
}

void noise_sample_thread(struct noise_sample *sample)
{
	struct rusage usage;

	*sample = (struct noise_sample){
		.at_ns = clock_source_monotonic_ns(),
		.thread_preempted = NOISE_MISSING,
		.thread_yielded = NOISE_MISSING,
		.thread_cpu = sched_getcpu(),
		.pressure_us = NOISE_MISSING,
		.throttled_count = NOISE_MISSING,
		.throttled_us = NOISE_MISSING,
		.steal_ticks = NOISE_MISSING,
	};
	if (getrusage(RUSAGE_THREAD, &usage) == 0) {
		sample->thread_preempted = (uint64_t)usage.ru_nivcsw;
		sample->thread_yielded = (uint64_t)usage.ru_nvcsw;
	}
}

static uint64_t read_pressure(const char *root)
{
	char text[256];
	const char *total;

	if (kernel_file_read(root, "/proc/pressure/cpu", text, sizeof(text)) ||
	    strncmp(text, "some ", 5))
		return NOISE_MISSING;
	total = strstr(text, "total=");
	return total ? strtoull(total + 6, NULL, 10) : NOISE_MISSING;
}

static uint64_t read_steal(const char *root)
{
	char text[512];
	unsigned long long steal;

	if (kernel_file_read(root, "/proc/stat", text, sizeof(text)) ||
	    sscanf(text, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &steal) != 1)
		return NOISE_MISSING;
	return steal;
}

/* Adds to a number that may still be missing. */
static void add(uint64_t *sum, uint64_t value)
{
	*sum = *sum == NOISE_MISSING ? value : *sum + value;
}

static void read_throttling(const char *root, const char *controller, struct noise_sample *sample)
{
	struct cgroup_path path;

	if (cgroup_find(root, controller, &path))
		return;
	do {
		char text[2048];
		uint64_t value;

		if (cgroup_read(root, &path, "cpu.stat", text, sizeof(text)))
			continue;
		if (!kernel_file_value(text, "nr_throttled", &value))
			add(&sample->throttled_count, value);
		if (!kernel_file_value(text, "throttled_usec", &value))
			add(&sample->throttled_us, value);
		if (!kernel_file_value(text, "throttled_time", &value))
			add(&sample->throttled_us, value / 1000);
	} while (cgroup_up(&path));
}

void noise_sample_take(struct noise_sample *sample, const char *root)
{
	noise_sample_thread(sample);
	sample->pressure_us = read_pressure(root);
	sample->steal_ticks = read_steal(root);
	read_throttling(root, NULL, sample);
	read_throttling(root, "cpu", sample);
}

static bool grew(uint64_t before, uint64_t after, uint64_t by)
{
	return before != NOISE_MISSING && after != NOISE_MISSING && after >= before + by;
}

unsigned noise_flags(const struct noise_sample *before, const struct noise_sample *after)
{
	unsigned flags = 0;

	if (grew(before->thread_preempted, after->thread_preempted, 1))
		flags |= NOISE_PREEMPTED;
	if (grew(before->throttled_count, after->throttled_count, 1) ||
	    grew(before->throttled_us, after->throttled_us, 1) ||
	    grew(before->steal_ticks, after->steal_ticks, STEAL_TICKS_MIN))
		flags |= NOISE_THROTTLED;
	if (before->thread_cpu >= 0 && after->thread_cpu >= 0 &&
	    before->thread_cpu != after->thread_cpu)
		flags |= NOISE_MIGRATED;
	return flags;
}

const char *noise_flag_name(unsigned flag)
{
	switch (flag) {
	case NOISE_PREEMPTED:
		return "preempted";
	case NOISE_THROTTLED:
		return "throttled";
	case NOISE_MIGRATED:
		return "migrated";
	default:
		return "";
	}
}
