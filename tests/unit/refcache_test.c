/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refcache_test.c - sharded counts: a page is never free while it has a reference, and always is
 * after the third pass without one.
 *
 * That a reference moves between CPUs is played by one thread, which changes the tables of CPUs 0
 * and 1 by name, at the moment in a pass when one has been emptied and the other has not. Such a
 * test fails if the rule that it is about is left out: that a page at zero is looked at again,
 * twice, and that a change which left no delta counts as one.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/memory_file.h"
#include "engine/test_points.h"

#define LESS UINT32_MAX /* a delta of -1 */

static struct memory_file *mf;
static struct refcache *rc;

static int make(uint64_t max_bytes)
{
	struct memory_file_opts opts = { .span_bytes = UINT64_C(4) << 30,
					 .max_bytes = max_bytes,
					 .sharded = true };
	int error = memory_file_create(&opts, &mf);

	rc = error ? NULL : mf->refcache;
	return error;
}

static int setup(void **state)
{
	(void)state;
	return make(0);
}

static int setup_small(void **state)
{
	(void)state;
	return make(2 * MM_HUGE_SIZE);
}

static int teardown(void **state)
{
	(void)state;
	mm_test_point_set_hook(NULL);
	memory_file_check(mf);
	memory_file_destroy(mf);
	return 0;
}

static uint32_t new_page(void)
{
	uint32_t page;

	assert_int_equal(memory_file_alloc(mf, MEMORY_NODE_ANY, &page), 0);
	refcache_adopt(mf, page);
	return page;
}

static bool is_free(uint32_t page)
{
	return !(atomic_load(&mf->counts[page]) & MEMORY_PAGE_COUNT_MASK);
}

static void passes(int count)
{
	while (count-- > 0)
		refcache_pass(rc);
}

/* ---- what passes see ---- */

static void a_page_is_free_after_the_third_pass(void **state)
{
	uint32_t page = new_page(), other = new_page();

	(void)state;
	memory_file_inc(mf, page);
	memory_file_dec(mf, page);
	passes(4);
	assert_int_equal(memory_file_count(mf, page), 1);
	assert_false(is_free(page));
	memory_file_dec(mf, page);
	assert_int_equal(memory_file_count(mf, page), 0);
	passes(2);
	assert_false(is_free(page));
	passes(1);
	assert_true(is_free(page));
	assert_int_equal(memory_file_count(mf, other), 1);
	memory_file_dec(mf, other);
}

static uint32_t moving; /* the page whose reference moves */
static unsigned emptied; /* tables so far */

/* One reference, always somewhere: taken here before it is dropped there. */
static void move(unsigned to, unsigned from)
{
	refcache_add_at(rc, to, moving, 1);
	refcache_add_at(rc, from, moving, LESS);
}

/* In the first pass the new reference comes to a table that was emptied, and the old one goes from
 * a table that was not. */
static void move_once(const char *name)
{
	if (!strcmp(name, "refcache_emptied") && emptied++ == 0)
		move(0, 1);
}

/* In each pass the reference is in the other table whenever one is emptied: nothing is seen. */
static void move_around(const char *name)
{
	unsigned cpu = emptied % rc->cpu_count;

	if (strcmp(name, "refcache_emptied"))
		return;
	emptied++;
	if (cpu < 2)
		move(cpu, 1 - cpu);
}

static void needs_two_tables(void)
{
	if (!mm_test_points_enabled() || rc->cpu_count < 2)
		skip();
	emptied = 0;
}

static void a_false_zero_is_looked_at_again(void **state)
{
	(void)state;
	needs_two_tables();
	moving = new_page();
	mm_test_point_set_hook(move_once);
	passes(1);
	/* The word says zero. */
	assert_false(atomic_load(&mf->counts[moving]) & MEMORY_SHARD_COUNT_MASK);
	passes(3);
	assert_false(is_free(moving));
	assert_int_equal(memory_file_count(mf, moving), 1);
	memory_file_dec(mf, moving);
	passes(3);
	assert_true(is_free(moving));
}

static void a_reference_that_no_pass_meets_keeps_its_page(void **state)
{
	(void)state;
	needs_two_tables();
	moving = new_page();
	refcache_add_at(rc, 0, moving, LESS);
	passes(1); /* the word says zero */
	refcache_add_at(rc, 1, moving, 1); /* and table 1 has the one reference there is */
	mm_test_point_set_hook(move_around);
	for (int i = 0; i < 8; i++) {
		passes(1);
		assert_false(is_free(moving));
		assert_false(atomic_load(&mf->counts[moving]) & MEMORY_SHARD_COUNT_MASK);
		assert_int_equal(memory_file_count(mf, moving), 1);
	}
	mm_test_point_set_hook(NULL);
	memory_file_dec(mf, moving);
	passes(3);
	assert_true(is_free(moving));
}

