/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_play.h - plays a script on a translator and on the model, and says where they part.
 *
 * Operations of lane 0 are compared one by one. A block of lanes runs at once, and must come out
 * as in one of its orders: all of them are worked out on the model beforehand. Each round of a
 * script with lanes shifts their starts against each other, by up to the length of a lane.
 */
#pragma once

#include "harness/check_lanes.h"

/* How far a play has come, for another process that looks at any time. */
struct check_progress {
	volatile uint32_t where; /* the operation that runs */
	volatile uint64_t steps; /* changes: it goes on */
};

struct check_play {
	const struct translator *t;
	const struct translator_option *options; /* of the user; NULL: none */
	uint64_t seed; /* of the shifts */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC: no round begins after it */
	/* Of its lanes, kept for the next play, zero at first; NULL: no lane is held. */
	struct check_trace *traces;
	struct check_progress *progress; /* may be NULL */
	uint32_t rounds; /* out: that were played */
	char message[CHECK_MESSAGE]; /* out: what went wrong */
};

enum check_played {
	CHECK_PLAYED, /* as it ought to */
	CHECK_PARTED, /* not: see message */
	CHECK_NOT_PLAYED /* this machine lacks what the geometry asks for: see message */
};

/* After CHECK_PARTED the engine and the threads are left as they are: a translator that has gone
 * wrong is not to be called again. The process is to end. */
enum check_played check_play(struct check_play *play, const struct check_script *script)
	__attribute__((warn_unused_result));

uint64_t check_now_ns(void); /* CLOCK_MONOTONIC */

/* A small generator of our own: the same numbers on every machine. */
static inline uint64_t check_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}
