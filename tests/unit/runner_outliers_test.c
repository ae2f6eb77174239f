/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner_outliers_test.c - what is planted into a window is the cause of its outliers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/placement.h"
#include "harness/runner.h"

#define RATE 10000
#define MS UINT64_C(1000000)
#define BOX UINT64_C(60000000000)

static struct clock_source source;
static struct topology topology;
static struct memory_policy policy = { .kind = MEMORY_POLICY_LOCAL, .node = -1 };

static void spin(uint64_t ns)
{
	uint64_t end = clock_source_monotonic_ns() + ns;

	while (clock_source_monotonic_ns() < end)
		;
}

static uint64_t stall_at_ns;

static int enter_stalling(struct worker *w)
{
	(void)w;
	stall_at_ns = clock_source_monotonic_ns() + 50 * MS;
	return 0;
}

/* Somebody else on the worker's CPU, from the middle of the window for 30 ms. */
static pthread_t rival;
static unsigned rival_cpu;

static void *compete(void *unused)
{
	(void)unused;
	assert_int_equal(placement_pin(rival_cpu), 0);
	usleep(50000);
	spin(30 * MS);
	return NULL;
}

static int enter_with_rival(struct worker *w)
{
	rival_cpu = (unsigned)w->cpu;
	return -pthread_create(&rival, NULL, compete, NULL);
}

static void leave_rival(struct worker *w)
{
	(void)w;
	pthread_join(rival, NULL);
}

/* From the middle of the window on, an operation in each 5 ms takes 100 us: it spins, or writes to
 * fresh memory meanwhile. Short, so that on a busy machine some are not preempted. */
static bool faults_meanwhile;

static void fault_for(uint64_t ns)
{
	size_t size = 16 << 20, at = 0;
	uint64_t end = clock_source_monotonic_ns() + ns;
	volatile char *memory =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	for (; clock_source_monotonic_ns() < end && at < size; at += 4096)
		memory[at] = 1;
	munmap((void *)memory, size);
}

static uint64_t run_with_some_long(struct worker *w, uint64_t count)
{
	(void)w;
	if (clock_source_monotonic_ns() < stall_at_ns)
		return count;
	stall_at_ns = clock_source_monotonic_ns() + 5 * MS;
	if (faults_meanwhile)
		fault_for(MS / 10);
	else
		spin(MS / 10);
	return count;
}

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

	benchmark = (struct plan_benchmark){ .name = (char[]){ "test" },
					     .workload = workload,
					     .pages = "4k",
					     .as = "none",
					     .rate = rate,
					     .threads = threads,
					     .role_threads = { threads } };
	for (unsigned i = 0; i < threads; i++)
		cpus[i] = topology.pus[i % topology.pu_count].os;
	runner_run(&request, &result);
	return result;
}

/* Whether an outlier with that cause comes up; a busy machine may need more than one try. */
static bool comes_up(const struct workload *workload, double rate, enum outlier_cause cause)
{
	for (unsigned tries = 0; tries < 50; tries++) {
		struct runner_result r = repeat_at(workload, 1, BOX, rate);
		struct outliers outliers = r.threads[0].outliers;

		assert_int_equal(r.outcome, RUNNER_OK);
		assert_int_equal(outliers.over_ns, OUTLIER_NS);
		assert_true(outliers_sound(&outliers));
		for (unsigned i = 0; i < outliers.longest_count; i++) {
			assert_true(outliers.longest[i].took_ns > OUTLIER_NS);
			assert_true(outliers.longest[i].at_ns < 100 * MS);
		}
		if (cause == OUTLIER_PREEMPTED)
			assert_true(r.threads[0].preempted >= outliers.count[cause]);
		runner_result_release(&r);
		if (outliers.count[cause])
			return true;
	}
	return false;
}

static void test_a_planted_preemption_is_the_cause(void **state)
{
	struct workload rivalled = {
		.name = "rivalled",
		.description = "",
		.operation = "",
		.is_floor = true,
		.roles = { { .name = "a", .run = run_with_some_long } },
		.enter = enter_with_rival,
		.leave = leave_rival,
	};

	(void)state;
	stall_at_ns = UINT64_MAX;
	assert_true(comes_up(&rivalled, 0, OUTLIER_PREEMPTED));
	assert_true(comes_up(&rivalled, RATE, OUTLIER_PREEMPTED));
}

static void test_planted_faults_are_the_cause(void **state)
{
	struct workload faulting = {
		.name = "faulting",
		.description = "",
		.operation = "",
		.is_floor = true,
		.roles = { { .name = "a", .run = run_with_some_long } },
		.enter = enter_stalling,
	};

	(void)state;
	faults_meanwhile = true;
	assert_true(comes_up(&faulting, 0, OUTLIER_MINOR_FAULT));
	assert_true(comes_up(&faulting, RATE, OUTLIER_MINOR_FAULT));
	faults_meanwhile = false;
	assert_true(comes_up(&faulting, 0, OUTLIER_UNEXPLAINED));
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_planted_preemption_is_the_cause),
		cmocka_unit_test(test_planted_faults_are_the_cause),
	};

	return cmocka_run_group_tests(tests, start, end);
}
