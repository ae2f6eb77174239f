/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu_halves_test.c - imagined machines in two halves: cores stay whole, halves are alike, and what
 * cannot be halved is not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "harness/cpu_halves.h"

/* Of a machine, without one of its CPUs (by its place in the list; -1: with all of them). */
static void halved(const char *machine, int without, const char *wanted)
{
	struct topology t;
	struct cpu_halves h;
	char why[256], text[256];

	if (topology_load(&t, machine, why, sizeof(why)))
		fail_msg("%s: %s", machine, why);
	if (without >= 0)
		memmove(&t.pus[without], &t.pus[without + 1],
			(--t.pu_count - (unsigned)without) * sizeof(*t.pus));
	h = cpu_halves_of(&t);
	if (strcmp(cpu_halves_text(&h, text, sizeof(text)), wanted) != 0)
		fail_msg("%s: \"%s\", not \"%s\"", machine, text, wanted);
	cpu_halves_release(&h);
	topology_release(&t);
}

static void two_or_three_cpus_are_not_halved(void **state)
{
	(void)state;
	halved("core:1 pu:1", -1, "");
	halved("core:2 pu:1", -1, "");
	halved("core:1 pu:2", -1, "");
	halved("core:3 pu:1", -1, "");
	/* One core: siblings would be apart. */
	halved("core:1 pu:4", -1, "");
}

static void siblings_are_on_the_same_side(void **state)
{
	(void)state;
	halved("core:2 pu:2", -1, "0,1 and 2,3");
	halved("core:4 pu:2", -1, "0,1,2,3 and 4,5,6,7");
	halved("core:4 pu:1", -1, "0,1 and 2,3");
}

static void each_side_has_a_package_or_a_node(void **state)
{
	(void)state;
	halved("pack:2 l3:1 core:2 pu:2", -1, "0,1,2,3 and 4,5,6,7");
	halved("numa:2 core:4 pu:1", -1, "0,1,2,3 and 4,5,6,7");
	halved("pack:4 core:1 pu:2", -1, "0,1,2,3 and 4,5,6,7");
}

/* Of three, the one in the middle is cut: a run of neighbours would not be alike. */
static void an_odd_number_of_caches_is_shared_out(void **state)
{
	(void)state;
	halved("pack:1 l3:3 core:2 pu:1", -1, "0,2,4 and 1,3,5");
}

static void a_core_too_many_stays_idle(void **state)
{
	(void)state;
	halved("core:5 pu:1", -1, "0,1 and 2,3");
	halved("core:3 pu:2", -1, "0,1 and 2,3");
	halved("pack:2 core:3 pu:1", -1, "0,1,2 and 3,4,5");
}

static void halves_that_are_not_alike_are_none(void **state)
{
	(void)state;
	/* A sibling is not ours: cores of 2, 1, 2 and 2 CPUs. */
	halved("core:4 pu:2", 2, "");
	/* Of 2, 2, 2 and 1. */
	halved("core:4 pu:2", 7, "");
	/* The same number, but in another order: 1, 2, 2 (and 2): 3 and 4 CPUs. */
	halved("core:4 pu:2", 0, "");
}

static void long_lists_are_cut(void **state)
{
	struct topology t;
	struct cpu_halves h;
	char text[8];

	(void)state;
	assert_int_equal(topology_load(&t, "core:64 pu:2", NULL, 0), 0);
	h = cpu_halves_of(&t);
	assert_int_equal(h.count, 64);
	assert_string_equal(cpu_halves_text(&h, text, sizeof(text)), "0,1,2,3");
	cpu_halves_release(&h);
	topology_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_or_three_cpus_are_not_halved),
		cmocka_unit_test(siblings_are_on_the_same_side),
		cmocka_unit_test(each_side_has_a_package_or_a_node),
		cmocka_unit_test(an_odd_number_of_caches_is_shared_out),
		cmocka_unit_test(a_core_too_many_stays_idle),
		cmocka_unit_test(halves_that_are_not_alike_are_none),
		cmocka_unit_test(long_lists_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
