/* SPDX-License-Identifier: Apache-2.0 */
/*
 * noise.h - what the machine did to a measurement: gaps, preemption, throttling, migration.
 *
 * A sample is taken before and after a window and compared. What cannot be read is marked as
 * missing and never counts as quiet. /proc/stat steal is known to read 0 on guests that lose
 * time, hence the spin sentinel: it does equal blocks of work, with a look at the clock after each.
 * What takes a block much longer is time lost; how long the fastest take is the CPU's speed.
 *
 * Flags are hints for readers of a result; they may make it inconclusive, never a pass.
 * No locks; a sample belongs to its caller. `thread` fields speak of the calling thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "harness/clock.h"

/* A block that takes as much longer than the fastest is a gap. */
#define NOISE_GAP_NS 2000u

struct noise_spin {
	uint64_t spun_ns; /* how long it spun; 0: it did not */
	uint64_t lost_ns; /* sum of the gaps */
	uint64_t gap_ns_max;
	uint64_t gap_count;
	double block_ns; /* the fastest; 0: no stretch without a gap was seen */
};

/*
 * Spins on the calling thread's CPU until `us` microseconds (1..100000) were not lost, but for no
 * longer than 20 times that. The work done is as good as fixed, so that lost_ns over spun_ns,
 * summed over many spins, is the part of the time that is lost.
 */
void noise_spin(const struct clock_source *source, unsigned us, struct noise_spin *out);

/* What surrounds a window, on the CPU of its thread. */
struct noise_around {
	struct noise_spin before, after;
	uint64_t khz_before, khz_after; /* noise_frequency_khz */
};
/* Lost over spun, of both spins. NAN if there were none. */
double noise_lost_part(const struct noise_around *around);
/* Speed after over speed before: 0.5 is a CPU that became half as fast. NAN if unknown. */
double noise_speed_ratio(const struct noise_around *around);

#define NOISE_MISSING UINT64_MAX /* could not be read */

struct noise_sample {
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	uint64_t thread_preempted; /* involuntary switches of the calling thread */
	uint64_t thread_yielded; /* voluntary ones */
	int thread_cpu; /* where it runs */
	uint64_t pressure_us; /* /proc/pressure/cpu, "some", total */
	uint64_t group_pressure_us; /* the same of our cgroup (v2) */
	uint64_t throttled_count; /* cgroup cpu.stat nr_throttled, v2 or v1 */
	uint64_t throttled_us;
	uint64_t steal_ticks; /* /proc/stat, all CPUs, USER_HZ */
};

/* What concerns the calling thread only; costs about a microsecond. */
void noise_sample_thread(struct noise_sample *sample);
/*
 * All of it. root: prefix of /proc and /sys, NULL or "" for this machine; for tests.
 */
void noise_sample_take(struct noise_sample *sample, const char *root);

/* What the system counted between two samples; NOISE_MISSING where one of them lacks it. */
struct noise_change {
	uint64_t elapsed_ns;
	uint64_t pressure_us, group_pressure_us;
	uint64_t throttled_us;
	uint64_t steal_ticks;
};
void noise_change(const struct noise_sample *before, const struct noise_sample *after,
		  struct noise_change *out);

/* What the kernel says of a CPU's frequency; NOISE_MISSING: nothing. root as above. */
uint64_t noise_frequency_khz(const char *root, unsigned cpu);

/*
 * The throttling of this process, for those who ask often: files stay open, and there are none
 * where no cgroup limits CPU time. Reading is safe from any thread.
 */
#define NOISE_LEVELS_MAX 16
struct noise_throttle {
	int fds[NOISE_LEVELS_MAX];
	unsigned count;
};
void noise_throttle_open(struct noise_throttle *throttle, const char *root);
void noise_throttle_close(struct noise_throttle *throttle);
/* Microseconds, summed over the groups; 0 where nothing limits. */
uint64_t noise_throttle_us(const struct noise_throttle *throttle);

enum noise_flag {
	NOISE_PREEMPTED = 1u << 0, /* the thread was switched out against its will */
	NOISE_THROTTLED = 1u << 1, /* its cgroup ran out of quota, or the hypervisor stole time */
	NOISE_MIGRATED = 1u << 2, /* it runs elsewhere now */
};

/* NOISE_ bits of what happened between two samples of one thread; missing values set none. */
unsigned noise_flags(const struct noise_sample *before, const struct noise_sample *after);
/* The name in result files: "preempted", "throttled", "migrated"; "" for anything else. */
const char *noise_flag_name(unsigned flag);
