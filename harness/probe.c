/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - costs of the histogram and of the call gate.
 */
#include "harness/probe.h"

#include <stdatomic.h>
#include <string.h>

#include "harness/histogram.h"
#include "harness/runner.h"

#define ROUNDS 16
#define OPERATIONS 65536
#define VALUES 4096
#define OVERHEAD_NS UINT64_C(40000000)
#define OVERHEAD_MEMORY (UINT64_C(64) << 20)

static double record_round(const struct clock_source *clock, struct histogram *h,
			   const uint64_t values[VALUES])
{
	uint64_t begin = clock_source_now(clock);

	for (unsigned i = 0; i < OPERATIONS; i++) {
		histogram_record(h, values[i % VALUES]);
		/* One call after another, as a worker makes them: no vector code, no merging. */
		__asm__ volatile("" ::: "memory");
	}
	return (double)clock_source_ns(clock, clock_source_now(clock) - begin) / OPERATIONS;
}

static double fetch_add_round(const struct clock_source *clock, atomic_ullong *counter)
{
	uint64_t begin = clock_source_now(clock);

	for (unsigned i = 0; i < OPERATIONS; i++)
		atomic_fetch_add(counter, 1);
	return (double)clock_source_ns(clock, clock_source_now(clock) - begin) / OPERATIONS;
}

void probe_recording(const struct clock_source *clock, struct probe *probe)
{
	static _Alignas(128) atomic_ullong counter;
	static uint64_t values[VALUES];
	struct worker random = { .seed = 1 };
	struct histogram *h = histogram_create(1.0);

	*probe = (struct probe){ .record_ns = -1, .fetch_add_ns = -1 };
	if (!h)
		return;
	/* 100 ns to 2 us: what is recorded is spread over some hundred buckets. */
	for (unsigned i = 0; i < VALUES; i++)
		values[i] = 100 + worker_random(&random) % 1900;
	for (unsigned i = 0; i < ROUNDS; i++) {
		double record = record_round(clock, h, values);
		double add = fetch_add_round(clock, &counter);

		if (!i || record < probe->record_ns)
			probe->record_ns = record;
		if (!i || add < probe->fetch_add_ns)
			probe->fetch_add_ns = add;
	}
	histogram_destroy(h);
}

double probe_overhead(const struct clock_source *clock, const struct topology *t)
{
	const struct workload *workload = workload_find("fault-anon");
	struct memory_policy policy = { .kind = MEMORY_POLICY_LOCAL, .node = -1 };
	struct plan_benchmark b = { .name = (char[]){ "null translator" },
				    .workload = workload,
				    .pages = "4k",
				    .as = "none",
				    .refs = "atomic",
				    .threads = 1,
				    .role_threads = { 1 } };
	struct runner_request request = { .benchmark = &b,
					  .topology = t,
					  .clock = clock,
					  .policy = &policy,
					  .cpus = &t->pus[0].os,
					  .duration_ns = OVERHEAD_NS,
					  .seed = 1,
					  .memory_max = OVERHEAD_MEMORY,
					  .time_box_ns = UINT64_C(10000000000) };
	struct translator_spec spec;
	struct runner_result result;
	char error[256];
	double ns = -1;

	if (!workload || t->synthetic || translator_spec_parse(&spec, "null", error, sizeof(error)))
		return -1;
	b.translator = &spec;
	for (unsigned k = 0; k < 8; k++)
		b.params[k] = workload->params[k].value;
	runner_run(&request, &result);
	if (result.outcome == RUNNER_HUNG)
		return -1;
	if (result.outcome == RUNNER_OK)
		ns = runner_ns_per_op(&result);
	runner_result_release(&result);
	translator_spec_release(&spec);
	return ns;
}
