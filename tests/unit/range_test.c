/* SPDX-License-Identifier: Apache-2.0 */
/* range_test.c - range arithmetic at its edges, access sets and the encoding of errors. */
#include "engine/range.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "engine/access.h"
#include "engine/error.h"

static struct addr_range range(uint64_t start, uint64_t end)
{
	return (struct addr_range){ start, end };
}

static void test_basics(void **state)
{
	(void)state;
	assert_true(addr_range_well_formed(range(5, 5)));
	assert_false(addr_range_well_formed(range(6, 5)));
	assert_int_equal(addr_range_length(range(3, 10)), 7);
	assert_int_equal(addr_range_length(range(0, UINT64_MAX)), UINT64_MAX);
	assert_true(addr_range_contains(range(3, 5), 3));
	assert_true(addr_range_contains(range(3, 5), 4));
	assert_false(addr_range_contains(range(3, 5), 5));
	assert_false(addr_range_contains(range(3, 5), 2));
	assert_false(addr_range_contains(range(3, 3), 3));
}

/* All pairs of ranges within 0..6 against the definition, point by point. */
static void test_relations_exhaustively(void **state)
{
	(void)state;
	for (uint64_t as = 0; as < 6; as++)
		for (uint64_t ae = as + 1; ae <= 6; ae++)
			for (uint64_t bs = 0; bs < 6; bs++)
				for (uint64_t be = bs + 1; be <= 6; be++) {
					struct addr_range a = range(as, ae), b = range(bs, be);
					struct addr_range both = addr_range_intersect(a, b);
					uint64_t common = 0;

					for (uint64_t x = 0; x < 6; x++) {
						bool in_a = addr_range_contains(a, x);
						bool in_b = addr_range_contains(b, x);

						common += in_a && in_b;
						assert_int_equal(addr_range_contains(both, x),
								 in_a && in_b);
					}
					assert_true(addr_range_well_formed(both));
					assert_int_equal(addr_range_length(both), common);
					assert_int_equal(addr_range_overlaps(a, b), common > 0);
					assert_int_equal(addr_range_superset_of(a, b),
							 common == be - bs);
				}
}

static void test_split_and_alignment(void **state)
{
	(void)state;
	assert_false(addr_range_can_split_at(range(2, 4), 2));
	assert_true(addr_range_can_split_at(range(2, 4), 3));
	assert_false(addr_range_can_split_at(range(2, 4), 4));
	assert_true(addr_range_page_aligned(range(0x1000, 0x3000)));
	assert_false(addr_range_page_aligned(range(0x1001, 0x3000)));
	assert_false(addr_range_page_aligned(range(0x1000, 0x2fff)));
	assert_true(page_aligned(0));
	assert_false(page_aligned(0x800));
}

static void test_rounding(void **state)
{
	uint64_t up = 77;

	(void)state;
	assert_int_equal(page_round_down(0x1fff), 0x1000);
	assert_int_equal(page_round_down(0x2000), 0x2000);
	assert_true(page_round_up(0, &up));
	assert_int_equal(up, 0);
	assert_true(page_round_up(1, &up));
	assert_int_equal(up, 0x1000);
	assert_true(page_round_up(UINT64_MAX - 0xfff, &up));
	assert_int_equal(up, UINT64_MAX - 0xfff);
	up = 77;
	assert_false(page_round_up(UINT64_MAX - 0xffe, &up));
	assert_false(page_round_up(UINT64_MAX, &up));
	assert_int_equal(up, 77);
}

static void test_access(void **state)
{
	(void)state;
	assert_int_equal(access_effective(MM_NONE), MM_NONE);
	assert_int_equal(access_effective(MM_READ), MM_READ);
	assert_int_equal(access_effective(MM_WRITE), MM_READ | MM_WRITE);
	assert_int_equal(access_effective(MM_EXEC), MM_READ | MM_EXEC);
	for (unsigned a = 0; a <= MM_ANY_ACCESS; a++)
		for (unsigned b = 0; b <= MM_ANY_ACCESS; b++)
			assert_int_equal(access_superset_of((mm_access)a, (mm_access)b),
					 (b & ~a) == 0);
}

static void test_errors(void **state)
{
	(void)state;
	assert_false(is_bus_error(0));
	assert_int_equal(errno_of(0), 0);
	for (int e = 1; e <= 4095; e++) {
		assert_false(is_bus_error(-e));
		assert_int_equal(errno_of(-e), e);
		assert_true(bus_error(e) < 0);
		assert_true(is_bus_error(bus_error(e)));
		assert_int_equal(errno_of(bus_error(e)), e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_basics),
		cmocka_unit_test(test_relations_exhaustively),
		cmocka_unit_test(test_split_and_alignment),
		cmocka_unit_test(test_rounding),
		cmocka_unit_test(test_access),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
