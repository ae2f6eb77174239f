/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner_test.c - one repetition: the calls that a workload gets, overlap, errors, time box.
 *
 * The workloads here are made for it: they count what is done to them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "harness/runner.h"

#define ROUND 64
/* Of the open loops: a start each 100 us, 1000 in the window. */
#define RATE 10000
#define DUE 1000
#define MS UINT64_C(1000000)

static struct clock_source source;
static struct topology topology;
static struct memory_policy policy = { .kind = MEMORY_POLICY_LOCAL, .node = -1 };

static atomic_uint setups, enters, leaves, verifies, teardowns, resets, wrong;
static atomic_bool let_go;

static int count_setup(struct workload_run *run)
{
	setups++;
	/* A setup may look at the workers that will be. */
	wrong += run->workers[run->worker_count - 1].run != run;
	run->workers[0].data = &setups;
	return 0;
}

static int count_enter(struct worker *w)
{
	enters++;
	wrong += w->index == 0 && w->data != &setups;
	return 0;
}

static void count_leave(struct worker *w)
{
	(void)w;
	leaves++;
}

static int count_verify(struct workload_run *run)
{
	(void)run;
	verifies++;
	return 0;
}

static void count_teardown(struct workload_run *run)
{
	(void)run;
	teardowns++;
}

static uint64_t run_counting(struct worker *w, uint64_t count)
{
	/* Nobody runs before all have entered. */
	wrong += atomic_load(&enters) != w->run->worker_count;
	w->cursor += count;
	wrong += w->cursor > ROUND;
	return count;
}

static void reset_counting(struct worker *w)
{
	wrong += w->cursor != ROUND;
	w->cursor = 0;
	resets++;
}

static uint64_t run_failing(struct worker *w, uint64_t count)
{
	if (w->index == 1)
		workload_fail(w, -EXDEV);
	return w->error ? 0 : count;
}

static uint64_t run_hanging(struct worker *w, uint64_t count)
{
	(void)w;
	while (!atomic_load(&let_go))
		usleep(1000);
	return count;
}

static int fail_verify(struct workload_run *run)
{
	(void)run;
	return -EIO;
}

static int fail_setup(struct workload_run *run)
{
	(void)run;
	return -ENOMEM;
}

static int fail_enter(struct worker *w)
{
	return w->index ? -EBADF : 0;
}

static void spin(uint64_t ns)
{
	uint64_t end = clock_source_monotonic_ns() + ns;

	while (clock_source_monotonic_ns() < end)
		;
}

/* One of them all, in the middle of the window, is held up for 20 ms. */
static uint64_t stall_at_ns;

static int enter_stalling(struct worker *w)
{
	(void)w;
	stall_at_ns = clock_source_monotonic_ns() + 50 * MS;
	return 0;
}

static uint64_t run_stalling(struct worker *w, uint64_t count)
{
	(void)w;
	if (clock_source_monotonic_ns() >= stall_at_ns) {
		stall_at_ns = UINT64_MAX;
		spin(20 * MS);
	}
	return count;
}

static uint64_t run_slow(struct worker *w, uint64_t count)
{
	(void)w;
	spin(MS);
	return count;
}

static void reset_slow(struct worker *w)
{
	(void)w;
	spin(5 * MS);
	resets++;
}

static const struct workload counting = {
	.name = "counting",
	.description = "",
	.operation = "",
	.is_floor = true,
	.roles = { { .name = "a", .round = ROUND, .run = run_counting, .reset = reset_counting } },
	.setup = count_setup,
	.enter = count_enter,
	.leave = count_leave,
	.verify = count_verify,
	.teardown = count_teardown,
};

/* One repetition of it, with `threads` threads that share CPUs if there are too few. */
static struct runner_result repeat_at(const struct workload *workload, unsigned threads,
				      uint64_t time_box_ns, double rate)
{
	static unsigned cpus[8];
	static struct plan_benchmark benchmark;
	struct runner_request request = {
		.benchmark = &benchmark,
		.topology = &topology,
		.clock = &source,
		.policy = &policy,
		.cpus = cpus,
		.duration_ns = 100 * MS,
		.intervals = 10,
		.memory_max = 1 << 20,
		.seed = 1,
		.time_box_ns = time_box_ns,
	};
	struct runner_result result;

	setups = enters = leaves = verifies = teardowns = resets = wrong = 0;
	benchmark = (struct plan_benchmark){ .name = (char[]){ "test" },
					     .workload = workload,
					     .pages = "4k",
					     .as = "none",
					     .rate = rate,
					     .refs = "atomic",
					     .threads = threads,
					     .role_threads = { threads } };
	for (unsigned i = 0; i < threads; i++)
		cpus[i] = topology.pus[i % topology.pu_count].os;
	runner_run(&request, &result);
	return result;
}

