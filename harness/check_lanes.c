/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_lanes.c - the lanes of a block at once.
 *
 * All start at one reading of the time stamp counter, plus a shift of their own. Shifts are drawn
 * anew each time from the length that the lanes had on average, so that every point of one lane
 * comes to lie on every point of the others, in both orders, whatever the machine. Waiting is by
 * spinning, since a wake-up is longer than what is to be hit; after a while the CPU is given up.
 */
#include "harness/check_lanes.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "harness/check_play.h"

#define SPINS_MAX 4000
#define LEAD 600 /* counts from publishing the start to the start */

struct lane_thread {
	struct check_lanes *all;
	unsigned index;
	pthread_t thread;
	uint64_t shift; /* counts; written before `turn` */
	uint64_t length; /* counts, average; read after `done` */
	int rc;
};

struct check_lanes {
	struct check_subject *subject;
	unsigned count;
	struct check_lane *lane; /* of this turn */
	uint64_t start;
	_Atomic unsigned turn; /* changes: a turn begins */
	_Atomic bool stop;
	_Alignas(64) _Atomic unsigned done; /* helpers that have ended the turn, or have entered */
	struct lane_thread threads[CHECK_LANES];
};

static void pause_a_little(unsigned *spins)
{
	if (++*spins < SPINS_MAX)
		_mm_pause();
	else
		sched_yield();
}

static void run_lane(struct lane_thread *me)
{
	struct check_lane *lane = &me->all->lane[me->index];
	uint64_t begin = me->all->start + me->shift, now;

	while ((int64_t)(begin - __rdtsc()) > 0)
		;
	now = __rdtsc();
	for (unsigned i = 0; i < lane->count; i++)
		check_subject_call(me->all->subject, lane->ops[i], NULL, &lane->answers[i]);
	now = __rdtsc() - now;
	/* What a preemption adds is not the lane's. */
	if (now > 16 * me->length + 20000)
		now = 16 * me->length + 20000;
	me->length = me->length - me->length / 8 + now / 8;
}

static void *helper(void *argument)
{
	struct lane_thread *me = argument;
	struct check_lanes *all = me->all;
	const struct translator *t = all->subject->t;
	unsigned turn = 0;

	me->rc = t->thread_enter ? t->thread_enter(all->subject->engine) : 0;
	atomic_fetch_add(&all->done, 1);
	for (;;) {
		unsigned spins = 0;

		while (atomic_load_explicit(&all->turn, memory_order_acquire) == turn)
			pause_a_little(&spins);
		turn++;
		if (atomic_load(&all->stop))
			break;
		run_lane(me);
		atomic_fetch_add_explicit(&all->done, 1, memory_order_release);
	}
	if (!me->rc && t->thread_leave)
		t->thread_leave(all->subject->engine);
	return NULL;
}

static void wait_for_helpers(struct check_lanes *all)
{
	unsigned spins = 0;

	while (atomic_load_explicit(&all->done, memory_order_acquire) < all->count - 1)
		pause_a_little(&spins);
	atomic_store(&all->done, 0);
}

struct check_lanes *check_lanes_create(struct check_subject *subject, unsigned count, char *message,
				       size_t size)
{
	struct check_lanes *all = aligned_alloc(64, (sizeof(*all) + 63) / 64 * 64);
	bool good = true;

	if (!all)
		abort();
	memset(all, 0, sizeof(*all));
	all->subject = subject;
	all->count = count;
	for (unsigned i = 0; i < count; i++) {
		all->threads[i].all = all;
		all->threads[i].index = i;
		all->threads[i].length = 2000;
		if (i && pthread_create(&all->threads[i].thread, NULL, helper, &all->threads[i]))
			abort();
	}
	wait_for_helpers(all);
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
	atomic_fetch_add(&all->turn, 1);
	for (unsigned i = 1; i < all->count; i++)
		pthread_join(all->threads[i].thread, NULL);
	free(all);
}

void check_lanes_run(struct check_lanes *all, struct check_lane *lane, uint64_t *random)
{
	unsigned late = (unsigned)(check_random(random) % all->count);

	/* One lane comes later than the rest by anything up to the longest of them. */
	for (unsigned i = 0; i < all->count; i++) {
		uint64_t longest = 0;

		for (unsigned j = 0; j < all->count; j++)
			if (j != i && all->threads[j].length > longest)
				longest = all->threads[j].length;
		all->threads[i].shift = i == late ? check_random(random) % (longest + 50)
					: check_random(random) % 4 == 0 ? check_random(random) % 200
									: 0;
	}
	all->lane = lane;
	all->start = __rdtsc() + LEAD;
	atomic_fetch_add_explicit(&all->turn, 1, memory_order_release);
	run_lane(&all->threads[0]);
	wait_for_helpers(all);
}
