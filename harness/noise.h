/* SPDX-License-Identifier: Apache-2.0 */
/*
 * noise.h - what the machine did to a measurement: gaps, preemption, throttling, migration.
 *
 * A sample is taken before and after a window and compared. What cannot be read is marked as
 * missing and never counts as quiet. /proc/stat steal is known to read 0 on guests that lose
 * time, hence the spin sentinel: it looks at the clock without pause and counts the gaps.
 *
 * Flags are hints for readers of a result; they may make it inconclusive, never a pass.
 * No locks; a sample belongs to its caller. `thread` fields speak of the calling thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "harness/clock.h"

/* Two looks at the clock further apart than this are a gap. */
#define NOISE_GAP_NS 1000u

struct noise_spin {
	uint64_t spun_ns; /* how long it spun */
	uint64_t lost_ns; /* sum of the gaps */
	uint64_t gap_ns_max;
	uint64_t gap_count;
	double lost; /* lost_ns / spun_ns */
};

/* Spins for ms milliseconds (1..1000) on the calling thread's CPU. */
void noise_spin(const struct clock_source *source, unsigned ms, struct noise_spin *out);

#define NOISE_MISSING UINT64_MAX /* could not be read */

struct noise_sample {
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	uint64_t thread_preempted; /* involuntary switches of the calling thread */
	uint64_t thread_yielded; /* voluntary ones */
	int thread_cpu; /* where it runs */
	uint64_t pressure_us; /* /proc/pressure/cpu, "some", total */
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

enum noise_flag {
	NOISE_PREEMPTED = 1u << 0, /* the thread was switched out against its will */
	NOISE_THROTTLED = 1u << 1, /* its cgroup ran out of quota, or the hypervisor stole time */
	NOISE_MIGRATED = 1u << 2, /* it runs elsewhere now */
};

/* NOISE_ bits of what happened between two samples of one thread; missing values set none. */
unsigned noise_flags(const struct noise_sample *before, const struct noise_sample *after);
/* The name in result files: "preempted", "throttled", "migrated"; "" for anything else. */
const char *noise_flag_name(unsigned flag);
