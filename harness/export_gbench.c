/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_gbench.c - the JSON of Google Benchmark, as its compare.py and others read it.
 *
 * One entry for each repetition, from samples.ndjson. real_time is the busy time of an operation
 * of the first role, in which a thread did nothing else: cpu_time is the same.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "harness/env.h"
#include "harness/export.h"
#include "harness/view.h"

static json_t *context_json(const json_t *result)
{
	double hz = view_number(result, "host.timer.hz");
	double cpus = view_number(result, "host.cpus");
	json_t *context = json_pack("{s:s, s:s, s:s, s:s, s:b, s:[], s:[]}", "date",
				    view_text(result, "run.start", ""), "host_name",
				    view_text(result, "host.name", ""), "executable", "faultline",
				    "library_build_type", "release", "cpu_scaling_enabled", 0,
				    "caches", "load_avg");

	json_object_set_new(context, "num_cpus",
			    json_integer(isfinite(cpus) ? (json_int_t)cpus : 0));
	json_object_set_new(context, "mhz_per_cpu",
			    json_integer(isfinite(hz) ? (json_int_t)(hz / 1e6) : 0));
	return context;
}

/* Operations of all threads in a repetition. */
static json_int_t iterations(const json_t *sample)
{
	const json_t *threads = view_get(sample, "threads");
	json_int_t total = 0;

	for (size_t i = 0; i < json_array_size(threads); i++)
		total += json_integer_value(json_object_get(json_array_get(threads, i), "ops"));
	return total;
}

static json_t *entry_json(const json_t *benchmark, size_t family, const json_t *sample,
			  size_t repetition)
{
	const char *name = view_text(benchmark, "name", "");
	double repeats = view_number(benchmark, "repeats");
	double threads = view_number(benchmark, "threads");
	double ns = view_number(sample, "ns_per_op");
	json_t *entry = json_object();

	json_object_set_new(entry, "name", json_string(name));
	json_object_set_new(entry, "family_index", json_integer((json_int_t)family));
	json_object_set_new(entry, "per_family_instance_index", json_integer(0));
	json_object_set_new(entry, "run_name", json_string(name));
	json_object_set_new(entry, "run_type", json_string("iteration"));
	json_object_set_new(entry, "repetitions",
			    json_integer(isfinite(repeats) ? (json_int_t)repeats : 1));
	json_object_set_new(entry, "repetition_index", json_integer((json_int_t)repetition));
	json_object_set_new(entry, "threads",
			    json_integer(isfinite(threads) ? (json_int_t)threads : 1));
	json_object_set_new(entry, "iterations", json_integer(iterations(sample)));
	json_object_set_new(entry, "real_time", env_number(ns));
	json_object_set_new(entry, "cpu_time", env_number(ns));
	json_object_set_new(entry, "time_unit", json_string("ns"));
	json_object_set_new(entry, "items_per_second",
			    env_number(view_number(sample, "ops_per_s")));
	return entry;
}

int export_gbench(FILE *out, const char *dir, const json_t *result, char *error, size_t size)
{
	const json_t *benchmarks = view_get(result, "benchmarks");
	json_t *samples = export_samples(dir), *list = json_array(), *root;
	int rc;

	for (size_t i = 0; i < json_array_size(benchmarks); i++) {
		const json_t *b = json_array_get(benchmarks, i);
		size_t repetition = 0;

		for (size_t s = 0; s < json_array_size(samples); s++) {
			const json_t *sample = json_array_get(samples, s);

			if (strcmp(view_text(sample, "benchmark", ""), view_text(b, "name", "?")))
				continue;
			json_array_append_new(list, entry_json(b, i, sample, repetition));
			repetition++;
		}
	}
	json_decref(samples);
	root = json_pack("{s:o, s:o}", "context", context_json(result), "benchmarks", list);
	rc = json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) ? -EIO : 0;
	fputc('\n', out);
	json_decref(root);
	if (rc)
		snprintf(error, size, "the JSON could not be written");
	return rc;
}