static struct runner_result repeat(const struct workload *workload, unsigned threads,
				   uint64_t time_box_ns)
{
	return repeat_at(workload, threads, time_box_ns, 0);
}

static uint64_t interval_total(const struct runner_result *r)
{
	uint64_t total = 0;

	assert_int_equal(r->intervals.count, 10);
	for (unsigned i = 0; i < r->intervals.count; i++)
		total += histogram_count(r->intervals.histograms[i]);
	return total;
}

/* How many values of at least so many ns it has, by their buckets' lower ends. */
static uint64_t at_least(const struct histogram *h, uint64_t ns)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		total += (double)histogram_lowest(i) * h->unit_ns >= (double)ns ? h->counts[i] : 0;
	return total;
}

#define BOX UINT64_C(60000000000)

static void test_life_of_a_repetition(void **state)
{
	struct runner_result r = repeat(&counting, 3, BOX);

	(void)state;
	assert_int_equal(r.outcome, RUNNER_OK);
	assert_int_equal(setups, 1);
	assert_int_equal(enters, 3);
	assert_int_equal(leaves, 3);
	assert_int_equal(verifies, 1);
	assert_int_equal(teardowns, 1);
	assert_true(resets > 0);
	assert_int_equal(wrong, 0);
	assert_int_equal(r.thread_count, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(r.threads[i].ops > 0);
		assert_true(r.threads[i].busy_ns > 0);
		assert_true(r.threads[i].batch > 1);
		/* What was counted and what was recorded are the same operations. */
		assert_int_equal(histogram_count(r.threads[i].latency), r.threads[i].ops);
		assert_int_equal(r.threads[i].cpu, r.threads[i].cpu_asked);
		assert_int_equal(r.threads[i].span_ns, r.threads[i].busy_ns);
		assert_null(r.threads[i].response);
	}
	assert_int_equal(interval_total(&r),
			 r.threads[0].ops + r.threads[1].ops + r.threads[2].ops);
	assert_true(runner_ops_per_s(&r, -1) > 0);
	assert_true(runner_ops_per_s(&r, -1) == runner_ops_per_s(&r, 0));
	assert_true(runner_ops_per_s(&r, 1) == 0);
	assert_true(runner_ns_per_op(&r) > 0);
	/* A floor has no pages: that is said, not called zero. */
	assert_int_equal(r.kernel_page_size, 0);
	assert_true(strlen(r.placement_reason) > 0);
	runner_result_release(&r);
}

static void test_a_window_is_looked_around(void **state)
{
	struct runner_result r = repeat(&counting, 2, BOX);

	(void)state;
	assert_int_equal(r.outcome, RUNNER_OK);
	for (unsigned i = 0; i < 2; i++) {
		const struct runner_thread *t = &r.threads[i];

		assert_true(t->around.before.spun_ns > 0 && t->around.after.spun_ns > 0);
		assert_int_equal(t->counts.errors[COUNTER_MINOR_FAULTS], 0);
		assert_true(counters_sound(&t->counts));
		/* Each event was counted, or there is a reason. */
		for (unsigned c = 0; c < COUNTERS; c++)
			assert_true(!t->counts.errors[c] ||
				    strlen(counter_reason(t->counts.errors[c])) > 0);
	}
	/* The workers' window and warm-up lie in it. */
	assert_true(r.change.elapsed_ns >= 100 * MS);
	runner_result_release(&r);
}

static void test_singles_are_timed_one_by_one(void **state)
{
	struct workload singles = counting;
	struct runner_result r;

	(void)state;
	singles.roles[0].singles = true;
	r = repeat(&singles, 1, BOX);
	assert_int_equal(r.outcome, RUNNER_OK);
	assert_int_equal(r.threads[0].batch, 1);
	assert_int_equal(histogram_count(r.threads[0].latency), r.threads[0].ops);
	runner_result_release(&r);
}

