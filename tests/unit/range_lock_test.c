/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range_lock_test.c - overlapping ranges exclude each other, others do not wait, none wait for
 * ever. The model is an array with the owner of each page of a small space.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/park.h"
#include "engine/range_lock.h"

#define GIB (UINT64_C(1) << 30)
#define THREADS 6
#define ROUNDS 4000
#define UNITS 48 /* of the model's space */

static struct range_lock lock;
static int owner[UNITS]; /* plain on purpose: the range lock protects each element */
static _Atomic int conflicts;
static uint64_t unit_bytes;
static pthread_mutex_t order_mutex = PTHREAD_MUTEX_INITIALIZER;
#define ATTEMPTS_MAX 12
static int order[ATTEMPTS_MAX];
static int order_count;

static struct addr_range range(uint64_t start, uint64_t end)
{
	return (struct addr_range){ start, end };
}

static int set_up(void **state)
{
	(void)state;
	range_lock_init(&lock, 7);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	range_lock_release(&lock); /* reports what is left behind */
	return 0;
}

struct attempt {
	struct addr_range range;
	int name;
	_Atomic int stage; /* 1: about to lock, 2: has it, 3: gave it back */
	_Atomic int may_leave;
	pthread_t thread;
};

static void *attempt_run(void *arg)
{
	struct attempt *a = arg;
	struct range_held held;

	a->stage = 1;
	if (a->range.end == UINT64_MAX)
		range_lock_all(&lock, &held);
	else
		range_lock_lock(&lock, a->range, &held);
	a->stage = 2;
	pthread_mutex_lock(&order_mutex);
	order[order_count++] = a->name;
	pthread_mutex_unlock(&order_mutex);
	while (!a->may_leave)
		sched_yield();
	range_lock_unlock(&held);
	a->stage = 3;
	return NULL;
}

static void attempt_start(struct attempt *a)
{
	assert_int_equal(pthread_create(&a->thread, NULL, attempt_run, a), 0);
}

/* Starts it and waits until it sleeps for the lock. */
static void attempt_start_blocked(struct attempt *a)
{
	uint64_t sleeps = park_sleeps;

	attempt_start(a);
	while (park_sleeps == sleeps)
		sched_yield();
	assert_int_equal(a->stage, 1);
}

static void attempt_finish(struct attempt *a)
{
	a->may_leave = 1;
	pthread_join(a->thread, NULL);
	assert_int_equal(a->stage, 3);
}

/* Would hang if the two ranges excluded each other. */
static void assert_compatible(struct addr_range mine, struct addr_range theirs)
{
	struct attempt other = { .range = theirs, .may_leave = 1 };
	struct range_held held;

	order_count = 0;
	range_lock_lock(&lock, mine, &held);
	attempt_start(&other);
	attempt_finish(&other);
	range_lock_unlock(&held);
}

static void assert_exclusive(struct addr_range mine, struct addr_range theirs)
{
	struct attempt other = { .range = theirs, .may_leave = 1 };
	struct range_held held;

	order_count = 0;
	range_lock_lock(&lock, mine, &held);
	attempt_start_blocked(&other);
	range_lock_unlock(&held);
	attempt_finish(&other);
}

static void ranges_that_do_not_overlap_do_not_wait(void **state)
{
	(void)state;
	assert_compatible(range(0x1000, 0x2000), range(0x2000, 0x3000));
	assert_compatible(range(0x2000, 0x3000), range(0x1000, 0x2000));
	assert_compatible(range(GIB - 0x1000, GIB + 0x1000), range(GIB + 0x1000, GIB + 0x2000));
	assert_compatible(range(0, 200 * GIB), range(200 * GIB, 400 * GIB));
	/* Same stripe, far apart. */
	assert_compatible(range(0, 0x1000), range(65 * GIB, 65 * GIB + 0x1000));
}

static void ranges_that_overlap_wait(void **state)
{
	(void)state;
	assert_exclusive(range(0x1000, 0x3000), range(0x2000, 0x4000));
	assert_exclusive(range(0x1000, 0x2000), range(0x1000, 0x2000));
	assert_exclusive(range(0, 1000 * GIB), range(777 * GIB, 777 * GIB + 0x1000));
	assert_exclusive(range(777 * GIB, 777 * GIB + 0x1000), range(0, 1000 * GIB));
	assert_exclusive(range(3 * GIB, 9 * GIB), range(9 * GIB - 0x1000, 12 * GIB));
	assert_exclusive(range(0, UINT64_MAX - 0xfff),
			 range(UINT64_MAX - 0x1fff, UINT64_MAX - 0xfff));
}

