/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_csv.c - one row a benchmark and role (RFC 4180); what is missing is an empty field.
 */
#include <math.h>

#include "harness/export.h"
#include "harness/view.h"

static void put_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void put_number(FILE *out, double value)
{
	fputc(',', out);
	if (isfinite(value))
		fprintf(out, "%.10g", value);
}

static void put_row(FILE *out, const json_t *b, const json_t *role)
{
	static const char *const latencies[] = { "n",	 "min",	  "p50", "p90", "p99",
						 "p999", "p9999", "max", "mean" };
	const json_t *flags = view_get(b, "flags");
	char path[32];

	put_text(out, view_text(b, "name", ""));
	fputc(',', out);
	put_text(out, view_text(b, "translator", ""));
	fputc(',', out);
	put_text(out, view_text(b, "workload", ""));
	fputc(',', out);
	put_text(out, view_text(role, "name", ""));
	put_number(out, view_number(b, "threads"));
	put_number(out, view_number(role, "threads"));
	put_number(out, view_number(b, "repeats"));
	put_number(out, view_number(role, "ops_per_s"));
	for (size_t i = 0; i < sizeof(latencies) / sizeof(latencies[0]); i++) {
		snprintf(path, sizeof(path), "latency.%s", latencies[i]);
		put_number(out, view_number(role, path));
	}
	put_number(out, view_number(b, "floor.ratio"));
	put_number(out, view_number(b, "scaling.ratio"));
	fputs(",\"", out);
	for (size_t i = 0; i < json_array_size(flags); i++) {
		const char *flag = json_string_value(json_array_get(flags, i));

		fprintf(out, "%s%s", i ? " " : "", flag ? flag : "");
	}
	fputs("\"\r\n", out);
}

int export_csv(FILE *out, const char *dir, const json_t *result, char *error, size_t size)
{
	const json_t *benchmarks = view_get(result, "benchmarks");

	(void)dir, (void)error, (void)size;
	fputs("name,translator,workload,role,threads,role_threads,repeats,ops_per_s,n,min_ns,"
	      "p50_ns,p90_ns,p99_ns,p999_ns,p9999_ns,max_ns,mean_ns,floor_ratio,scaling,flags\r\n",
	      out);
	for (size_t i = 0; i < json_array_size(benchmarks); i++) {
		const json_t *b = json_array_get(benchmarks, i);
		const json_t *roles = view_get(b, "roles");

		for (size_t r = 0; r < json_array_size(roles); r++)
			put_row(out, b, json_array_get(roles, r));
	}
	return 0;
}
