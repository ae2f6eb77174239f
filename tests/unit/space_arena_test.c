/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_arena_test.c - where mappings go that name no place: free, not in anybody's way, near the
 * last one, the same again after an unmap, and never twice however many threads ask.
 */
#include "tests/unit/space_fixture.h"

#include <pthread.h>

#include "engine/space.h"

#define MIB (UINT64_C(1) << 20)

static const struct mmap_opts anywhere = { .length = 4 * MM_PAGE_SIZE,
					   .perms = MM_READ | MM_WRITE,
					   .max_perms = MM_ANY_ACCESS,
					   .is_private = true };

static uint64_t map_anywhere(struct mm_space *s, uint64_t length)
{
	struct mmap_opts o = anywhere;
	uint64_t got = 0;

	o.length = length;
	assert_int_equal(mm_mmap(s, &o, &got), 0);
	return got;
}

/* Arenas are those of CPUs: the thread stays on one. */
static void stay(void)
{
	cpu_set_t set;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set)) {
			CPU_ZERO(&set);
			CPU_SET(cpu, &set);
			break;
		}
	assert_int_equal(pthread_setaffinity_np(pthread_self(), sizeof(set), &set), 0);
}

static void places_follow_each_other(void **state)
{
	cpu_set_t before;
	struct fixture f;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	stay();
	fixture_open(&f, NULL, &host_space_none);
	(void)map_anywhere(f.space, MM_PAGE_SIZE); /* chooses the arena */
	uint64_t first = map_anywhere(f.space, MM_PAGE_SIZE);
	uint64_t second = map_anywhere(f.space, 4 * MM_PAGE_SIZE);

	assert_int_equal(second, first + MM_PAGE_SIZE);
	/* the last one's place is the next place */
	assert_int_equal(mm_munmap(f.space, second, 4 * MM_PAGE_SIZE), 0);
	assert_int_equal(map_anywhere(f.space, 8 * MM_PAGE_SIZE), second);
	/* what somebody mapped ahead is passed over */
	uint64_t ahead = second + 9 * MM_PAGE_SIZE;
	struct mmap_opts o = anywhere;
	uint64_t got;

	o.address = ahead;
	o.fixed = true;
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	assert_int_equal(map_anywhere(f.space, 2 * MM_PAGE_SIZE), ahead + 4 * MM_PAGE_SIZE);
	/* multiples of 2 MiB are aligned */
	assert_int_equal(map_anywhere(f.space, 4 * MIB) % (2 * MIB), 0);
	mm_space_check(f.space);
	fixture_close(&f);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* More than an arena holds, and more than fits in one: all of the window can be had. */
static void arenas_are_no_limit(void **state)
{
	struct fixture f;
	uint64_t mapped = 0;
	struct mmap_opts o = anywhere;
	uint64_t got;

	(void)state;
	fixture_open(&f, NULL, &host_space_mmap); /* 4 GiB */
	o.length = 32 * MIB;
	while (!mm_mmap(f.space, &o, &got))
		mapped += o.length;
	o.length = MM_PAGE_SIZE;
	while (mapped < FIXTURE_WINDOW - 33 * MIB && !mm_mmap(f.space, &o, &got))
		mapped += o.length;
	assert_in_range(mapped, FIXTURE_WINDOW - 33 * MIB, FIXTURE_WINDOW);
	mm_space_check(f.space);
	fixture_close(&f);
}

enum { THREADS = 4, ROUNDS = 3000, KEPT = 16 };

struct mapper {
	struct mm_space *space;
	unsigned char *taken; /* by page from 0; written by who maps it */
	unsigned number;
	_Atomic int wrong;
	pthread_t thread;
};

static void *run_mapper(void *arg)
{
	struct mapper *m = arg;
	uint64_t place[KEPT] = { 0 };
	uint64_t pages[KEPT] = { 0 };

	if (mm_thread_enter())
		return NULL;
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned slot = (i * 7 + m->number) % KEPT;
		struct mmap_opts o = anywhere;

		for (uint64_t p = 0; p < pages[slot]; p++)
			if (m->taken[(place[slot] >> MM_PAGE_SHIFT) + p] != m->number)
				m->wrong = 1;
		if (pages[slot]) {
			memset(m->taken + (place[slot] >> MM_PAGE_SHIFT), 0, pages[slot]);
			if (mm_munmap(m->space, place[slot], pages[slot] * MM_PAGE_SIZE))
				m->wrong = 2;
		}
		pages[slot] = 1 + i % 5;
		o.length = pages[slot] * MM_PAGE_SIZE;
		o.grows_down = i % 101 == 0;
		if (mm_mmap(m->space, &o, &place[slot])) {
			m->wrong = 3;
			pages[slot] = 0;
			continue;
		}
		for (uint64_t p = 0; p < pages[slot]; p++) {
			unsigned char *t = &m->taken[(place[slot] >> MM_PAGE_SHIFT) + p];

			if (*t)
				m->wrong = 4;
			*t = (unsigned char)m->number;
		}
	}
	mm_thread_leave();
	return NULL;
}

static void no_place_is_given_twice(void **state)
{
	static unsigned char taken[FIXTURE_WINDOW / MM_PAGE_SIZE];
	struct mapper mapper[THREADS];
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_mmap);
	for (unsigned i = 0; i < THREADS; i++) {
		mapper[i] = (struct mapper){ .space = f.space, .taken = taken, .number = i + 1 };
		assert_int_equal(pthread_create(&mapper[i].thread, NULL, run_mapper, &mapper[i]),
				 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(mapper[i].thread, NULL);
		assert_int_equal(mapper[i].wrong, 0);
	}
	mm_space_check(f.space);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_follow_each_other),
		cmocka_unit_test(arenas_are_no_limit),
		cmocka_unit_test(no_place_is_given_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
