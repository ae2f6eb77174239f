/* SPDX-License-Identifier: Apache-2.0 */
/* result_test.c - repetitions gathered, paired ratios, and the JSON of both. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/floors.h"
#include "harness/view.h"

static struct options options;
static struct topology topology;
static struct clock_source source;
static struct plan plan;
static struct result result;

static int setup(void **state)
{
	char *argv[] = { (char[]){ "run" },	    (char[]){ "fault-anon" },
			 (char[]){ "floor-radix" }, (char[]){ "--translator" },
			 (char[]){ "null" },	    (char[]){ "--threads" },
			 (char[]){ "1,2" },	    (char[]){ "--label" },
			 (char[]){ "\"x\"" },	    NULL };
	char error[512];

	(void)state;
	if (options_parse(&options, FOR_RUN, 9, argv, error, sizeof(error)) ||
	    topology_load(&topology, "pack:2 core:2 pu:2", error, sizeof(error)) ||
	    plan_create(&plan, &options, &topology, NULL, error, sizeof(error)))
		return -1;
	source = (struct clock_source){ .hz = 1e9, .step_ns = 1, .pair_ns = 20 };
	result = (struct result){ .options = &options,
				  .plan = &plan,
				  .topology = &topology,
				  .clock = &source,
				  .id = "test",
				  .start = "2026-01-01T00:00:00Z",
				  .interrupted = true };
	result_prepare(&result);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	result_release(&result);
	plan_release(&plan);
	topology_release(&topology);
	options_release(&options);
	return 0;
}

static struct result_benchmark *benchmark(const char *name)
{
	size_t index = plan_find(&plan, name);

	assert_int_not_equal(index, PLAN_NONE);
	return &result.benchmarks[index];
}

#define OURS "null/fault-anon/pages=4k/as=none/place=compact/threads="
#define FLOOR "floor-fetch-add/place=compact/threads="
#define CONTROL "floor-radix/place=compact/threads="

/* Adds a repetition in which each thread did `ops` operations of `ns`. */
static void repeat(const char *name, unsigned repetition, uint64_t ops, uint64_t ns)
{
	struct result_benchmark *b = benchmark(name);
	struct runner_result run = { .outcome = RUNNER_OK, .thread_count = b->plan->threads };

	run.threads = calloc(run.thread_count, sizeof(*run.threads));
	for (unsigned i = 0; i < run.thread_count; i++) {
		run.threads[i] = (struct runner_thread){ .cpu_asked = b->plan->cpus[i],
							 .cpu = (int)b->plan->cpus[i],
							 .batch = 1,
							 .ops = ops,
							 .busy_ns = ops * ns,
							 .span_ns = ops * ns,
							 .latency = histogram_create(1.0) };
		histogram_record_n(run.threads[i].latency, ns, ops);
	}
	result_merge(b, &run, repetition);
	runner_result_release(&run);
}

static void test_median(void **state)
{
	double odd[] = { 3, 1, 2 }, even[] = { 4, 1, 3, 2 };

	(void)state;
	assert_true(result_median(odd, 3) == 2);
	assert_true(result_median(even, 4) == 2.5);
	assert_true(isnan(result_median(NULL, 0)));
}

/* Adds a repetition of OURS "1" that was noisy in a known way. */
static void repeat_noisily(unsigned repetition, uint64_t lost_ns, double block_after)
{
	struct result_benchmark *b = benchmark(OURS "1");
	struct runner_result run = { .outcome = RUNNER_OK,
				     .thread_count = 1,
				     .change = { .elapsed_ns = 1000000,
						 .pressure_us = 100 * repetition,
						 .group_pressure_us = NOISE_MISSING,
						 .throttled_us = NOISE_MISSING } };
	struct runner_thread *t = calloc(1, sizeof(*t));

	*t = (struct runner_thread){
		.batch = 1,
		.ops = 100,
		.busy_ns = 1000,
		.span_ns = 1000,
		.noise = NOISE_MIGRATED,
		.preempted = 2,
		.latency = histogram_create(1.0),
		.around = { .before = { .spun_ns = 1000, .block_ns = 200 },
			    .after = { .spun_ns = 1000,
				       .lost_ns = lost_ns,
				       .block_ns = block_after },
			    .khz_before = NOISE_MISSING,
			    .khz_after = NOISE_MISSING },
		.outliers = { .over_ns = OUTLIER_NS },
		.counts = { .count = { [COUNTER_INSTRUCTIONS] = 5000, [COUNTER_MINOR_FAULTS] = 50 },
			    .errors = { [COUNTER_CYCLES] = 2 /* ENOENT */ },
			    .user_only = true },
	};
	run.threads = t;
	outliers_note(&t->outliers, &(struct outlier){ .took_ns = 60000 + repetition,
						       .at_ns = 500000000,
						       .cause = OUTLIER_PREEMPTED });
	result_merge(b, &run, repetition);
	runner_result_release(&run);
}

