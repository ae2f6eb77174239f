/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_ahead_test.c - what a fault brings along: the absent pages of its own mapping in an aligned
 * unit that nobody holds, in one call of the host, and nothing else.
 */
#include "tests/unit/space_fixture.h"

#include <pthread.h>
#include <stdbool.h>

#include "engine/inject.h"
#include "engine/mm_advise.h"
#include "engine/mm_fork.h"
#include "tests/unit/gate.h"

#define PAGE MM_PAGE_SIZE
#define UNIT 16 /* pages */

static const struct host_space_ops *const hosts[] = { &host_space_none, &host_space_mmap,
						      &host_space_uffd };

static void open_ahead(struct fixture *f, unsigned alloc, unsigned map,
		       const struct host_space_ops *host)
{
	const struct mm_opts opts = { .ahead_bytes = UNIT * PAGE,
				      .alloc_bytes = alloc * PAGE,
				      .map_bytes = map * PAGE };

	gates_init();
	fixture_open(f, &opts, host);
}

static struct shared_memory *object_of(struct fixture *f, unsigned pages)
{
	struct shared_memory *sm;

	assert_int_equal(shared_memory_create(f->memory, pages * PAGE, PAGE_4K, NULL, &sm), 0);
	return sm;
}

static void close_ahead(struct fixture *f, struct shared_memory *sm)
{
	gates_open_all();
	if (sm) {
		assert_int_equal(mm_munmap(f->space, FIXTURE_BASE, 512 * PAGE), 0);
		mapping_identity_dec_ref(shared_memory_identity(sm));
	}
	fixture_close(f);
}

static struct mm_stat stat_of(const struct fixture *f)
{
	struct mm_stat stat;

	mm_get_stat(f->mm, &stat);
	return stat;
}

static bool is_present(const struct fixture *f, uint64_t page)
{
	uint32_t got;
	mm_access perms;

	return !mm_lookup(f->space, fixture_address(page), MM_READ, &got, &perms);
}

/* Of pages 0 .. 2 units exactly [first, end) are present. */
static void expect_present(const struct fixture *f, uint64_t first, uint64_t end)
{
	for (uint64_t page = 0; page < 2 * (uint64_t)UNIT; page++)
		assert_int_equal(is_present(f, page), page >= first && page < end);
	mm_check(f->mm);
}

static void the_unit_comes_in_one_call(void **state)
{
	struct fixture f;

	(void)state;
	for (size_t h = 0; h < 3; h++) {
		open_ahead(&f, 0, 0, hosts[h]);
		assert_int_equal(fixture_map(f.space, 0, 64, FIXTURE_RW, NULL, true, 0), 0);
		assert_int_equal(mm_fault(f.space, fixture_address(UNIT + 5), MM_WRITE), 0);
		expect_present(&f, UNIT, 2 * (uint64_t)UNIT);
		assert_int_equal(stat_of(&f).ahead_faulted, UNIT - 1);
		assert_int_equal(stat_of(&f).memory.live_pages, UNIT);
		assert_int_equal(stat_of(&f).host_maps, h > 0);
		for (uint64_t i = 0; h && i < UNIT; i++) /* no trap any more */
			*(volatile char *)mm_host_address(f.space, fixture_address(UNIT + i)) = 1;
		assert_int_equal(stat_of(&f).host_maps, h > 0);
		/* All of it goes in one call as well. */
		assert_int_equal(mm_discard(f.space, fixture_address(UNIT), UNIT * PAGE), 0);
		assert_int_equal(stat_of(&f).host_unmaps, h > 0);
		expect_present(&f, 0, 0);
		close_ahead(&f, NULL);
	}
}

