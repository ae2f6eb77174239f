/* SPDX-License-Identifier: Apache-2.0 */
/* space_brk_test.c - the heap: the break to the byte, its pages, what is in the way, its limits. */
#include "tests/unit/space_fixture.h"

#include "engine/mm_advise.h"

#define PAGE(n) fixture_address(n)

static void expect_break(struct fixture *f, uint64_t to, int want, uint64_t after)
{
	uint64_t now = 0;

	assert_int_equal(mm_brk(f->space, to, &now), want);
	assert_int_equal(now, after);
}

static uint64_t mapped(struct fixture *f)
{
	struct mm_usage usage;

	mm_get_usage(f->space, &usage);
	return usage.address_space / MM_PAGE_SIZE;
}

static void the_break_moves_by_bytes_and_the_heap_by_pages(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(mm_brk_setup(f.space, PAGE(10) + 100), 0);
	expect_break(&f, 0, -EINVAL, PAGE(10) + 100); /* how one asks where it is */
	expect_break(&f, PAGE(10) + 99, -EINVAL, PAGE(10) + 100);
	expect_break(&f, PAGE(10) + 200, 0, PAGE(10) + 200);
	assert_int_equal(mapped(&f), 0); /* the first page began before the heap: it is not its */
	expect_break(&f, PAGE(11) + 1, 0, PAGE(11) + 1);
	assert_int_equal(mapped(&f), 1);
	assert_int_equal(fixture_put(&f, f.space, 11, 5), 0);
	expect_break(&f, PAGE(14), 0, PAGE(14));
	assert_int_equal(mapped(&f), 3);
	assert_int_equal(fixture_get(&f, f.space, 11), 5);
	assert_int_equal(fixture_get(&f, f.space, 13), 0);
	assert_int_equal(fixture_get(&f, f.space, 14), -EFAULT);
	assert_int_equal(mm_fault(f.space, PAGE(13), MM_EXEC), -EACCES);
	expect_break(&f, PAGE(12) + 1, 0, PAGE(12) + 1);
	assert_int_equal(mapped(&f), 2);
	expect_break(&f, PAGE(10) + 100, 0, PAGE(10) + 100);
	assert_int_equal(mapped(&f), 0);
	expect_break(&f, PAGE(12), 0, PAGE(12));
	assert_int_equal(fixture_get(&f, f.space, 11), 0); /* what was freed is gone */
	/* another heap */
	assert_int_equal(mm_brk_setup(f.space, PAGE(100)), 0);
	assert_int_equal(mapped(&f), 0);
	expect_break(&f, PAGE(101), 0, PAGE(101));
	fixture_close(&f);
}

static void what_is_in_the_way_stops_it(void **state)
{
	struct fixture f;
	struct mmap_opts stack = fixture_map_opts(1000, 4, FIXTURE_RW);
	uint64_t got;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(mm_brk_setup(f.space, PAGE(10)), 0);
	assert_int_equal(fixture_map(f.space, 20, 1, MM_READ, NULL, true, 0), 0);
	expect_break(&f, PAGE(20), -ENOMEM, PAGE(10)); /* Linux keeps a page free behind it */
	expect_break(&f, PAGE(19), 0, PAGE(19));
	expect_break(&f, PAGE(25), -ENOMEM, PAGE(19));
	expect_break(&f, UINT64_MAX, -ENOMEM, PAGE(19));
	expect_break(&f, MM_ADDRESS_END + 1, -ENOMEM, PAGE(19));
	assert_int_equal(mm_munmap(f.space, PAGE(20), MM_PAGE_SIZE), 0);
	/* and the gap below a stack */
	stack.grows_down = true;
	assert_int_equal(mm_mmap(f.space, &stack, &got), 0);
	expect_break(&f, PAGE(1000 - 256), -ENOMEM, PAGE(19));
	expect_break(&f, PAGE(1000 - 257), 0, PAGE(1000 - 257));
	/* a heap whose end was unmapped cannot shrink over it, as in Linux */
	assert_int_equal(mm_munmap(f.space, PAGE(700), 100 * MM_PAGE_SIZE), 0);
	expect_break(&f, PAGE(710), -ENOMEM, PAGE(743));
	expect_break(&f, PAGE(600), 0, PAGE(600));
	fixture_close(&f);
}

static void the_heap_is_limited(void **state)
{
	struct fixture f;
	struct mm_limits l = { .address_space = UINT64_MAX,
			       .data = 10 * MM_PAGE_SIZE,
			       .locked = UINT64_MAX,
			       .stack = UINT64_MAX };

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(mm_brk_setup(f.space, PAGE(10)), 0);
	mm_set_limits(f.space, &l);
	expect_break(&f, PAGE(21), -ENOMEM, PAGE(10));
	expect_break(&f, PAGE(20), 0, PAGE(20));
	expect_break(&f, PAGE(20) + 1, -ENOMEM, PAGE(20));
	expect_break(&f, PAGE(15), 0, PAGE(15));
	/* other data counts as well */
	assert_int_equal(fixture_map(f.space, 100, 4, FIXTURE_RW, NULL, true, 0), 0);
	expect_break(&f, PAGE(17), -ENOMEM, PAGE(15));
	expect_break(&f, PAGE(16), 0, PAGE(16));
	/* what comes is locked and populated if that is the default */
	l.data = UINT64_MAX;
	mm_set_limits(f.space, &l);
	assert_int_equal(mm_mlockall(f.space, false, true, MLOCK_EAGER), 0);
	expect_break(&f, PAGE(19), 0, PAGE(19));
	assert_int_equal(fixture_live(&f), 3);
	l.locked = 4 * MM_PAGE_SIZE;
	mm_set_limits(f.space, &l);
	expect_break(&f, PAGE(21), -EAGAIN, PAGE(19));
	expect_break(&f, PAGE(20), 0, PAGE(20));
	mm_space_check(f.space);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_break_moves_by_bytes_and_the_heap_by_pages),
		cmocka_unit_test(what_is_in_the_way_stops_it),
		cmocka_unit_test(the_heap_is_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
