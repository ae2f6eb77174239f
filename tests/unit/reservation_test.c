/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reservation_test.c - the address decides the page, whatever the order of faults, and all page
 * numbers come back.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "engine/reservation.h"

#define CHUNK ((uint64_t)MEMORY_CHUNK_PAGES)
#define SPAN_CHUNKS 8
#define START (UINT64_C(0x7f0000000000) >> MM_PAGE_SHIFT)

static struct memory_file *mf;
static struct reservation *r;
static uint64_t bytes_before;

static int set_up(void **state)
{
	struct memory_file_opts opts = { .span_bytes = (uint64_t)SPAN_CHUNKS << 30 };

	(void)state;
	alarm(60);
	bytes_before = reservation_bytes();
	return memory_file_create(&opts, &mf);
}

/* Everything was given back: all chunks but the first can be reserved whole. */
static int tear_down(void **state)
{
	uint32_t runs[SPAN_CHUNKS];
	int count = 0;

	(void)state;
	assert_int_equal(reservation_bytes(), bytes_before);
	assert_int_equal(memory_file_prefault(mf, 0, PAGE_4K, 0), 0);
	for (int cls = PAGE_4K; cls <= PAGE_THP; cls++) /* a free chunk keeps its class */
		while (count < SPAN_CHUNKS &&
		       !memory_file_reserve(mf, 0, (enum page_class)cls, MEMORY_CHUNK_PAGES, 0,
					    &runs[count]))
			count++;
	assert_int_equal(count, SPAN_CHUNKS - 1);
	while (count)
		memory_file_unreserve(mf, runs[--count], MEMORY_CHUNK_PAGES);
	memory_file_check(mf);
	memory_file_destroy(mf);
	alarm(0);
	return 0;
}

static void create(uint64_t start, uint64_t end)
{
	assert_int_equal(reservation_create(mf, start, end, 1, &r), 0);
	assert_true(reservation_bytes() > bytes_before);
}

static uint32_t page_of(uint64_t address_page, enum page_class cls)
{
	uint32_t page = 0;

	assert_int_equal(reservation_page(r, address_page, 0, cls, &page), 0);
	assert_int_not_equal(page, 0);
	assert_true(page < mf->page_limit);
	return page;
}

static void test_neighbours_get_neighbouring_pages(void **state)
{
	enum { N = 3000 };
	uint32_t first;

	(void)state;
	create(START + 3, START + 3 + N);
	first = page_of(START + 3 + 1700, PAGE_4K) - 1700;
	/* 7 and 3000 have no common divisor: every page, in no order */
	for (uint32_t i = 0, k = 11; i < N; i++, k = (k + 7) % N)
		assert_int_equal(page_of(START + 3 + k, PAGE_4K), first + k);
	/* Congruent to the address within 2 MiB, so that the host could use huge pages. */
	assert_int_equal((first - START - 3) % MM_HUGE_PAGES, 0);
	reservation_put(r);
}

static void test_small_range_has_exactly_its_pages(void **state)
{
	struct reservation *other;
	uint32_t first;
	uint32_t page = 0;

	(void)state;
	create(START + 9, START + 9 + 17);
	first = page_of(START + 9 + 16, PAGE_4K) - 16;
	for (uint32_t i = 0; i < 17; i++)
		assert_int_equal(page_of(START + 9 + i, PAGE_4K), first + i);
	assert_int_equal(reservation_create(mf, START + 100, START + 101, 1, &other), 0);
	assert_int_equal(reservation_page(other, START + 100, 0, PAGE_4K, &page), 0);
	assert_true(page < first || page >= first + 17);
	reservation_put(other);
	reservation_put(r);
}

static void test_slices_are_of_a_gigabyte(void **state)
{
	uint32_t first[3];

	(void)state;
	create(START, START + 2 * CHUNK + 1024);
	assert_int_equal(r->slices, 3);
	for (int i = 2; i >= 0; i--)
		first[i] = page_of(START + (uint64_t)i * CHUNK, PAGE_4K);
	for (uint64_t i = 0; i < 2; i++) {
		assert_int_equal(page_of(START + (i + 1) * CHUNK - 1, PAGE_4K),
				 first[i] + CHUNK - 1);
		assert_int_equal(first[i] / CHUNK, (first[i] + CHUNK - 1) / CHUNK);
	}
	assert_int_equal(page_of(START + 2 * CHUNK + 1023, PAGE_4K), first[2] + 1023);
	assert_true(first[0] != first[1] && first[1] / CHUNK != first[2] / CHUNK);
	reservation_put(r);
}

