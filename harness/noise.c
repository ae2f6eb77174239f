/* SPDX-License-Identifier: Apache-2.0 */
/*
 * noise.c - the spin sentinel, and what the kernel says about lost time.
 *
 * Every source is optional: containers hide /proc/pressure, cgroup v1 counts throttling in ns and
 * v2 in us. Throttling is summed over the groups from ours up to the root, for quotas may be set
 * at any of them. No locks.
 *
 * A block of the sentinel is a chain of multiplications: each needs the one before, so that its
 * length in cycles is the same on every run, and its time is the core's clock's. The clock that
 * measures advances in coarser steps than a block varies by: speed is taken from stretches of
 * blocks, and of those the fastest, since interrupts only ever add.
 */
#include "harness/noise.h"

#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness/cgroup.h"
#include "harness/kernel_file.h"
#include "harness/limits.h"

/* /proc/stat steal is in ticks and rounded: one tick is noise of the counter itself. */
#define STEAL_TICKS_MIN 2

/* Multiplications of a block, and blocks of a stretch: about 0.2 and 10 us. */
#define BLOCK 256
#define STRETCH 48
#define SPIN_TIMES_MAX 20

static void block(void)
{
	uint64_t value = 3;

	for (int i = 0; i < BLOCK; i += 8)
		__asm__ volatile("imul %0, %0\n\timul %0, %0\n\timul %0, %0\n\timul %0, %0\n\t"
				 "imul %0, %0\n\timul %0, %0\n\timul %0, %0\n\timul %0, %0"
				 : "+r"(value));
}

void noise_spin(const struct clock_source *source, unsigned us, struct noise_spin *out)
{
	uint64_t useful = clock_source_counts(source, (uint64_t)us * 1000);
	uint64_t gap_counts = clock_source_counts(source, NOISE_GAP_NS);
	uint64_t begin = clock_source_now(source), last = begin, now = begin, stretch = begin;
	uint64_t least = UINT64_MAX, stretch_least = UINT64_MAX;
	uint64_t lost = 0, longest = 0, blocks = 0;

	*out = (struct noise_spin){ 0 };
	while (now - begin - lost < useful && now - begin < SPIN_TIMES_MAX * useful) {
		uint64_t took;

		block();
		now = clock_source_now(source);
		took = now - last;
		last = now;
		least = took < least ? took : least;
		if (took - least > gap_counts) {
			lost += took - least;
			longest = took - least > longest ? took - least : longest;
			out->gap_count++;
			blocks = 0;
			stretch = now;
		} else if (++blocks == STRETCH) {
			stretch_least = now - stretch < stretch_least ? now - stretch
								      : stretch_least;
			blocks = 0;
			stretch = now;
		}
	}
	out->spun_ns = clock_source_ns(source, now - begin);
	out->lost_ns = clock_source_ns(source, lost);
	out->gap_ns_max = clock_source_ns(source, longest);
	if (stretch_least != UINT64_MAX)
		out->block_ns = (double)clock_source_ns(source, stretch_least) / STRETCH;
}

double noise_lost_part(const struct noise_around *around)
{
	uint64_t spun = around->before.spun_ns + around->after.spun_ns;

	return spun ? (double)(around->before.lost_ns + around->after.lost_ns) / (double)spun : NAN;
}

double noise_speed_ratio(const struct noise_around *around)
{
	if (around->before.block_ns <= 0 || around->after.block_ns <= 0)
		return NAN;
	return around->before.block_ns / around->after.block_ns;
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
		.group_pressure_us = NOISE_MISSING,
		.throttled_count = NOISE_MISSING,
		.throttled_us = NOISE_MISSING,
		.steal_ticks = NOISE_MISSING,
	};
	if (getrusage(RUSAGE_THREAD, &usage) == 0) {
		sample->thread_preempted = (uint64_t)usage.ru_nivcsw;
		sample->thread_yielded = (uint64_t)usage.ru_nvcsw;
	}
}

/* The total of line "some" of a file of pressures. */
static uint64_t pressure_of(const char *text)
{
	const char *total = strncmp(text, "some ", 5) ? NULL : strstr(text, "total=");

	return total ? strtoull(total + 6, NULL, 10) : NOISE_MISSING;
}

