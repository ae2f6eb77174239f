/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outliers.h - operations that took over 50 us, and what happened to their thread meanwhile.
 *
 * The timed loop pays one comparison of a time that it has. What took longer than is usual is
 * looked at: the kernel's counts of the thread are read and compared with the last reading. A count
 * that rose is the cause; if none did, then nothing that the kernel counts for the thread has
 * happened, and it was the host, an interrupt or the operation itself.
 *
 * Readings are taken at each batch over OUTLIER_WATCH_NS, not only at outliers, and after long
 * resets of the workload, so that a rise is of this batch and not of a short one long ago. What
 * already happened to every hundredth batch of the warm-up is ordinary, and a cause of nothing.
 *
 * A watch is its thread's own. No locks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "harness/clock.h"
#include "harness/noise.h"

#define OUTLIER_NS 50000
#define OUTLIER_WATCH_NS 10000
/* Where operations are long themselves: as many times the fastest of the warm-up. */
#define OUTLIER_TIMES 4
#define OUTLIERS_LONGEST 8

/* In the order in which they are considered. */
enum outlier_cause {
	OUTLIER_THROTTLED, /* a cgroup's quota was used up */
	OUTLIER_MIGRATED, /* runs on another CPU now */
	OUTLIER_PREEMPTED, /* switched out against its will */
	OUTLIER_WAITED, /* switched out of its own will: a lock, a read */
	OUTLIER_MAJOR_FAULT, /* a page came from a disk */
	OUTLIER_MINOR_FAULT,
	OUTLIER_UNEXPLAINED, /* none of these: the host, an interrupt, the operation itself */
	OUTLIER_CAUSES,
};
/* "throttled" and so on, as in result files. */
const char *outlier_cause_name(enum outlier_cause cause);

/* The kernel's counts of the calling thread. */
struct outlier_state {
	uint64_t throttled_us; /* of its cgroups; read where a switch makes it possible */
	uint64_t preempted, waited, major_faults, minor_faults;
	int cpu;
};

/* What happened between two states. ordinary: bits (1u << cause) that are never the cause. */
enum outlier_cause outlier_cause_of(const struct outlier_state *before,
				    const struct outlier_state *after, unsigned ordinary);
/* Bits of what happened at least once in each hundred of so many batches. */
unsigned outlier_ordinary(const struct outlier_state *before, const struct outlier_state *after,
			  uint64_t batches);

struct outlier {
	uint64_t at_ns; /* since the window opened */
	uint64_t took_ns;
	unsigned cause;
	int cpu; /* where its thread was afterwards; -1: not known */
	unsigned repetition; /* of those of several repetitions */
};

struct outliers {
	uint64_t over_ns; /* from which on they were outliers */
	uint64_t count[OUTLIER_CAUSES], took_ns[OUTLIER_CAUSES]; /* of all */
	struct outlier longest[OUTLIERS_LONGEST]; /* longest first */
	unsigned longest_count;
};

void outliers_note(struct outliers *outliers, const struct outlier *outlier);
uint64_t outliers_count(const struct outliers *outliers);
/* Adds those of one repetition. */
void outliers_merge(struct outliers *to, const struct outliers *from, unsigned repetition);
/* Whether its indexes and lengths can be used as such: it may come from another process. */
bool outliers_sound(const struct outliers *outliers);

struct outlier_watch {
	uint64_t look; /* counts of the clock: batches that took more are to be looked at */
	uint64_t over; /* counts: and are outliers */
	uint64_t start; /* counts: the window's */
	unsigned ordinary;
	struct outlier_state last;
	const struct clock_source *clock;
	const struct noise_throttle *throttle;
	struct outliers *outliers;
};

/* Before the warm-up. What it points to outlives the watch. */
void outlier_watch_warm_up(struct outlier_watch *watch, const struct clock_source *clock,
			   const struct noise_throttle *throttle, struct outliers *outliers);
/* After it: so many batches were done; those of the window take typical_ns (may be infinite). */
void outlier_watch_settle(struct outlier_watch *watch, uint64_t batches, double typical_ns);
/* The window opens at `start`. */
void outlier_watch_begin(struct outlier_watch *watch, uint64_t start);
/* Reads anew: what happened before is not of the batches to come. */
void outlier_watch_read(struct outlier_watch *watch);
/* Looks at a batch that took more than watch->look. */
void outlier_watch_look(struct outlier_watch *watch, uint64_t begin, uint64_t took);
