/* SPDX-License-Identifier: Apache-2.0 */
/* plan_test.c - options to benchmarks, on machines that need not be here. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness/plan.h"

static char error[512];

struct fixture {
	struct options options;
	struct topology topology;
	struct plan plan;
	int rc;
};

/* Plans on a synthetic machine; words end with NULL. */
static struct fixture planned(const char *machine, ...)
{
	struct fixture f = { .rc = 0 };
	char *argv[32] = { (char[]){ "run" } };
	int argc = 1;
	va_list list;

	va_start(list, machine);
	while ((argv[argc] = va_arg(list, char *)))
		argc++;
	va_end(list);
	error[0] = '\0';
	if (options_parse(&f.options, FOR_RUN, argc, argv, error, sizeof(error)))
		fail_msg("%s", error);
	if (topology_load(&f.topology, machine, error, sizeof(error)))
		fail_msg("%s", error);
	f.rc = plan_create(&f.plan, &f.options, &f.topology, NULL, error, sizeof(error));
	return f;
}

static void unplan(struct fixture *f)
{
	plan_release(&f->plan);
	topology_release(&f->topology);
	options_release(&f->options);
}

#define SMALL "pack:1 core:2 pu:1"
#define LARGE "pack:8 core:16 pu:2"

static void test_named_workload_brings_its_floor(void **state)
{
	struct fixture f = planned(SMALL, "fault-anon", "--translator", "null", NULL);
	size_t ours, floor;

	(void)state;
	assert_int_equal(f.rc, 0);
	assert_false(f.plan.quick);
	assert_int_equal(f.plan.count, 2);
	ours = plan_find(&f.plan, "null/fault-anon/pages=4k/as=none/place=compact/threads=1");
	floor = plan_find(&f.plan, "floor-fetch-add/place=compact/threads=1");
	assert_int_not_equal(ours, PLAN_NONE);
	assert_int_not_equal(floor, PLAN_NONE);
	assert_int_equal(f.plan.benchmarks[ours].floor, floor);
	assert_int_equal(f.plan.benchmarks[floor].floor, PLAN_NONE);
	assert_null(f.plan.benchmarks[floor].translator);
	unplan(&f);
}

static void test_product_and_links(void **state)
{
	struct fixture f = planned(SMALL, "fault-anon", "--translator", "null", "--threads", "1,2",
				   "--pages", "4k,thp", "--as", "none,mmap", NULL);
	size_t two =
		plan_find(&f.plan, "null/fault-anon/pages=thp/as=mmap/place=compact/threads=2");

	(void)state;
	assert_int_equal(f.rc, 0);
	/* 2 pages x 2 spaces x 2 thread counts, and the floor with both. */
	assert_int_equal(f.plan.count, 10);
	assert_int_not_equal(two, PLAN_NONE);
	assert_int_equal(f.plan.benchmarks[two].threads, 2);
	assert_string_equal(f.plan.benchmarks[f.plan.benchmarks[two].fewest].name,
			    "null/fault-anon/pages=thp/as=mmap/place=compact/threads=1");
	assert_string_equal(f.plan.benchmarks[f.plan.benchmarks[two].floor].name,
			    "floor-fetch-add/place=compact/threads=2");
	unplan(&f);
}

static void test_refs_multiply(void **state)
{
	struct fixture f = planned(SMALL, "refcount-own", "--translator", "null,biglock", "--refs",
				   "atomic,sharded", "--as", "none,mmap", NULL);
	size_t plain =
		plan_find(&f.plan, "null/refcount-own/pages=4k/as=mmap/place=compact/threads=1");
	size_t sharded = plan_find(&f.plan, "null/refcount-own/pages=4k/as=mmap/refs=sharded/"
					    "place=compact/threads=1");

	(void)state;
	assert_int_equal(f.rc, 0);
	/* 2 spaces x 2 ways to count, for biglock one; and the floor. */
	assert_int_equal(f.plan.count, 7);
	assert_int_equal(f.plan.skip_count, 1);
	assert_non_null(strstr(f.plan.skips[0].reason, "sharded-references"));
	/* The default is not part of the name, so that names stay. */
	assert_int_not_equal(plain, PLAN_NONE);
	assert_string_equal(f.plan.benchmarks[plain].refs, "atomic");
	assert_int_not_equal(sharded, PLAN_NONE);
	assert_string_equal(f.plan.benchmarks[sharded].refs, "sharded");
	unplan(&f);
}

static void test_params_multiply(void **state)
{
	struct fixture f = planned(SMALL, "fault-anon", "--translator", "null", "--param",
				   "region=4m", "--param", "region=64m", NULL);

	(void)state;
	assert_int_equal(f.rc, 0);
	assert_int_equal(f.plan.count, 3);
	/* The default is not part of the name, so that names stay. */
	assert_int_not_equal(plan_find(&f.plan, "null/fault-anon/pages=4k/as=none/place=compact/"
						"threads=1"),
			     PLAN_NONE);
	assert_int_not_equal(plan_find(&f.plan, "null/fault-anon/pages=4k/as=none/place=compact/"
						"region=4194304/threads=1"),
			     PLAN_NONE);
	unplan(&f);
}