static void test_noise_is_kept_by_repetition(void **state)
{
	const struct result_benchmark *kept = benchmark(OURS "1");
	const json_t *b, *first;
	struct runner_result none = { 0 };
	json_t *json, *line;

	(void)state;
	repeat_noisily(0, 200, 200);
	repeat_noisily(1, 1000, 400);
	repeat_noisily(2, 400, 250);
	json = result_json(&result);
	b = view_benchmark(json, OURS "1");
	assert_true(fabs(view_number(b, "noise.lost_part.median") - 0.2) < 1e-9);
	assert_true(fabs(view_number(b, "noise.lost_part.worst") - 0.5) < 1e-9);
	assert_true(fabs(view_number(b, "noise.speed_ratio.median") - 0.8) < 1e-9);
	assert_true(fabs(view_number(b, "noise.speed_ratio.worst") - 0.5) < 1e-9);
	assert_true(fabs(view_number(b, "noise.pressure_part.worst") - 0.2) < 1e-9);
	assert_null(view_get(b, "noise.frequency_khz"));
	assert_non_null(view_text(b, "noise.frequency_khz_reason", NULL));
	assert_non_null(view_text(b, "noise.throttled_us_reason", NULL));
	assert_true(view_number(b, "noise.preempted") == 6);
	assert_true(view_number(b, "noise.migrated") == 3);
	assert_true(view_number(b, "outliers.count") == 3);
	assert_true(view_number(b, "outliers.ns") == 180003);
	assert_true(view_number(b, "outliers.causes.preempted") == 3);
	assert_null(view_get(b, "outliers.causes.throttled"));
	first = json_array_get(view_get(b, "outliers.longest"), 0);
	assert_true(view_number(first, "repetition") == 2 && view_number(first, "ns") == 60002);
	assert_true(view_number(first, "at_s") == 0.5);
	assert_string_equal(view_text(first, "cause", ""), "preempted");
	assert_true(view_number(b, "counters.instructions_per_op") == 50);
	assert_true(view_number(b, "counters.minor_faults_per_op") == 0.5);
	assert_non_null(strstr(view_text(b, "counters.cycles_per_op.unavailable", ""), "PMU"));
	assert_non_null(view_text(b, "counters.hardware_events_in_the_kernel.unavailable", NULL));
	/* Not measured is not quiet. */
	assert_true(json_is_null(json_object_get(view_benchmark(json, OURS "2"), "noise")));
	assert_true(json_is_null(json_object_get(view_benchmark(json, OURS "2"), "outliers")));
	json_decref(json);

	line = result_sample_json(kept, &none, 0);
	assert_true(fabs(view_number(line, "noise.lost_part") - 0.2) < 1e-9);
	assert_true(view_number(line, "noise.psi_some_cpu_us") == 200);
	assert_true(view_number(line, "noise.preempted") == 2);
	assert_non_null(view_text(line, "noise.psi_group_cpu_us_reason", NULL));
	assert_true(view_number(line, "noise.outliers_ns") == 60002);
	json_decref(line);
}

static void test_missing_is_null_with_a_reason(void **state)
{
	json_t *json = result_json(&result);
	const json_t *b = view_benchmark(json, OURS "1");

	(void)state;
	assert_non_null(b);
	assert_true(json_is_null(json_object_get(b, "latency")));
	assert_non_null(view_text(b, "latency_reason", NULL));
	assert_null(view_get(b, "throughput.ops_per_s"));
	assert_non_null(view_text(b, "throughput.ops_per_s_reason", NULL));
	assert_null(view_get(b, "floor"));
	assert_null(view_get(b, "scaling"));
	assert_null(view_get(b, "placement.got.kernel_page_size"));
	assert_non_null(view_text(b, "placement.got.kernel_page_size_reason", NULL));
	assert_null(view_get(json, "run.end"));
	assert_true(view_true(json, "run.interrupted"));
	assert_string_equal(view_text(json, "run.label", ""), "\"x\"");
	json_decref(json);
}

static void test_ratios_are_paired(void **state)
{
	struct floors_ratio ratio;

	(void)state;
	/* The machine is three times as slow in the second repetition: ratios do not see it. */
	repeat(FLOOR "1", 0, 1000, 10);
	repeat(OURS "1", 0, 1000, 100);
	repeat(FLOOR "1", 1, 1000, 30);
	repeat(OURS "1", 1, 1000, 300);
	/* No floor in this repetition: it is not paired. */
	repeat(OURS "1", 2, 1000, 9000);
	ratio = floors_ratio(&result, benchmark(OURS "1"));
	assert_int_equal(ratio.pairs, 2);
	assert_true(fabs(ratio.median - 10) < 1e-9);
	assert_true(fabs(ratio.max - ratio.min) < 1e-9);
	assert_int_equal(floors_ratio(&result, benchmark(FLOOR "1")).pairs, 0);
}

