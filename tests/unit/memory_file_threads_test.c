/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_file_threads_test.c - memory files used by several threads, with a model of counts.
 *
 * References travel between threads through slots, so that pages are freed far from where they
 * came from and reservations end while others hold their pages. The model's count goes up before
 * a reference is made known and down before it is dropped, so whoever is handed a page must find
 * it at zero. Once more with a limit that refuses often.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "tests/unit/memory_file_fixture.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { STRESS_STEPS = 1500 };
#else
enum { STRESS_STEPS = 6000 };
#endif
enum { SLOTS = 192, BLOCK_SLOTS = 6, THREADS = 4 };

static struct memory_file *shared;
static _Atomic uint32_t *held; /* by page: references as the model counts them */
static _Atomic uint32_t slots[SLOTS]; /* one reference to a page each */
static _Atomic uint32_t block_slots[BLOCK_SLOTS]; /* one reference to 512 pages each */
static bool limited;
static _Atomic uint32_t wrongs; /* assertions of cmocka are for the main thread */

static void expect(bool ok)
{
	if (!ok)
		atomic_fetch_add(&wrongs, 1);
}

/* Memory may be refused where there is a limit. */
static bool stress_given(int rc)
{
	expect(rc == 0 || (limited && rc == -ENOMEM));
	return rc == 0;
}

/* A page came with one reference: it was nobody's, it is zero; it may get a stamp. */
static void stress_got(uint32_t page, uint64_t *seed)
{
	uint64_t *p = (uint64_t *)memory_file_memory(shared, page);

	expect(atomic_exchange(&held[page], 1) == 0);
	expect(page_is_zero(shared, page));
	if (next_random(seed) % 2) {
		memory_file_mark_dirty(shared, page);
		p[0] = p[511] = page;
	}
}

static void stress_drop(uint32_t page)
{
	const uint64_t *p = (const uint64_t *)memory_file_memory(shared, page);

	expect(p[0] == p[511] && (p[0] == 0 || p[0] == page));
	expect(atomic_fetch_sub(&held[page], 1) >= 1);
	memory_file_dec(shared, page);
}

/* Passes a reference on, for another one. */
static void stress_pass(uint32_t page, uint64_t *seed)
{
	uint32_t other = atomic_exchange(&slots[next_random(seed) % SLOTS], page);

	if (other)
		stress_drop(other);
}

static void stress_share(uint32_t page, uint64_t *seed)
{
	for (uint32_t n = next_random(seed) % 3; n; n--) {
		atomic_fetch_add(&held[page], 1);
		memory_file_inc(shared, page);
		stress_pass(page, seed);
	}
	stress_pass(page, seed);
}

/* A reference to a whole block ends in one step, or in parts that are passed on. */
static void stress_drop_block(uint32_t first, uint64_t *seed)
{
	if (next_random(seed) % 2) {
		for (uint32_t i = 0; i < HUGE; i++)
			atomic_fetch_sub(&held[first + i], 1);
		memory_file_dec_range(shared, first, HUGE);
		return;
	}
	for (uint32_t i = 0; i < HUGE; i++)
		if (i % 16)
			stress_drop(first + i);
		else
			stress_pass(first + i, seed);
}

static void stress_pass_block(uint32_t first, uint64_t *seed)
{
	uint32_t other = atomic_exchange(&block_slots[next_random(seed) % BLOCK_SLOTS], first);

	if (other)
		stress_drop_block(other, seed);
}

static void stress_block(uint64_t *seed)
{
	uint32_t first, run = 0;
	bool reserved = next_random(seed) % 2;
	int rc;

	if (reserved) {
		rc = memory_file_reserve(shared, 0, PAGE_THP, 2 * HUGE, 0, &run);
		first = run;
		rc = rc ? rc : memory_file_claim_huge(shared, first);
	} else {
		rc = memory_file_alloc_huge(shared, 0, PAGE_THP, &first);
	}
	if (!stress_given(rc)) {
		if (run)
			memory_file_unreserve(shared, run, 2 * HUGE);
		return;
	}
	for (uint32_t i = 0; i < HUGE; i++)
		stress_got(first + i, seed);
	for (uint32_t n = next_random(seed) % 3; n; n--) {
		for (uint32_t i = 0; i < HUGE; i++)
			atomic_fetch_add(&held[first + i], 1);
		memory_file_inc_range(shared, first, HUGE);
		stress_pass_block(first, seed);
	}
	stress_pass_block(first, seed);
	if (reserved)
		memory_file_unreserve(shared, run, 2 * HUGE);
}

