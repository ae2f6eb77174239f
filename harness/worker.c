/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c - a worker thread: enter, warm up, the common window, leave.
 *
 * In the warm-up the length of a batch is found: operations of about 100 ns and more are timed one
 * by one, shorter ones in batches of at least a microsecond, since the clock advances in steps of
 * 10 ns and a pair of readings costs 20. Parameter `batch` asks for longer ones.
 */
#include "harness/worker.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "harness/placement.h"

#define BATCH_MAX WORKLOAD_BATCH_MAX
#define SINGLE_NS 100.0
#define BATCH_NS 1000.0
#define WARM_UP_PART 10
/* Of the spin sentinel, on either side of the window. */
#define SPIN_US 1000

bool worker_stopped(const struct runner_shared *shared)
{
	return atomic_load_explicit(&shared->failed, memory_order_relaxed) || runner_stopping();
}

static bool is_open(const struct runner_worker *rw)
{
	return rw->shared->request->benchmark->rate > 0 && !rw->worker->role;
}

void worker_reset(struct runner_worker *rw)
{
	struct worker *w = rw->worker;
	const struct workload_role *role = &w->run->workload->roles[w->role];
	const struct clock_source *clock = rw->shared->request->clock;
	uint64_t begin;

	if (!rw->round || rw->left)
		return;
	rw->left = rw->round;
	if (!role->reset)
		return;
	begin = clock_source_now(clock);
	role->reset(w);
	/* What happened in it is no cause of what comes. A short one had no time for much, and the
	 * system call would slow the next batch down. */
	if (clock_source_now(clock) - begin > rw->watch.over)
		outlier_watch_read(&rw->watch);
}

uint64_t worker_batch(struct runner_worker *rw, uint64_t *begin, uint64_t *end)
{
	const struct clock_source *clock = rw->shared->request->clock;
	struct worker *w = rw->worker;
	const struct workload_role *role = &w->run->workload->roles[w->role];
	uint64_t want = rw->batch, done;

	if (rw->round && want > rw->left)
		want = rw->left;
	*begin = clock_source_now(clock);
	done = role->run(w, want);
	*end = clock_source_now(clock);
	rw->left -= rw->round ? done : 0;
	if (w->error)
		runner_fail(rw->shared, role->name, w->error);
	return done;
}

static uint64_t batch_run(struct runner_worker *rw, uint64_t *begin, uint64_t *end)
{
	worker_reset(rw);
	return worker_batch(rw, begin, end);
}

/* Runs for a tenth of the window, and chooses the batch. */
static void warm_up(struct runner_worker *rw)
{
	const struct runner_shared *shared = rw->shared;
	const struct clock_source *clock = shared->request->clock;
	uint64_t until = clock_source_now(clock) +
			 clock_source_counts(clock, shared->request->duration_ns / WARM_UP_PART);
	bool singles = rw->worker->run->workload->roles[rw->worker->role].singles || is_open(rw);
	uint64_t begin, end, batches = 0;
	double best = INFINITY; /* ns for each operation: noise only ever adds to it */

	outlier_watch_warm_up(&rw->watch, clock, &shared->throttle, &rw->result->outliers);
	rw->batch = 1;
	do {
		uint64_t done = batch_run(rw, &begin, &end);
		double ns = (double)clock_source_ns16(clock, end - begin) / 16;

		if (!done)
			continue;
		batches++;
		if (!singles && done == rw->batch && rw->batch < BATCH_MAX && ns < BATCH_NS) {
			/* What is short of a batch says more about the clock than about it. */
			rw->batch *= 2;
			best = INFINITY;
		} else if (ns / (double)done < best) {
			best = ns / (double)done;
		}
	} while (end < until && !worker_stopped(shared));
	rw->batch = shared->batch_min;
	/* An open loop has one intended start for each. */
	while (!singles && best < SINGLE_NS && (double)rw->batch * best < BATCH_NS &&
	       rw->batch * 2 <= BATCH_MAX)
		rw->batch *= 2;
	outlier_watch_settle(&rw->watch, batches, best * (double)rw->batch);
}

