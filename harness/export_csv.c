/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_csv.c - one row a benchmark and role (RFC 4180); what is missing is an empty field.
 */
#include <math.h>
#include <stdbool.h>

#include "harness/export.h"
#include "harness/view.h"

/* Inside quotes. */
static void put_quoted(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
}

static void put_text(FILE *out, const char *text)
{
	fputc('"', out);
	put_quoted(out, text);
	fputc('"', out);
}

static void put_number(FILE *out, double value)
{
	fputc(',', out);
	if (isfinite(value))
		fprintf(out, "%.10g", value);
}

static void put_row(FILE *out, const json_t *b, const json_t *role, bool first)
{
	static const char *const latencies[] = { "n",	 "min",	  "p50", "p90", "p99",
						 "p999", "p9999", "max", "mean" };
	static const char *const open_loop[] = { "rate.asked_ops_per_s", "response.p50",
						 "response.p99", "response.p999", "lag.p99" };
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
	/* Only the first role keeps a rate. */
	for (size_t i = 0; i < sizeof(open_loop) / sizeof(open_loop[0]); i++)
		put_number(out, first ? view_number(b, open_loop[i]) : NAN);
	put_number(out, view_number(b, "floor.ratio"));
	put_number(out, view_number(b, "scaling.ratio"));
	fputs(",\"", out);
	for (size_t i = 0; i < json_array_size(flags); i++) {
		const char *flag = json_string_value(json_array_get(flags, i));

		fputs(i ? " " : "", out);
		put_quoted(out, flag ? flag : "");
	}
	fputs("\"\r\n", out);
}

int export_csv(FILE *out, const char *dir, const json_t *result, char *error, size_t size)
{
	const json_t *benchmarks = view_get(result, "benchmarks");

	(void)dir, (void)error, (void)size;
	fputs("name,translator,workload,role,threads,role_threads,repeats,ops_per_s,n,min_ns,"
	      "p50_ns,p90_ns,p99_ns,p999_ns,p9999_ns,max_ns,mean_ns,rate,response_p50_ns,"
	      "response_p99_ns,response_p999_ns,lag_p99_ns,floor_ratio,scaling,flags\r\n",
	      out);
	for (size_t i = 0; i < json_array_size(benchmarks); i++) {
		const json_t *b = json_array_get(benchmarks, i);
		const json_t *roles = view_get(b, "roles");

		for (size_t r = 0; r < json_array_size(roles); r++)
			put_row(out, b, json_array_get(roles, r), r == 0);
	}
	return 0;
}
