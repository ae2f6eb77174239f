/* SPDX-License-Identifier: Apache-2.0 */
/*
 * park_test.c - nobody is inside together, nobody sleeps for ever. A lost wake-up hangs the
 * test, which the runner's time limit turns into a failure.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "engine/park.h"

#define THREADS 8
#define ROUNDS 20000

static _Atomic uint32_t mutex;
static uint64_t guarded; /* plain on purpose: the mutex is all that protects it */
static _Atomic int inside;
static _Atomic int collisions;

static void *lock_and_count(void *unused)
{
	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		park_lock_raw(&mutex);
		if (atomic_fetch_add(&inside, 1) != 0)
			atomic_fetch_add(&collisions, 1);
		guarded++;
		if (i % 64 == 0)
			sched_yield(); /* lets others meet a held lock, on one CPU too */
		atomic_fetch_sub(&inside, 1);
		park_unlock_raw(&mutex);
	}
	return NULL;
}

static void mutex_excludes(void **state)
{
	pthread_t thread[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, lock_and_count, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(collisions, 0);
	assert_int_equal(guarded, THREADS * ROUNDS);
	assert_int_equal(mutex, 0);
}

static void try_lock_fails_only_when_held(void **state)
{
	_Atomic uint32_t word = 0;

	(void)state;
	assert_true(park_try_lock_raw(&word));
	assert_false(park_try_lock_raw(&word));
	park_unlock_raw(&word);
	assert_true(park_try_lock_raw(&word));
	park_unlock_raw(&word);
	assert_int_equal(word, 0);
}

static void *lock_once(void *word)
{
	park_lock_raw(word);
	guarded = 77;
	park_unlock_raw(word);
	return NULL;
}

static void a_held_mutex_puts_to_sleep_and_its_release_wakes(void **state)
{
	_Atomic uint32_t word = 0;
	uint64_t sleeps = park_sleeps;
	pthread_t thread;

	(void)state;
	park_lock_raw(&word);
	guarded = 0;
	assert_int_equal(pthread_create(&thread, NULL, lock_once, &word), 0);
	while (park_sleeps == sleeps)
		sched_yield();
	assert_int_equal(word, 2);
	assert_int_equal(guarded, 0);
	park_unlock_raw(&word);
	pthread_join(thread, NULL);
	assert_int_equal(guarded, 77);
}

/* Lock bits of 64-bit words, as entries have them: bit 0 held, bit 1 somebody waits. */
#define BIT_HELD UINT64_C(1)
#define BIT_WAITER UINT64_C(2)
#define WORDS 3

static struct {
	_Atomic uint64_t bits;
	uint64_t count; /* plain on purpose */
} words[WORDS];

static void bit_lock(_Atomic uint64_t *bits)
{
	for (;;) {
		struct park_ticket ticket;
		uint64_t old = atomic_fetch_or_explicit(bits, BIT_HELD, memory_order_acquire);

		if (!(old & BIT_HELD))
			return;
		ticket = park_prepare(bits);
		old = atomic_fetch_or_explicit(bits, BIT_WAITER, memory_order_acq_rel);
		if (old & BIT_HELD)
			park_wait(ticket);
	}
}

static void bit_unlock(_Atomic uint64_t *bits)
{
	if (atomic_exchange_explicit(bits, 0, memory_order_acq_rel) & BIT_WAITER)
		park_wake(bits);
}

static void *lock_bits(void *seed)
{
	uint64_t random = (uint64_t)(uintptr_t)seed * 2 + 1;

	for (int i = 0; i < ROUNDS; i++) {
		unsigned w;

		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		w = (unsigned)(random >> 40) % WORDS;
		bit_lock(&words[w].bits);
		words[w].count++;
		if (i % 32 == 0)
			sched_yield();
		bit_unlock(&words[w].bits);
	}
	return NULL;
}

static void no_wake_up_of_a_lock_bit_is_lost(void **state)
{
	pthread_t thread[THREADS];
	uint64_t total = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, lock_bits, (void *)(uintptr_t)i),
				 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (int w = 0; w < WORDS; w++)
		total += words[w].count;
	assert_int_equal(total, THREADS * ROUNDS);
}

static void a_wake_after_prepare_is_not_slept_through(void **state)
{
	_Atomic uint64_t word = 0;
	struct park_ticket ticket = park_prepare(&word);

	(void)state;
	park_wake(&word);
	park_wait(ticket); /* hangs if the wake is lost */
	assert_int_not_equal(*ticket.bucket, ticket.sequence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mutex_excludes),
		cmocka_unit_test(try_lock_fails_only_when_held),
		cmocka_unit_test(a_held_mutex_puts_to_sleep_and_its_release_wakes),
		cmocka_unit_test(no_wake_up_of_a_lock_bit_is_lost),
		cmocka_unit_test(a_wake_after_prepare_is_not_slept_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
