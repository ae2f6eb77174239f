/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h - from options to the benchmarks of a run, each with its threads and their CPUs.
 *
 * A benchmark is one (translator, workload, parameters, pages, address space, thread count).
 * Floors that workloads name are added once per thread count. With groups (of a job file) it is
 * the benchmarks of all of them, each once. A plan is a pure function of options and topology:
 * synthetic machines can be planned for. Immutable once created; options outlive it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/memory_policy.h"
#include "harness/options.h"
#include "harness/topology.h"
#include "harness/translators.h"
#include "workloads/workload.h"

/* Measured time that the quick suite may take in all; preparations come on top. */
#define PLAN_QUICK_NS UINT64_C(36000000000)
#define PLAN_NONE SIZE_MAX

struct plan_benchmark {
	char *name; /* unique and stable over versions */
	const struct workload *workload;
	const struct translator_spec *translator; /* NULL: a floor */
	const struct options *options; /* of its group; the caller's */
	struct memory_policy policy;
	bool asked; /* the workload was named, or all were meant; not a floor added for others */
	const char *pages; /* "4k", "thp", "2m", "1g"; "auto" until it is resolved */
	const char *pages_asked; /* as typed */
	const char *as; /* "none", "mmap", "uffd" */
	const char *as_asked; /* as typed */
	char *as_reason; /* why `as` is another; or NULL */
	const char *refs; /* "atomic", "sharded" */
	uint64_t params[8];
	double rate; /* operations per second of role 0, all its threads; 0: closed loop */
	unsigned threads;
	unsigned role_threads[WORKLOAD_MAX_ROLES];
	unsigned *cpus; /* kernel's numbers, one a thread: role 0 first */
	size_t floor; /* index of the benchmark that it is compared with, or PLAN_NONE */
	size_t fewest; /* the same with the fewest threads, or PLAN_NONE */
};

struct plan_skip {
	char *translator; /* NULL: a floor */
	const char *workload;
	char *reason;
};

/* Makes known what a plug-in is: translator_spec_describe, or spec->lost. 0 or -errno with a
 * sentence. */
typedef int plan_describe(struct translator_spec *spec, const struct options *options, char *error,
			  size_t size);

struct plan {
	bool quick; /* no workload was named */
	char quick_threads[8]; /* what a quick suite takes if nothing is said */
	struct plan_benchmark *benchmarks;
	size_t count;
	struct plan_skip *skips;
	size_t skip_count;
	struct translator_spec *translators;
	size_t translator_count;
	uint64_t duration_ns; /* of one repetition */
	unsigned repeat;
};

/*
 * 0 or, with a sentence in error, -EINVAL (wrong word or value), -ENODEV (this machine has no
 * such CPU or node, or too few), or what describe (NULL: no plug-ins) returns.
 * plan_release afterwards in both cases.
 */
int plan_create(struct plan *plan, const struct options *options, const struct topology *t,
		plan_describe *describe, char *error, size_t size)
	__attribute__((warn_unused_result));
void plan_release(struct plan *plan);
/* Frees what it owns, not itself. */
void plan_benchmark_release(struct plan_benchmark *b);

/* Names benchmarks, drops those that are twice there, and links floors and fewest threads; to be
 * called again after pages (auto) or the address space (uffd refused) were changed. */
void plan_finish(struct plan *plan);

/* Index of the benchmark with that name, or PLAN_NONE. */
size_t plan_find(const struct plan *plan, const char *name);

/* Time that the measuring takes, without preparations. */
uint64_t plan_total_ns(const struct plan *plan);

/* Fills order[plan->count] with a permutation that depends on seed and repetition only. */
void plan_order(const struct plan *plan, uint64_t seed, unsigned repetition, size_t *order);