static uint64_t read_pressure(const char *root)
{
	char text[256];

	return kernel_file_read(root, "/proc/pressure/cpu", text, sizeof(text)) ? NOISE_MISSING
										: pressure_of(text);
}

static uint64_t read_group_pressure(const char *root)
{
	struct cgroup_path path;
	char text[256];

	if (cgroup_find(root, NULL, &path) ||
	    cgroup_read(root, &path, "cpu.pressure", text, sizeof(text)))
		return NOISE_MISSING;
	return pressure_of(text);
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

/* Microseconds of throttling in a cpu.stat, v2 or v1; false: it has none. */
static bool throttled_us(const char *text, uint64_t *us)
{
	uint64_t value;

	if (!kernel_file_value(text, "throttled_usec", us))
		return true;
	if (kernel_file_value(text, "throttled_time", &value))
		return false;
	*us = value / 1000;
	return true;
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
		if (throttled_us(text, &value))
			add(&sample->throttled_us, value);
	} while (cgroup_up(&path));
}

void noise_sample_take(struct noise_sample *sample, const char *root)
{
	noise_sample_thread(sample);
	sample->pressure_us = read_pressure(root);
	sample->group_pressure_us = read_group_pressure(root);
	sample->steal_ticks = read_steal(root);
	read_throttling(root, NULL, sample);
	read_throttling(root, "cpu", sample);
}

static uint64_t difference(uint64_t before, uint64_t after)
{
	return before == NOISE_MISSING || after == NOISE_MISSING || after < before ? NOISE_MISSING
										   : after - before;
}

void noise_change(const struct noise_sample *before, const struct noise_sample *after,
		  struct noise_change *out)
{
	*out = (struct noise_change){
		.elapsed_ns = after->at_ns - before->at_ns,
		.pressure_us = difference(before->pressure_us, after->pressure_us),
		.group_pressure_us =
			difference(before->group_pressure_us, after->group_pressure_us),
		.throttled_us = difference(before->throttled_us, after->throttled_us),
		.steal_ticks = difference(before->steal_ticks, after->steal_ticks),
	};
}

uint64_t noise_frequency_khz(const char *root, unsigned cpu)
{
	char path[96], text[32], *end;
	uint64_t khz;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_cur_freq", cpu);
	if (kernel_file_read(root, path, text, sizeof(text)))
		return NOISE_MISSING;
	khz = strtoull(text, &end, 10);
	return end == text || !khz ? NOISE_MISSING : khz;
}

static void open_throttling(struct noise_throttle *t, const char *root, const char *controller)
{
	struct cgroup_path path;

	if (cgroup_find(root, controller, &path))
		return;
	do {
		char file[CGROUP_PATH_SIZE + 128];
		int fd;

		snprintf(file, sizeof(file), "%s%s/cpu.stat", root ? root : "", path.dir);
		fd = open(file, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			t->fds[t->count++] = fd;
	} while (t->count < NOISE_LEVELS_MAX && cgroup_up(&path));
}

void noise_throttle_open(struct noise_throttle *throttle, const char *root)
{
	struct limits limits;

	*throttle = (struct noise_throttle){ 0 };
	limits_read(&limits, root);
	if (limits.cpu_quota <= 0)
		return;
	open_throttling(throttle, root, NULL);
	if (throttle->count < NOISE_LEVELS_MAX)
		open_throttling(throttle, root, "cpu");
}

void noise_throttle_close(struct noise_throttle *throttle)
{
	for (unsigned i = 0; i < throttle->count; i++)
		close(throttle->fds[i]);
	throttle->count = 0;
}

uint64_t noise_throttle_us(const struct noise_throttle *throttle)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < throttle->count; i++) {
		char text[2048];
		ssize_t length = pread(throttle->fds[i], text, sizeof(text) - 1, 0);
		uint64_t us;

		text[length < 0 ? 0 : length] = '\0';
		if (throttled_us(text, &us))
			sum += us;
	}
	return sum;
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
