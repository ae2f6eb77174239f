/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_hold.c - who is held where, and who waits for whom.
 *
 * A lane that is held may have locked what the others need, and a second one what the first
 * needs. So a hold ends when all others are seen asleep, as those of a translator are that wait
 * for a lock, or for RCU; and in any case after HOLD_MAX, which is for those that spin. The lanes
 * then go on, and the race is another one: none is waited for that cannot end. Waiting for a CPU
 * ends no hold, unless it takes as long as that: on a busy machine the same overlaps are tried as
 * on a quiet one. The other waits are for a lane to begin or to end its calls, which only
 * a translator that hangs prevents; then the parent's time box ends the process.
 */
#include "harness/check_hold.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#include "harness/check_play.h"

#define HOLD_MAX (1 << 23) /* counts: some milliseconds; who can be seen to sleep ends it earlier */
#define ASLEEP_TIMES 2 /* looks, one after another: a short sleep is none */
#define EVERY 3
#define SELDOM 16 /* if one costs milliseconds */
#define FOLLOW_EVERY 8 /* visits of a lane */
#define BY_TURNS 4 /* of so many stops all but one are at turns of the trace */
#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

static struct check_hold_lane *lane_of(struct check_stop *stop)
{
	return (struct check_hold_lane *)((char *)stop - offsetof(struct check_hold_lane, stop));
}

/* Counts up for who waits for it. */
static void count_up(struct check_hold *all, _Atomic unsigned *what)
{
	atomic_fetch_add(what, 1);
	check_bell_ring(all->bell);
}

static void wait_for(struct check_hold *all, _Atomic unsigned *what, unsigned wanted)
{
	struct check_wait wait = { .bell = all->bell };

	while (atomic_load(what) < wanted)
		check_wait(&wait);
}

static bool others_sleep(const struct check_hold *all, const struct check_hold_lane *me)
{
	for (unsigned i = 0; i < all->count; i++)
		if (&all->lanes[i] != me && !check_wait_sleeps(all->lanes[i].watch))
			return false;
	return true;
}

/* Holds a lane until that many others are where they should come to; or none of them can go on,
 * since what they wait for is locked here; or they do something else for too long. */
static void hold(struct check_hold_lane *me, _Atomic unsigned *what, unsigned wanted)
{
	struct check_hold *all = me->all;
	struct check_wait wait = { .bell = all->bell };
	uint64_t begin = __rdtsc();
	unsigned asleep = 0;

	while (atomic_load(what) < wanted && asleep < ASLEEP_TIMES && __rdtsc() - begin < HOLD_MAX)
		if (check_wait(&wait))
			asleep = others_sleep(all, me) ? asleep + 1 : 0;
}

/* In the middle of the first lane. */
static void hold_first(struct check_stop *stop)
{
	struct check_hold_lane *me = lane_of(stop);
	struct check_hold *all = me->all;
	uint64_t begin;

	count_up(all, &all->let_go);
	wait_for(all, &all->running, all->count - 1);
	if (!all->moment) {
		hold(me, &all->ended, all->count - 1);
		return;
	}
	begin = __rdtsc();
	while (atomic_load_explicit(&all->ended, memory_order_relaxed) < all->count - 1 &&
	       __rdtsc() - begin < all->moment)
		;
}

/* In the middle of the second. */
static void hold_second(struct check_stop *stop)
{
	struct check_hold_lane *me = lane_of(stop);

	count_up(me->all, &me->all->ended);
	hold(me, &me->all->first_ended, 1);
}

void check_hold_init(struct check_hold *hold, unsigned count, struct check_bell *bell,
		     struct check_trace *traces, uint64_t follow_ns)
{
	memset(hold, 0, sizeof(*hold));
	hold->bell = bell;
	hold->count = count;
	hold->every = !traces ? 0 : check_stop_is_cheap() ? EVERY : SELDOM;
	hold->follow_ns = follow_ns;
	for (unsigned i = 0; i < count; i++) {
		hold->lanes[i].all = hold;
		hold->lanes[i].stop.trace = traces ? &traces[i] : NULL;
	}
}

void check_hold_enter(struct check_hold *hold, unsigned lane)
{
	hold->lanes[lane].watch = check_wait_watch();
}

void check_hold_leave(struct check_hold *hold, unsigned lane)
{
	if (hold->lanes[lane].watch >= 0)
		close(hold->lanes[lane].watch);
}

/* A place of a lane that is to be stopped: in an order that soon comes to all of them, or at
 * random. */
static void choose_place(struct check_hold_lane *lane, uint64_t number, uint64_t phase)
{
	const struct check_trace *trace = lane->stop.trace;
	uint64_t part = (phase + number * GOLDEN) >> 32;

	if (number % BY_TURNS && trace->turn_count)
		lane->place = trace->turns[part * trace->turn_count >> 32];
	else
		lane->place = (uint32_t)(part * trace->place_count >> 32);
}

void check_hold_choose(struct check_hold *hold, uint64_t longest, uint64_t *random)
{
	uint64_t visit = hold->turns / hold->count, way = check_random(random);
	struct check_hold_lane *first, *second;

	if (!hold->turns)
		hold->phase = check_random(random);
	hold->first = (unsigned)(hold->turns++ % hold->count);
	hold->second = CHECK_LANES;
	first = &hold->lanes[hold->first];
	hold->is_followed = !first->stop.trace->is_whole && visit % FOLLOW_EVERY == 0;
	first->stop.reached = hold_first;
	choose_place(first, visit, hold->phase);
	hold->moment = way % 8 ? 0 : 1 + check_random(random) % (longest + 50);
	if (way % 8 > 2) {
		hold->second = (hold->first + 1 + way / 8 % (hold->count - 1)) % hold->count;
		second = &hold->lanes[hold->second];
		second->stop.reached = hold_second;
		choose_place(second, check_random(random), 0);
	}
	atomic_store(&hold->let_go, 0);
	atomic_store(&hold->running, 0);
	atomic_store(&hold->ended, 0);
	atomic_store(&hold->first_ended, 0);
}

static void run_first(struct check_hold *hold, void (*call)(void *context), void *context)
{
	struct check_hold_lane *me = &hold->lanes[hold->first];

	if (hold->is_followed)
		check_stop_follow(&me->stop, hold->follow_ns);
	else
		check_stop_begin(&me->stop, me->place);
	call(context);
	check_stop_end(&me->stop);
	count_up(hold, &hold->first_ended);
	/* If the place was not come to. */
	count_up(hold, &hold->let_go);
}

void check_hold_run(struct check_hold *hold, unsigned lane, void (*call)(void *context),
		    void *context)
{
	struct check_stop *stop = &hold->lanes[lane].stop;

	if (lane == hold->first) {
		run_first(hold, call, context);
		return;
	}
	wait_for(hold, &hold->let_go, 1);
	if (lane == hold->second)
		check_stop_begin(stop, hold->lanes[lane].place);
	count_up(hold, &hold->running);
	call(context);
	if (lane == hold->second)
		check_stop_end(stop);
	if (lane != hold->second || !stop->was_reached)
		count_up(hold, &hold->ended);
}
