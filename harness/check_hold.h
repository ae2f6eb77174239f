/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_hold.h - lanes that are held in the middle while others run.
 *
 * In a turn the first lane is stopped somewhere (check_stop.h), and the others run: until they are
 * through, or wait for what the first has locked; or for a moment, so that the rest of both is at
 * once; or until one of them is stopped as well, and waits for the end of the first. So two calls
 * overlap in every way that takes up to three switches between them, on any machine, however busy.
 *
 * check_hold_choose belongs to the thread that lets turns begin; then each lane calls
 * check_hold_run in its own.
 */
#pragma once

#include <stdatomic.h>

#include "harness/check_script.h"
#include "harness/check_stop.h"
#include "harness/check_wait.h"

struct check_hold;

struct check_hold_lane {
	struct check_hold *all;
	struct check_stop stop;
	uint32_t place; /* where it is stopped in this turn */
	int watch; /* of its thread: see check_wait.h */
};

struct check_hold {
	unsigned count; /* of lanes */
	struct check_bell *bell;
	unsigned every; /* how many turns are to be for one that is held; 0: none is */
	uint64_t follow_ns;
	uint64_t turns, phase; /* of choosing */
	/* This turn's. */
	unsigned first, second; /* lanes; CHECK_LANES: no second one */
	bool is_followed; /* the first, to lengthen its trace */
	uint64_t moment; /* counts: for so long at most; 0: as long as the others run */
	_Alignas(64) _Atomic unsigned let_go; /* 1: the others */
	_Atomic unsigned running; /* others that have been let go */
	_Atomic unsigned ended; /* and are through, or are stopped as well */
	_Atomic unsigned first_ended; /* 1: so it is */
	struct check_hold_lane lanes[CHECK_LANES];
};

/* The lanes' threads wait by that bell. Each lane is followed now and then, for so long, until
 * its trace is whole. */
void check_hold_init(struct check_hold *hold, unsigned count, struct check_bell *bell,
		     struct check_trace *traces, uint64_t follow_ns);
/* The calling thread is to run that lane; and will no more. */
void check_hold_enter(struct check_hold *hold, unsigned lane);
void check_hold_leave(struct check_hold *hold, unsigned lane);
/* Plans a turn. longest: counts that lanes mostly take. */
void check_hold_choose(struct check_hold *hold, uint64_t longest, uint64_t *random);
/* Runs a lane, which is call(context), within the plan. */
void check_hold_run(struct check_hold *hold, unsigned lane, void (*call)(void *context),
		    void *context);
