/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result_time.h - of a result: what latency did over time, and how an open loop went.
 *
 * Private to result.c, result_json.c and session.c. Main thread only.
 */
#pragma once

#include "harness/result.h"

/* An open loop keeps its rate if as large a part of what was due had begun when the window ended:
 * else waiting only grew, and percentiles of it say how long was measured. */
#define RESULT_RATE_REACHED 0.99

/* Adds a repetition's intervals, response times and lags. */
void result_time_merge(struct result_benchmark *b, const struct runner_result *run,
		       unsigned repetition);
void result_time_release(struct result_benchmark *b);
bool result_rate_reached(const struct result_benchmark *b);

/* Of a line of samples.ndjson, in an open loop: sets rate_reached, whether that repetition did. */
void result_time_sample(json_t *line, const struct runner_result *run);

/* Sets rate, response, lag and over_time. */
void result_time_json(json_t *benchmark, const struct result *result,
		      const struct result_benchmark *b);

/* Writes what there is as lines of a log that has a head, whose times count from the result's
 * begin. 0, -EIO or -ENOMEM. */
MM_MUST_CHECK int result_time_log(FILE *out, const struct result *result,
				  const struct result_benchmark *b, const char *tag);
