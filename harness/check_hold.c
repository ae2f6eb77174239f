/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_hold.c - who is held where, and who waits for whom.
 *
 * A lane that is held may have locked what the others need, and a second one what the first needs:
 * every wait ends after HOLD_MAX, and the race is then another one. Where the
 * moment counts, waiting is by spinning alone.
 */
#include "harness/check_hold.h"

#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "harness/check_play.h"

#define HOLD_MAX (1 << 20) /* counts: some hundred microseconds */
#define EVERY 3
#define SELDOM 16 /* if one costs milliseconds */
#define FOLLOW_EVERY 8 /* visits of a lane */
#define BY_TURNS 4 /* of so many stops all but one are at turns of the trace */
#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)
#define SPINS_MAX 500
#define YIELD_MAX (1 << 21) /* counts: about a millisecond */
#define NAP_NS 50000

void check_wait(struct check_wait *wait)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };

	if (++wait->spins < SPINS_MAX) {
		_mm_pause();
	} else if (wait->spins == SPINS_MAX) {
		wait->begin = __rdtsc();
		sched_yield();
	} else if (__rdtsc() - wait->begin < YIELD_MAX) {
		sched_yield();
	} else {
		nanosleep(&nap, NULL);
	}
}

static struct check_hold *all_of(struct check_stop *stop)
{
	return ((struct check_hold_lane *)((char *)stop - offsetof(struct check_hold_lane, stop)))
		->all;
}

/* In the middle of the first lane. */
static void hold_first(struct check_stop *stop)
{
	struct check_hold *all = all_of(stop);
	struct check_wait wait = { 0 };
	uint64_t begin;

	atomic_store_explicit(&all->let_go, true, memory_order_release);
	while (atomic_load_explicit(&all->running, memory_order_relaxed) < all->count - 1)
		check_wait(&wait);
	begin = __rdtsc();
	while (atomic_load_explicit(&all->ended, memory_order_relaxed) < all->count - 1 &&
	       __rdtsc() - begin < all->moment)
		if (all->moment == HOLD_MAX)
			check_wait(&wait);
}

/* In the middle of the second. */
static void hold_second(struct check_stop *stop)
{
	struct check_hold *all = all_of(stop);
	uint64_t begin = __rdtsc();
	struct check_wait wait = { 0 };

	atomic_fetch_add_explicit(&all->ended, 1, memory_order_relaxed);
	while (!atomic_load_explicit(&all->first_ended, memory_order_relaxed) &&
	       __rdtsc() - begin < HOLD_MAX)
		check_wait(&wait);
}

void check_hold_init(struct check_hold *hold, unsigned count, struct check_trace *traces,
		     uint64_t follow_ns)
{
	memset(hold, 0, sizeof(*hold));
	hold->count = count;
	hold->every = check_stop_is_cheap() ? EVERY : SELDOM;
	hold->follow_ns = follow_ns;
	for (unsigned i = 0; i < count; i++) {
		hold->lanes[i].all = hold;
		hold->lanes[i].stop.trace = &traces[i];
	}
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
	hold->moment = way % 8 ? HOLD_MAX : check_random(random) % (longest + 50);
	if (way % 8 > 2) {
		hold->second = (hold->first + 1 + way / 8 % (hold->count - 1)) % hold->count;
		second = &hold->lanes[hold->second];
		second->stop.reached = hold_second;
		choose_place(second, check_random(random), 0);
	}
	atomic_store(&hold->let_go, false);
	atomic_store(&hold->running, 0);
	atomic_store(&hold->ended, 0);
	atomic_store(&hold->first_ended, false);
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
	atomic_store_explicit(&hold->first_ended, true, memory_order_relaxed);
	atomic_store_explicit(&hold->let_go, true, memory_order_release);
}

void check_hold_run(struct check_hold *hold, unsigned lane, void (*call)(void *context),
		    void *context)
{
	struct check_stop *stop = &hold->lanes[lane].stop;
	struct check_wait wait = { 0 };

	if (lane == hold->first) {
		run_first(hold, call, context);
		return;
	}
	while (!atomic_load_explicit(&hold->let_go, memory_order_acquire))
		check_wait(&wait);
	if (lane == hold->second)
		check_stop_begin(stop, hold->lanes[lane].place);
	atomic_fetch_add_explicit(&hold->running, 1, memory_order_relaxed);
	call(context);
	if (lane == hold->second)
		check_stop_end(stop);
	if (lane != hold->second || !stop->was_reached)
		atomic_fetch_add_explicit(&hold->ended, 1, memory_order_relaxed);
}
