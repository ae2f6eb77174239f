/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_background_test.c - the threads that clear and release what was freed: what they do, how
 * far they may lag behind, and that what they hold for a moment is not missed.
 */
#include "tests/unit/gate.h"

#include <pthread.h>
#include <sched.h>

#include "engine/memory_background.h"
#include "engine/park.h"

#define HUGE ((uint32_t)MM_HUGE_PAGES)
#define LIMIT 4 /* blocks retained */

static struct memory_file *mf;

static void open_file(bool zeroer, bool releaser, uint64_t max_blocks)
{
	struct memory_file_opts opts = { .span_bytes = UINT64_C(4) << 30,
					 .max_bytes = max_blocks * MM_HUGE_SIZE,
					 .retain_bytes = LIMIT * MM_HUGE_SIZE,
					 .zeroer = zeroer,
					 .releaser = releaser };

	assert_int_equal(memory_file_create(&opts, &mf), 0);
}

static void close_file(void)
{
	memory_file_check(mf);
	memory_file_destroy(mf);
}

static struct memory_file_stat stat_of(void)
{
	struct memory_file_stat st;

	memory_file_get_stat(mf, &st);
	return st;
}

static uint64_t zeroed(void)
{
	return stat_of().zeroed_pages;
}

static uint64_t punched(void)
{
	return stat_of().punched_bytes;
}

static uint64_t retained(void)
{
	return (uint64_t)atomic_load(&mf->private->retained_blocks);
}

/* Until what it counts has come to `value`, or the time is up. */
static void await_value(uint64_t (*count)(void), uint64_t value)
{
	time_t end = time(NULL) + WAIT_SECONDS;

	while (count() != value && time(NULL) < end)
		sched_yield();
	assert_int_equal(count(), value);
}

static uint32_t dirty_block(void)
{
	uint32_t page;

	assert_int_equal(memory_file_alloc_huge(mf, 0, PAGE_THP, &page), 0);
	memset(memory_file_memory(mf, page), 0xa5, MM_HUGE_SIZE);
	memory_file_mark_dirty_range(mf, page, HUGE);
	return page;
}

static bool is_zero(uint32_t page)
{
	const unsigned char *p = memory_file_memory(mf, page);

	return !p[0] && !memcmp(p, p + 1, MM_HUGE_SIZE - 1);
}

static void what_comes_back_dirty_is_cleared(void **state)
{
	uint32_t page, again, first;

	(void)state;
	open_file(true, false, 0);
	page = dirty_block();
	memory_file_dec_range(mf, page, HUGE);
	await_value(zeroed, HUGE);
	await_value(retained, 1);
	assert_int_equal(memory_file_alloc_huge(mf, 0, PAGE_THP, &again), 0);
	assert_int_equal(again, page);
	assert_true(is_zero(again));
	assert_int_equal(zeroed(), HUGE); /* not by who took it */
	memory_file_dec_range(mf, again, HUGE);
	/* Single pages: the two that are dirty, of a block of small ones. */
	assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, HUGE, 0, &first), 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(i ? memory_file_claim_writable(mf, first + i)
				   : memory_file_claim(mf, first + i),
				 0);
	memory_file_dec_range(mf, first, 3);
	memory_file_unreserve(mf, first, HUGE);
	await_value(zeroed, HUGE + 2);
	close_file();
}

static void off_means_off(void **state)
{
	uint32_t page;

	(void)state;
	open_file(false, false, 0);
	assert_null(mf->private->background);
	page = dirty_block();
	memory_file_dec_range(mf, page, HUGE);
	assert_int_equal(zeroed(), 0);
	assert_int_equal(memory_file_alloc_huge(mf, 0, PAGE_THP, &page), 0);
	assert_int_equal(zeroed(), HUGE);
	assert_true(is_zero(page));
	memory_file_dec_range(mf, page, HUGE);
	close_file();
}

/* Who frees leaves the excess to the releaser, up to the slack, and does the rest himself. */
static void the_excess_is_released(void **state)
{
	uint32_t blocks = LIMIT + RELEASE_SLACK, first[2];

	(void)state;
	if (!mm_test_points_enabled())
		skip();
	gates_init();
	open_file(false, true, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, blocks * HUGE, 0, &first[i]),
				 0);
		for (uint32_t b = 0; b < blocks; b++) {
			assert_int_equal(memory_file_claim(mf, first[i] + b * HUGE), 0);
			memory_file_dec(mf, first[i] + b * HUGE);
		}
	}
	gate_arm("memory_releaser_step");
	memory_file_unreserve(mf, first[0], blocks * HUGE);
	gate_await("memory_releaser_step");
	assert_int_equal(retained(), blocks);
	assert_int_equal(punched(), 0);
	memory_file_unreserve(mf, first[1], blocks * HUGE);
	assert_int_equal(retained(), LIMIT);
	assert_int_equal(punched(), (2 * blocks - LIMIT) * MM_HUGE_SIZE);
	gate_open("memory_releaser_step");

	assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, 10 * HUGE, 0, &first[0]), 0);
	for (uint32_t b = 0; b < 10; b++) {
		assert_int_equal(memory_file_claim(mf, first[0] + b * HUGE), 0);
		memory_file_dec(mf, first[0] + b * HUGE);
	}
	memory_file_unreserve(mf, first[0], 10 * HUGE);
	await_value(retained, LIMIT);
	await_value(punched, (2 * blocks - LIMIT + 10 - LIMIT) * MM_HUGE_SIZE);
	close_file();
}

static _Atomic int rc_of_alloc = 1;

static void *alloc_last(void *page)
{
	atomic_store(&rc_of_alloc, memory_file_alloc_huge(mf, 0, PAGE_THP, page));
	return NULL;
}

/* The only block that the limit allows is being cleared when somebody wants one. */
static void what_the_zeroer_holds_is_waited_for(void **state)
{
	time_t end = time(NULL) + WAIT_SECONDS;
	uint64_t sleeps;
	pthread_t thread;
	uint32_t page, other;

	(void)state;
	if (!mm_test_points_enabled())
		skip();
	gates_init();
	open_file(true, false, 1);
	page = dirty_block();
	gate_arm("memory_zeroer_took");
	memory_file_dec_range(mf, page, HUGE);
	gate_await("memory_zeroer_took");
	gate_arm("memory_chunk_short");
	assert_int_equal(pthread_create(&thread, NULL, alloc_last, &other), 0);
	gate_await("memory_chunk_short");
	sleeps = atomic_load(&park_sleeps);
	gate_open("memory_chunk_short");
	while (atomic_load(&park_sleeps) == sleeps && atomic_load(&rc_of_alloc) == 1 &&
	       time(NULL) < end)
		sched_yield();
	gate_open("memory_zeroer_took");
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(atomic_load(&rc_of_alloc), 0);
	memory_file_dec_range(mf, other, HUGE);
	close_file();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_back_dirty_is_cleared),
		cmocka_unit_test(off_means_off),
		cmocka_unit_test(the_excess_is_released),
		cmocka_unit_test(what_the_zeroer_holds_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