static void measure(struct runner_worker *rw, uint64_t deadline)
{
	const struct clock_source *clock = rw->shared->request->clock;
	bool fine = rw->batch > 1;
	uint64_t begin, end, ops = 0, busy = 0;

	for (;;) {
		uint64_t done = batch_run(rw, &begin, &end), counts = end - begin;

		/* What began outside the window is not of it. */
		if (begin >= deadline || worker_stopped(rw->shared))
			break;
		if (__builtin_expect(counts > rw->watch.look, 0))
			outlier_watch_look(&rw->watch, begin, counts);
		if (!done)
			continue;
		busy += counts;
		ops += done;
		histogram_record_n(intervals_now(&rw->intervals, begin),
				   (fine ? clock_source_ns16(clock, counts)
					 : clock_source_ns(clock, counts)) /
					   done,
				   done);
	}
	rw->result->ops = ops;
	rw->result->busy_ns = rw->result->span_ns = clock_source_ns(clock, busy);
	intervals_sum(&rw->intervals, rw->result->latency);
}

/* Empty histograms, which need not be touched for the first time in the window. */
static void reset_histograms(struct runner_worker *rw)
{
	struct runner_thread *result = rw->result;
	double unit = rw->batch > 1 ? HISTOGRAM_UNIT_BATCH : 1.0;

	histogram_reset(result->latency, unit);
	intervals_reset(&rw->intervals, is_open(rw) ? 1.0 : unit);
	if (!is_open(rw))
		return;
	histogram_reset(result->response, 1.0);
	histogram_reset(result->lag, 1.0);
}

static void measure_window(struct runner_worker *rw, uint64_t deadline)
{
	const struct runner_request *request = rw->shared->request;
	uint64_t length = clock_source_counts(request->clock, request->duration_ns);

	rw->result->begin_ns = clock_source_monotonic_ns();
	intervals_begin(&rw->intervals, deadline - length, length / rw->intervals.count + 1);
	outlier_watch_begin(&rw->watch, deadline - length);
	if (is_open(rw))
		worker_measure_open(rw, deadline);
	else
		measure(rw, deadline);
}

/* How much of the CPU's time is lost just now, and how fast it is. */
static void look_around(const struct runner_worker *rw, struct noise_spin *spin, uint64_t *khz)
{
	noise_spin(rw->shared->request->clock, SPIN_US, spin);
	*khz = noise_frequency_khz(NULL, rw->result->cpu_asked);
}

/* The window, and what the kernel and the processor counted around it. */
static void count_window(struct runner_worker *rw, const struct counters *counters,
			 uint64_t deadline)
{
	struct counter_readings begin, end;
	struct noise_sample before, after;

	noise_sample_thread(&before);
	counters_read(counters, &begin);
	measure_window(rw, deadline);
	counters_read(counters, &end);
	noise_sample_thread(&after);
	counters_between(counters, &begin, &end, &rw->result->counts);
	rw->result->noise |= noise_flags(&before, &after);
	if (before.thread_preempted != NOISE_MISSING && after.thread_preempted != NOISE_MISSING)
		rw->result->preempted = after.thread_preempted - before.thread_preempted;
}

/* All of it between the barrier and leaving. */
static void window(struct runner_worker *rw)
{
	struct runner_shared *shared = rw->shared;
	const struct clock_source *clock = shared->request->clock;
	struct noise_around *around = &rw->result->around;
	unsigned count = shared->run.worker_count;
	struct counters counters;
	uint64_t begin, end, deadline;

	look_around(rw, &around->before, &around->khz_before);
	counters_open(&counters);
	warm_up(rw);
	rw->result->batch = (unsigned)rw->batch;
	reset_histograms(rw);
	if (atomic_fetch_add(&shared->warm, 1) + 1 == count)
		atomic_store(&shared->deadline,
			     clock_source_now(clock) +
				     clock_source_counts(clock, shared->request->duration_ns));
	while (!(deadline = atomic_load_explicit(&shared->deadline, memory_order_relaxed)) &&
	       !worker_stopped(shared))
		batch_run(rw, &begin, &end);
	if (!worker_stopped(shared))
		count_window(rw, &counters, deadline);
	atomic_fetch_add(&shared->finished, 1);
	/* The others still measure: they must not be left alone. */
	while (atomic_load_explicit(&shared->finished, memory_order_relaxed) < count &&
	       !worker_stopped(shared))
		batch_run(rw, &begin, &end);
	counters_close(&counters);
	look_around(rw, &around->after, &around->khz_after);
}

