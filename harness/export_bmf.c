/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_bmf.c - Bencher Metric Format: {benchmark: {measure: {value, lower_value, upper_value}}}.
 *
 * `latency` (ns) and `throughput` (operations per second) are the names that Bencher has built in:
 * median, and least and most of the repetitions where they are known. Tails are measures of their
 * own.
 */
#include <errno.h>
#include <math.h>

#include "harness/export.h"
#include "harness/json_set.h"
#include "harness/view.h"

static void measure(json_t *object, const char *name, double value, double low, double high)
{
	json_t *m;

	if (!isfinite(value))
		return;
	m = json_pack("{s:f}", "value", value);
	if (isfinite(low))
		json_set(m, "lower_value", json_real(low));
	if (isfinite(high))
		json_set(m, "upper_value", json_real(high));
	json_set(object, name, m);
}

static json_t *benchmark_json(const json_t *b)
{
	static const char *const tails[][2] = {
		{ "latency-p99", "latency.p99" },	   { "latency-p999", "latency.p999" },
		{ "response-time", "response.p50" },	   { "response-time-p99", "response.p99" },
		{ "response-time-p999", "response.p999" }, { "floor-ratio", "floor.ratio" },
	};
	json_t *o = json_object();

	measure(o, "latency", view_number(b, "latency.p50"), NAN, NAN);
	measure(o, "throughput", view_number(b, "throughput.ops_per_s"),
		view_number(b, "throughput.min"), view_number(b, "throughput.max"));
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
		measure(o, tails[i][0], view_number(b, tails[i][1]), NAN, NAN);
	return o;
}

int export_bmf(FILE *out, const char *dir, const json_t *result, char *error, size_t size)
{
	const json_t *benchmarks = view_get(result, "benchmarks");
	json_t *root = json_object();
	int rc;

	(void)dir;
	for (size_t i = 0; i < json_array_size(benchmarks); i++) {
		const json_t *b = json_array_get(benchmarks, i);
		json_t *measures = benchmark_json(b);

		if (json_object_size(measures))
			json_set(root, view_text(b, "name", ""), measures);
		else
			json_decref(measures);
	}
	rc = json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) ? -EIO : 0;
	fputc('\n', out);
	json_decref(root);
	if (rc)
		snprintf(error, size, "the JSON could not be written");
	return rc;
}
