/* SPDX-License-Identifier: Apache-2.0 */
/* comparison_test.c - ratios to the first translator and their intervals. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comparison.h"

static struct options options;
static struct topology topology;
static struct plan plan;
static struct result result;

static int make(void **state)
{
	char *argv[] = { (char[]){ "run" },	     (char[]){ "fault-anon" },
			 (char[]){ "--translator" }, (char[]){ "memmap,null" },
			 (char[]){ "--seed" },	     (char[]){ "5" } };
	char error[512];

	(void)state;
	if (options_parse(&options, FOR_RUN, 6, argv, error, sizeof(error)) ||
	    topology_load(&topology, "pack:1 core:2 pu:1", error, sizeof(error)) ||
	    plan_create(&plan, &options, &topology, NULL, error, sizeof(error)))
		return -1;
	result.plan = &plan;
	result.options = &options;
	result_prepare(&result);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	result_release(&result);
	plan_release(&plan);
	topology_release(&topology);
	options_release(&options);
	return 0;
}

static struct result_benchmark *of(const char *translator)
{
	for (size_t i = 0; i < plan.count; i++) {
		if (plan.benchmarks[i].translator &&
		    strcmp(plan.benchmarks[i].translator->text, translator) == 0)
			return &result.benchmarks[i];
	}
	return NULL;
}

static void give(struct result_benchmark *b, unsigned repetition, double ops_per_s)
{
	b->samples = realloc(b->samples, (b->sample_count + 1) * sizeof(*b->samples));
	b->samples[b->sample_count++] =
		(struct result_sample){ .repetition = repetition, .ops_per_s = ops_per_s };
}

static void test_pairs_of_a_repetition(void **state)
{
	struct result_benchmark *first = of("memmap"), *other = of("null");
	struct comparison c;

	(void)state;
	assert_null(comparison_of(&result, first).first);
	assert_null(comparison_of(&result, &result.benchmarks[0]).first);
	assert_int_equal(comparison_of(&result, other).pairs, 0);
	/* The machine gets slower: only what is paired tells that it is always twice. */
	give(first, 0, 100);
	give(first, 1, 50);
	give(first, 3, 10);
	give(other, 0, 200);
	give(other, 2, 1);
	give(other, 1, 100);
	c = comparison_of(&result, other);
	assert_ptr_equal(c.first, first);
	assert_int_equal(c.pairs, 2);
	assert_true(fabs(c.ratio - 2) < 1e-9);
	assert_false(c.has_interval);
	give(other, 3, 20);
	c = comparison_of(&result, other);
	assert_int_equal(c.pairs, 3);
	assert_true(c.has_interval);
	assert_true(fabs(c.low - 2) < 1e-9 && fabs(c.high - 2) < 1e-9);
}

/* One wild pair of nine moves neither end of the interval of a median beyond the others. */
static void test_wild_pair(void **state)
{
	struct result_benchmark *first = of("memmap"), *other = of("null");
	double ratios[] = { 1.6, 1.7, 1.8, 1.9, 2.0, 2.1, 2.2, 2.3, 1e9 };
	struct comparison c;

	(void)state;
	first->sample_count = other->sample_count = 0;
	for (unsigned i = 0; i < 9; i++) {
		give(first, i, 100);
		give(other, i, 100 * ratios[i]);
	}
	c = comparison_of(&result, other);
	assert_true(fabs(c.ratio - 2) < 1e-9);
	assert_true(c.low >= 1.6 - 1e-9 && c.low < 2 && c.high > 2 && c.high <= 2.3 + 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs_of_a_repetition),
		cmocka_unit_test(test_wild_pair),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