static void test_roles_get_their_threads(void **state)
{
	struct fixture f = planned(LARGE, "invalidate-storm", "--translator", "null", "--threads",
				   "1,5", NULL);
	size_t five = plan_find(&f.plan, "null/invalidate-storm/pages=4k/as=none/place=compact/"
					 "threads=5");
	size_t two = plan_find(&f.plan, "null/invalidate-storm/pages=4k/as=none/place=compact/"
					"threads=2");

	(void)state;
	assert_int_equal(f.rc, 0);
	/* One thread is not enough for two roles: it becomes two. */
	assert_int_not_equal(two, PLAN_NONE);
	assert_int_not_equal(five, PLAN_NONE);
	assert_int_equal(f.plan.benchmarks[five].role_threads[0], 4);
	assert_int_equal(f.plan.benchmarks[five].role_threads[1], 1);
	unplan(&f);
}

static void test_one_cpu_skips_with_the_reason(void **state)
{
	struct fixture f = planned("pack:1 core:1 pu:1", "invalidate-storm", "fault-anon",
				   "--translator", "null", NULL);
	bool seen = false;

	(void)state;
	assert_int_equal(f.rc, 0);
	for (size_t i = 0; i < f.plan.skip_count; i++)
		seen |= strcmp(f.plan.skips[i].workload, "invalidate-storm") == 0 &&
			strstr(f.plan.skips[i].reason, "only 1 CPU may") != NULL;
	assert_true(seen);
	for (size_t i = 0; i < f.plan.count; i++)
		assert_int_equal(f.plan.benchmarks[i].threads, 1);
	unplan(&f);
}

static void test_quick_suite_has_everything_within_its_budget(void **state)
{
	struct fixture f = planned(SMALL, "--translator", "null", NULL);

	(void)state;
	assert_int_equal(f.rc, 0);
	assert_true(f.plan.quick);
	for (const struct workload *const *w = workload_list; *w; w++) {
		bool seen = false;

		for (size_t i = 0; i < f.plan.count; i++)
			seen |= f.plan.benchmarks[i].workload == *w;
		/* This machine may lack what it needs, and then that is said. */
		for (size_t i = 0; i < f.plan.skip_count; i++)
			seen |= ((*w)->huge_pages || (*w)->lacks) &&
				!strcmp(f.plan.skips[i].workload, (*w)->name);
		if (!seen)
			fail_msg("%s is not in the quick suite", (*w)->name);
	}
	assert_true(plan_total_ns(&f.plan) <= PLAN_QUICK_NS);
	assert_true(plan_total_ns(&f.plan) > PLAN_QUICK_NS / 2);
	unplan(&f);
}

static void test_large_machine(void **state)
{
	struct fixture f = planned(LARGE, "fault-anon", "--translator", "null", "--threads",
				   "64..max", "--place", "scatter", NULL);
	const struct plan_benchmark *b;
	size_t index;

	(void)state;
	assert_int_equal(f.rc, 0);
	index = plan_find(&f.plan, "null/fault-anon/pages=4k/as=none/place=scatter/threads=256");
	assert_int_not_equal(index, PLAN_NONE);
	b = &f.plan.benchmarks[index];
	for (unsigned i = 0; i < b->threads; i++) {
		assert_non_null(topology_find(&f.topology, b->cpus[i]));
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(b->cpus[i], b->cpus[j]);
	}
	unplan(&f);
}

static void test_order_is_a_permutation_of_seed_and_repetition(void **state)
{
	struct fixture f = planned(SMALL, "--translator", "null", NULL);
	size_t *a = calloc(f.plan.count, sizeof(*a)), *b = calloc(f.plan.count, sizeof(*b));
	bool *seen = calloc(f.plan.count, sizeof(*seen));

	(void)state;
	plan_order(&f.plan, 1, 0, a);
	plan_order(&f.plan, 1, 0, b);
	assert_memory_equal(a, b, f.plan.count * sizeof(*a));
	plan_order(&f.plan, 1, 1, b);
	assert_memory_not_equal(a, b, f.plan.count * sizeof(*a));
	for (size_t i = 0; i < f.plan.count; i++) {
		assert_true(a[i] < f.plan.count);
		assert_false(seen[a[i]]);
		seen[a[i]] = true;
	}
	free(a);
	free(b);
	free(seen);
	unplan(&f);
}

static void expect(const char *part, int rc, const char *a, const char *b, const char *c)
{
	struct fixture f = planned(SMALL, a, b, c, NULL);

	assert_int_equal(f.rc, rc);
	if (!strstr(error, part))
		fail_msg("\"%s\" does not hold \"%s\"", error, part);
	unplan(&f);
}

static void test_wrong_words(void **state)
{
	(void)state;
	expect("did you mean fault-anon?", -EINVAL, "fault-anom", NULL, NULL);
	expect("did you mean null?", -EINVAL, "fault-anon", "--translator", "nul");
	expect("no plug-ins", -EINVAL, "fault-anon", "--translator", "./x.so");
	expect("not key=value", -EINVAL, "fault-anon", "--translator", "null:x");
	expect("did you mean region?", -EINVAL, "fault-anon", "--param", "regin=4m");
	expect("not a number or a size", -EINVAL, "fault-anon", "--param", "region=big");
	expect("more than the 2 CPUs", -ENODEV, "fault-anon", "--threads", "3");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_named_workload_brings_its_floor),
		cmocka_unit_test(test_product_and_links),
		cmocka_unit_test(test_refs_multiply),
		cmocka_unit_test(test_params_multiply),
		cmocka_unit_test(test_roles_get_their_threads),
		cmocka_unit_test(test_one_cpu_skips_with_the_reason),
		cmocka_unit_test(test_quick_suite_has_everything_within_its_budget),
		cmocka_unit_test(test_large_machine),
		cmocka_unit_test(test_order_is_a_permutation_of_seed_and_repetition),
		cmocka_unit_test(test_wrong_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