/* What of a run can be claimed in a row is counted, marked and dropped in unequal parts. */
static void stress_parts(uint32_t first, uint32_t pages, uint64_t *seed)
{
	uint32_t start = first + next_random(seed) % pages, end = start, part;

	while (end < first + pages && end < start + 700 && !memory_file_claim(shared, end))
		expect(atomic_exchange(&held[end++], 2) == 0);
	memory_file_inc_range(shared, start, end - start);
	memory_file_mark_dirty_range(shared, start, end - start);
	for (int round = 0; round < 2; round++)
		for (uint32_t page = start; page < end; page += part) {
			part = 1 + next_random(seed) % (end - page);
			for (uint32_t i = 0; i < part; i++)
				expect(atomic_fetch_sub(&held[page + i], 1) >= 1);
			memory_file_dec_range(shared, page, part);
		}
}

static void stress_run(uint64_t *seed)
{
	uint32_t first, pages = random_pages(seed);
	int rc = memory_file_reserve(shared, MEMORY_NODE_ANY, PAGE_4K, pages, next_random(seed),
				     &first);

	if (!stress_given(rc))
		return;
	for (int n = 0; n < 300; n++) {
		uint32_t page = first + next_random(seed) % pages;
		int got = memory_file_claim(shared, page);

		if (got == -EBUSY || !stress_given(got))
			continue;
		stress_got(page, seed);
		stress_share(page, seed);
	}
	stress_parts(first, pages, seed);
	memory_file_unreserve(shared, first, pages);
}

static void *stress_thread(void *arg)
{
	uint64_t seed = 0x9e3779b97f4a7c15u * (uint64_t)(1 + (uintptr_t)arg);

	for (int step = 0; step < STRESS_STEPS; step++) {
		uint32_t what = next_random(&seed) % 64;
		uint32_t page;

		if (what == 0) {
			stress_block(&seed);
		} else if (what < 6) {
			stress_run(&seed);
		} else if (what < 8) {
			/* A hint that may be stale: a reference, or none. */
			page = atomic_load(&slots[next_random(&seed) % SLOTS]);
			if (page && memory_file_inc_not_zero(shared, page))
				memory_file_dec(shared, page);
		} else if (stress_given(memory_file_alloc(shared, MEMORY_NODE_ANY, &page))) {
			stress_got(page, &seed);
			memory_file_pin(shared, page);
			expect(memory_file_pins(shared, page) == 1);
			stress_share(page, &seed);
			memory_file_unpin(shared, page);
		}
	}
	return NULL;
}

static void threads_run(uint64_t max_bytes)
{
	pthread_t threads[THREADS];
	struct memory_file_stat st;
	uint64_t seed = 1;

	limited = max_bytes != 0;
	shared = make(max_bytes);
	held = calloc(SPAN_PAGES, sizeof(held[0]));
	assert_non_null(held);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, stress_thread, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	memory_file_check(shared);
	memory_file_get_stat(shared, &st);
	assert_true(!limited || st.host_bytes[PAGE_4K] <= max_bytes);
	for (uint32_t page = 0; page < SPAN_PAGES; page++)
		if (held[page])
			assert_int_equal(memory_file_count(shared, page), held[page]);
	for (int i = 0; i < BLOCK_SLOTS; i++)
		if (block_slots[i])
			stress_drop_block(atomic_exchange(&block_slots[i], 0), &seed);
	for (int i = 0; i < SLOTS; i++)
		if (slots[i])
			stress_drop(atomic_exchange(&slots[i], 0));
	assert_int_equal(wrongs, 0);
	finish(shared);
	free((void *)held);
}

static void test_threads(void **state)
{
	(void)state;
	threads_run(0);
}

static void test_threads_at_the_limit(void **state)
{
	(void)state;
	threads_run(UINT64_C(32) << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_threads_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
