/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata_test.c - what the engine needs for itself: for a page that is there, for an expanse of
 * addresses that nobody touches, and that all of it comes back.
 */
#include "tests/unit/space_fixture.h"

#include <errno.h>
#include <unistd.h>

#define TIB (UINT64_C(1) << 40)
#define DENSE_PAGES (UINT64_C(64) << 20 >> MM_PAGE_SHIFT)
#define PER_PAGE_MOST 14
#define EXPANSE_MOST (UINT64_C(64) << 10)

static struct mm *mm;
static struct mm_space *space;

static int set_up(void **state)
{
	(void)state;
	alarm(60);
	return mm_thread_enter() || mm_create(NULL, &mm) ||
	       mm_space_create(mm, &host_space_none, 0, &space);
}

static int tear_down(void **state)
{
	(void)state;
	mm_check(mm);
	mm_space_destroy(space);
	mm_destroy(mm);
	mm_thread_leave();
	alarm(0);
	return 0;
}

static struct mm_stat stat_now(void)
{
	struct mm_stat stat;

	mm_get_stat(mm, &stat);
	return stat;
}

static void map(uint64_t address, uint64_t length)
{
	struct mmap_opts o = { .length = length,
			       .address = address,
			       .fixed = true,
			       .perms = FIXTURE_RW,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = true };
	uint64_t got;

	assert_int_equal(mm_mmap(space, &o, &got), 0);
}

/* Entries of 512 GiB, or down to 4 KiB at both ends: a node a level and end at most. */
static void a_tebibyte_that_nobody_touches_takes_next_to_nothing(void **state)
{
	static const struct {
		uint64_t address;
		unsigned nodes; /* which stay: each place has two tebibytes of its own */
	} place[] = {
		{ 8 * TIB, 0 },
		{ 10 * TIB + TIB / 1024, 2 },
		{ 12 * TIB + MM_HUGE_SIZE, 4 },
		{ 14 * TIB + MM_PAGE_SIZE, 6 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(place) / sizeof(place[0]); i++) {
		struct mm_stat before = stat_now();

		map(place[i].address, TIB);
		struct mm_stat after = stat_now();

		assert_int_equal(after.nodes - before.nodes, place[i].nodes);
		assert_int_equal(after.vmas - before.vmas, 1);
		assert_true(after.metadata_bytes - before.metadata_bytes <= EXPANSE_MOST);
		assert_true(mm_lookup(space, place[i].address, MM_READ, &(uint32_t){ 0 },
				      &(mm_access){ 0 }) == -ENOENT);
		assert_int_equal(mm_munmap(space, place[i].address, TIB), 0);
	}
}

/* With the tables of the memory file, which nobody else fills, the tree's part and the vma's. */
static void a_dense_page_takes_fourteen_bytes(void **state)
{
	struct mm_stat before = stat_now();
	uint64_t bytes;

	(void)state;
	map(FIXTURE_BASE, DENSE_PAGES * MM_PAGE_SIZE);
	for (uint64_t i = 0; i < DENSE_PAGES; i++)
		assert_int_equal(mm_fault(space, fixture_address(i), MM_WRITE), 0);
	struct mm_stat after = stat_now();

	assert_int_equal(after.memory.live_pages, DENSE_PAGES);
	bytes = after.metadata_bytes - before.metadata_bytes;
	print_message("%llu pages, %llu bytes, %.2f a page\n", (unsigned long long)DENSE_PAGES,
		      (unsigned long long)bytes, (double)bytes / (double)DENSE_PAGES);
	assert_true(bytes <= PER_PAGE_MOST * DENSE_PAGES);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_tebibyte_that_nobody_touches_takes_next_to_nothing),
		TEST(a_dense_page_takes_fourteen_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
