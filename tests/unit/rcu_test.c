/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rcu_test.c - deferred calls come once each, after every section that was open when they were
 * asked for, whether a batch became full or somebody waits.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "engine/rcu.h"

#define ITEMS 1000
#define THREADS 4
#define BATCH_MOST 64 /* more than any batch */

static struct object {
	uint64_t before;
	struct mm_rcu_item rcu;
	_Atomic int calls;
} objects[THREADS][ITEMS];

static _Atomic int reading, reader_may_end;

static void called(struct mm_rcu_item *item)
{
	struct object *o = (struct object *)((char *)item - offsetof(struct object, rcu));

	atomic_fetch_add(&o->calls, 1);
}

static int set_up(void **state)
{
	(void)state;
	alarm(60);
	urcu_memb_register_thread();
	for (int t = 0; t < THREADS; t++)
		for (int i = 0; i < ITEMS; i++)
			atomic_store(&objects[t][i].calls, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	mm_rcu_barrier();
	assert_int_equal(mm_rcu_waiting(), 0);
	urcu_memb_unregister_thread();
	alarm(0);
	return 0;
}

static void test_a_request_that_fills_no_batch_waits_for_a_barrier(void **state)
{
	struct object *o = &objects[0][0];

	(void)state;
	mm_rcu_call(&o->rcu, called);
	assert_int_equal(mm_rcu_waiting(), 1);
	mm_rcu_barrier();
	assert_int_equal(atomic_load(&o->calls), 1);
	assert_int_equal(mm_rcu_waiting(), 0);
}

/* Nobody waits for a grace period, and the calls come all the same, but for what is in no batch. */
static void test_a_full_batch_goes_by_itself(void **state)
{
	(void)state;
	for (int i = 0; i < ITEMS; i++)
		mm_rcu_call(&objects[0][i].rcu, called);
	while (mm_rcu_waiting() > BATCH_MOST)
		sched_yield();
	mm_rcu_barrier();
	for (int i = 0; i < ITEMS; i++)
		assert_int_equal(atomic_load(&objects[0][i].calls), 1);
}

static void *read_for_long(void *arg)
{
	(void)arg;
	urcu_memb_register_thread();
	mm_rcu_read_lock();
	atomic_store(&reading, 1);
	while (!atomic_load(&reader_may_end))
		sched_yield();
	for (int i = 0; i < ITEMS; i++)
		if (atomic_load(&objects[0][i].calls))
			atomic_store(&reading, -1);
	mm_rcu_read_unlock();
	urcu_memb_unregister_thread();
	return NULL;
}

static void test_no_call_comes_while_an_older_section_lasts(void **state)
{
	pthread_t reader;

	(void)state;
	assert_int_equal(pthread_create(&reader, NULL, read_for_long, NULL), 0);
	while (!atomic_load(&reading))
		sched_yield();
	for (int i = 0; i < ITEMS; i++)
		mm_rcu_call(&objects[0][i].rcu, called);
	assert_int_equal(mm_rcu_waiting(), ITEMS);
	assert_int_equal(mm_rcu_waiting_here() > 0, 1);
	atomic_store(&reader_may_end, 1);
	pthread_join(reader, NULL);
	assert_int_equal(atomic_load(&reading), 1);
	mm_rcu_barrier();
	for (int i = 0; i < ITEMS; i++)
		assert_int_equal(atomic_load(&objects[0][i].calls), 1);
}

static void *ask(void *arg)
{
	struct object *mine = arg;

	urcu_memb_register_thread();
	for (int i = 0; i < ITEMS; i++) {
		mm_rcu_call(&mine[i].rcu, called);
		if (i % 200 == 0)
			mm_rcu_barrier();
	}
	urcu_memb_unregister_thread();
	return NULL;
}

/* More threads than CPUs: lists are shared, and sent by several at once. */
static void test_each_is_called_once_whoever_sends(void **state)
{
	pthread_t thread[THREADS];

	(void)state;
	for (int t = 0; t < THREADS; t++)
		assert_int_equal(pthread_create(&thread[t], NULL, ask, objects[t]), 0);
	for (int t = 0; t < THREADS; t++)
		pthread_join(thread[t], NULL);
	mm_rcu_barrier();
	for (int t = 0; t < THREADS; t++)
		for (int i = 0; i < ITEMS; i++)
			assert_int_equal(atomic_load(&objects[t][i].calls), 1);
}

/* The short section is one: a deferred call waits for it, and it cannot be had inside another. */
static void test_a_quick_section_is_a_section(void **state)
{
	unsigned long ctr = 0;
	unsigned long inner;

	(void)state;
	if (!mm_rcu_is_quick()) {
		print_message("the kernel has no membarrier(2)\n");
		skip();
	}
	assert_true(mm_rcu_try_read_lock(&ctr));
	assert_false(mm_rcu_try_read_lock(&inner));
	for (int i = 0; i < ITEMS; i++)
		mm_rcu_call(&objects[0][i].rcu, called);
	assert_int_equal(mm_rcu_waiting(), ITEMS);
	if (!mm_rcu_quick_read_unlock(ctr)) { /* as address_map_peek does then */
		mm_rcu_read_lock();
		mm_rcu_read_unlock();
	}
	mm_rcu_barrier();
	assert_int_equal(atomic_load(&objects[0][ITEMS - 1].calls), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_request_that_fills_no_batch_waits_for_a_barrier),
		TEST(test_a_full_batch_goes_by_itself),
		TEST(test_no_call_comes_while_an_older_section_lasts),
		TEST(test_each_is_called_once_whoever_sends),
		TEST(test_a_quick_section_is_a_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
