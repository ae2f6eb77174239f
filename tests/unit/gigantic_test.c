/* SPDX-License-Identifier: Apache-2.0 */
/* gigantic_test.c - pages of 1 GiB: whole, in parts, shared by a fork, and when there are too
 * few. */
#include "tests/unit/space_fixture.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

#include "engine/mm_fork.h"
#include "engine/mm_remap.h"
#include "engine/test_points.h"
#include "engine/memory_readback.h"

#define HUGEPAGES 2
#define HUGEPAGES_POOL "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages"
#include "tests/unit/hugepages.h"

#define GIGANTIC (UINT64_C(1) << 30)
#define PAGES (GIGANTIC / MM_PAGE_SIZE)

/* With the two pages of the pool. Without them the test ends here. */
static void open_gigantic(struct fixture *f, const struct host_space_ops *host, bool fallback)
{
	struct mm_opts opts = { .page_class = PAGE_1G, .memory.allow_fallback = fallback };
	const char *why;

	if (memory_file_probe(PAGE_1G, &why)) {
		print_message("%s\n", why);
		skip();
	}
	fixture_open(f, &opts, host);
}

static struct mm_stat stat_of(const struct fixture *f)
{
	struct mm_stat stat;

	mm_get_stat(f->mm, &stat);
	return stat;
}

static volatile uint64_t *shown(const struct fixture *f, uint64_t page)
{
	return mm_host_address(f->space, fixture_address(page));
}

static uint32_t page_of(const struct fixture *f, struct mm_space *s, uint64_t page)
{
	uint32_t out;

	(void)f;
	assert_int_equal(fixture_page(s, page, MM_READ, &out), 0);
	return out;
}

static void one_touch_brings_a_gigabyte(void **state)
{
	struct fixture f;
	uint32_t first;

	(void)state;
	open_gigantic(&f, &host_space_mmap, false);
	assert_int_equal(fixture_map(f.space, 0, PAGES, FIXTURE_RW, NULL, true, 0), 0);
	*shown(&f, PAGES - 1) = 7;
	assert_int_equal(stat_of(&f).memory.live_pages, PAGES);
	assert_int_equal(stat_of(&f).host_maps, 1);
	first = page_of(&f, f.space, 0);
	assert_int_equal(first % PAGES, 0);
	assert_int_equal(page_of(&f, f.space, 777), first + 777);
	assert_int_equal(memory_file_class(f.memory, first), PAGE_1G);
	assert_int_equal(memory_file_kernel_page_size(f.memory, first + 5), GIGANTIC);
	assert_int_equal(*shown(&f, 0), 0);
	assert_int_equal(*shown(&f, PAGES - 1), 7);
	assert_int_equal(stat_of(&f).memory.host_bytes[PAGE_1G], GIGANTIC);
	mm_check(f.mm);
	/* As a whole it goes, and comes back zero. */
	assert_int_equal(mm_discard(f.space, fixture_address(0), GIGANTIC), 0);
	assert_int_equal(stat_of(&f).memory.live_pages, 0);
	assert_int_equal(*shown(&f, PAGES - 1), 0);
	assert_int_equal(mm_mprotect(f.space, fixture_address(0), GIGANTIC, MM_READ), 0);
	mm_check(f.mm);
	assert_int_equal(mm_munmap(f.space, fixture_address(0), GIGANTIC), 0);
	assert_int_equal(stat_of(&f).demotions, 0);
	assert_int_equal(stat_of(&f).fallbacks, 0);
	fixture_close(&f);
}

