/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intervals.h - a window of time cut into intervals of equal length, each with a histogram: what
 * latency did while it was measured.
 *
 * A worker records into the interval that an operation began in; the histogram of the whole window
 * is their sum, so that nothing is recorded twice. All memory is there, and touched, before the
 * window opens. They belong to one thread while it records, as a histogram does.
 */
#pragma once

#include "harness/histogram.h"

/* Of one repetition, of one worker: enough to see a stall, few enough to stay small. */
#define INTERVALS_MAX 20
#define INTERVALS_NS_MIN UINT64_C(20000000)

struct intervals {
	unsigned count; /* 0: none */
	unsigned at; /* the present one */
	uint64_t end; /* of the present one, in counts of the clock; UINT64_MAX: it is the last */
	uint64_t step; /* counts */
	struct histogram **histograms; /* count of them */
};

/* How many a window of that length has if `repeat` of them are kept, of `threads` workers each;
 * 0: too many to keep any. */
unsigned intervals_for(uint64_t duration_ns, uint64_t repeat, unsigned threads);

/* Allocates. 0 or -ENOMEM; release in both cases. */
MM_MUST_CHECK int intervals_init(struct intervals *i, unsigned count);
void intervals_release(struct intervals *i);

/* Empties all. */
void intervals_reset(struct intervals *i, double unit_ns);
/* The first begins at `start`, the last has no end. step >= 1, both in counts. */
void intervals_begin(struct intervals *i, uint64_t start, uint64_t step);

/* Goes on to the interval that `now` lies in. */
void intervals_advance(struct intervals *i, uint64_t now);

/* Where to record what began at `now`, which never goes back. */
static inline struct histogram *intervals_now(struct intervals *i, uint64_t now)
{
	if (__builtin_expect(now >= i->end, 0))
		intervals_advance(i, now);
	return i->histograms[i->at];
}

/* Adds each to its counterpart: equal counts. */
void intervals_merge(struct intervals *to, const struct intervals *from);
/* Adds all of them to h. */
void intervals_sum(const struct intervals *i, struct histogram *h);