static void test_errors_make_results_void(void **state)
{
	struct workload failing = counting;
	struct runner_result r;

	(void)state;
	failing.roles[0].run = run_failing;
	failing.roles[0].reset = NULL;
	r = repeat(&failing, 2, BOX);
	assert_int_equal(r.outcome, RUNNER_VOID);
	assert_int_equal(r.rc, -EXDEV);
	assert_non_null(strstr(r.error, "cross-device"));
	assert_int_equal(leaves, 2);
	assert_int_equal(teardowns, 1);
	assert_int_equal(verifies, 0);
	runner_result_release(&r);

	failing = counting;
	failing.verify = fail_verify;
	r = repeat(&failing, 1, BOX);
	assert_int_equal(r.outcome, RUNNER_VOID);
	assert_non_null(strstr(r.error, "verification failed"));
	runner_result_release(&r);

	failing = counting;
	failing.enter = fail_enter;
	r = repeat(&failing, 2, BOX);
	assert_int_equal(r.outcome, RUNNER_VOID);
	assert_int_equal(r.rc, -EBADF);
	/* Only who entered leaves. */
	assert_int_equal(leaves, 1);
	runner_result_release(&r);
}

static void test_a_refused_setup_is_torn_down(void **state)
{
	struct workload refusing = counting;
	struct runner_result r;

	(void)state;
	refusing.setup = fail_setup;
	r = repeat(&refusing, 1, BOX);
	assert_int_equal(r.outcome, RUNNER_REFUSED);
	assert_int_equal(r.rc, -ENOMEM);
	assert_int_equal(enters, 0);
	assert_int_equal(teardowns, 1);
	runner_result_release(&r);
}

static void test_a_translator_is_asked(void **state)
{
	const struct workload *workload = workload_find("fault-anon");
	struct translator_spec spec;
	struct plan_benchmark benchmark = { .name = (char[]){ "test" },
					    .workload = workload,
					    .translator = &spec,
					    .pages = "4k",
					    .as = "none",
					    .refs = "atomic",
					    .threads = 1,
					    .role_threads = { 1 },
					    .params = { 4 << 20, 1 } };
	struct runner_request request = {
		.benchmark = &benchmark,
		.topology = &topology,
		.clock = &source,
		.policy = &policy,
		.cpus = &topology.pus[0].os,
		.duration_ns = 100 * MS,
		.memory_max = 64 << 20,
		.seed = 1,
		.time_box_ns = BOX,
	};
	struct runner_result r;
	char error[256];

	(void)state;
	assert_non_null(workload);
	assert_int_equal(translator_spec_parse(&spec, "null", error, sizeof(error)), 0);
	runner_run(&request, &r);
	assert_int_equal(r.outcome, RUNNER_OK);
	assert_true(r.has_stat);
	assert_true(r.threads[0].ops > 0);
	runner_result_release(&r);
	translator_spec_release(&spec);

	assert_int_equal(translator_spec_parse(&spec, "null:nonsense=1", error, sizeof(error)), 0);
	runner_run(&request, &r);
	assert_int_equal(r.outcome, RUNNER_REFUSED);
	assert_int_equal(r.rc, -EINVAL);
	assert_non_null(strstr(r.error, "nonsense"));
	runner_result_release(&r);
	translator_spec_release(&spec);
}

static int always_node(int node, uint64_t *kernel_page_size, int *out)
{
	*kernel_page_size = 4096;
	*out = node;
	return 0;
}

static int says_node_0(struct translator_engine *engine, uint64_t file, uint64_t offset,
		       uint64_t *kernel_page_size, int *node)
{
	(void)engine, (void)file, (void)offset;
	return always_node(0, kernel_page_size, node);
}

static int says_node_5(struct translator_engine *engine, uint64_t file, uint64_t offset,
		       uint64_t *kernel_page_size, int *node)
{
	(void)engine, (void)file, (void)offset;
	return always_node(5, kernel_page_size, node);
}

static uint64_t prefaulted[2];
static unsigned prefaults;

static int note_prefault(struct translator_engine *engine, int node, uint64_t bytes)
{
	(void)engine;
	prefaults++;
	prefaulted[node > 0] += bytes;
	return 0;
}