static void the_place_is_aligned_and_moves_whole(void **state)
{
	struct mmap_opts o = fixture_map_opts(0, PAGES, FIXTURE_RW);
	struct fixture f;
	uint64_t at, to;
	mm_access perms;
	uint32_t page, moved;

	(void)state;
	open_gigantic(&f, &host_space_mmap, false);
	o.fixed = o.unmap = false;
	o.address = 0;
	assert_int_equal(mm_mmap(f.space, &o, &at), 0);
	assert_int_equal(at % GIGANTIC, 0);
	assert_int_equal(mm_fault(f.space, at, MM_WRITE), 0);
	assert_int_equal(mm_lookup(f.space, at, MM_WRITE, &page, &perms), 0);
	to = at == GIGANTIC ? 2 * GIGANTIC : GIGANTIC;
	assert_int_equal(mm_mremap(f.space, at, GIGANTIC, GIGANTIC, MREMAP_FIXED_MOVE, to, &to), 0);
	assert_int_equal(mm_lookup(f.space, to, MM_WRITE, &moved, &perms), 0);
	assert_int_equal(page, moved);
	assert_int_equal(stat_of(&f).demotions, 0);
	mm_check(f.mm);
	fixture_close(&f);
}

/* What the host cannot show is copied, 2 MiB or 4 KiB at a time, when it is touched. */
static void a_part_that_goes_demotes(void **state)
{
	struct fixture f;
	uint32_t first;

	(void)state;
	open_gigantic(&f, &host_space_mmap, false);
	assert_int_equal(fixture_map(f.space, 0, PAGES, FIXTURE_RW, NULL, true, 0), 0);
	for (uint64_t page = 0; page < 4 * MM_HUGE_PAGES; page++)
		*shown(&f, page) = page + 1;
	first = page_of(&f, f.space, 0);
	assert_int_equal(mm_munmap(f.space, fixture_address(8), 4 * MM_PAGE_SIZE), 0);
	assert_int_equal(stat_of(&f).demotions, 2); /* the 1 GiB, and 2 MiB of it */
	mm_check(f.mm);
	assert_int_equal(
		mm_mprotect(f.space, fixture_address(MM_HUGE_PAGES), MM_HUGE_SIZE, MM_READ), 0);
	assert_int_equal(mm_discard(f.space, fixture_address(2 * MM_HUGE_PAGES), MM_HUGE_SIZE), 0);
	mm_check(f.mm);
	assert_int_equal(stat_of(&f).memory.live_pages, PAGES - 4 - MM_HUGE_PAGES);
	/* Untouched parts are where they were. */
	assert_int_equal(memory_file_count(f.memory, first + 9 * MM_HUGE_PAGES), 1);
	for (uint64_t page = 0; page < 4 * MM_HUGE_PAGES; page++)
		if (page < 8 || page >= 12)
			assert_int_equal(*shown(&f, page),
					 page / MM_HUGE_PAGES == 2 ? 0 : page + 1);
	assert_int_not_equal(page_of(&f, f.space, 3 * MM_HUGE_PAGES), first + 3 * MM_HUGE_PAGES);
	mm_check(f.mm);
	/* The 1 GiB goes when the last part of it does. */
	assert_int_equal(mm_munmap(f.space, fixture_address(0), GIGANTIC), 0);
	assert_int_equal(stat_of(&f).memory.live_pages, 0);
	assert_int_equal(stat_of(&f).memory.host_bytes[PAGE_1G], 0);
	fixture_close(&f);
}

