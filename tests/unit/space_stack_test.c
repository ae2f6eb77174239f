/* SPDX-License-Identifier: Apache-2.0 */
/* space_stack_test.c - mappings that grow down on a fault: how far, over what gap, what limit. */
#include "tests/unit/checked.h"

#include "tests/unit/space_fixture.h"

#include <pthread.h>

#include "engine/mm_advise.h"
#include "engine/mm_fork.h"
#include "engine/mm_io.h"

#define TOP 100000 /* page behind the stacks made here */
#define GUARD 256

static int map(struct fixture *f, uint64_t page, uint64_t pages, mm_access perms)
{
	return fixture_map(f->space, page, pages, perms, NULL, true, 0);
}

static void map_stack(struct fixture *f, uint64_t page, uint64_t end)
{
	struct mmap_opts o = fixture_map_opts(page, end - page, FIXTURE_RW);
	uint64_t got;

	o.grows_down = true;
	assert_int_equal(mm_mmap(f->space, &o, &got), 0);
}

static struct mm_limits no_limits(void)
{
	return (struct mm_limits){ .address_space = UINT64_MAX,
				   .data = UINT64_MAX,
				   .locked = UINT64_MAX,
				   .stack = UINT64_MAX };
}

static void expect_pages(struct fixture *f, uint64_t pages)
{
	struct mm_usage usage;

	mm_get_usage(f->space, &usage);
	assert_int_equal(usage.address_space, pages * MM_PAGE_SIZE);
}

static int touch(struct fixture *f, uint64_t page)
{
	return mm_fault(f->space, fixture_address(page), MM_WRITE);
}

static void a_fault_below_extends_the_mapping(void **state)
{
	struct fixture f;
	struct mm_stat stat;
	uint32_t page[2];

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(touch(&f, TOP - 5), -EFAULT); /* no stack at all */
	map_stack(&f, TOP - 4, TOP);
	assert_int_equal(fixture_put(&f, f.space, TOP - 1, 1), 0);
	assert_int_equal(touch(&f, TOP), -EFAULT); /* above is not below */
	assert_int_equal(fixture_put(&f, f.space, TOP - 5, 5), 0);
	expect_pages(&f, 5);
	assert_int_equal(fixture_put(&f, f.space, TOP - 100, 100), 0);
	expect_pages(&f, 100);
	assert_int_equal(fixture_get(&f, f.space, TOP - 50), 0);
	assert_int_equal(fixture_get(&f, f.space, TOP - 1), 1);
	assert_int_equal(fixture_get(&f, f.space, TOP - 5), 5);
	mm_get_stat(f.mm, &stat);
	assert_int_equal(stat.vmas, 1); /* it has grown, not been added to */
	assert_int_equal(fixture_page(f.space, TOP - 5, MM_READ, &page[0]), 0);
	assert_int_equal(fixture_page(f.space, TOP - 1, MM_READ, &page[1]), 0);
	assert_int_equal(page[1], page[0] + 4); /* the room was reserved with it */
	/* beyond that room */
	assert_int_equal(fixture_put(&f, f.space, TOP - 5000, 50), 0);
	assert_int_equal(fixture_put(&f, f.space, TOP - 5001, 51), 0);
	assert_int_equal(fixture_get(&f, f.space, TOP - 5000), 50);
	assert_int_equal(fixture_get(&f, f.space, TOP - 100), 100);
	expect_pages(&f, 5001);
	mm_get_stat(f.mm, &stat);
	assert_int_equal(stat.vmas, 2);
	mm_space_check(f.space);
	fixture_close(&f);
}

static void growth_keeps_a_gap_to_what_is_below(void **state)
{
	static const struct {
		mm_access perms;
		uint64_t gap;
		int want;
	} rows[] = {
		{ MM_READ, GUARD, 0 },	 { MM_READ, GUARD - 1, -EFAULT },
		{ MM_READ, 0, -EFAULT }, { MM_NONE, GUARD - 1, 0 },
		{ MM_NONE, 0, 0 },	 { MM_EXEC, 1, -EFAULT },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture f;

		fixture_open(&f, NULL, &host_space_none);
		map_stack(&f, TOP - 4, TOP);
		assert_int_equal(map(&f, TOP - 1000, 1, rows[i].perms), 0);
		assert_int_equal(touch(&f, TOP - 999 + rows[i].gap), rows[i].want);
		expect_pages(&f, rows[i].want ? 5 : 1000 - rows[i].gap);
		fixture_close(&f);
	}
}

static void stacks_may_meet_stacks(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	map_stack(&f, TOP - 4, TOP);
	map_stack(&f, TOP - 20, TOP - 16);
	assert_int_equal(touch(&f, TOP - 16), 0);
	expect_pages(&f, 20);
	/* what is mapped between belongs to somebody: the next mapping above is what counts */
	assert_int_equal(map(&f, TOP - 500, 1, MM_READ), 0);
	assert_int_equal(touch(&f, TOP - 501), -EFAULT);
	fixture_close(&f);
}