/* Pages are judged by the node of the thread that faults them, or by the one that --mem names. */
static void test_pages_on_another_node_are_counted(void **state)
{
	unsigned cpus[2] = { topology.pus[0].os, topology.pus[0].os };
	struct memory_policy bound = { .kind = MEMORY_POLICY_BIND, .node = 0 };
	struct memory_policy every = { .kind = MEMORY_POLICY_INTERLEAVE, .node = -1 };
	struct translator_spec spec;
	struct plan_benchmark benchmark = { .name = (char[]){ "test" },
					    .translator = &spec,
					    .pages = "4k",
					    .as = "none",
					    .refs = "atomic",
					    .threads = 2,
					    .role_threads = { 2 },
					    .params = { 4 << 20, 1 } };
	struct runner_request request = {
		.benchmark = &benchmark,
		.topology = &topology,
		.clock = &source,
		.cpus = cpus,
		.duration_ns = 20000000,
		.memory_max = 64 << 20,
		.seed = 1,
		.time_box_ns = BOX,
	};
	const struct {
		const char *workload;
		uint64_t param; /* region, or pages: of the whole, faulted by the setup */
		const struct memory_policy *policy;
		int (*says)(struct translator_engine *, uint64_t, uint64_t, uint64_t *, int *);
		unsigned prefaults; /* of 8 MiB */
		bool judged, elsewhere;
	} cases[] = {
		{ "dontneed-refault", 4 << 20, &policy, says_node_0, 1, true, false },
		{ "dontneed-refault", 4 << 20, &policy, says_node_5, 1, true, true },
		{ "dontneed-refault", 4 << 20, &bound, says_node_5, 1, true, true },
		{ "dontneed-refault", 4 << 20, &every, says_node_5, topology.node_count, false,
		  false },
		{ "translate", 1024, &policy, says_node_5, 0, false, false },
		{ "translate", 1024, &bound, says_node_5, 0, true, true },
	};
	char error[256];

	(void)state;
	if (topology.pus[0].node_os)
		skip(); /* says_node_0 would not be right */
	assert_int_equal(translator_spec_parse(&spec, "memmap", error, sizeof(error)), 0);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct translator liar = *spec.translator;
		const struct translator *memmap = spec.translator;
		struct runner_result r;

		liar.placement = cases[i].says;
		liar.prefault = note_prefault;
		prefaults = 0;
		prefaulted[0] = prefaulted[1] = 0;
		spec.translator = &liar;
		benchmark.workload = workload_find(cases[i].workload);
		benchmark.params[0] = cases[i].param;
		request.policy = cases[i].policy;
		runner_run(&request, &r);
		spec.translator = memmap;
		assert_int_equal(r.outcome, RUNNER_OK);
		assert_int_equal(r.pages_asked > 0, cases[i].judged);
		assert_int_equal(r.pages_elsewhere, cases[i].elsewhere ? r.pages_asked : 0);
		/* What both will use, at once; and on each node if they use all of them. */
		assert_int_equal(prefaults, cases[i].prefaults);
		assert_int_equal(prefaulted[0] + prefaulted[1], prefaults * (UINT64_C(8) << 20));
		runner_result_release(&r);
	}
	translator_spec_release(&spec);
}

/* The last two: after them no repetition can run. */
static void test_stop(void **state)
{
	struct runner_result r;

	(void)state;
	runner_stop();
	assert_true(runner_stopping());
	r = repeat(&counting, 2, BOX);
	assert_int_equal(r.outcome, RUNNER_STOPPED);
	assert_int_equal(teardowns, 1);
	runner_result_release(&r);
}

static int hang_setup(struct workload_run *run)
{
	(void)run_hanging(&run->workers[0], 1);
	return 0;
}

static void test_a_hang_ends_with_the_time_box(void **state)
{
	struct workload hanging = counting;
	struct runner_result r;

	(void)state;
	hanging.setup = hang_setup;
	r = repeat(&hanging, 1, 100000000);
	assert_int_equal(r.outcome, RUNNER_HUNG);
	assert_non_null(strstr(r.error, "test did not end"));
	/* Let it come to its end before what it uses goes away. */
	atomic_store(&let_go, true);
	while (!atomic_load(&teardowns))
		usleep(1000);
	usleep(100000);
}