static void all_excludes_everything_and_is_excluded(void **state)
{
	struct attempt small = { .range = { 90 * GIB, 90 * GIB + 0x1000 }, .may_leave = 1 };
	struct attempt all = { .range = { 0, UINT64_MAX }, .may_leave = 1 };
	struct range_held held;

	(void)state;
	order_count = 0;
	range_lock_all(&lock, &held);
	attempt_start_blocked(&small);
	range_lock_unlock(&held);
	attempt_finish(&small);

	range_lock_lock(&lock, small.range, &held);
	attempt_start_blocked(&all);
	range_lock_unlock(&held);
	attempt_finish(&all);
}

static void waiters_are_served_in_order_of_arrival(void **state)
{
	struct attempt wide = { .range = { 0x1000, 0x9000 }, .name = 1 };
	struct attempt late = { .range = { 0x8000, 0xa000 }, .name = 2 };
	struct attempt free_of_both = { .range = { 0xa000, 0xb000 }, .name = 3, .may_leave = 1 };
	struct range_held held;

	(void)state;
	order_count = 0;
	range_lock_lock(&lock, range(0x1000, 0x2000), &held);
	attempt_start_blocked(&wide);
	/* Overlaps only the waiter: must not overtake it. */
	attempt_start_blocked(&late);
	attempt_start(&free_of_both);
	attempt_finish(&free_of_both);
	range_lock_unlock(&held);
	while (wide.stage != 2)
		sched_yield();
	assert_int_equal(late.stage, 1);
	attempt_finish(&wide);
	attempt_finish(&late);
	assert_int_equal(order_count, 3);
	assert_int_equal(order[0], 3);
	assert_int_equal(order[1], 1);
	assert_int_equal(order[2], 2);
}

static void one_release_wakes_many(void **state)
{
	struct attempt small[ATTEMPTS_MAX]; /* more than are woken in one go */
	struct range_held held;

	(void)state;
	range_lock_lock(&lock, range(0, 0x100000), &held);
	memset(small, 0, sizeof(small));
	order_count = 0;
	for (unsigned i = 0; i < ATTEMPTS_MAX; i++) {
		small[i].range = range(i * 0x1000, i * 0x1000 + 0x1000);
		small[i].may_leave = 1;
		attempt_start_blocked(&small[i]);
	}
	range_lock_unlock(&held);
	for (unsigned i = 0; i < ATTEMPTS_MAX; i++)
		attempt_finish(&small[i]);
	assert_int_equal(order_count, ATTEMPTS_MAX);
}

/* Which stripe's line differs from the copy: the only one. */
static unsigned line_written(const struct range_lock_stripe *now,
			     const struct range_lock_stripe *before, unsigned count)
{
	unsigned index = count;

	for (unsigned i = 0; i < count; i++)
		if (now[i].head != before[i].head) {
			assert_int_equal(index, count);
			index = i;
		}
	return index;
}

static void neighbouring_stripes_share_no_line(void **state)
{
	struct range_lock copy = lock;
	struct range_held held;
	unsigned changed = 0;

	(void)state;
	assert_int_equal(sizeof(lock.wide[0]), 64);
	assert_int_equal((uintptr_t)&lock % 64, 0);
	for (uint64_t g = 0; g < RANGE_LOCK_WIDE; g++) {
		range_lock_lock(&lock, range(g * GIB, g * GIB + (UINT64_C(3) << 20)), &held);
		changed += line_written(lock.wide, copy.wide, RANGE_LOCK_WIDE);
		assert_int_equal(line_written(lock.narrow, copy.narrow, RANGE_LOCK_NARROW),
				 RANGE_LOCK_NARROW);
		range_lock_unlock(&held);
	}
	assert_int_equal(changed, 63 * 64 / 2); /* each stripe once */
	changed = 0;
	for (uint64_t n = 0; n < RANGE_LOCK_NARROW; n++) {
		range_lock_lock(&lock, range(n << 21, (n + 1) << 21), &held);
		changed += line_written(lock.narrow, copy.narrow, RANGE_LOCK_NARROW);
		assert_int_equal(line_written(lock.wide, copy.wide, RANGE_LOCK_WIDE),
				 RANGE_LOCK_WIDE);
		range_lock_unlock(&held);
	}
	assert_int_equal(changed, 127 * 128 / 2);
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void *lock_randomly(void *number)
{
	int me = (int)(intptr_t)number;
	uint64_t random = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)me;
	struct range_held held;

	for (int i = 0; i < ROUNDS; i++) {
		unsigned first = (unsigned)(next_random(&random) % UNITS);
		unsigned most = next_random(&random) % 16 == 0 ? UNITS : 4;
		unsigned last = first + (unsigned)(next_random(&random) % most);

		if (last >= UNITS)
			last = UNITS - 1;
		if (next_random(&random) % 200 == 0) {
			first = 0;
			last = UNITS - 1;
			range_lock_all(&lock, &held);
		} else {
			range_lock_lock(&lock, range(first * unit_bytes, (last + 1) * unit_bytes),
					&held);
		}
		for (unsigned u = first; u <= last; u++) {
			if (owner[u] != 0)
				conflicts++;
			owner[u] = me;
		}
		if (next_random(&random) % 8 == 0)
			sched_yield();
		for (unsigned u = first; u <= last; u++) {
			if (owner[u] != me)
				conflicts++;
			owner[u] = 0;
		}
		range_lock_unlock(&held);
	}
	return NULL;
}

