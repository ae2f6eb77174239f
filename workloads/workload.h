/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload.h - the contract of a workload: one file, read in ten seconds, at most 80 lines.
 *
 * A workload describes what a set of worker threads does to a translator. It calls only
 * struct translator. The runner owns threads, clocks, histograms and loops:
 *
 *   setup(run)                    once, on the main thread
 *   enter(worker)                 once on each worker, before the barrier     (optional)
 *   { role.run(worker, n)         timed: performs n operations, returns those that it did (what
 *                                 comes only as a whole may be more, to the end of a round)
 *     role.reset(worker) }        untimed: after `round` operations           (optional)
 *   leave(worker)                 once on each worker, after the window       (optional)
 *   verify(run)                   0, or -errno: the results are void          (optional)
 *   teardown(run)                 once, on the main thread; also after a failed setup
 *
 * Roles whose latency is short are timed in batches: n is then larger than one. An operation
 * that fails is an error of the run: workload_fail(worker, rc) and return.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "translators/translator.h"

struct workload_run;

struct worker {
	struct workload_run *run;
	const struct translator *t; /* = run->t, cached */
	unsigned index; /* among all workers */
	unsigned role; /* index in workload.roles */
	unsigned role_index; /* among the workers of its role */
	unsigned role_count; /* how many workers its role has */
	int cpu, node; /* where it is pinned; node: of the CPU */
	int memory_node; /* asked node of its memory, -1: policy decides */
	uint64_t seed; /* state of worker_random */
	uint64_t cursor; /* free for the workload: its place in a round */
	void *data; /* free for the workload */
	int error; /* first -errno, see workload_fail */
} __attribute__((aligned(128)));

struct workload_run {
	const struct workload *workload;
	const struct translator *t; /* NULL for floors */
	struct translator_engine *engine;
	const char *pages; /* "4k", "thp", "2m", "1g" */
	const char *as; /* "none", "mmap", "uffd" */
	unsigned worker_count;
	struct worker *workers;
	uint64_t params[8]; /* values, in the order of workload.params */
	uint64_t memory_max; /* bytes that a setup may use at most */
	uint64_t batch; /* operations in one call of t->batch; 0: each is a call of its own */
	/* Set by a setup if each worker alone faults pages of its own: those of number i are in the
	 * own_bytes from own_start + i * own_bytes. They belong on its memory_node. */
	uint64_t own_start, own_bytes;
	/* free for the workload */
	struct translator_space *space;
	struct translator_object *object;
	void *data;
};

struct workload_param {
	const char *name;
	const char *description;
	uint64_t value; /* default; sizes are bytes */
};

struct workload_role {
	const char *name;
	unsigned threads; /* how many workers; 0: all that are left (at least one) */
	uint64_t round; /* operations between resets; 0: round_of(run) or never */
	uint64_t (*run)(struct worker *w, uint64_t count);
	void (*reset)(struct worker *w);
	bool singles; /* operations last well over 100 ns: timed one by one */
};

#define WORKLOAD_MAX_ROLES 3

struct workload {
	const char *name;
	const char *description;
	const char *operation; /* what one operation is: "first fault on a 4 KiB page" */
	const char *floor; /* name of the floor workload it is compared with, or NULL */
	bool is_floor; /* needs no translator */
	bool two_party; /* exactly pairs of threads matter: PU x PU matrix */
	bool first_touch; /* CPU x memory node matrix */
	uint64_t needs; /* TRANSLATOR_CAN_ bits */
	unsigned huge_pages; /* free 2 MiB pages of the reserved pool that each worker needs */
	const char *(*lacks)(void); /* why this machine cannot run it, or NULL (optional) */
	bool touches; /* loads and stores: --as none gives it mmap all the same */
	uint64_t pages_per_op; /* 4 KiB pages that an operation covers with pages=4k; 0 = 1 */
	struct workload_param params[8]; /* ends with a NULL name */
	struct workload_role roles[WORKLOAD_MAX_ROLES]; /* ends with a NULL name */
	/* Operations in a round for this run, if roles[].round is 0 (for example region / page). */
	uint64_t (*round_of)(const struct workload_run *run, unsigned role);
	int (*setup)(struct workload_run *run);
	int (*enter)(struct worker *w);
	void (*leave)(struct worker *w);
	int (*verify)(struct workload_run *run);
	void (*teardown)(struct workload_run *run);
};

/* Records the first error of a worker (rc < 0). */
static inline void workload_fail(struct worker *w, int rc)
{
	if (!w->error)
		w->error = rc;
}

/* xorshift64*: 64 random bits, per worker. */
static inline uint64_t worker_random(struct worker *w)
{
	uint64_t x = w->seed;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	w->seed = x;
	return x * UINT64_C(2685821657736338717);
}

/*
 * Parameter `batch`, by convention: operations that are timed together, and that a translator with
 * TRANSLATOR_CAN_BATCH gets in one call; then run->batch is not 0 and workloads that have the
 * parameter use workload_batch. What entering a runtime (Go's, a JVM's) costs is shared by them.
 */
#define WORKLOAD_PARAM_BATCH                                                                 \
	{                                                                                    \
		"batch", "operations timed as one, and in one call where that is offered", 1 \
	}
#define WORKLOAD_BATCH_MAX 4096

/* Does the operations of *batch, run->batch in a call. With `below`, at random: each address is
 * batch->address plus a random number below `below` times batch->stride. Returns those done, after
 * workload_fail if not all. */
uint64_t workload_batch(struct worker *w, const struct translator_batch *batch, uint64_t below);

/* Bytes of a page by its word: "thp" is as large as "2m". */
uint64_t workload_page_bytes(const char *pages);
/* Bytes of one page of the run: what one fault brings. */
uint64_t workload_page_size(const struct workload_run *run);

/* Every workload and floor, sorted by name, one a line in workloads/list.c; ends with NULL. */
extern const struct workload *const workload_list[];
/* NULL if there is none of that name. */
const struct workload *workload_find(const char *name);