static int start(void **state)
{
	char why[256];

	(void)state;
	clock_source_start(&source, CLOCK_SOURCE_TSC);
	return topology_load(&topology, NULL, why, sizeof(why));
}

static int end(void **state)
{
	(void)state;
	topology_release(&topology);
	return 0;
}

static bool was_stalled(const struct runner_result *r)
{
	return at_least(r->threads[0].response, 10 * MS) >= 98 &&
	       at_least(r->threads[0].latency, 10 * MS) > 0;
}

static bool began(const struct runner_result *r)
{
	return r->threads[0].ops > 20;
}

/* A busy machine may leave no time for what is to happen in the window. */
static struct runner_result repeat_until(const struct workload *workload,
					 bool (*happened)(const struct runner_result *r))
{
	for (int tries = 0;; tries++) {
		struct runner_result r = repeat_at(workload, 1, BOX, RATE);

		assert_int_equal(r.outcome, RUNNER_OK);
		if (tries == 19 || happened(&r))
			return r;
		runner_result_release(&r);
	}
}

static void test_an_open_loop_sees_what_a_stall_held_up(void **state)
{
	struct workload stalling = counting;
	struct runner_result r;

	(void)state;
	stalling.roles[0] = (struct workload_role){ .name = "a", .run = run_stalling };
	stalling.enter = enter_stalling;
	r = repeat_until(&stalling, was_stalled);
	assert_int_equal(r.threads[0].due, DUE);
	assert_int_equal(r.threads[0].batch, 1);
	assert_int_equal(histogram_count(r.threads[0].response), r.threads[0].ops);
	assert_int_equal(histogram_count(r.threads[0].lag), r.threads[0].ops);
	assert_int_equal(histogram_count(r.threads[0].latency), r.threads[0].ops);
	/* It held up 200 starts, half of them by 10 ms and more; one took its time itself. */
	assert_true(was_stalled(&r));
	assert_in_range(at_least(r.threads[0].latency, 10 * MS), 1, 9);
	assert_int_equal(interval_total(&r), r.threads[0].ops);
	runner_result_release(&r);
}

static void test_rate_not_reached(void **state)
{
	struct workload slow = counting;
	struct runner_result r;

	(void)state;
	slow.roles[0] = (struct workload_role){ .name = "a", .run = run_slow };
	r = repeat_at(&slow, 2, BOX, RATE);
	assert_int_equal(r.outcome, RUNNER_OK);
	/* The threads take turns, half each; of 500 starts 1 ms each there is time for 100. */
	assert_int_equal(r.threads[0].due, DUE / 2);
	assert_int_equal(r.threads[1].due, DUE / 2);
	assert_in_range(r.threads[0].ops, 1, 101);
	runner_result_release(&r);
}

static void test_resets_are_not_of_the_schedule(void **state)
{
	struct workload slow = counting;
	struct runner_result r;
	uint64_t late;

	(void)state;
	slow.roles[0].round = 10;
	slow.roles[0].run = run_failing;
	slow.roles[0].reset = reset_slow;
	r = repeat_until(&slow, began);
	assert_true(resets > 2);
	/* 10 starts take 1 ms, then 5 ms do not count. */
	assert_in_range(r.threads[0].due, r.threads[0].ops, DUE / 4);
	assert_in_range(r.threads[0].span_ns, 1, 50 * MS);
	/* With the resets in the schedule the last would be late by more than 50 ms. */
	late = at_least(r.threads[0].response, 50 * MS);
	assert_in_range(late, 0, r.threads[0].ops / 10);
	runner_result_release(&r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life_of_a_repetition),
		cmocka_unit_test(test_a_window_is_looked_around),
		cmocka_unit_test(test_singles_are_timed_one_by_one),
		cmocka_unit_test(test_errors_make_results_void),
		cmocka_unit_test(test_a_refused_setup_is_torn_down),
		cmocka_unit_test(test_a_translator_is_asked),
		cmocka_unit_test(test_an_open_loop_sees_what_a_stall_held_up),
		cmocka_unit_test(test_rate_not_reached),
		cmocka_unit_test(test_resets_are_not_of_the_schedule),
		cmocka_unit_test(test_pages_on_another_node_are_counted),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_a_hang_ends_with_the_time_box),
	};

	return cmocka_run_group_tests(tests, start, end);
}