static int create_histograms(struct runner_worker *rw)
{
	unsigned count = rw->shared->request->intervals;
	struct runner_thread *result = rw->result;

	result->latency = histogram_create(1.0);
	if (is_open(rw)) {
		result->response = histogram_create(1.0);
		result->lag = histogram_create(1.0);
	}
	if (!result->latency || (is_open(rw) && (!result->response || !result->lag)))
		return -ENOMEM;
	return intervals_init(&rw->intervals, count && !rw->worker->role ? count : 1);
}

/* The policy inherited from the conductor is for what is measured; what measures is to be near. */
static int create_near(struct runner_worker *rw)
{
	static const struct memory_policy local = { .kind = MEMORY_POLICY_LOCAL, .node = -1 };
	const struct runner_request *request = rw->shared->request;
	bool elsewhere = request->policy->kind != MEMORY_POLICY_LOCAL;
	char why[160] = "";
	int rc = 0;

	if (elsewhere)
		rc = memory_policy_apply(&local, request->topology, why, sizeof(why));
	if (!rc && create_histograms(rw)) {
		rc = -ENOMEM;
		snprintf(why, sizeof(why), "histogram");
	}
	if (!rc && elsewhere)
		rc = memory_policy_apply(request->policy, request->topology, why, sizeof(why));
	if (rc)
		runner_fail(rw->shared, why, rc);
	return rc;
}

static int settle(struct runner_worker *rw)
{
	struct runner_shared *shared = rw->shared;
	struct worker *w = rw->worker;
	int rc;

	/* A refusal is seen by read-back: the place that was got is not the one asked for. */
	if (placement_pin(rw->result->cpu_asked))
		rw->result->noise |= NOISE_MIGRATED;
	rc = create_near(rw);
	if (rc)
		return rc;
	rc = w->t && w->t->thread_enter ? w->t->thread_enter(w->run->engine) : 0;
	if (rc) {
		runner_fail(shared, "thread_enter", rc);
		return rc;
	}
	if (w->run->workload->enter) {
		rc = w->run->workload->enter(w);
		if (rc)
			runner_fail(shared, "enter", rc);
	}
	return rc;
}

void *worker_main(void *argument)
{
	struct runner_worker *rw = argument;
	struct worker *w = rw->worker;
	const struct workload *workload = w->run->workload;
	const struct workload_role *role = &workload->roles[w->role];
	unsigned cpu, node;
	char name[16];
	int rc;

	/* A crash says in which thread; the kernel keeps 15 characters. */
	snprintf(name, sizeof(name), "%.11s %u", role->name, w->role_index % 1000);
	pthread_setname_np(pthread_self(), name);
	rc = settle(rw);

	rw->round = role->round		 ? role->round
		    : workload->round_of ? workload->round_of(w->run, w->role)
					 : 0;
	rw->left = rw->round;
	pthread_barrier_wait(&rw->shared->start);
	if (!worker_stopped(rw->shared))
		window(rw);
	rw->result->cpu = getcpu(&cpu, &node) ? -1 : (int)cpu;
	rw->result->node = rw->result->cpu < 0 ? -1 : (int)node;
	if (rw->result->cpu != (int)rw->result->cpu_asked)
		rw->result->noise |= NOISE_MIGRATED;
	if (!rc && workload->leave)
		workload->leave(w);
	if (w->t && w->t->thread_leave)
		w->t->thread_leave(w->run->engine);
	return NULL;
}
