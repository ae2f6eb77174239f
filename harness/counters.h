/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counters.h - what the processor and the kernel count of a thread, around a window.
 *
 * Cycles, instructions, cache, branch and dTLB misses come from the PMU by perf_event_open. Each
 * event is opened by itself: a PMU with fewer counters than events gives them turns, and a count
 * is scaled by the part of the time in which it had one. The generic events of the kernel are
 * enough for that; a library that knows the events of each processor would add nothing. Faults and
 * switches come from getrusage, which every thread may ask, migrations from perf again.
 *
 * An event that cannot be had keeps its reason. Where the kernel's side may not be counted, the
 * user's side alone is, and that is said. A set belongs to the thread that opened it. No locks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

/* Those of perf first. */
enum counter {
	COUNTER_CYCLES,
	COUNTER_INSTRUCTIONS,
	COUNTER_CACHE_MISSES,
	COUNTER_BRANCH_MISSES,
	COUNTER_DTLB_MISSES,
	COUNTER_MIGRATIONS,
	COUNTERS_PERF,
	COUNTER_MINOR_FAULTS = COUNTERS_PERF,
	COUNTER_MAJOR_FAULTS,
	COUNTER_WAITS, /* voluntary switches */
	COUNTERS,
};
/* "cycles" and so on, as in result files. */
const char *counter_name(enum counter counter);

struct counters {
	int fds[COUNTERS_PERF]; /* -1: errors says why */
	int errors[COUNTERS_PERF]; /* errno */
	bool user_only; /* some are without the kernel's side */
};

/* As perf gives it: value, and ns for which the event was enabled and had a counter. */
struct counter_reading {
	uint64_t value, enabled, running;
};

struct counter_readings {
	struct counter_reading of[COUNTERS];
	int errors[COUNTERS]; /* errno of those that could not be read, else 0 */
};

/* What happened between two readings. */
struct counter_counts {
	double count[COUNTERS]; /* where errors is 0 */
	int errors[COUNTERS];
	bool user_only;
};

/* Opens and starts all that can be, for the calling thread. Never fails as a whole. */
void counters_open(struct counters *counters);
void counters_close(struct counters *counters);
void counters_read(const struct counters *counters, struct counter_readings *out);

/* The count between two readings, scaled; -ENODATA: it had no counter of the PMU meanwhile. */
MM_MUST_CHECK int counter_between(const struct counter_reading *before,
				  const struct counter_reading *after, double *count);
void counters_between(const struct counters *counters, const struct counter_readings *before,
		      const struct counter_readings *after, struct counter_counts *out);

/* Adds: counts are summed, an error stays. To begin with, `to` is all zero. */
void counters_add(struct counter_counts *to, const struct counter_counts *from);

/* Whether figures can be made of it: it may come from another process. */
bool counters_sound(const struct counter_counts *counts);

/* Whether this machine lets its hardware be counted; if not, why. */
bool counters_hardware(char *why, size_t size);
/* A sentence for an errno of counter_counts. */
const char *counter_reason(int error);
