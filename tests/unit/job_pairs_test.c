/* SPDX-License-Identifier: Apache-2.0 */
/* job_pairs_test.c - which benchmarks of two plans stand against each other. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/job_pairs.h"

#define MACHINE "pack:1 core:4 pu:1"

static char error[512];

struct side {
	struct options options;
	struct topology topology;
	struct plan plan;
};

/* A plan of words that end with NULL. */
static void planned(struct side *side, char *const *words)
{
	char *argv[16] = { (char[]){ "run" }, (char[]){ "--bare" } };
	int argc = 2;

	for (; *words; words++)
		argv[argc++] = *words;
	if (options_parse(&side->options, FOR_RUN, argc, argv, error, sizeof(error)) ||
	    topology_load(&side->topology, MACHINE, error, sizeof(error)) ||
	    plan_create(&side->plan, &side->options, &side->topology, NULL, error, sizeof(error)))
		fail_msg("%s", error);
}

static void release(struct side *side)
{
	plan_release(&side->plan);
	topology_release(&side->topology);
	options_release(&side->options);
}

#define WORDS(...) ((char *const[]){ __VA_ARGS__, NULL })

/* `wanted`: a digit for each benchmark of A, its partner in B; or '-'. */
static void match(char *const *a, char *const *b, const char *wanted)
{
	struct side sides[2];
	size_t partner[16];
	char got[17] = "";

	planned(&sides[0], a);
	planned(&sides[1], b);
	assert_true(sides[0].plan.count < 16 && sides[1].plan.count < 10);
	job_pairs_match(&sides[0].plan, &sides[1].plan, partner);
	for (size_t i = 0; i < sides[0].plan.count; i++)
		got[i] = (char)(partner[i] == PLAN_NONE ? '-' : '0' + (int)partner[i]);
	assert_string_equal(got, wanted);
	release(&sides[0]);
	release(&sides[1]);
}

static void test_by_name(void **state)
{
	(void)state;
	match(WORDS("fault-anon", "translate", "--translator=null"),
	      WORDS("translate", "fault-anon", "--translator=null"), "10");
	/* 1, 2 and 2, 4: what is of the same name, and never 1 with 4. */
	match(WORDS("translate", "--translator=null", "--threads=1,2"),
	      WORDS("translate", "--translator=null", "--threads=2,4"), "-0");
	match(WORDS("translate", "--translator=null,biglock"),
	      WORDS("translate", "--translator=biglock,null"), "10");
}

static void test_by_all_but_the_translator(void **state)
{
	(void)state;
	match(WORDS("translate", "--translator=null", "--threads=1,2,4"),
	      WORDS("translate", "--translator=biglock", "--threads=2,4"), "-01");
	/* With a name in common the names decide, for this workload alone. */
	match(WORDS("translate", "--translator=null,biglock"),
	      WORDS("translate", "--translator=biglock,delay:inner=null"), "-0");
}

static void test_by_place(void **state)
{
	(void)state;
	match(WORDS("translate", "--translator=null", "--as=none"),
	      WORDS("translate", "--translator=null", "--as=mmap"), "0");
	match(WORDS("translate", "--translator=null", "--as=none", "--threads=1,2"),
	      WORDS("translate", "--translator=null", "--as=mmap", "--threads=1,2"), "01");
	/* As many, or none: which of three would be left over? */
	match(WORDS("translate", "--translator=null", "--as=none", "--threads=1,2"),
	      WORDS("translate", "--translator=null", "--as=mmap", "--threads=1,2,4"), "--");
	/* Two of the same name but for the translator are not told apart by it. */
	match(WORDS("translate", "--translator=null,memmap"),
	      WORDS("translate", "--translator=biglock,delay:inner=null"), "01");
	/* A workload by itself: one does not have the parameter that the other varies. */
	match(WORDS("translate", "fault-anon", "--translator=null", "--param=region=1m"),
	      WORDS("fault-anon", "translate", "--translator=null"), "10");
}

static void test_nothing_in_common(void **state)
{
	(void)state;
	match(WORDS("translate", "--translator=null"), WORDS("fault-anon", "--translator=null"),
	      "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_name),
		cmocka_unit_test(test_by_all_but_the_translator),
		cmocka_unit_test(test_by_place),
		cmocka_unit_test(test_nothing_in_common),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
