/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_openmetrics.c - OpenMetrics text, as the text-file collector of a node exporter reads it.
 *
 * Latencies are summaries in seconds, of each role. What is missing is left out: in this format an
 * absent series is what "unavailable" means.
 */
#include <math.h>
#include <string.h>

#include "harness/export.h"
#include "harness/openmetrics.h"
#include "harness/view.h"

/* name{benchmark="...",extra="..." */
static void begin(FILE *out, const char *name, const json_t *b, const char *key, const char *value)
{
	fprintf(out, "%s{benchmark=\"", name);
	openmetrics_label(out, view_text(b, "name", ""));
	fputc('"', out);
	if (key) {
		fprintf(out, ",%s=\"", key);
		openmetrics_label(out, value);
		fputc('"', out);
	}
}

/* A gauge of each benchmark that has the number at the path. */
static void gauges(FILE *out, const json_t *benchmarks, const char *name, const char *help,
		   const char *path)
{
	openmetrics_family(out, name, "gauge", NULL, help);
	for (size_t i = 0; i < json_array_size(benchmarks); i++) {
		const json_t *b = json_array_get(benchmarks, i);
		double value = view_number(b, path);

		if (!isfinite(value))
			continue;
		begin(out, name, b, NULL, NULL);
		fprintf(out, "} %.9g\n", value);
	}
}

static void flags(FILE *out, const json_t *benchmarks)
{
	openmetrics_family(out, "faultline_flag", "gauge", NULL, "A flag that a figure carries.");
	for (size_t i = 0; i < json_array_size(benchmarks); i++) {
		const json_t *b = json_array_get(benchmarks, i), *list = view_get(b, "flags");

		for (size_t f = 0; f < json_array_size(list); f++) {
			const char *flag = json_string_value(json_array_get(list, f));

			if (!flag)
				continue;
			begin(out, "faultline_flag", b, "flag", flag);
			fputs("} 1\n", out);
		}
	}
}

/* Quantiles, count and sum of one latency. */
static void summary(FILE *out, const char *name, const json_t *b, const json_t *latency,
		    const char *role)
{
	static const struct {
		const char *key, *quantile;
	} points[] = { { "p50", "0.5" },    { "p90", "0.9" },	   { "p99", "0.99" },
		       { "p999", "0.999" }, { "p9999", "0.9999" }, { "max", "1.0" } };
	double n = view_number(latency, "n"), mean = view_number(latency, "mean");
	char full[64];

	if (!(n > 0))
		return;
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		double ns = view_number(latency, points[i].key);

		if (!isfinite(ns))
			continue;
		begin(out, name, b, "role", role);
		fprintf(out, ",quantile=\"%s\"} %.9g\n", points[i].quantile, ns * 1e-9);
	}
	snprintf(full, sizeof(full), "%s_count", name);
	begin(out, full, b, "role", role);
	fprintf(out, "} %.0f\n", n);
	if (!isfinite(mean))
		return;
	snprintf(full, sizeof(full), "%s_sum", name);
	begin(out, full, b, "role", role);
	fprintf(out, "} %.9g\n", mean * n * 1e-9);
}

static void service_times(FILE *out, const json_t *benchmarks)
{
	openmetrics_family(out, "faultline_service_time_seconds", "summary", "seconds",
			   "Time of an operation, from its start.");
	for (size_t i = 0; i < json_array_size(benchmarks); i++) {
		const json_t *b = json_array_get(benchmarks, i), *roles = view_get(b, "roles");

		for (size_t r = 0; r < json_array_size(roles); r++) {
			const json_t *role = json_array_get(roles, r);

			summary(out, "faultline_service_time_seconds", b, view_get(role, "latency"),
				view_text(role, "name", ""));
		}
	}
}

/* Of open loops, in which only the first role keeps a rate. */
static void open_loop(FILE *out, const json_t *benchmarks, const char *name, const char *help,
		      const char *key)
{
	openmetrics_family(out, name, "summary", "seconds", help);
	for (size_t i = 0; i < json_array_size(benchmarks); i++) {
		const json_t *b = json_array_get(benchmarks, i);
		const json_t *role = json_array_get(view_get(b, "roles"), 0);

		summary(out, name, b, view_get(b, key), view_text(role, "name", ""));
	}
}

int export_openmetrics(FILE *out, const char *dir, const json_t *result, char *error, size_t size)
{
	const json_t *list = view_get(result, "benchmarks");

	(void)dir, (void)error, (void)size;
	openmetrics_family(out, "faultline_run", "info", NULL, "The run that these are of.");
	fputs("faultline_run_info{id=\"", out);
	openmetrics_label(out, view_text(result, "run.id", ""));
	fputs("\",commit=\"", out);
	openmetrics_label(out, view_text(result, "tool.commit", ""));
	fputs("\",cpu=\"", out);
	openmetrics_label(out, view_text(result, "host.cpu", ""));
	fputs("\"} 1\n", out);
	gauges(out, list, "faultline_operations_per_second", "Throughput, median of repetitions.",
	       "throughput.ops_per_s");
	gauges(out, list, "faultline_floor_ratio", "Time of an operation over that of its floor.",
	       "floor.ratio");
	gauges(out, list, "faultline_asked_operations_per_second", "Rate of an open loop.",
	       "rate.asked_ops_per_s");
	gauges(out, list, "faultline_got_operations_per_second", "What of that had begun in time.",
	       "rate.got_ops_per_s");
	flags(out, list);
	service_times(out, list);
	open_loop(out, list, "faultline_response_time_seconds",
		  "Time of an operation, from its intended start.", "response");
	open_loop(out, list, "faultline_lag_seconds", "From intended to real start.", "lag");
	fputs("# EOF\n", out);
	return 0;
}