/* Taken by its number, by somebody who has no reference, at each stage of its end. */
static void a_page_that_is_not_free_yet_can_be_had(void **state)
{
	(void)state;
	for (int stage = 0; stage <= 2; stage++) {
		uint32_t page = new_page();

		memory_file_dec(mf, page);
		passes(stage);
		assert_true(memory_file_inc_not_zero(mf, page));
		passes(4);
		assert_false(is_free(page));
		assert_int_equal(memory_file_count(mf, page), 1);
		/* And again down, up and down. */
		memory_file_dec(mf, page);
		passes(1);
		memory_file_inc_not_zero(mf, page);
		memory_file_dec(mf, page);
		passes(3);
		assert_true(is_free(page));
		assert_false(memory_file_inc_not_zero(mf, page));
	}
}

/* ---- tables that are full, memory that is short ---- */

#define MANY (REFCACHE_SLOTS + 1)

static void a_slot_is_given_up_for_another_page(void **state)
{
	static uint32_t pages[MANY];
	uint32_t first_at[REFCACHE_SLOTS] = { 0 }, old = 0, now = 0;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		uint32_t *first;

		pages[i] = new_page();
		first = &first_at[refcache_slot(pages[i])];
		if (*first) {
			old = *first;
			now = pages[i];
		}
		*first = pages[i];
	}
	assert_int_not_equal(old, 0); /* more pages than slots */
	refcache_add_at(rc, 0, old, LESS);
	refcache_step(rc); /* knows of none that reached zero */
	assert_int_equal(atomic_load(&rc->passes), 0);
	refcache_add_at(rc, 0, now, 1);
	for (int i = 0; i < 3; i++)
		refcache_step(rc);
	assert_true(is_free(old));
	assert_int_equal(memory_file_count(mf, now), 2);
	memory_file_dec(mf, now);
	for (unsigned i = 0; i < MANY; i++)
		if (pages[i] != old)
			memory_file_dec(mf, pages[i]);
}

/* All the memory there may be, dead but not free: whoever needs it gets it. */
static void dead_pages_are_freed_when_memory_is_short(void **state)
{
	static uint32_t pages[2 * MM_HUGE_PAGES];
	uint32_t page;

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 2 * MM_HUGE_PAGES; i++)
			pages[i] = new_page();
		assert_int_equal(memory_file_alloc(mf, MEMORY_NODE_ANY, &page), -ENOMEM);
		for (unsigned i = 0; i < 2 * MM_HUGE_PAGES; i++)
			memory_file_dec(mf, pages[i]);
	}
}

/* What dies without end costs no more than the tables can hide and the queues may hold; and a
 * table for each CPU and a link for each page are all that is kept of counts. */
static void memory_is_bounded(void **state)
{
	const uint64_t hidden = rc->cpu_count * (REFCACHE_SLOTS + 3 * REFCACHE_WAITING);
	uint64_t pages = 40 * hidden;
	struct memory_file_stat before, after;

	(void)state;
	memory_file_get_stat(mf, &before);
	while (pages--)
		memory_file_dec(mf, new_page());
	memory_file_get_stat(mf, &after);
	assert_int_equal(after.live_pages, 0);
	/* Blocks as well that a CPU has begun, and those that it keeps. */
	assert_true(after.host_bytes[PAGE_4K] <=
		    hidden * MM_PAGE_SIZE + 4 * rc->cpu_count * MM_HUGE_SIZE);
	assert_true(before.metadata_bytes >= rc->cpu_count * REFCACHE_SLOTS * 8);
	/* Counts and links of the pages that were used, and their blocks. */
	assert_true(after.metadata_bytes - before.metadata_bytes <=
		    12 * after.host_bytes[PAGE_4K] / MM_PAGE_SIZE + 16 * MM_PAGE_SIZE);
}

/* ---- who is sharded ---- */

static void only_single_pages_are_sharded(void **state)
{
	uint32_t huge, own, word;

	(void)state;
	assert_int_equal(memory_file_alloc_huge(mf, 0, PAGE_THP, &huge), 0);
	refcache_adopt(mf, huge);
	memory_file_inc_range(mf, huge, (uint32_t)MM_HUGE_PAGES);
	memory_file_inc(mf, huge);
	assert_int_equal(memory_file_count(mf, huge), 3);
	assert_int_equal(atomic_load(&mf->counts[huge]) & MEMORY_PAGE_COUNT_MASK, 3);
	memory_file_dec(mf, huge);
	memory_file_dec_range(mf, huge, (uint32_t)MM_HUGE_PAGES);
	memory_file_dec_range(mf, huge, (uint32_t)MM_HUGE_PAGES);
	assert_true(is_free(huge));
	/* Private: a count of one is in the word, at once. */
	assert_int_equal(memory_file_alloc(mf, MEMORY_NODE_ANY, &own), 0);
	memory_file_inc(mf, own);
	memory_file_dec(mf, own);
	word = atomic_load(&mf->counts[own]);
	assert_int_equal(word, MEMORY_PAGE_SINGLE | 1);
	memory_file_dec(mf, own);
	assert_true(is_free(own));
}

static jmp_buf failed;
static char said[256];

static void note_failure(const char *text)
{
	snprintf(said, sizeof(said), "%s", text);
	longjmp(failed, 1);
}

