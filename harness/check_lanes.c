/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_lanes.c - the lanes of a block at once.
 *
 * All start at one reading of the time stamp counter, plus a shift of their own. Shifts are drawn
 * anew each time from the length that the lanes mostly had, so that every point of one lane
 * comes to lie on every point of the others, in both orders, whatever the machine. In other turns
 * lanes are held in the middle instead (check_hold.h). A turn begins when every lane has a CPU, so
 * that on a busy machine it is there when all can run.
 */
#include "harness/check_lanes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "harness/check_play.h"

#define LEAD 400 /* counts from publishing the start to the start */

struct lane_thread {
	struct check_lanes *all;
	unsigned index;
	pthread_t thread;
	uint64_t shift; /* counts; written before `turn` */
	uint64_t length; /* counts, median; 0 at first; read after `done` */
	int rc;
};

struct check_lanes {
	struct check_subject *subject;
	unsigned count;
	struct check_lane *lane; /* of this turn */
	_Atomic uint64_t start; /* 0: not all helpers are ready */
	_Atomic unsigned turn; /* changes: a turn begins */
	_Atomic bool stop;
	bool holds; /* in this turn */
	struct check_bell bell;
	uint64_t turns;
	_Alignas(64) _Atomic unsigned ready; /* helpers that are on a CPU, and wait for start */
	_Alignas(64) _Atomic unsigned done; /* helpers that have ended the turn, or have entered */
	struct lane_thread threads[CHECK_LANES];
	struct check_hold hold;
};

static void call_all(void *context)
{
	const struct lane_thread *me = context;
	struct check_lane *lane = &me->all->lane[me->index];

	for (unsigned i = 0; i < lane->count; i++)
		check_subject_call(me->all->subject, lane->ops[i], NULL, &lane->answers[i]);
}

static void run_shifted(struct lane_thread *me)
{
	uint64_t begin = atomic_load_explicit(&me->all->start, memory_order_relaxed) + me->shift;
	uint64_t now;

	while ((int64_t)(begin - __rdtsc()) > 0)
		;
	now = __rdtsc();
	call_all(me);
	now = __rdtsc() - now;
	/* The median, from the first on in steps: what a preemption adds is not the lane's. */
	if (!me->length)
		me->length = now;
	else if (now > me->length)
		me->length += me->length / 4 + 1;
	else
		me->length -= me->length / 4;
}

static void run_lane(struct lane_thread *me)
{
	if (me->all->holds)
		check_hold_run(&me->all->hold, me->index, call_all, me);
	else
		run_shifted(me);
}

static void count_up(struct check_lanes *all, _Atomic unsigned *what)
{
	atomic_fetch_add_explicit(what, 1, memory_order_release);
	check_bell_ring(&all->bell);
}

static void *helper(void *argument)
{
	struct lane_thread *me = argument;
	struct check_lanes *all = me->all;
	const struct translator *t = all->subject->t;
	unsigned turn = 0;

	me->rc = t->thread_enter ? t->thread_enter(all->subject->engine) : 0;
	check_hold_enter(&all->hold, me->index);
	count_up(all, &all->done);
	for (;;) {
		struct check_wait for_turn = { .bell = &all->bell }, for_start = for_turn;

		while (atomic_load_explicit(&all->turn, memory_order_acquire) == turn)
			check_wait(&for_turn);
		turn++;
		if (atomic_load(&all->stop))
			break;
		count_up(all, &all->ready);
		while (!atomic_load_explicit(&all->start, memory_order_acquire))
			check_wait(&for_start);
		run_lane(me);
		count_up(all, &all->done);
	}
	check_hold_leave(&all->hold, me->index);
	if (!me->rc && t->thread_leave)
		t->thread_leave(all->subject->engine);
	return NULL;
}

static void wait_for(struct check_lanes *all, _Atomic unsigned *what)
{
	struct check_wait wait = { .bell = &all->bell };

	while (atomic_load_explicit(what, memory_order_acquire) < all->count - 1)
		check_wait(&wait);
}

struct check_lanes *check_lanes_create(struct check_subject *subject, unsigned count,
				       struct check_trace *traces, uint64_t follow_ns,
				       char *message, size_t size)
{
	struct check_lanes *all = aligned_alloc(64, (sizeof(*all) + 63) / 64 * 64);
	bool good = true;

	if (!all)
		abort();
	memset(all, 0, sizeof(*all));
	all->subject = subject;
	all->count = count;
	check_hold_init(&all->hold, count, &all->bell, traces, follow_ns);
	check_hold_enter(&all->hold, 0);
	for (unsigned i = 0; i < count; i++) {
		all->threads[i].all = all;
		all->threads[i].index = i;
		if (i && pthread_create(&all->threads[i].thread, NULL, helper, &all->threads[i]))
			abort();
	}
	wait_for(all, &all->done);
	atomic_store(&all->done, 0);
	for (unsigned i = 1; i < count; i++)
		good = good && !all->threads[i].rc;
	if (good)
		return all;
	snprintf(message, size, "thread_enter failed in a second thread");
	check_lanes_destroy(all);
	return NULL;
}

void check_lanes_destroy(struct check_lanes *all)
{
	atomic_store(&all->stop, true);
	count_up(all, &all->turn);
	for (unsigned i = 1; i < all->count; i++)
		pthread_join(all->threads[i].thread, NULL);
	check_hold_leave(&all->hold, 0);
	free(all);
}

static uint64_t longest_but(const struct check_lanes *all, unsigned index)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < all->count; i++)
		if (i != index && all->threads[i].length > longest)
			longest = all->threads[i].length;
	return longest;
}

/* One lane comes later than the rest by anything up to the longest of them. */
static void choose_shifts(struct check_lanes *all, uint64_t *random)
{
	unsigned late = (unsigned)(check_random(random) % all->count);

	for (unsigned i = 0; i < all->count; i++)
		all->threads[i].shift = i == late
						? check_random(random) % (longest_but(all, i) + 50)
					: check_random(random) % 4 == 0 ? check_random(random) % 200
									: 0;
}

void check_lanes_run(struct check_lanes *all, struct check_lane *lane, uint64_t *random)
{
	all->holds = all->hold.every && all->turns++ % all->hold.every == 0;
	if (all->holds)
		check_hold_choose(&all->hold, longest_but(all, all->count), random);
	else
		choose_shifts(all, random);
	all->lane = lane;
	atomic_store(&all->start, 0);
	atomic_store(&all->ready, 0);
	atomic_store(&all->done, 0);
	count_up(all, &all->turn);
	/* Started before a helper is on a CPU, the lanes would hardly overlap. */
	wait_for(all, &all->ready);
	atomic_store_explicit(&all->start, __rdtsc() + LEAD, memory_order_release);
	check_bell_ring(&all->bell);
	run_lane(&all->threads[0]);
	wait_for(all, &all->done);
}
