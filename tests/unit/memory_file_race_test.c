/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_file_race_test.c - rule 11 of the lock order: a block counts as a whole or by pages, and
 * goes from the one to the other while others count.
 *
 * A thread is held in the middle of the conversion (gate.h), the block's lock held. What breaks
 * without the rule: a count of the whole block that does not wait for the converter is added to a
 * word that is about to be forgotten, and a dirty mark likewise: the page would be freed too early,
 * or handed out again with somebody's bytes.
 */
#include "tests/unit/gate.h"

#include <pthread.h>

#include "engine/memory_file.h"
#include "engine/park.h"

#define HUGE ((uint32_t)MM_HUGE_PAGES)

static struct memory_file *mf;
static uint32_t first; /* of a block in whole mode with one reference */

static int setup(void **state)
{
	struct memory_file_opts opts = { .span_bytes = UINT64_C(4) << 30 };

	(void)state;
	mf = NULL;
	if (!mm_test_points_enabled())
		return 0; /* the test skips */
	gates_init();
	assert_int_equal(memory_file_create(&opts, &mf), 0);
	assert_int_equal(memory_file_alloc_huge(mf, 0, PAGE_THP, &first), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (!mf)
		return 0;
	gates_open_all();
	memory_file_check(mf);
	memory_file_destroy(mf);
	return 0;
}

static void *inc_page(void *arg)
{
	memory_file_inc(mf, first + *(uint32_t *)arg);
	return NULL;
}

static _Atomic bool range_counted;

static void *inc_block(void *arg)
{
	(void)arg;
	memory_file_inc_range(mf, first, HUGE);
	atomic_store(&range_counted, true);
	return NULL;
}

/* A count of all pages during the conversion: it waits, and every page gets it. */
static void a_count_during_the_conversion_is_not_lost(void **state)
{
	pthread_t converter;
	pthread_t counter;
	uint32_t page = 3;

	(void)state;
	gates_needed();
	atomic_store(&range_counted, false);
	gate_arm("memory_block_converting");
	assert_int_equal(pthread_create(&converter, NULL, inc_page, &page), 0);
	gate_await("memory_block_converting");
	uint64_t sleeps = atomic_load(&park_sleeps);

	assert_int_equal(pthread_create(&counter, NULL, inc_block, NULL), 0);
	/* It sleeps for the lock, or (without the rule) is done. */
	while (atomic_load(&park_sleeps) == sleeps && !atomic_load(&range_counted))
		sched_yield();
	assert_false(atomic_load(&range_counted));
	gate_open("memory_block_converting");
	pthread_join(converter, NULL);
	pthread_join(counter, NULL);
	for (uint32_t i = 0; i < HUGE; i++)
		assert_int_equal(memory_file_count(mf, first + i), i == page ? 3 : 2);
	memory_file_dec_range(mf, first, HUGE);
	memory_file_dec_range(mf, first, HUGE);
	assert_int_equal(memory_file_count(mf, first + page), 1);
	memory_file_dec(mf, first + page);
}

/* A dirty mark takes no lock: it goes to the pages when the whole is being taken apart. */
static void a_dirty_mark_during_the_conversion_is_not_lost(void **state)
{
	pthread_t converter;
	uint32_t page = 3;
	uint32_t again;

	(void)state;
	gates_needed();
	gate_arm("memory_block_converting");
	assert_int_equal(pthread_create(&converter, NULL, inc_page, &page), 0);
	gate_await("memory_block_converting");
	memory_file_mark_dirty_range(mf, first, HUGE);
	memset(memory_file_memory(mf, first), 0x55, MM_HUGE_SIZE);
	gate_open("memory_block_converting");
	pthread_join(converter, NULL);
	for (uint32_t i = 0; i < HUGE; i++)
		assert_true(atomic_load(&mf->counts[first + i]) & MEMORY_PAGE_DIRTY);
	memory_file_dec(mf, first + page);
	memory_file_dec_range(mf, first, HUGE);
	assert_int_equal(memory_file_alloc_huge(mf, 0, PAGE_THP, &again), 0);
	assert_int_equal(again, first);
	for (uint64_t i = 0; i < MM_HUGE_SIZE; i += 64)
		assert_int_equal(memory_file_memory(mf, again)[i], 0);
	memory_file_dec_range(mf, again, HUGE);
}

static void *dec_block(void *arg)
{
	(void)arg;
	memory_file_dec_range(mf, first, HUGE);
	atomic_store(&range_counted, true);
	return NULL;
}

/* The first count on a part, against one less of the whole: it waits, and every page gets it. When
 * the whole ends, all but that part is free. */
static void a_part_outlives_the_whole(void **state)
{
	pthread_t converter, counter;
	uint32_t page = 3;
	struct memory_file_stat st;

	(void)state;
	gates_needed();
	memory_file_inc_range(mf, first, HUGE);
	atomic_store(&range_counted, false);
	gate_arm("memory_block_converting");
	assert_int_equal(pthread_create(&converter, NULL, inc_page, &page), 0);
	gate_await("memory_block_converting");
	uint64_t sleeps = atomic_load(&park_sleeps);

	assert_int_equal(pthread_create(&counter, NULL, dec_block, NULL), 0);
	while (atomic_load(&park_sleeps) == sleeps && !atomic_load(&range_counted))
		sched_yield();
	assert_false(atomic_load(&range_counted));
	gate_open("memory_block_converting");
	pthread_join(converter, NULL);
	pthread_join(counter, NULL);
	for (uint32_t i = 0; i < HUGE; i++)
		assert_int_equal(memory_file_count(mf, first + i), i == page ? 2 : 1);
	memory_file_dec_range(mf, first, HUGE);
	memory_file_get_stat(mf, &st);
	assert_int_equal(st.live_pages, 1);
	assert_int_equal(memory_file_count(mf, first + page), 1);
	memory_file_dec(mf, first + page);
}

static void *inc_page_and_say(void *arg)
{
	inc_page(arg);
	atomic_store(&range_counted, true);
	return NULL;
}

/* Pages that count alike become a whole again while somebody counts on one of them: he waits. */
static void a_count_on_a_part_while_pages_are_joined_is_not_lost(void **state)
{
	pthread_t joiner, counter;
	uint32_t page = 3;

	(void)state;
	gates_needed();
	memory_file_inc(mf, first);
	memory_file_dec(mf, first); /* split, and alike */
	atomic_store(&range_counted, false);
	gate_arm("memory_block_joining");
	assert_int_equal(pthread_create(&joiner, NULL, inc_block, NULL), 0);
	gate_await("memory_block_joining");
	uint64_t sleeps = atomic_load(&park_sleeps);

	atomic_store(&range_counted, false);
	assert_int_equal(pthread_create(&counter, NULL, inc_page_and_say, &page), 0);
	while (atomic_load(&park_sleeps) == sleeps && !atomic_load(&range_counted))
		sched_yield();
	assert_false(atomic_load(&range_counted));
	gate_open("memory_block_joining");
	pthread_join(joiner, NULL);
	pthread_join(counter, NULL);
	for (uint32_t i = 0; i < HUGE; i++)
		assert_int_equal(memory_file_count(mf, first + i), i == page ? 3 : 2);
	memory_file_dec(mf, first + page);
	memory_file_dec_range(mf, first, HUGE);
	memory_file_dec_range(mf, first, HUGE);
}

/* He saw pages; when he comes to his, the block is whole. His count is not written where nobody
 * looks any more. */
static void a_count_that_comes_after_the_joining_looks_again(void **state)
{
	pthread_t late;
	uint32_t page = 3;

	(void)state;
	gates_needed();
	memory_file_inc(mf, first);
	memory_file_dec(mf, first);
	gate_arm("memory_block_part");
	assert_int_equal(pthread_create(&late, NULL, inc_page, &page), 0);
	gate_await("memory_block_part");
	memory_file_inc_range(mf, first, HUGE);
	assert_int_equal(atomic_load(&memory_file_block(mf, first)->whole), BLOCK_WHOLE | 2);
	gate_open("memory_block_part");
	pthread_join(late, NULL);
	for (uint32_t i = 0; i < HUGE; i++)
		assert_int_equal(memory_file_count(mf, first + i), i == page ? 3 : 2);
	memory_file_dec(mf, first + page);
	memory_file_dec_range(mf, first, HUGE);
	memory_file_dec_range(mf, first, HUGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_count_during_the_conversion_is_not_lost),
		TEST(a_dirty_mark_during_the_conversion_is_not_lost),
		TEST(a_part_outlives_the_whole),
		TEST(a_count_on_a_part_while_pages_are_joined_is_not_lost),
		TEST(a_count_that_comes_after_the_joining_looks_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