static void a_reference_that_is_left_is_told(void **state)
{
	uint32_t page = new_page();
	mm_fail_hook old = mm_fail_set_hook(note_failure);

	(void)state;
	memory_file_inc(mf, page);
	memory_file_dec(mf, page);
	if (!setjmp(failed)) {
		memory_file_destroy(mf);
		fail();
	}
	mm_fail_set_hook(old);
	assert_non_null(strstr(said, "1 pages that are still referenced"));
	memory_file_dec(mf, page);
}

/* ---- threads ---- */

#define THREADS 4
#define PLACES 64
#ifdef __SANITIZE_THREAD__
#define STEPS 20000u
#define PAIRS 50000u
#else
#define STEPS 200000u
#define PAIRS 60000000u
#endif

/* A reference lies in each; whoever takes it out has it. 0: taken. */
static _Atomic uint32_t place[PLACES];
static _Atomic unsigned running;

/* The page is what it was when its first reference was put into a place. */
static void is_alive(uint32_t page)
{
	if (is_free(page) || *(uint32_t *)(void *)memory_file_memory(mf, page) != page)
		mm_fail("page %u was freed while it had a reference", page);
}

static uint32_t put_new_page(void)
{
	uint32_t page = 0;

	MM_CHECK(!memory_file_alloc(mf, MEMORY_NODE_ANY, &page));
	refcache_adopt(mf, page);
	memory_file_mark_dirty(mf, page);
	*(uint32_t *)(void *)memory_file_memory(mf, page) = page;
	return page;
}

static void *pass_references_around(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg * 2654435761u + 1, held = 0;

	for (unsigned n = 0; n < STEPS; n++) {
		seed = seed * 1664525 + 1013904223;
		_Atomic uint32_t *at = &place[seed >> 8 & (PLACES - 1)];
		uint32_t page = atomic_exchange(at, 0);

		if (!page)
			continue;
		is_alive(page);
		switch (seed >> 24 & 7) {
		case 0: /* the end of it, unless others have it as well; a new one instead */
			memory_file_dec(mf, page);
			page = put_new_page();
			break;
		case 1: /* one more, to be kept for a while */
		case 2:
			memory_file_inc(mf, page);
			if (held)
				memory_file_dec(mf, held);
			held = page;
			break;
		default: /* another reference goes back than came out */
			memory_file_inc(mf, page);
			memory_file_dec(mf, page);
			break;
		}
		if (held)
			is_alive(held);
		atomic_store(at, page);
	}
	if (held)
		memory_file_dec(mf, held);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static void no_page_is_freed_too_early_or_never(void **state)
{
	pthread_t threads[THREADS];
	struct memory_file_stat st;

	(void)state;
	for (unsigned i = 0; i < PLACES; i++)
		atomic_store(&place[i], put_new_page());
	atomic_store(&running, THREADS);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, pass_references_around, (void *)i), 0);
	while (atomic_load(&running))
		refcache_pass(rc);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	memory_file_get_stat(mf, &st);
	assert_int_equal(st.live_pages, PLACES);
	for (unsigned i = 0; i < PLACES; i++) {
		assert_int_equal(memory_file_count(mf, place[i]), 1);
		memory_file_dec(mf, place[i]);
	}
	memory_file_get_stat(mf, &st);
	assert_int_equal(st.live_pages, 0);
}

static _Atomic bool counting;

/* Of those that this process may use, the first but `skip`; false: there are not so many. */
static bool run_on(unsigned skip)
{
	cpu_set_t all, one;

	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof(all), &all))
		return false;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all) && !skip--) {
			CPU_SET(cpu, &one);
			return !sched_setaffinity(0, sizeof(one), &one);
		}
	return false;
}

static void *count_up_and_down(void *arg)
{
	const uint32_t page = *(uint32_t *)arg;

	if (run_on(1))
		for (unsigned i = 0; i < PAIRS; i++) {
			memory_file_inc(mf, page);
			memory_file_dec(mf, page);
		}
	atomic_store(&counting, false);
	return NULL;
}

/* Tables are emptied from elsewhere at the very moment at which their CPUs count: nothing is lost,
 * because sequences that had begun are aborted. */
static void counts_beside_passes_are_exact(void **state)
{
	uint32_t page = new_page();
	cpu_set_t before;
	pthread_t thread;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	atomic_store(&counting, true);
	assert_int_equal(pthread_create(&thread, NULL, count_up_and_down, &page), 0);
	assert_true(run_on(0));
	while (atomic_load(&counting))
		refcache_pass(rc);
	pthread_join(thread, NULL);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(memory_file_count(mf, page), 1);
	memory_file_dec(mf, page);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_page_is_free_after_the_third_pass),
		TEST(a_false_zero_is_looked_at_again),
		TEST(a_reference_that_no_pass_meets_keeps_its_page),
		TEST(a_page_that_is_not_free_yet_can_be_had),
		TEST(a_slot_is_given_up_for_another_page),
		cmocka_unit_test_setup_teardown(dead_pages_are_freed_when_memory_is_short,
						setup_small, teardown),
		TEST(memory_is_bounded),
		TEST(only_single_pages_are_sharded),
		TEST(a_reference_that_is_left_is_told),
		TEST(counts_beside_passes_are_exact),
		TEST(no_page_is_freed_too_early_or_never),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
