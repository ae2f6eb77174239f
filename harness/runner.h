/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner.h - one repetition of one benchmark: opens an engine, runs the workers, reads back.
 *
 * Workers are pinned, set up, and warmed up; only the window in which all of them run counts, and
 * they go on (unrecorded) until the last has left it. One runner at a time in a process: it is
 * called from the thread that supervises, and runs on threads of its own.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/clock.h"
#include "harness/counters.h"
#include "harness/histogram.h"
#include "harness/intervals.h"
#include "harness/noise.h"
#include "harness/outliers.h"
#include "harness/plan.h"

#define RUNNER_NODES_MAX 64

struct runner_request {
	const struct plan_benchmark *benchmark;
	const struct topology *topology;
	const struct clock_source *clock;
	const struct memory_policy *policy;
	const unsigned *cpus; /* kernel's numbers, benchmark->threads of them */
	uint64_t duration_ns; /* of the window */
	unsigned intervals; /* into which it is cut, for role 0; at most INTERVALS_MAX */
	uint64_t memory_max; /* bytes */
	uint64_t seed;
	uint64_t time_box_ns; /* after which it counts as hung */
};

struct runner_thread {
	unsigned role, cpu_asked, batch; /* batch: operations timed at once */
	int cpu, node; /* where it was found at the end of its window */
	uint64_t ops, busy_ns; /* in the window; busy: the timed portions */
	/* What ops are spread over: closed loop: busy_ns; open loop: the window, without resets. */
	uint64_t span_ns;
	uint64_t due; /* open loop: operations whose intended start was in the window */
	uint64_t preempted; /* involuntary switches in the window */
	unsigned noise; /* NOISE_ bits */
	uint64_t begin_ns; /* CLOCK_MONOTONIC at the opening of its window */
	struct noise_around around;
	struct outliers outliers;
	struct counter_counts counts; /* around its window */
	struct histogram *latency; /* service time */
	struct histogram *response, *lag; /* open loop, else NULL: from the intended start */
};

enum runner_outcome {
	RUNNER_OK,
	RUNNER_REFUSED, /* engine or setup said no: rc and error say why */
	RUNNER_VOID, /* a worker or verify failed: the results are void */
	RUNNER_STOPPED, /* runner_stop: nothing of this repetition counts */
	RUNNER_HUNG, /* time box exceeded: its threads still exist, the process must end */
	RUNNER_CRASHED, /* isolate.h only: the process ended, or its answer was garbled */
};

struct runner_result {
	enum runner_outcome outcome;
	int rc; /* -errno of what failed */
	char error[512]; /* a sentence */
	unsigned thread_count;
	struct runner_thread *threads;
	bool has_stat;
	struct translator_stat stat;
	int64_t rss_anon; /* growth of the process's anonymous memory, bytes */
	uint64_t kernel_page_size; /* 0: not known, placement_reason says why */
	uint64_t pages_per_node[RUNNER_NODES_MAX]; /* of a sample of pages */
	/* Of those, whose node is decided by the policy and who faults them; and are on another. */
	uint64_t pages_asked, pages_elsewhere;
	char placement_reason[160];
	bool has_locality;
	struct translator_locality locality;
	uint64_t histogram_pages, histogram_pages_local;
	unsigned noise; /* NOISE_ bits of the process as a whole */
	struct noise_change change; /* from before its workers to after them */
	struct intervals intervals; /* role 0: service times, or in an open loop response times */
};

/* Runs it. The result is complete for RUNNER_OK and RUNNER_VOID; runner_result_release it
 * unless RUNNER_HUNG. */
void runner_run(const struct runner_request *request, struct runner_result *result);
void runner_result_release(struct runner_result *result);

/* Asks the running repetition, and all later ones, to end; async-signal-safe. */
void runner_stop(void);
bool runner_stopping(void);
/* From here on that flag is the one, for a process that others ask to stop. */
void runner_stop_at(atomic_bool *flag);

/* What the running repetition is doing ("setup", "closing the engine") is kept in text, of
 * RUNNER_PHASE_SIZE bytes. */
#define RUNNER_PHASE_SIZE 64
void runner_phase_at(char *text);

/* Operations per second of all threads of a role (role < 0: of all roles). */
double runner_ops_per_s(const struct runner_result *result, int role);
/* Nanoseconds of busy time for each operation, over all threads. 0 without operations. */
double runner_ns_per_op(const struct runner_result *result);
