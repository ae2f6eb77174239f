/* SPDX-License-Identifier: Apache-2.0 */
/* check_pages_test.c - the pages that a user asks a check for, and lists that become larger. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <string.h>

#include "harness/check_pages.h"

#define GIB_PAGES (512u * 512u)

static void the_last_option_counts(void **state)
{
	static const struct translator_option options[] = { { "pages", "4k" },
							    { "depth", "3" },
							    { "pages", "2m" },
							    { "as", "none" },
							    { NULL, NULL } };

	(void)state;
	assert_string_equal(check_pages_asked(options), "2m");
	assert_null(check_pages_asked(options + 3));
	assert_null(check_pages_asked(NULL));
}

static void only_2m_is_of_the_pool(void **state)
{
	char error[200] = "";

	(void)state;
	assert_true(check_pages_pooled("2m"));
	assert_false(check_pages_pooled("thp"));
	assert_true(check_pages_suffice("4k", true, error, sizeof(error)));
	assert_true(check_pages_suffice("thp", true, error, sizeof(error)));
	assert_string_equal(error, "");
}

static struct check_geometry become(uint64_t base, uint64_t object_base, uint32_t stride,
				    const char *from, const char *to)
{
	struct check_geometry g = { base, object_base, stride, 0, false, from };

	check_pages_become(&g, to);
	return g;
}

static void cells_become_as_large_as_pages(void **state)
{
	struct check_geometry g = become(16, 0, 1, "4k", "2m");

	(void)state;
	assert_string_equal(g.pages, "2m");
	assert_int_equal(g.stride, 512);
	assert_int_equal(g.base, 16 * 512);
	assert_int_equal(g.object_base, 0);
	g = become(4 * 512, 512, 512, "4k", "thp");
	assert_string_equal(g.pages, "thp");
	assert_int_equal(g.stride, 512);
	assert_int_equal(g.base, 4 * 512);
	assert_int_equal(g.object_base, 512);
}

/* As many cells before the edge of 1 GiB as there were. */
static void edges_are_crossed_by_the_same_cell(void **state)
{
	struct check_geometry g = become(GIB_PAGES - 12, GIB_PAGES - 11, 1, "4k", "2m");

	(void)state;
	assert_int_equal(g.base + 12 * g.stride, GIB_PAGES);
	assert_int_equal(g.object_base + 11 * g.stride, GIB_PAGES);
	g = become(512 - 12, 0, 1, "4k", "thp");
	assert_int_equal(g.base + 12 * g.stride, GIB_PAGES);
	g = become(GIB_PAGES - 1 - 12 * 256, 0, 256, "4k", "2m");
	assert_int_equal(g.stride, 512);
	assert_int_equal(g.base % 512, 0);
}

static void what_is_of_the_class_stays(void **state)
{
	struct check_geometry g = become(1024, 3, 256, "2m", "2m");

	(void)state;
	assert_int_equal(g.base, 1024);
	assert_int_equal(g.object_base, 3);
	assert_int_equal(g.stride, 256);
	g = become(1024, 3, 512, "2m", "4k");
	assert_string_equal(g.pages, "4k");
	assert_int_equal(g.stride, 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_option_counts),
		cmocka_unit_test(only_2m_is_of_the_pool),
		cmocka_unit_test(cells_become_as_large_as_pages),
		cmocka_unit_test(edges_are_crossed_by_the_same_cell),
		cmocka_unit_test(what_is_of_the_class_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
