/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h - what a worker thread shares with the runner; private to runner.c and worker.c.
 *
 * Atomics stand on lines of their own: they are read after each batch. `warm` counts workers that
 * have warmed up; the last one sets `deadline`, which opens the window. `finished` counts those
 * that have left it.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "harness/runner.h"

struct runner_shared {
	const struct runner_request *request;
	struct workload_run run;
	struct runner_thread *threads;
	struct runner_worker *workers;
	uint64_t batch_min; /* operations that are timed at once, at least: parameter `batch` */
	struct noise_throttle throttle;
	pthread_barrier_t start; /* all workers: nobody warms up before all have entered */
	_Alignas(128) atomic_uint warm;
	_Alignas(128) atomic_ullong deadline; /* counts of the clock; 0: not open yet */
	_Alignas(128) atomic_uint finished;
	_Alignas(128) atomic_bool failed;
	pthread_mutex_t error_lock;
	char error[256]; /* of the first that failed; under error_lock */
	int error_rc;
};

struct runner_worker {
	struct runner_shared *shared;
	struct worker *worker;
	struct runner_thread *result;
	pthread_t thread;
	uint64_t batch; /* operations timed at once */
	uint64_t round; /* operations between resets, 0: never */
	uint64_t left; /* of this round */
	struct intervals intervals; /* at least one */
	struct outlier_watch watch;
};

/* Untimed: whatever has to be made anew, where a round is over. */
void worker_reset(struct runner_worker *rw);
/* Times one batch, of a round that is not over. Returns operations done. */
uint64_t worker_batch(struct runner_worker *rw, uint64_t *begin, uint64_t *end);
bool worker_stopped(const struct runner_shared *shared);
/* The window of an open loop: until deadline (counts). worker_open.c */
void worker_measure_open(struct runner_worker *rw, uint64_t deadline);

/* Thread function; argument: struct runner_worker. */
void *worker_main(void *argument);

/* Notes the first failure: "what: reason". */
void runner_fail(struct runner_shared *shared, const char *what, int rc);
