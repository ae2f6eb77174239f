/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isolate_wire.c - what the program and its worker processes say to each other.
 *
 * A worker's memory may have been written over by a plug-in: of a result, whatever is used as an
 * index, a length or a pointer is taken from the request, or checked. No locks.
 */
#include "harness/isolate_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void isolate_clean(char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c < 0x20 && c != '\n') || c >= 0x7f)
			*text = '?';
	}
}

void isolate_put_outcome(struct frame_writer *w, int rc, const char *error)
{
	frame_put(w, &rc, sizeof(rc));
	frame_put_text(w, error);
}

int isolate_take_outcome(struct frame_reader *r, char *error, size_t size)
{
	int rc;

	frame_take(r, &rc, sizeof(rc));
	frame_take_text(r, error, size);
	isolate_clean(error);
	return r->bad || rc > 0 ? -EBADMSG : rc;
}

static void put_topology(struct frame_writer *w, const struct topology *t)
{
	frame_put(w, &t->pu_count, sizeof(t->pu_count));
	frame_put(w, t->pus, t->pu_count * sizeof(*t->pus));
	frame_put(w, &t->node_count, sizeof(t->node_count));
	frame_put(w, t->node_os, t->node_count * sizeof(*t->node_os));
}

/* An array of `count` items that follows; NULL makes the reader bad. */
static void *take_array(struct frame_reader *r, size_t count, size_t item)
{
	void *array;

	if (r->bad || !count || count > r->left / item) {
		r->bad = true;
		return NULL;
	}
	array = malloc(count * item);
	if (!array)
		abort();
	frame_take(r, array, count * item);
	return array;
}

static void take_topology(struct frame_reader *r, struct topology *t)
{
	frame_take(r, &t->pu_count, sizeof(t->pu_count));
	t->pus = take_array(r, t->pu_count, sizeof(*t->pus));
	frame_take(r, &t->node_count, sizeof(t->node_count));
	t->node_os = take_array(r, t->node_count, sizeof(*t->node_os));
}

void isolate_put_request(struct frame_writer *w, const struct runner_request *request)
{
	const struct plan_benchmark *b = request->benchmark;

	frame_put_text(w, b->workload->name);
	frame_put_text(w, b->name);
	frame_put_text(w, b->pages);
	frame_put_text(w, b->as);
	frame_put_text(w, b->refs);
	frame_put(w, b->params, sizeof(b->params));
	frame_put(w, &b->rate, sizeof(b->rate));
	frame_put(w, b->role_threads, sizeof(b->role_threads));
	frame_put(w, &b->threads, sizeof(b->threads));
	frame_put(w, request->cpus, b->threads * sizeof(*request->cpus));
	put_topology(w, request->topology);
	frame_put(w, request->clock, sizeof(*request->clock));
	frame_put(w, request->policy, sizeof(*request->policy));
	frame_put(w, &request->duration_ns, sizeof(request->duration_ns));
	frame_put(w, &request->intervals, sizeof(request->intervals));
	frame_put(w, &request->memory_max, sizeof(request->memory_max));
	frame_put(w, &request->seed, sizeof(request->seed));
	frame_put(w, &request->time_box_ns, sizeof(request->time_box_ns));
}

int isolate_take_request(struct frame_reader *r, struct isolate_held *held,
			 struct runner_request *request)
{
	struct plan_benchmark *b = &held->benchmark;

	memset(held, 0, sizeof(*held));
	frame_take_text(r, held->workload, sizeof(held->workload));
	frame_take_text(r, held->name, sizeof(held->name));
	frame_take_text(r, held->pages, sizeof(held->pages));
	frame_take_text(r, held->as, sizeof(held->as));
	frame_take_text(r, held->refs, sizeof(held->refs));
	*b = (struct plan_benchmark){ .name = held->name,
				      .workload = workload_find(held->workload),
				      .pages = held->pages,
				      .as = held->as,
				      .refs = held->refs,
				      .floor = PLAN_NONE,
				      .fewest = PLAN_NONE };
	frame_take(r, b->params, sizeof(b->params));
	frame_take(r, &b->rate, sizeof(b->rate));
	frame_take(r, b->role_threads, sizeof(b->role_threads));
	frame_take(r, &b->threads, sizeof(b->threads));
	held->cpus = take_array(r, b->threads, sizeof(*held->cpus));
	b->cpus = held->cpus;
	take_topology(r, &held->topology);
	frame_take(r, &held->clock, sizeof(held->clock));
	frame_take(r, &held->policy, sizeof(held->policy));
	*request = (struct runner_request){ .benchmark = b,
					    .topology = &held->topology,
					    .clock = &held->clock,
					    .policy = &held->policy,
					    .cpus = held->cpus };
	frame_take(r, &request->duration_ns, sizeof(request->duration_ns));
	frame_take(r, &request->intervals, sizeof(request->intervals));
	frame_take(r, &request->memory_max, sizeof(request->memory_max));
	frame_take(r, &request->seed, sizeof(request->seed));
	frame_take(r, &request->time_box_ns, sizeof(request->time_box_ns));
	if (!r->bad && !r->left && b->workload)
		return 0;
	isolate_held_release(held);
	return -EBADMSG;
}