static void the_stack_is_limited(void **state)
{
	struct fixture f;
	struct mm_limits l = no_limits();

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	map_stack(&f, TOP - 4, TOP);
	l.stack = 20 * MM_PAGE_SIZE + 4095;
	mm_set_limits(f.space, &l);
	assert_int_equal(touch(&f, TOP - 21), -EFAULT);
	assert_int_equal(touch(&f, TOP - 20), 0);
	/* what mprotect cut off is another mapping: the rest begins anew */
	assert_int_equal(
		mm_mprotect(f.space, fixture_address(TOP - 10), 10 * MM_PAGE_SIZE, MM_READ), 0);
	assert_int_equal(touch(&f, TOP - 30), 0);
	assert_int_equal(touch(&f, TOP - 31), -EFAULT);
	expect_pages(&f, 30);
	l = no_limits();
	l.address_space = 33 * MM_PAGE_SIZE;
	mm_set_limits(f.space, &l);
	assert_int_equal(touch(&f, TOP - 34), -EFAULT);
	assert_int_equal(touch(&f, TOP - 33), 0);
	l = no_limits();
	l.locked = 5 * MM_PAGE_SIZE;
	mm_set_limits(f.space, &l);
	assert_int_equal(mm_mlock(f.space, fixture_address(TOP - 33), 3 * MM_PAGE_SIZE, MLOCK_LAZY),
			 0);
	assert_int_equal(touch(&f, TOP - 36), -EFAULT);
	assert_int_equal(touch(&f, TOP - 35), 0);
	l = no_limits();
	l.data = MM_PAGE_SIZE; /* a stack is no data */
	mm_set_limits(f.space, &l);
	assert_int_equal(touch(&f, TOP - 60), 0);
	mm_space_check(f.space);
	fixture_close(&f);
}

static void only_the_application_makes_a_stack_grow(void **state)
{
	struct fixture f;
	uint64_t done;
	char byte = 7;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	map_stack(&f, TOP - 4, TOP);
	assert_int_equal(mm_madvise(f.space, fixture_address(TOP - 6), 3 * MM_PAGE_SIZE,
				    MM_ADVISE_POPULATE_WRITE),
			 -ENOMEM);
	assert_int_equal(mm_mlock(f.space, fixture_address(TOP - 6), MM_PAGE_SIZE, MLOCK_EAGER),
			 -ENOMEM);
	expect_pages(&f, 4);
	/* the kernel on behalf of it does */
	assert_int_equal(mm_copy_out(f.space, fixture_address(TOP - 6) + 7, &byte, 1,
				     (struct mm_io_opts){ 0 }, &done),
			 0);
	expect_pages(&f, 6);
	assert_int_equal(fixture_get(&f, f.space, TOP - 6), 7);
	fixture_close(&f);
}

static void mappings_are_placed_clear_of_the_gap(void **state)
{
	struct fixture f;
	struct mmap_opts o = fixture_map_opts(TOP - 20, 1, MM_READ);
	uint64_t got;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	map_stack(&f, TOP - 4, TOP);
	o.fixed = o.unmap = false;
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	assert_int_not_equal(got, o.address); /* a hint in the gap is not taken */
	o.address = fixture_address(TOP - 4 - GUARD - 1);
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	assert_int_equal(got, o.address);
	/* but it is what was asked for exactly */
	o.address = fixture_address(TOP - 5);
	o.fixed = o.no_replace = true;
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	assert_int_equal(got, o.address);
	fixture_close(&f);
}

/* The lowest gap that would do without the guard is taken only if it is large enough with it. */
static void a_search_leaves_the_gap_free(void **state)
{
	struct fixture f;
	struct mmap_opts o = { .length = 10 * MM_PAGE_SIZE,
			       .perms = MM_READ,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = true,
			       .map_32bit = true }; /* the lowest place */
	uint64_t first;
	uint64_t got;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(mm_mmap(f.space, &o, &first), 0); /* the lowest place there is */
	struct mmap_opts stack = fixture_map_opts(0, 1, FIXTURE_RW);

	stack.address = first + (20 + GUARD - 1) * MM_PAGE_SIZE;
	stack.grows_down = true;
	assert_int_equal(mm_mmap(f.space, &stack, &got), 0);
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	assert_int_equal(got, stack.address + MM_PAGE_SIZE);
	o.length = 9 * MM_PAGE_SIZE;
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	assert_int_equal(got, first + 10 * MM_PAGE_SIZE);
	fixture_close(&f);
}