static void without_a_host_parts_stay_in_place(void **state)
{
	struct fixture f;
	uint32_t first;

	(void)state;
	open_gigantic(&f, &host_space_none, false);
	assert_int_equal(fixture_map(f.space, 0, PAGES, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_put(&f, f.space, 5000, 3), 0);
	first = page_of(&f, f.space, 0);
	assert_int_equal(mm_discard(f.space, fixture_address(0), MM_HUGE_SIZE), 0);
	assert_int_equal(page_of(&f, f.space, 5000), first + 5000);
	assert_int_equal(fixture_get(&f, f.space, 5000), 3);
	assert_int_equal(fixture_live(&f), PAGES - MM_HUGE_PAGES);
	mm_check(f.mm);
	fixture_close(&f);
}

static void a_fork_shares_it_in_parts(void **state)
{
	struct fixture f;
	struct mm_space *child;
	uint32_t first;

	(void)state;
	open_gigantic(&f, &host_space_none, false);
	assert_int_equal(fixture_map(f.space, 0, PAGES, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_put(&f, f.space, 5, 5), 0);
	assert_int_equal(fixture_put(&f, f.space, 600, 6), 0);
	first = page_of(&f, f.space, 0);
	assert_int_equal(mm_fork(f.space, &child), 0);
	assert_int_equal(stat_of(&f).demotions, 1);
	assert_int_equal(memory_file_count(f.memory, first + 600), 2);
	assert_int_equal(page_of(&f, child, 600), first + 600);
	assert_int_equal(fixture_put(&f, child, 600, 9), 0);
	assert_int_equal(fixture_get(&f, f.space, 600), 6);
	assert_int_equal(fixture_get(&f, child, 600), 9);
	assert_int_equal(fixture_get(&f, child, 5), 5);
	mm_check(f.mm);
	mm_space_destroy(child);
	mm_check(f.mm);
	fixture_close(&f);
}

static void too_few_are_an_error_or_a_fallback(void **state)
{
	struct fixture f;
	int rc = 0;
	unsigned got = 0;

	(void)state;
	open_gigantic(&f, &host_space_none, false);
	assert_int_equal(fixture_map(f.space, 0, 3 * PAGES, FIXTURE_RW, NULL, true, 0), 0);
	for (; !rc && got < 3; got += !rc)
		rc = mm_fault(f.space, fixture_address(got * PAGES), MM_WRITE);
	assert_int_equal(rc, -ENOMEM);
	assert_int_equal(fixture_live(&f), got * PAGES);
	/* What went makes room for what comes. */
	assert_int_equal(mm_discard(f.space, fixture_address(0), GIGANTIC), 0);
	assert_int_equal(mm_fault(f.space, fixture_address(got * PAGES), MM_WRITE), 0);
	mm_check(f.mm);
	fixture_close(&f);

	open_gigantic(&f, &host_space_none, true);
	assert_int_equal(fixture_map(f.space, 0, 3 * PAGES, FIXTURE_RW, NULL, true, 0), 0);
	for (got = 0; got < 3; got++)
		assert_int_equal(mm_fault(f.space, fixture_address(got * PAGES), MM_WRITE), 0);
	assert_true(stat_of(&f).fallbacks > 0);
	assert_int_not_equal(memory_file_class(f.memory, page_of(&f, f.space, 2 * PAGES)), PAGE_1G);
	mm_check(f.mm);
	fixture_close(&f);
}

static void no_limit_is_exceeded(void **state)
{
	struct mm_opts opts = { .page_class = PAGE_1G, .memory.max_bytes = GIGANTIC / 2 };
	struct fixture f;
	const char *why;

	(void)state;
	if (memory_file_probe(PAGE_1G, &why))
		skip();
	fixture_open(&f, &opts, &host_space_none);
	assert_int_equal(fixture_map(f.space, 0, PAGES, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(mm_fault(f.space, fixture_address(0), MM_WRITE), -ENOMEM);
	assert_int_equal(stat_of(&f).memory.host_bytes[PAGE_1G], 0);
	mm_check(f.mm);
	fixture_close(&f);
}

static void less_than_a_gigabyte_is_of_smaller_pages(void **state)
{
	struct fixture f;

	(void)state;
	open_gigantic(&f, &host_space_none, false);
	assert_int_equal(fixture_map(f.space, 0, PAGES - 1, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_put(&f, f.space, 0, 1), 0);
	assert_int_not_equal(memory_file_class(f.memory, page_of(&f, f.space, 0)), PAGE_1G);
	assert_int_equal(fixture_put(&f, f.space, PAGES - 2, 2), 0);
	assert_int_equal(fixture_get(&f, f.space, PAGES - 2), 2);
	assert_true(fixture_live(&f) <= 2 * MM_HUGE_PAGES);
	mm_check(f.mm);
	fixture_close(&f);
}

static void ready_pages_are_kept(void **state)
{
	struct fixture f;
	uint32_t first;

	(void)state;
	open_gigantic(&f, &host_space_none, false);
	assert_int_equal(memory_file_prefault(f.memory, 0, PAGE_1G, 1), GIGANTIC);
	assert_int_equal(stat_of(&f).memory.host_bytes[PAGE_1G], GIGANTIC);
	memory_file_check(f.memory);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fixture_map(f.space, 0, PAGES, FIXTURE_RW, NULL, true, 0), 0);
		assert_int_equal(fixture_get(&f, f.space, 9), 0);
		first = page_of(&f, f.space, 0);
		memory_file_memory(f.memory, first + 9)[7] = 1;
		memory_file_mark_dirty(f.memory, first + 9);
		assert_int_equal(mm_munmap(f.space, fixture_address(0), GIGANTIC), 0);
		assert_int_equal(stat_of(&f).memory.punched_bytes, 0);
	}
	/* Cleared when it was wanted again: the block that was dirty, and no other. */
	assert_int_equal(stat_of(&f).memory.zeroed_pages, MM_HUGE_PAGES);
	fixture_close(&f);
}

/* ---- a race ---- */

static struct fixture racing;
static sem_t stopped, go_on;
static _Thread_local bool stops;

static void stop_once(const char *name)
{
	if (stops && !strcmp(name, "memory_gigantic_ready")) {
		stops = false;
		sem_post(&stopped);
		sem_wait(&go_on);
	}
}

static void *fault_and_stop(void *rc)
{
	assert_int_equal(mm_thread_enter(), 0);
	stops = true;
	*(int *)rc = mm_fault(racing.space, fixture_address(0), MM_WRITE);
	mm_thread_leave();
	return NULL;
}

/* Who made a page ready, and finds that another has installed it, is done. */
static void a_page_that_another_installs_is_enough(void **state)
{
	pthread_t thread;
	int rc = 1;

	(void)state;
	if (!mm_test_points_enabled())
		skip();
	open_gigantic(&racing, &host_space_none, false);
	sem_init(&stopped, 0, 0);
	sem_init(&go_on, 0, 0);
	assert_int_equal(fixture_map(racing.space, 0, 2 * PAGES, FIXTURE_RW, NULL, true, 0), 0);
	/* One page is left of the pool. */
	assert_int_equal(mm_fault(racing.space, fixture_address(PAGES), MM_WRITE), 0);
	mm_test_point_set_hook(stop_once);
	assert_int_equal(pthread_create(&thread, NULL, fault_and_stop, &rc), 0);
	sem_wait(&stopped);
	assert_int_equal(mm_fault(racing.space, fixture_address(0), MM_WRITE), 0);
	sem_post(&go_on);
	assert_int_equal(pthread_join(thread, NULL), 0);
	mm_test_point_set_hook(NULL);
	assert_int_equal(rc, 0);
	assert_int_equal(fixture_live(&racing), 2 * PAGES);
	mm_check(racing.mm);
	fixture_close(&racing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_touch_brings_a_gigabyte),
		cmocka_unit_test(the_place_is_aligned_and_moves_whole),
		cmocka_unit_test(a_part_that_goes_demotes),
		cmocka_unit_test(without_a_host_parts_stay_in_place),
		cmocka_unit_test(a_fork_shares_it_in_parts),
		cmocka_unit_test(too_few_are_an_error_or_a_fallback),
		cmocka_unit_test(no_limit_is_exceeded),
		cmocka_unit_test(less_than_a_gigabyte_is_of_smaller_pages),
		cmocka_unit_test(ready_pages_are_kept),
		cmocka_unit_test(a_page_that_another_installs_is_enough),
	};

	return cmocka_run_group_tests(tests, hugepages_setup, hugepages_teardown);
}
