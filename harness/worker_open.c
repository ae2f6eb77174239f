/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_open.c - the window of an open loop: operations have intended starts, whatever those
 * before them took.
 *
 * The starts are even in time, and the workers of the role take turns. One that comes late begins
 * at once; what it took from its intended start is its response time, so that whatever held up one
 * operation is seen by all that it held up. Resets of the workload are not of the translator: the
 * schedule stands still meanwhile. What was due and had not begun when the window ended is counted,
 * and has no time.
 *
 * The wait is a spin: to sleep would add the kernel's wake-up to what is measured. No locks.
 */
#include "harness/worker.h"

#include <immintrin.h>
#include <math.h>

struct schedule {
	double first, period; /* counts, from the opening of the window */
	uint64_t number; /* of the next start */
	uint64_t start, end; /* counts: the window */
	uint64_t paused; /* what resets took */
	uint64_t aside; /* the part of it that lies in the window */
};

static struct schedule schedule_of(const struct runner_worker *rw, uint64_t deadline)
{
	const struct runner_request *request = rw->shared->request;
	const struct worker *w = rw->worker;
	double period = (double)rw->batch * request->clock->hz / request->benchmark->rate;

	return (struct schedule){
		.first = period * w->role_index,
		.period = period * w->role_count,
		.start = deadline - clock_source_counts(request->clock, request->duration_ns),
		.end = deadline,
	};
}

static uint64_t intended(const struct schedule *s)
{
	return s->start + s->paused + (uint64_t)(s->first + s->period * (double)s->number);
}

static void reset_aside(struct runner_worker *rw, struct schedule *s)
{
	const struct clock_source *clock = rw->shared->request->clock;
	uint64_t begin, end;

	if (!rw->round || rw->left)
		return;
	begin = clock_source_now(clock);
	worker_reset(rw);
	end = clock_source_now(clock);
	s->paused += end - begin;
	if (begin < s->end)
		s->aside += (end < s->end ? end : s->end) - begin;
}

static void wait_until(const struct runner_worker *rw, uint64_t at)
{
	while (clock_source_now(rw->shared->request->clock) < at && !worker_stopped(rw->shared))
		_mm_pause();
}

/* How many starts lay before the end of the window: those that have been, and perhaps more. */
static uint64_t due(const struct schedule *s)
{
	double length = (double)(s->end - s->start) - (double)s->paused - s->first;
	uint64_t count = length <= 0 ? 0 : (uint64_t)ceil(length / s->period);

	return count > s->number ? count : s->number;
}

void worker_measure_open(struct runner_worker *rw, uint64_t deadline)
{
	const struct clock_source *clock = rw->shared->request->clock;
	struct schedule s = schedule_of(rw, deadline);
	struct runner_thread *result = rw->result;
	uint64_t busy = 0, ops = 0;
	uint64_t idle = 0; /* since when nothing runs */

	for (;;) {
		uint64_t at, begin, end, done, paused = s.paused;

		reset_aside(rw, &s);
		idle += s.paused - paused;
		at = intended(&s);
		if (at >= deadline)
			break;
		wait_until(rw, at);
		done = worker_batch(rw, &begin, &end);
		if (begin >= deadline || worker_stopped(rw->shared))
			break;
		s.number++;
		/* Since it could have begun: what holds the wait up is an outlier as well, but not
		 * each operation that queues behind one. */
		idle = idle > at ? idle : at;
		if (__builtin_expect(end - idle > rw->watch.look, 0))
			outlier_watch_look(&rw->watch, idle, end - idle);
		idle = end;
		if (!done)
			continue;
		busy += end - begin;
		ops += done;
		histogram_record_n(result->latency,
				   rw->batch > 1 ? clock_source_ns16(clock, end - begin) / done
						 : clock_source_ns(clock, end - begin),
				   done);
		histogram_record_n(result->lag, clock_source_ns(clock, begin - at), done);
		histogram_record_n(intervals_now(&rw->intervals, at),
				   clock_source_ns(clock, end - at), done);
	}
	result->ops = ops;
	result->due = due(&s) * rw->batch;
	result->busy_ns = clock_source_ns(clock, busy);
	result->span_ns = clock_source_ns(clock, s.end - s.start - s.aside);
	intervals_sum(&rw->intervals, result->response);
}
