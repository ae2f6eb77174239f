/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_hold_test.c - two lanes, of which one is held in the middle of the other: a race of two
 * instructions is met, who waits for a lock of a lane that is held does not keep it from going on,
 * and a ring wakes who sleeps.
 *
 * ThreadSanitizer keeps signals for later, so nothing can be held under it.
 */
#include "harness/check_hold.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define TURNS 3000
#define FOLLOW_NS UINT64_C(1000000000)

struct race {
	struct check_hold hold;
	struct check_bell bell;
	void (*call)(void *race);
	_Atomic unsigned turn, done;
	volatile unsigned count;
	pthread_mutex_t mutex;
};

static void wait_until(struct race *r, _Atomic unsigned *what, unsigned value)
{
	struct check_wait wait = { .bell = &r->bell };

	while (atomic_load(what) != value)
		check_wait(&wait);
}

static void *second_lane(void *argument)
{
	struct race *r = argument;

	check_hold_enter(&r->hold, 1);
	for (unsigned turn = 1; turn <= TURNS; turn++) {
		wait_until(r, &r->turn, turn);
		check_hold_run(&r->hold, 1, r->call, r);
		atomic_store(&r->done, turn);
		check_bell_ring(&r->bell);
	}
	check_hold_leave(&r->hold, 1);
	return NULL;
}

/* How many of the turns did not count twice. */
static unsigned run(void (*call)(void *race))
{
	struct race *r = calloc(1, sizeof(*r));
	struct check_trace *traces = calloc(2, sizeof(*traces));
	uint64_t random = 1;
	unsigned lost = 0;
	pthread_t thread;

	assert_non_null(r);
	assert_non_null(traces);
	r->call = call;
	pthread_mutex_init(&r->mutex, NULL);
	check_stop_install();
	check_hold_init(&r->hold, 2, &r->bell, traces, FOLLOW_NS);
	check_hold_enter(&r->hold, 0);
	assert_int_equal(pthread_create(&thread, NULL, second_lane, r), 0);
	for (unsigned turn = 1; turn <= TURNS; turn++) {
		r->count = 0;
		check_hold_choose(&r->hold, 100, &random);
		atomic_store(&r->turn, turn);
		check_bell_ring(&r->bell);
		check_hold_run(&r->hold, 0, call, r);
		wait_until(r, &r->done, turn);
		lost += r->count != 2;
	}
	pthread_join(thread, NULL);
	check_hold_leave(&r->hold, 0);
	pthread_mutex_destroy(&r->mutex);
	free(traces);
	free(r);
	return lost;
}

static void count_in_two_steps(void *race)
{
	struct race *r = race;

	r->count = r->count + 1;
}

static void count_locked(void *race)
{
	struct race *r = race;

	pthread_mutex_lock(&r->mutex);
	r->count = r->count + 1;
	pthread_mutex_unlock(&r->mutex);
}

static void needs_signals(void)
{
#ifdef __SANITIZE_THREAD__
	skip();
#endif
}

static void between_a_load_and_a_store(void **state)
{
	(void)state;
	needs_signals();
	assert_in_range(run(count_in_two_steps), 1, TURNS);
}

static void a_lock_is_waited_for(void **state)
{
	(void)state;
	needs_signals();
	assert_int_equal(run(count_locked), 0);
}

/* ---- waiting ---- */

struct sleeper {
	struct check_bell bell;
	_Atomic bool rung;
	_Atomic int watch;
};

static void *sleep_until_rung(void *argument)
{
	struct sleeper *s = argument;
	struct check_wait wait = { .bell = &s->bell };

	atomic_store(&s->watch, check_wait_watch());
	while (!atomic_load(&s->rung))
		check_wait(&wait);
	return NULL;
}

static void who_waits_is_seen_asleep_and_woken(void **state)
{
	struct sleeper s = { .watch = -2 };
	pthread_t thread;

	(void)state;
	check_wait_promptly();
	assert_int_equal(pthread_create(&thread, NULL, sleep_until_rung, &s), 0);
	while (atomic_load(&s.watch) == -2)
		;
	assert_false(check_wait_sleeps(-1));
	/* It wakes now and then, and sleeps again. */
	while (!check_wait_sleeps(atomic_load(&s.watch)))
		;
	atomic_store(&s.rung, true);
	check_bell_ring(&s.bell);
	pthread_join(thread, NULL);
	close(atomic_load(&s.watch));
}

static void who_runs_is_not_asleep(void **state)
{
	int watch = check_wait_watch();

	(void)state;
	assert_true(watch >= 0);
	assert_false(check_wait_sleeps(watch));
	close(watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(between_a_load_and_a_store),
		cmocka_unit_test(a_lock_is_waited_for),
		cmocka_unit_test(who_waits_is_seen_asleep_and_woken),
		cmocka_unit_test(who_runs_is_not_asleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