void isolate_held_release(struct isolate_held *held)
{
	free(held->cpus);
	free(held->topology.pus);
	free(held->topology.node_os);
	memset(held, 0, sizeof(*held));
}

/* h may be NULL. */
static void put_histogram(struct frame_writer *w, const struct histogram *h)
{
	bool has = h;

	frame_put(w, &has, sizeof(has));
	if (has)
		frame_put(w, h, sizeof(*h));
}

void isolate_put_result(struct frame_writer *w, const struct runner_result *result,
			unsigned threads_left)
{
	frame_put(w, result, sizeof(*result));
	frame_put(w, &threads_left, sizeof(threads_left));
	/* Those of one that hangs are still written to. */
	for (unsigned i = 0; result->outcome != RUNNER_HUNG && i < result->thread_count; i++) {
		const struct runner_thread *t = &result->threads[i];

		frame_put(w, t, sizeof(*t));
		put_histogram(w, t->latency);
		put_histogram(w, t->response);
		put_histogram(w, t->lag);
	}
	for (unsigned i = 0; result->outcome != RUNNER_HUNG && i < result->intervals.count; i++)
		put_histogram(w, result->intervals.histograms[i]);
}

/* A histogram that was written over would make figures, and loops, of garbage. */
static bool is_sound(const struct histogram *h)
{
	uint64_t sum = 0;

	if (h->unit_ns != 1.0 && h->unit_ns != HISTOGRAM_UNIT_BATCH)
		return false;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (h->counts[i] > UINT64_C(1) << 50)
			return false;
		sum += h->counts[i];
	}
	return sum ? h->min <= h->max && h->max <= HISTOGRAM_VALUE_MAX
		   : h->max == 0 && h->min == UINT64_MAX;
}

/* NULL: there is none, or it is bad. */
static struct histogram *take_histogram(struct frame_reader *r)
{
	struct histogram *h;
	uint8_t has;

	frame_take(r, &has, sizeof(has));
	if (!has)
		return NULL;
	h = histogram_create(1.0);
	if (!h)
		abort();
	frame_take(r, h, sizeof(*h));
	if (!r->bad && is_sound(h))
		return h;
	r->bad = true;
	histogram_destroy(h);
	return NULL;
}

static void take_threads(struct frame_reader *r, const struct runner_request *request,
			 struct runner_result *result)
{
	const struct plan_benchmark *b = request->benchmark;
	unsigned role = 0, in_role = 0;

	for (unsigned i = 0; i < b->threads && !r->bad; i++, in_role++) {
		struct runner_thread *t = &result->threads[i];

		frame_take(r, t, sizeof(*t));
		t->latency = take_histogram(r);
		t->response = take_histogram(r);
		t->lag = take_histogram(r);
		while (role < WORKLOAD_MAX_ROLES - 1 && in_role == b->role_threads[role]) {
			role++;
			in_role = 0;
		}
		r->bad = r->bad || t->role != role || t->cpu_asked != request->cpus[i] ||
			 t->cpu < -1 || t->node < -1 || !outliers_sound(&t->outliers) ||
			 !counters_sound(&t->counts);
	}
}

/* As many as were asked for, or none: the workers were not started. */
static void take_intervals(struct frame_reader *r, const struct runner_request *request,
			   struct runner_result *result, unsigned count)
{
	if (!count)
		return;
	if (count != request->intervals || intervals_init(&result->intervals, count)) {
		r->bad = true;
		return;
	}
	for (unsigned i = 0; i < count && !r->bad; i++) {
		struct histogram *h = take_histogram(r);

		if (!h) {
			r->bad = true;
			return;
		}
		histogram_destroy(result->intervals.histograms[i]);
		result->intervals.histograms[i] = h;
	}
}

int isolate_take_result(struct frame_reader *r, const struct runner_request *request,
			struct runner_result *result, unsigned *threads_left)
{
	unsigned count, intervals;
	uint8_t has_stat;

	frame_take(r, result, sizeof(*result));
	memcpy(&has_stat, &result->has_stat, 1);
	result->has_stat = has_stat == 1;
	frame_take(r, threads_left, sizeof(*threads_left));
	result->error[sizeof(result->error) - 1] = '\0';
	result->placement_reason[sizeof(result->placement_reason) - 1] = '\0';
	isolate_clean(result->error);
	isolate_clean(result->placement_reason);
	count = result->thread_count;
	intervals = result->intervals.count;
	result->threads = NULL;
	result->thread_count = 0;
	memset(&result->intervals, 0, sizeof(result->intervals));
	if (r->bad || (unsigned)result->outcome > RUNNER_HUNG)
		return -EBADMSG;
	if (result->outcome == RUNNER_HUNG)
		return 0;
	/* None: refused before there were any. */
	if (count) {
		result->threads = calloc(request->benchmark->threads, sizeof(*result->threads));
		if (!result->threads)
			abort();
		result->thread_count = request->benchmark->threads;
		r->bad = r->bad || count != result->thread_count;
		take_threads(r, request, result);
	} else if (result->outcome == RUNNER_OK || result->outcome == RUNNER_VOID) {
		r->bad = true;
	}
	if (!r->bad)
		take_intervals(r, request, result, intervals);
	if (!r->bad && !r->left)
		return 0;
	runner_result_release(result);
	return -EBADMSG;
}
