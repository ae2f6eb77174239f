/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result_time.c - of a result: what latency did over time, and how an open loop went.
 *
 * Of each interval the figures are kept, and its histogram as text of a log: a few hundred bytes.
 */
#include "harness/result_time.h"

#include <errno.h>
#include <stdlib.h>

#include "harness/hlog.h"
#include "harness/json_set.h"

static void add_interval(struct result_benchmark *b, const struct histogram *h,
			 struct result_interval interval)
{
	b->intervals = realloc(b->intervals, (b->interval_count + 1) * sizeof(*b->intervals));
	if (!b->intervals)
		abort();
	interval.n = histogram_count(h);
	interval.p50 = histogram_percentile_ns(h, 50);
	interval.p99 = histogram_percentile_ns(h, 99);
	interval.max = histogram_max_ns(h);
	if (interval.n && hlog_encode(h, &interval.text))
		abort();
	b->intervals[b->interval_count++] = interval;
}

void result_time_merge(struct result_benchmark *b, const struct runner_result *run,
		       unsigned repetition)
{
	uint64_t begin = UINT64_MAX;

	for (unsigned i = 0; i < run->thread_count; i++) {
		const struct runner_thread *t = &run->threads[i];

		if (t->role)
			continue;
		begin = t->begin_ns < begin ? t->begin_ns : begin;
		result_merge_histogram(&b->response, t->response);
		result_merge_histogram(&b->lag, t->lag);
		b->ops_due += t->due;
		b->ops_begun += t->due ? t->ops : 0;
	}
	for (unsigned i = 0; i < run->intervals.count; i++)
		add_interval(b, run->intervals.histograms[i],
			     (struct result_interval){ .repetition = repetition,
						       .number = i,
						       .count = run->intervals.count,
						       .window_begin_ns = begin });
}

void result_time_release(struct result_benchmark *b)
{
	for (size_t i = 0; i < b->interval_count; i++)
		free(b->intervals[i].text);
	free(b->intervals);
	histogram_destroy(b->response);
	histogram_destroy(b->lag);
}

static bool reached(uint64_t begun, uint64_t due)
{
	return (double)begun >= RESULT_RATE_REACHED * (double)due;
}

bool result_rate_reached(const struct result_benchmark *b)
{
	return reached(b->ops_begun, b->ops_due);
}

void result_time_sample(json_t *line, const struct runner_result *run)
{
	uint64_t begun = 0, due = 0;

	for (unsigned i = 0; i < run->thread_count; i++) {
		due += run->threads[i].due;
		begun += run->threads[i].due ? run->threads[i].ops : 0;
	}
	if (due)
		json_set(line, "rate_reached", json_boolean(reached(begun, due)));
}

static double interval_seconds(const struct result *result, const struct result_interval *i)
{
	return (double)result->plan->duration_ns / 1e9 / i->count;
}

/* Since the result's begin. */
static double interval_start(const struct result *result, const struct result_interval *i)
{
	double window = (double)(int64_t)(i->window_begin_ns - result->begin_ns) / 1e9;

	return window + i->number * interval_seconds(result, i);
}

static json_t *interval_json(const struct result *result, const struct result_interval *i)
{
	static const char empty[] = "no operation began in it";
	json_t *o = json_object();

	json_set(o, "repetition", json_integer(i->repetition));
	json_set(o, "start_s", json_real(interval_start(result, i)));
	json_set(o, "seconds", json_real(interval_seconds(result, i)));
	json_set(o, "n", json_count(i->n));
	if (!i->n) {
		json_set_missing(o, "p50", empty);
		json_set_missing(o, "p99", empty);
		json_set_missing(o, "max", empty);
		return o;
	}
	json_set(o, "p50", json_real(i->p50));
	json_set(o, "p99", json_real(i->p99));
	json_set(o, "max", json_real(i->max));
	return o;
}

static void set_over_time(json_t *benchmark, const struct result *result,
			  const struct result_benchmark *b)
{
	json_t *list;

	if (!b->interval_count) {
		json_set_missing(benchmark, "over_time",
				 b->sample_count ? "too short a window, or too many repetitions"
						 : "not measured");
		return;
	}
	list = json_array();
	for (size_t i = 0; i < b->interval_count; i++)
		json_array_append_new(list, interval_json(result, &b->intervals[i]));
	json_set(benchmark, "over_time",
		 json_pack("{s:s, s:o}", "kind", b->plan->rate > 0 ? "response" : "service",
			   "intervals", list));
}

void result_time_json(json_t *benchmark, const struct result *result,
		      const struct result_benchmark *b)
{
	const char *reason = b->plan->rate > 0 ? "not measured" : "a closed loop has none";
	double got = 0;
	char text[160];

	set_over_time(benchmark, result, b);
	if (!b->ops_due) {
		json_set_missing(benchmark, "rate", reason);
		json_set_missing(benchmark, "response", reason);
		json_set_missing(benchmark, "lag", reason);
		return;
	}
	got = b->plan->rate * (double)b->ops_begun / (double)b->ops_due;
	json_set(benchmark, "rate",
		 json_pack("{s:f, s:f, s:b}", "asked_ops_per_s", b->plan->rate, "got_ops_per_s",
			   got, "reached", result_rate_reached(b)));
	if (result_rate_reached(b)) {
		json_set_latency(benchmark, "response", b->response, "not measured");
		json_set_latency(benchmark, "lag", b->lag, "not measured");
		return;
	}
	snprintf(text, sizeof(text),
		 "rate not reached: %.3g %% of what was due had begun when the window ended",
		 100 * (double)b->ops_begun / (double)b->ops_due);
	json_set_missing(benchmark, "response", text);
	json_set_missing(benchmark, "lag", text);
}

static int log_all(FILE *out, const char *tag, const char *kind, double seconds,
		   const struct histogram *h)
{
	char text[300];

	if (!h)
		return 0;
	snprintf(text, sizeof(text), "%s/%s", tag, kind);
	return hlog_write(out, text, 0, seconds, h);
}

int result_time_log(FILE *out, const struct result *result, const struct result_benchmark *b,
		    const char *tag)
{
	double seconds = (double)result->plan->duration_ns / 1e9 * (double)b->sample_count;
	const char *of = tag;
	char response[300];
	int rc = 0;

	if (b->response) {
		snprintf(response, sizeof(response), "%s/response", tag);
		of = response;
		rc = log_all(out, tag, "lag", seconds, b->lag);
		if (!rc && !b->interval_count)
			rc = log_all(out, tag, "response", seconds, b->response);
	}
	for (size_t i = 0; i < b->interval_count && !rc; i++) {
		const struct result_interval *interval = &b->intervals[i];

		if (interval->n)
			rc = hlog_write_encoded(out, of, interval_start(result, interval),
						interval_seconds(result, interval), interval->max,
						interval->text);
	}
	return rc;
}
