/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_lanes.h - threads that run the lanes of a block at once, again and again, with starts that
 * are shifted against each other by a few instructions up to the length of a lane.
 *
 * The calling thread is lane 1. All functions belong to it.
 */
#pragma once

#include "harness/check_hold.h"
#include "harness/check_subject.h"

#define CHECK_LANE_OPS 4 /* at most, in one lane of a block */

struct check_lane {
	const struct check_op *ops[CHECK_LANE_OPS];
	struct check_answer answers[CHECK_LANE_OPS];
	unsigned count;
};

struct check_lanes;

/* Starts the threads of `count` lanes and lets them enter the engine. NULL with a message: a
 * thread could not enter. The lanes are followed, each for so long at most, if their traces are not
 * whole from an earlier time in this process. No traces: they are not held. */
struct check_lanes *check_lanes_create(struct check_subject *subject, unsigned count,
				       struct check_trace *traces, uint64_t follow_ns,
				       char *message, size_t size);
void check_lanes_destroy(struct check_lanes *lanes);
/* Runs each lane (of as many as were created; empty ones too) once, and waits for all. */
void check_lanes_run(struct check_lanes *lanes, struct check_lane *lane, uint64_t *random);
