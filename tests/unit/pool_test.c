/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool_test.c - an index has one owner at a time, none is lost, and the limit is the limit.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/fail.h"
#include "engine/park.h"
#include "engine/pool.h"

#define LIMIT 2000
#define THREADS 6
#define ROUNDS 40000
#define HELD 300

static struct pool pool;
static _Atomic unsigned char taken[LIMIT];
static _Atomic int collisions;
static jmp_buf failed;

static void catch_fail(const char *text)
{
	(void)text;
	longjmp(failed, 1);
}

static int set_up(void **state)
{
	(void)state;
	alarm(60);
	memset(&taken, 0, sizeof(taken));
	collisions = 0;
	return pool_init(&pool, 100, LIMIT);
}

static int tear_down(void **state)
{
	(void)state;
	pool_release(&pool);
	alarm(0);
	return 0;
}

/* An index that is now ours alone. */
static void take(uint32_t index)
{
	if (!index || index >= LIMIT || atomic_exchange(&taken[index], 1))
		atomic_fetch_add(&collisions, 1);
}

static void give(uint32_t index)
{
	if (atomic_exchange(&taken[index], 0) != 1)
		atomic_fetch_add(&collisions, 1);
	pool_free(&pool, index);
}

static void test_objects_do_not_overlap(void **state)
{
	uint32_t a = pool_alloc(&pool);
	uint32_t b = pool_alloc(&pool);

	(void)state;
	assert_int_equal(pool.object_size, 128);
	assert_int_not_equal(a, b);
	assert_true(a && b);
	assert_int_equal((uintptr_t)pool_at(&pool, a) % 64, 0);
	assert_int_equal(pool_index(&pool, pool_at(&pool, a)), a);
	assert_int_equal(pool_index(&pool, (char *)pool_at(&pool, b) + 99), b);
	memset(pool_at(&pool, a), 0xaa, 100);
	memset(pool_at(&pool, b), 0xbb, 100);
	assert_int_equal(*(unsigned char *)pool_at(&pool, a), 0xaa);
	pool_free(&pool, a);
	assert_int_equal(*(unsigned char *)pool_at(&pool, b), 0xbb);
	pool_free(&pool, b);
}

/* Free objects may lie on the list of another CPU, unused: the test stays on one. */
static void test_all_up_to_the_limit_and_all_come_back(void **state)
{
	static uint32_t got[LIMIT];
	cpu_set_t before, here;

	(void)state;
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(here), &here), 0);
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < LIMIT - 1; i++) {
			got[i] = pool_alloc(&pool);
			take(got[i]);
			assert_int_equal(collisions, 0);
		}
		assert_int_equal(pool_live(&pool), LIMIT - 1);
		assert_int_equal(pool_alloc(&pool), 0);
		assert_int_equal(pool_live(&pool), LIMIT - 1);
		assert_true(pool_bytes(&pool) >= (LIMIT - 1) * pool.object_size);
		for (unsigned i = 0; i < LIMIT - 1; i++)
			give(got[round % 2 ? LIMIT - 2 - i : i]);
		assert_int_equal(pool_live(&pool), 0);
		assert_int_equal(collisions, 0);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void test_freed_objects_are_used_before_fresh_ones(void **state)
{
	uint32_t got[100];
	uint64_t bytes = 0;

	(void)state;
	for (int round = 0; round < 1000; round++) {
		for (int i = 0; i < 100; i++)
			got[i] = pool_alloc(&pool);
		for (int i = 0; i < 100; i++)
			pool_free(&pool, got[i]);
		if (round == 0)
			bytes = pool_bytes(&pool);
	}
	/* A CPU that the thread moved to may take fresh ones once, and lists keep a few; 1000
	 * rounds without reuse would have met the limit at the twentieth. */
	assert_true(pool_bytes(&pool) <= bytes + pool.cpus * 200 * pool.object_size);
	assert_int_equal(pool_live(&pool), 0);
}

static void test_bad_indexes_are_reported(void **state)
{
	static const uint32_t bad[] = { 0, LIMIT, UINT32_MAX };
	mm_fail_hook old = mm_fail_set_hook(catch_fail);
	volatile unsigned reported = 0;

	(void)state;
	for (volatile unsigned i = 0; i < 3; i++) {
		if (setjmp(failed))
			reported++;
		else
			pool_free(&pool, bad[i]);
	}
	mm_fail_set_hook(old);
	assert_int_equal(reported, 3);
}