static void run_model(uint64_t bytes)
{
	pthread_t thread[THREADS];

	unit_bytes = bytes;
	conflicts = 0;
	memset(owner, 0, sizeof(owner));
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, lock_randomly,
						(void *)(intptr_t)(i + 1)),
				 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(conflicts, 0);
}

static void model_inside_one_stripe(void **state)
{
	(void)state;
	run_model(MM_PAGE_SIZE);
}

static void model_across_stripes(void **state)
{
	(void)state;
	run_model(GIB / 4); /* 12 stripes */
}

static void model_of_narrow_and_wide(void **state)
{
	(void)state;
	run_model(UINT64_C(1) << 19); /* four units to a narrow stripe */
	run_model(UINT64_C(1) << 21); /* single units are narrow, others not */
}

static void model_where_stripes_repeat(void **state)
{
	(void)state;
	run_model(5 * GIB); /* 240 GiB: each stripe several times */
}

static jmp_buf failed;
static char message[512];

static void catch_failure(const char *text)
{
	strncpy(message, text, sizeof(message) - 1);
	longjmp(failed, 1);
}

static void misuse_is_reported(void **state)
{
	struct range_held held;

	(void)state;
	mm_fail_set_hook(catch_failure);
	if (!setjmp(failed)) {
		range_lock_lock(&lock, range(0x1000, 0x1000), &held);
		fail_msg("an empty range was locked");
	}
	assert_non_null(strstr(message, "range.start < range.end"));
	range_lock_lock(&lock, range(0x1000, 0x2000), &held);
	if (!setjmp(failed)) {
		range_lock_release(&lock);
		fail_msg("a lock that is held was released");
	}
	range_lock_unlock(&held);
	mm_fail_set_hook(NULL);
}

#if LOCK_CHECKED
static void ranges_carry_their_rank(void **state)
{
	struct range_lock younger;
	struct range_held held[2];
	const char *site;

	(void)state;
	range_lock_init(&younger, 8);
	range_lock_lock(&lock, range(0x5000, 0x6000), &held[0]);
	range_lock_lock(&younger, range(0x1000, 0x2000), &held[1]);
	assert_string_equal(lock_rank_innermost(&site), "mapping");
	assert_non_null(strstr(site, "range_lock_test.c:"));
	range_lock_unlock(&held[0]);
	mm_fail_set_hook(catch_failure);
	if (!setjmp(failed)) {
		range_lock_lock(&lock, range(0x9000, 0xa000), &held[0]);
		fail_msg("an older space was locked inside a younger one");
	}
	mm_fail_set_hook(NULL);
	assert_non_null(strstr(message, "taking mapping (7, 0x9000)"));
	assert_non_null(strstr(message, "mapping (8, 0x1000)"));
	range_lock_unlock(&held[1]);
	range_lock_release(&younger);
	assert_int_equal(lock_rank_held(), 0);
}
#endif

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(ranges_that_do_not_overlap_do_not_wait),
		TEST(ranges_that_overlap_wait),
		TEST(all_excludes_everything_and_is_excluded),
		TEST(waiters_are_served_in_order_of_arrival),
		TEST(one_release_wakes_many),
		TEST(neighbouring_stripes_share_no_line),
		TEST(model_inside_one_stripe),
		TEST(model_of_narrow_and_wide),
		TEST(model_across_stripes),
		TEST(model_where_stripes_repeat),
		TEST(misuse_is_reported),
#if LOCK_CHECKED
		TEST(ranges_carry_their_rank),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
