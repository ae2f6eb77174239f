/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result_noise.h - of a result: how noisy its repetitions were, its outliers, what was counted.
 *
 * Private to result.c and result_json.c. Main thread only.
 */
#pragma once

#include "harness/result.h"

/* Sets sample->noise, and adds outliers and counts to the benchmark. */
void result_noise_merge(struct result_benchmark *b, const struct runner_result *run,
			struct result_sample *sample);

/* Sets `noise` and `outliers`. */
void result_noise_json(json_t *benchmark, const struct result_benchmark *b);
/* Adds what was counted, for each operation. */
void result_noise_counters(json_t *counters, const struct result_benchmark *b);
/* `noise` of a line of samples.ndjson; a new reference. */
json_t *result_noise_sample_json(const struct result_noise *noise);
