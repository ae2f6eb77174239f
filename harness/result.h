/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result.h - what was measured, gathered over the repetitions, and its JSON.
 *
 * The JSON is faultline.result/1 of results/README.md. Main thread only.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "harness/plan.h"
#include "harness/runner.h"

/* Bits of result_benchmark.flags, in the order of result_flag_names. */
enum result_flag {
	RESULT_TIMER_COARSE = 1u << 0,
	RESULT_PREEMPTED = 1u << 1,
	RESULT_THROTTLED = 1u << 2,
	RESULT_MIGRATED = 1u << 3,
	RESULT_PAGE_SIZE_MISMATCH = 1u << 4,
	RESULT_NODE_MISMATCH = 1u << 5,
	RESULT_DEMOTED = 1u << 6,
	RESULT_UNSTEADY = 1u << 7,
	RESULT_TIME_BOXED = 1u << 8,
	RESULT_SYNTHETIC = 1u << 9,
	RESULT_NOT_VERIFIED = 1u << 10,
	RESULT_RATE_NOT_REACHED = 1u << 11,
	RESULT_EMULATED_HARDWARE = 1u << 12,
	RESULT_AS_MISMATCH = 1u << 13,
};
extern const char *const result_flag_names[];

/* How noisy it was around and during one repetition. NAN and NOISE_MISSING: not known. */
struct result_noise {
	double lost_part; /* of the spun time, on the worst CPU */
	double speed_ratio; /* after over before, on the worst CPU */
	double block_ns; /* the sentinel's work, on the slowest CPU */
	uint64_t frequency_khz; /* of the slowest CPU */
	uint64_t preempted; /* involuntary switches in the window, all threads */
	unsigned migrated; /* threads that were */
	uint64_t outlier_count, outlier_ns; /* how many, and together */
	struct noise_change change;
};

/* One repetition. */
struct result_sample {
	unsigned repetition;
	double ops_per_s; /* all roles */
	double ns_per_op; /* busy time of the first role for each of its operations */
	double role_ops_per_s[WORKLOAD_MAX_ROLES];
	struct result_noise noise;
	unsigned flags;
};

struct result_worker {
	unsigned role, cpu_asked;
	int cpu, node; /* got in the last repetition; -1 none yet */
	uint64_t ops, span_ns; /* span: see struct runner_thread */
	struct histogram *latency;
};

/* Two CPUs of a two-party workload, or a CPU and a memory node. */
struct result_cell {
	unsigned a, b; /* kernel's numbers */
	struct histogram *latency;
};

/* A part of the window of a repetition. */
struct result_interval {
	unsigned repetition, number, count; /* number of count */
	uint64_t window_begin_ns; /* CLOCK_MONOTONIC */
	uint64_t n;
	double p50, p99, max; /* ns, if n is not 0 */
	char *text; /* hlog_encode of the histogram; NULL if n is 0 */
};

struct result_benchmark {
	const struct plan_benchmark *plan;
	struct result_sample *samples;
	size_t sample_count;
	struct histogram *latency[WORKLOAD_MAX_ROLES]; /* NULL before the first repetition */
	unsigned batch[WORKLOAD_MAX_ROLES]; /* longest */
	struct histogram *response, *lag; /* open loop, role 0; else NULL */
	uint64_t ops_due, ops_begun; /* open loop: of role 0, all repetitions */
	struct result_interval *intervals; /* of response, or of role 0's latency */
	size_t interval_count;
	struct result_worker *workers; /* plan->threads */
	struct result_cell *pairs, *nodes;
	size_t pair_count, node_count;
	bool has_stat;
	struct translator_stat stat; /* of the last repetition */
	int64_t rss_anon;
	uint64_t preempted; /* involuntary switches, all repetitions */
	struct outliers outliers; /* all threads and repetitions */
	struct counter_counts counts; /* the same, for all operations of all roles */
	/* Read back in the last repetition. */
	uint64_t kernel_page_size, pages_per_node[RUNNER_NODES_MAX], pages_asked, pages_elsewhere;
	char placement_reason[160];
	struct translator_locality locality; /* of the last repetition; count 0: not known */
	uint64_t histogram_pages, histogram_pages_local;
	unsigned flags;
	json_t *failure; /* how its worker process ended; NULL */
	bool verified; /* no repetition failed, and one was verified */
	char error[600]; /* why it is void, or was refused; "" */
};

struct result {
	const struct options *options;
	const struct plan *plan;
	const struct topology *topology;
	const struct clock_source *clock;
	const char *id;
	int argc;
	char **argv;
	uint64_t begin_ns; /* CLOCK_MONOTONIC */
	double begin_s; /* the same since 1970 */
	char start[32], end[32]; /* ISO 8601; end "" while it runs */
	bool interrupted;
	bool emulated; /* env_emulated() */
	int exit_code;
	double record_ns, fetch_add_ns, overhead_ns; /* < 0: not measured */
	double drift_ppm;
	bool clock_verified;
	json_t *notes; /* array of strings */
	struct result_benchmark *benchmarks; /* plan->count */
};

/* Allocates for plan; result->plan and the other pointers are set by the caller before. */
void result_prepare(struct result *result);
void result_release(struct result *result);
/* Adds a sentence to host.notes. */
void result_note(struct result *result, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds one repetition (RUNNER_OK or RUNNER_VOID). */
void result_merge(struct result_benchmark *b, const struct runner_result *run, unsigned repetition);
/* How a worker process ended: a sentence, what it was doing, the signal (0: none), and lines that
 * say where its threads were. */
void result_set_failure(struct result_benchmark *b, const char *sentence, const char *phase,
			int signal, const char *trace);
/* Adds `from`, which may be NULL; *to is made with its unit. */
void result_merge_histogram(struct histogram **to, const struct histogram *from);
/* Of where its pages were and what they were: RESULT_ bits, and RESULT_NOT_VERIFIED. */
unsigned result_placement_flags(const struct result_benchmark *b, const struct runner_result *run);
/* Adds latencies of role 0 to the cell (a, b) of a matrix. */
void result_merge_cell(struct result_cell **cells, size_t *count, unsigned a, unsigned b,
		       const struct runner_result *run);

/* New references. */
json_t *result_json(const struct result *result);
/* The `topology` member: enough to draw the machine. */
json_t *result_topology_json(const struct topology *t);
json_t *result_sample_json(const struct result_benchmark *b, const struct runner_result *run,
			   unsigned order);
/* The median; NAN of none. Sorts values. */
double result_median(double *values, size_t count);