/* ---- threads ---- */

/* Takes and frees at random; what it holds at the end is freed by main, on another thread. */
struct worker {
	pthread_t thread;
	uint64_t rng;
	uint32_t held[HELD];
	unsigned count;
};

static uint64_t rnd(struct worker *w)
{
	w->rng = w->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return w->rng >> 33;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < ROUNDS; i++) {
		unsigned wave = i / 500 % 2 ? 3 : 1; /* grow for a while, then shrink */

		if (w->count < HELD && rnd(w) % 4 < 4 - wave) {
			uint32_t index = pool_alloc(&pool);

			if (!index) {
				atomic_fetch_add(&collisions, 1);
				break;
			}
			take(index);
			memset(pool_at(&pool, index), (int)(index & 0xff), 100);
			w->held[w->count++] = index;
		} else if (w->count) {
			unsigned slot = (unsigned)(rnd(w) % w->count);
			uint32_t index = w->held[slot];
			const unsigned char *object = pool_at(&pool, index);

			if (object[0] != (index & 0xff) || object[99] != (index & 0xff))
				atomic_fetch_add(&collisions, 1);
			w->held[slot] = w->held[--w->count];
			give(index);
		}
	}
	return NULL;
}

static void test_threads_never_share_an_index(void **state)
{
	static struct worker workers[THREADS];
	uint64_t held = 0;

	(void)state;
	memset(workers, 0, sizeof(workers));
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].rng = i + 1;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
		held += workers[i].count;
	}
	assert_int_equal(collisions, 0);
	assert_int_equal(pool_live(&pool), held);
	for (unsigned i = 0; i < THREADS; i++)
		while (workers[i].count)
			give(workers[i].held[--workers[i].count]);
	assert_int_equal(collisions, 0);
	assert_int_equal(pool_live(&pool), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static bool run_on(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

/* Or the CPU that comes second would have objects on the NUMA node of the first. */
static void test_cpus_share_no_page(void **state)
{
	size_t last_of_0 = 0, first_of_1 = SIZE_MAX;
	cpu_set_t before;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	if (!run_on(0) || !run_on(1))
		skip(); /* one CPU */
	for (unsigned i = 0; i < 8; i++) {
		assert_true(run_on(0));
		size_t end = (size_t)pool_alloc(&pool) * pool.object_size + pool.object_size - 1;

		assert_true(run_on(1));
		size_t start = (size_t)pool_alloc(&pool) * pool.object_size;

		last_of_0 = end > last_of_0 ? end : last_of_0;
		first_of_1 = start < first_of_1 ? start : first_of_1;
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	assert_true(last_of_0 / 4096 < first_of_1 / 4096);
	/* What was reserved and not handed out is no memory. */
	assert_int_equal(pool_bytes(&pool) - pool.cpus * sizeof(*pool.cpu),
			 (16 + 1) * pool.object_size);
}

/* One object comes and goes while the CPU's list is held by somebody: alarm() ends who waits. */
static void test_one_object_comes_and_goes_without_the_lock(void **state)
{
	cpu_set_t before;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_true(run_on((unsigned)sched_getcpu()));
	struct pool_list *l = &pool.cpu[percpu_id() % pool.cpus];
	uint32_t other = pool_alloc(&pool), one = pool_alloc(&pool);

	pool_free(&pool, one);
	assert_int_equal(pool_live(&pool), 1);
	park_lock_raw(&l->lock);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(pool_alloc(&pool), one);
		pool_free(&pool, one);
	}
	park_unlock_raw(&l->lock);
	pool_free(&pool, other); /* the second goes to the list */
	assert_int_equal(l->count, 1);
	assert_int_equal(pool_live(&pool), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cpus_share_no_page),
		TEST(test_objects_do_not_overlap),
		TEST(test_all_up_to_the_limit_and_all_come_back),
		TEST(test_freed_objects_are_used_before_fresh_ones),
		TEST(test_one_object_comes_and_goes_without_the_lock),
		TEST(test_bad_indexes_are_reported),
		TEST(test_threads_never_share_an_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