static void test_scaling_against_the_control(void **state)
{
	struct floors_ratio scaling, control;

	(void)state;
	repeat(OURS "2", 0, 1000, 125);
	assert_int_equal(floors_scaling_vs_control(&result, benchmark(OURS "2")).pairs, 0);
	repeat(CONTROL "1", 0, 1000, 4);
	repeat(CONTROL "2", 0, 1000, 4);
	scaling = floors_scaling(&result, benchmark(OURS "2"));
	control = floors_scaling_vs_control(&result, benchmark(OURS "2"));
	/* Two threads at 125 ns against one at 100 ns; the control scales by 2. */
	assert_int_equal(scaling.pairs, 1);
	assert_true(fabs(scaling.median - 1.6) < 1e-9);
	assert_true(fabs(control.median - 0.8) < 1e-9);
}

static void test_json_of_a_measured_benchmark(void **state)
{
	json_t *json, *copy;
	const json_t *b;
	char *text;

	(void)state;
	json = result_json(&result);
	text = json_dumps(json, 0);
	assert_non_null(text);
	assert_null(strstr(text, "nan"));
	copy = json_loads(text, 0, NULL);
	assert_non_null(copy);
	b = view_benchmark(copy, OURS "2");
	assert_int_equal(json_integer_value(view_get(b, "latency.n")), 2000);
	assert_true(fabs(view_number(b, "latency.p50") - 125) < 2);
	assert_int_equal(json_array_size(view_get(b, "per_cpu")), 2);
	assert_int_equal(json_array_size(view_get(b, "latency.curve")) > 0, 1);
	/* Compact: both are of one core. */
	assert_string_equal(view_text(json_array_get(view_get(b, "per_distance"), 0), "class", ""),
			    "smt");
	assert_true(fabs(view_number(b, "fairness.jain") - 1) < 1e-9);
	assert_true(view_flagged(b, "not_verified"));
	assert_true(view_flagged(b, "synthetic"));
	assert_false(view_flagged(b, "emulated_hardware"));
	assert_true(fabs(view_number(b, "counters.scaling_vs_control") - 0.8) < 1e-9);
	b = view_benchmark(copy, OURS "1");
	assert_string_equal(view_text(b, "floor.workload", ""), "floor-fetch-add");
	assert_true(fabs(view_number(b, "floor.ratio") - 10) < 1e-9);
	assert_true(view_flagged(b, "unsteady"));
	free(text);
	json_decref(copy);
	json_decref(json);
}

static void test_pages_elsewhere_are_flagged(void **state)
{
	struct result_benchmark *b = benchmark(OURS "1");
	struct runner_result run = { .outcome = RUNNER_OK,
				     .kernel_page_size = 4096,
				     .pages_asked = 200,
				     .pages_elsewhere = 2 };
	json_t *json;

	(void)state;
	result_merge(b, &run, 0);
	assert_false(b->flags & RESULT_NODE_MISMATCH);
	run.pages_elsewhere = 3;
	result_merge(b, &run, 1);
	assert_true(b->flags & RESULT_NODE_MISMATCH);
	json = result_json(&result);
	assert_int_equal(json_integer_value(view_get(view_benchmark(json, OURS "1"),
						     "placement.got.asked_node.elsewhere")),
			 3);
	json_decref(json);
}

static void test_every_figure_of_an_emulator_is_flagged(void **state)
{
	const json_t *each;
	json_t *json;
	size_t i;

	(void)state;
	result.emulated = true;
	json = result_json(&result);
	assert_true(view_true(json, "host.emulated"));
	json_array_foreach(json_object_get(json, "benchmarks"), i, each)
		assert_true(view_flagged(each, "emulated_hardware"));
	assert_true(i > 0);
	json_decref(json);
}

static void test_void_results_are_named(void **state)
{
	struct result_benchmark *b = benchmark(OURS "2");
	struct runner_result run = { .outcome = RUNNER_VOID, .error = "all is lost" };
	json_t *json;

	(void)state;
	result_merge(b, &run, 1);
	json = result_json(&result);
	assert_true(json_is_false(view_get(view_benchmark(json, OURS "2"), "verify.ok")));
	assert_string_equal(view_text(view_benchmark(json, OURS "2"), "verify.error", ""),
			    "all is lost");
	json_decref(json);
}

int main(void)
{
	/* One result is filled from test to test. */
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_median),
		cmocka_unit_test(test_missing_is_null_with_a_reason),
		cmocka_unit_test(test_ratios_are_paired),
		cmocka_unit_test(test_scaling_against_the_control),
		cmocka_unit_test(test_json_of_a_measured_benchmark),
		cmocka_unit_test(test_pages_elsewhere_are_flagged),
		cmocka_unit_test(test_every_figure_of_an_emulator_is_flagged),
		cmocka_unit_test(test_void_results_are_named),
	};

	/* And one of their own. */
	static const struct CMUnitTest noise_tests[] = {
		cmocka_unit_test(test_noise_is_kept_by_repetition),
	};

	return cmocka_run_group_tests(tests, setup, teardown) +
	       cmocka_run_group_tests(noise_tests, setup, teardown);
}