static void other_mappings_are_left_alone(void **state)
{
	struct fixture f;

	(void)state;
	open_ahead(&f, 0, 0, &host_space_none);
	assert_int_equal(fixture_map(f.space, 0, 64, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(mm_mprotect(f.space, fixture_address(0), 4 * PAGE, MM_NONE), 0);
	assert_int_equal(mm_mprotect(f.space, fixture_address(12), 4 * PAGE, MM_READ), 0);
	assert_int_equal(mm_fault(f.space, fixture_address(5), MM_WRITE), 0);
	expect_present(&f, 4, 12);
	assert_int_equal(mm_fault(f.space, fixture_address(13), MM_WRITE), -EACCES);
	expect_present(&f, 4, 12);
	assert_int_equal(mm_fault(f.space, fixture_address(13), MM_READ), 0);
	expect_present(&f, 4, 16);
	assert_int_equal(stat_of(&f).ahead_faulted, 7 + 3);
	close_ahead(&f, NULL);
}

static void what_is_there_is_not_touched(void **state)
{
	struct fixture f;

	(void)state;
	open_ahead(&f, 0, 0, &host_space_none);
	assert_int_equal(fixture_map(f.space, 0, 64, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_put(&f, f.space, 3, 9), 0);
	assert_int_equal(mm_discard(f.space, fixture_address(4), 12 * PAGE), 0);
	expect_present(&f, 0, 4);
	assert_int_equal(mm_fault(f.space, fixture_address(9), MM_WRITE), 0);
	expect_present(&f, 0, 16);
	assert_int_equal(fixture_get(&f, f.space, 3), 9);
	assert_int_equal(fixture_get(&f, f.space, 4), 0);
	close_ahead(&f, NULL);
}

/* An object has pages at some offsets: those come along; memory only inside its own unit. */
static void memory_is_allocated_in_its_own_unit(void **state)
{
	struct shared_memory *sm;
	struct fixture f;

	(void)state;
	open_ahead(&f, 4, 0, &host_space_mmap);
	sm = object_of(&f, 32);
	assert_int_equal(fixture_map(f.space, 0, 32, FIXTURE_RW, sm, false, 0), 0);
	assert_int_equal(mm_fault(f.space, fixture_address(4), MM_WRITE), 0);
	expect_present(&f, 4, 8);
	assert_int_equal(stat_of(&f).memory.live_pages, 4);
	assert_int_equal(mm_fault(f.space, fixture_address(8), MM_READ), 0);
	expect_present(&f, 4, 12);
	assert_int_equal(stat_of(&f).host_maps, 2);
	/* Forgotten and faulted again: all that have memory come, and in one call. */
	shared_memory_invalidate(sm, (struct mappable_range){ 0, 32 * PAGE },
				 (struct invalidate_opts){ 0 });
	expect_present(&f, 0, 0);
	assert_int_equal(mm_fault(f.space, fixture_address(6), MM_READ), 0);
	expect_present(&f, 4, 12);
	assert_int_equal(stat_of(&f).memory.live_pages, 8);
	assert_int_equal(stat_of(&f).host_maps, 3);
	/* Downwards as well. */
	assert_int_equal(mm_fault(f.space, fixture_address(3), MM_READ), 0);
	expect_present(&f, 0, 12);
	assert_int_equal(stat_of(&f).memory.live_pages, 12);
	close_ahead(&f, sm);
}

static void the_host_is_shown_the_map_unit(void **state)
{
	struct fixture f;

	(void)state;
	open_ahead(&f, 0, 4, &host_space_mmap);
	assert_int_equal(fixture_map(f.space, 0, 64, FIXTURE_RW, NULL, true, 0), 0);
	*(volatile char *)mm_host_address(f.space, fixture_address(5)) = 1;
	expect_present(&f, 0, UNIT);
	*(volatile char *)mm_host_address(f.space, fixture_address(4)) = 1;
	*(volatile char *)mm_host_address(f.space, fixture_address(7)) = 1;
	assert_int_equal(stat_of(&f).host_maps, 1);
	*(volatile char *)mm_host_address(f.space, fixture_address(8)) = 1;
	assert_int_equal(stat_of(&f).host_maps, 2);
	mm_check(f.mm);
	close_ahead(&f, NULL);
}

static void the_end_of_an_object_ends_the_unit(void **state)
{
	struct shared_memory *sm;
	struct fixture f;

	(void)state;
	open_ahead(&f, 0, 0, &host_space_none);
	sm = object_of(&f, 6);
	assert_int_equal(fixture_map(f.space, 0, 32, FIXTURE_RW, sm, false, 0), 0);
	assert_true(is_bus_error(mm_fault(f.space, fixture_address(6), MM_READ)));
	expect_present(&f, 0, 0);
	assert_int_equal(mm_fault(f.space, fixture_address(2), MM_READ), 0);
	expect_present(&f, 0, 6);
	close_ahead(&f, sm);
}

static void private_pages_are_copied_one_by_one(void **state)
{
	struct shared_memory *sm;
	struct fixture f;

	(void)state;
	open_ahead(&f, 0, 0, &host_space_none);
	sm = object_of(&f, 32);
	assert_int_equal(fixture_map(f.space, 0, 32, FIXTURE_RW, sm, true, 0), 0);
	assert_int_equal(mm_fault(f.space, fixture_address(5), MM_WRITE), 0);
	expect_present(&f, 5, 6);
	assert_int_equal(mm_fault(f.space, fixture_address(6), MM_READ), 0);
	expect_present(&f, 5, 16);
	assert_int_equal(stat_of(&f).copied_pages, 1);
	close_ahead(&f, sm);
}

/* The first call of the host fails, which was for all: the fault's page is tried alone. */
static void a_neighbour_makes_no_fault_fail(void **state)
{
	struct fixture f;

	(void)state;
	gates_needed();
	open_ahead(&f, 0, 0, &host_space_mmap);
	assert_int_equal(fixture_map(f.space, 0, 64, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(mm_fault(f.space, fixture_address(40), MM_WRITE), 0);
	mm_inject_arm(INJECT_HOST, 1, 1);
	assert_int_equal(mm_fault(f.space, fixture_address(5), MM_WRITE), 0);
	assert_int_equal(mm_inject_disarm(INJECT_HOST, NULL), 2);
	expect_present(&f, 0, UNIT);
	mm_inject_arm(INJECT_HOST, 1, 2);
	assert_int_equal(mm_fault(f.space, fixture_address(UNIT), MM_WRITE), -ENOMEM);
	mm_inject_disarm(INJECT_HOST, NULL);
	expect_present(&f, 0, UNIT);
	/* Memory ends in the middle of the unit. */
	mm_inject_arm(INJECT_PAGE, 4, 1);
	assert_int_equal(mm_fault(f.space, fixture_address(UNIT), MM_WRITE), 0);
	mm_inject_disarm(INJECT_PAGE, NULL);
	assert_int_equal(stat_of(&f).memory.live_pages, 2 * UNIT + 3);
	mm_inject_arm(INJECT_PAGE, 1, 1);
	assert_int_equal(mm_fault(f.space, fixture_address(UNIT + 9), MM_WRITE), -ENOMEM);
	mm_inject_disarm(INJECT_PAGE, NULL);
	expect_present(&f, 0, UNIT + 3);
	close_ahead(&f, NULL);
}

/* ---- races ---- */

struct call {
	pthread_t thread;
	struct fixture *f;
	struct shared_memory *sm;
	uint64_t page;
	mm_access at;
	int rc;
};

static void *fault_it(void *arg) NO_TSA /* the tests see to the order */
{
	struct call *c = arg;

	assert_int_equal(mm_thread_enter(), 0);
	c->rc = mm_fault(c->f->space, fixture_address(c->page), c->at);
	mm_thread_leave();
	return NULL;
}

static void *truncate_it(void *arg) NO_TSA /* as above */
{
	struct call *c = arg;

	assert_int_equal(mm_thread_enter(), 0);
	c->rc = shared_memory_truncate(c->sm, c->page * PAGE);
	mm_thread_leave();
	return NULL;
}

static void *fork_it(void *arg) NO_TSA /* as above */
{
	struct call *c = arg;
	struct mm_space *child;

	assert_int_equal(mm_thread_enter(), 0);
	c->rc = mm_fork(c->f->space, &child);
	if (!c->rc)
		mm_space_destroy(child);
	mm_thread_leave();
	return NULL;
}

static void call_start(struct call *c, void *(*run)(void *))
{
	assert_int_equal(pthread_create(&c->thread, NULL, run, c), 0);
}

static void call_finish(struct call *c)
{
	assert_int_equal(pthread_join(c->thread, NULL), 0);
	assert_int_equal(c->rc, 0);
}

/* Another thread is in its fault of page 3 (a copy: that page alone): it is not waited for. */
static void a_neighbour_that_is_held_is_passed_by(void **state)
{
	struct shared_memory *sm;
	struct fixture f;

	(void)state;
	gates_needed();
	open_ahead(&f, 0, 0, &host_space_none);
	sm = object_of(&f, 32);
	assert_int_equal(fixture_map(f.space, 0, 32, FIXTURE_RW, sm, true, 0), 0);
	struct call held = { .f = &f, .page = 3, .at = MM_WRITE };

	gate_arm("fault_translated");
	call_start(&held, fault_it);
	gate_await("fault_translated");
	assert_int_equal(mm_fault(f.space, fixture_address(5), MM_READ), 0);
	for (uint64_t page = 0; page < UNIT; page++)
		assert_int_equal(is_present(&f, page), page > 3);
	gate_open("fault_translated");
	call_finish(&held);
	close_ahead(&f, sm);
}

/* All entries are held from before the mappable is asked until its answer is installed: a truncate
 * in between finds each of them. */
static void a_truncate_finds_every_page_of_the_unit(void **state)
{
	struct shared_memory *sm;
	struct fixture f;

	(void)state;
	gates_needed();
	open_ahead(&f, 0, 0, &host_space_mmap);
	sm = object_of(&f, 16);
	assert_int_equal(fixture_map(f.space, 0, 16, FIXTURE_RW, sm, false, 0), 0);
	assert_int_equal(mm_fault(f.space, fixture_address(0), MM_READ), 0);
	shared_memory_invalidate(sm, (struct mappable_range){ 0, 16 * PAGE },
				 (struct invalidate_opts){ 0 });
	struct call fault = { .f = &f, .page = 0, .at = MM_READ };
	struct call cut = { .sm = sm, .page = 2 };

	gate_arm("fault_translated");
	call_start(&fault, fault_it);
	gate_await("fault_translated");
	gate_arm("shared_memory_detached");
	call_start(&cut, truncate_it);
	gate_await("shared_memory_detached");
	gate_open("shared_memory_detached");
	gate_open("fault_translated");
	call_finish(&fault);
	call_finish(&cut);
	expect_present(&f, 0, 2);
	assert_int_equal(stat_of(&f).memory.live_pages, 2);
	close_ahead(&f, sm);
}

/* With a fork under way no private page becomes writable, nor does one that comes along. */
static void a_fork_is_waited_for(void **state)
{
	struct fixture f;

	(void)state;
	gates_needed();
	open_ahead(&f, 0, 0, &host_space_none);
	assert_int_equal(fixture_map(f.space, 0, 64, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(mm_fault(f.space, fixture_address(40), MM_WRITE), 0);
	struct call forking = { .f = &f };
	struct call fault = { .f = &f, .page = 4, .at = MM_WRITE };

	gate_arm("fork_copied_unit");
	call_start(&forking, fork_it);
	gate_await("fork_copied_unit");
	gate_arm("fault_waits_for_fork");
	call_start(&fault, fault_it);
	gate_await("fault_waits_for_fork");
	for (uint64_t page = 0; page < UNIT; page++)
		assert_false(is_present(&f, page));
	gate_open("fault_waits_for_fork");
	gate_open("fork_copied_unit");
	call_finish(&forking);
	call_finish(&fault);
	assert_true(is_present(&f, 4));
	mm_check(f.mm);
	close_ahead(&f, NULL);
}

static void units_are_powers_of_two(void **state)
{
	static const uint64_t bad[] = { 1, PAGE - 1, PAGE + 1, 3 * PAGE, 2 * MM_HUGE_SIZE };
	struct mm *mm;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct mm_opts opts[] = { { .ahead_bytes = bad[i] },
						{ .alloc_bytes = bad[i] },
						{ .map_bytes = bad[i] } };

		for (int k = 0; k < 3; k++)
			assert_int_equal(mm_create(&opts[k], &mm), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_unit_comes_in_one_call),
		cmocka_unit_test(other_mappings_are_left_alone),
		cmocka_unit_test(what_is_there_is_not_touched),
		cmocka_unit_test(memory_is_allocated_in_its_own_unit),
		cmocka_unit_test(the_host_is_shown_the_map_unit),
		cmocka_unit_test(the_end_of_an_object_ends_the_unit),
		cmocka_unit_test(private_pages_are_copied_one_by_one),
		cmocka_unit_test(a_neighbour_makes_no_fault_fail),
		cmocka_unit_test(a_neighbour_that_is_held_is_passed_by),
		cmocka_unit_test(a_truncate_finds_every_page_of_the_unit),
		cmocka_unit_test(a_fork_is_waited_for),
		cmocka_unit_test(units_are_powers_of_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