static void test_only_slices_that_are_used_are_made(void **state)
{
	(void)state;
	/* More than the memory file has: fine, until it is used. */
	create(START, START + 100 * CHUNK);
	page_of(START + 77 * CHUNK + 5, PAGE_4K);
	for (unsigned i = 0; i < r->slices; i++)
		assert_int_equal(*reservation_slot(r, 0, PAGE_4K, i) != 0, i == 77);

	uint32_t page = 0;
	int rc = 0;
	unsigned made = 0;

	for (unsigned i = 0; i < 70 && !rc; i++) {
		rc = reservation_page(r, START + i * CHUNK, 0, PAGE_4K, &page);
		made += !rc;
	}
	assert_int_equal(rc, -ENOMEM);
	assert_int_equal(made, SPAN_CHUNKS - 2);
	reservation_put(r);
}

static void test_huge_classes_are_aligned_and_apart(void **state)
{
	uint64_t aligned = START + MM_HUGE_PAGES;

	(void)state;
	create(START + 5, START + 5 + 4 * MM_HUGE_PAGES);
	uint32_t huge = page_of(aligned, PAGE_THP);
	uint32_t small = page_of(aligned, PAGE_4K);

	assert_int_equal(huge % MM_HUGE_PAGES, 0);
	assert_int_equal(page_of(aligned + MM_HUGE_PAGES, PAGE_THP), huge + MM_HUGE_PAGES);
	/* The origin was rounded down: the first 2 MiB begin below the range. */
	assert_int_equal(page_of(START, PAGE_THP), huge - MM_HUGE_PAGES);
	assert_int_not_equal(huge, small);
	assert_int_equal(memory_file_class(mf, huge), PAGE_THP);
	assert_int_equal(memory_file_class(mf, small), PAGE_4K);
	reservation_put(r);
}

static void test_references_keep_the_slices(void **state)
{
	(void)state;
	create(START, START + 1024);
	uint32_t page = page_of(START + 700, PAGE_4K);

	reservation_get(r);
	reservation_put(r);
	assert_true(reservation_bytes() > bytes_before);
	assert_int_equal(page_of(START + 700, PAGE_4K), page);
	assert_int_equal(memory_file_claim(mf, page), 0);
	reservation_put(r);
	/* A page that is still referenced stays, though nothing reserves it any more. */
	assert_int_equal(memory_file_count(mf, page), 1);
	memory_file_dec(mf, page);
}

static void test_missing_node_is_an_error(void **state)
{
	uint32_t page = 0;

	(void)state;
	assert_int_equal(reservation_create(mf, START, START + 1024, MEMORY_MAX_NODES, &r), 0);
	assert_int_not_equal(reservation_page(r, START, MEMORY_MAX_NODES - 1, PAGE_4K, &page), 0);
	assert_int_equal(*reservation_slot(r, MEMORY_MAX_NODES - 1, PAGE_4K, 0), 0);
	page_of(START, PAGE_4K);
	reservation_put(r);
}

/* ---- first use by two threads ---- */

struct user {
	pthread_t thread;
	uint32_t page;
	int rc;
};

static pthread_barrier_t both;

static void *use(void *arg)
{
	struct user *u = arg;

	pthread_barrier_wait(&both);
	/* Straight to the slow part, as if both had found the slot empty. */
	u->rc = reservation_make_slice(r, 0, PAGE_4K, 0);
	if (!u->rc)
		u->rc = reservation_page(r, START + 300, 0, PAGE_4K, &u->page);
	return NULL;
}

static void test_two_first_users_get_the_same_page(void **state)
{
	(void)state;
	assert_int_equal(pthread_barrier_init(&both, NULL, 2), 0);
	/* What a loser fails to give back would be missed soon: 7 gigabytes in all. */
	for (int round = 0; round < 200; round++) {
		struct user users[2] = { 0 };

		create(START, START + CHUNK);
		for (int i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&users[i].thread, NULL, use, &users[i]), 0);
		for (int i = 0; i < 2; i++)
			assert_int_equal(pthread_join(users[i].thread, NULL), 0);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(users[i].rc, 0);
			assert_int_not_equal(users[i].page, 0);
		}
		assert_int_equal(users[0].page, users[1].page);
		reservation_put(r);
	}
	pthread_barrier_destroy(&both);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_neighbours_get_neighbouring_pages),
		TEST(test_small_range_has_exactly_its_pages),
		TEST(test_slices_are_of_a_gigabyte),
		TEST(test_only_slices_that_are_used_are_made),
		TEST(test_huge_classes_are_aligned_and_apart),
		TEST(test_references_keep_the_slices),
		TEST(test_missing_node_is_an_error),
		TEST(test_two_first_users_get_the_same_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