/* The errors and the extent are those of mprotect(2) with PROT_GROWSDOWN. */
static void protection_down_to_the_bottom(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	map_stack(&f, TOP - 4, TOP);
	assert_int_equal(fixture_put(&f, f.space, TOP - 6, 6), 0); /* grown: more than one vma */
	assert_int_equal(fixture_map(f.space, TOP + 8, 2, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(mm_mprotect_down(f.space, fixture_address(TOP - 1), MM_PAGE_SIZE, MM_READ),
			 0);
	assert_int_equal(fixture_put(&f, f.space, TOP - 6, 7), -EACCES);
	assert_int_equal(fixture_put(&f, f.space, TOP - 1, 7), -EACCES);
	assert_int_equal(fixture_get(&f, f.space, TOP - 6), 6);
	/* from a hole below: the next mapping, if it begins in the range */
	assert_int_equal(mm_mprotect_down(f.space, fixture_address(TOP - 8), 4 * MM_PAGE_SIZE,
					  FIXTURE_RW),
			 0);
	assert_int_equal(fixture_put(&f, f.space, TOP - 6, 8), 0);
	assert_int_equal(fixture_put(&f, f.space, TOP - 1, 8), -EACCES); /* behind the end */
	assert_int_equal(mm_mprotect_down(f.space, fixture_address(TOP - 20), 4 * MM_PAGE_SIZE,
					  FIXTURE_RW),
			 -ENOMEM);
	assert_int_equal(mm_mprotect_down(f.space, fixture_address(TOP + 9), MM_PAGE_SIZE, MM_READ),
			 -EINVAL);
	assert_int_equal(mm_mprotect_down(f.space, fixture_address(TOP) + 1, MM_PAGE_SIZE, MM_READ),
			 -EINVAL);
	mm_space_check(f.space);
	fixture_close(&f);
}

static void a_childs_stack_grows_too(void **state)
{
	struct fixture f;
	struct mm_space *child;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	map_stack(&f, TOP - 4, TOP);
	assert_int_equal(fixture_put(&f, f.space, TOP - 6, 6), 0);
	assert_int_equal(mm_fork(f.space, &child), 0);
	assert_int_equal(fixture_put(&f, child, TOP - 9, 9), 0);
	assert_int_equal(fixture_get(&f, child, TOP - 6), 6);
	expect_pages(&f, 6);
	assert_int_equal(fixture_put(&f, f.space, TOP - 9, 3), 0);
	assert_int_equal(fixture_get(&f, child, TOP - 9), 9);
	mm_space_check(child);
	mm_space_destroy(child);
	fixture_close(&f);
}

static void touching_makes_a_stack_grow(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_mmap);
	map_stack(&f, TOP - 4, TOP);
	volatile unsigned char *bytes = mm_host_address(f.space, fixture_address(TOP));

	for (unsigned i = 1; i < 60; i++)
		bytes[-(long)(i * MM_PAGE_SIZE)] = (unsigned char)i;
	expect_pages(&f, 59);
	for (unsigned i = 1; i < 60; i++)
		assert_int_equal(bytes[-(long)(i * MM_PAGE_SIZE)], i);
	fixture_close(&f);
}

/* ---- threads ---- */

struct deep {
	struct fixture f;
	unsigned next;
};

static void *go_deeper(void *arg)
{
	struct deep *d = arg;
	unsigned self = __atomic_fetch_add(&d->next, 1, __ATOMIC_RELAXED);

	assert_int_equal(mm_thread_enter(), 0);
	for (uint64_t i = 0; i < 400; i++)
		assert_int_equal(touch(&d->f, TOP - 5 - (i * 4 + self) * 3), 0);
	mm_thread_leave();
	return NULL;
}

static void threads_that_meet_below_a_stack_all_get_it(void **state)
{
	static struct deep d;
	pthread_t threads[4];

	(void)state;
	fixture_open(&d.f, NULL, &host_space_none);
	map_stack(&d.f, TOP - 4, TOP);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, go_deeper, &d), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	expect_pages(&d.f, 5 + 1599 * 3);
	assert_int_equal(fixture_live(&d.f), 1600);
	fixture_close(&d.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fault_below_extends_the_mapping),
		cmocka_unit_test(growth_keeps_a_gap_to_what_is_below),
		cmocka_unit_test(stacks_may_meet_stacks),
		cmocka_unit_test(the_stack_is_limited),
		cmocka_unit_test(only_the_application_makes_a_stack_grow),
		cmocka_unit_test(mappings_are_placed_clear_of_the_gap),
		cmocka_unit_test(a_search_leaves_the_gap_free),
		cmocka_unit_test(protection_down_to_the_bottom),
		cmocka_unit_test(a_childs_stack_grows_too),
		cmocka_unit_test(touching_makes_a_stack_grow),
		cmocka_unit_test(threads_that_meet_below_a_stack_all_get_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
