/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_gobench.c - the text of `go test -bench`, as benchstat reads it.
 *
 * A line is a repetition, so that benchstat has samples to judge. The benchmark is the workload in
 * camel case; what else its name says follows as /key=value, by which benchstat can group and
 * compare (-col /translator). No value is assumed to be normal, hence assume=nothing.
 */
#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "harness/export.h"
#include "harness/view.h"

/* A part of a name: blanks would end it. */
static void put_part(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc(isspace((unsigned char)*text) ? '_' : *text, out);
}

/* The value of a line of configuration: what would end the line is a blank. */
static void put_configuration(FILE *out, const char *key, const char *value)
{
	fprintf(out, "%s: ", key);
	for (; *value; value++)
		fputc(iscntrl((unsigned char)*value) ? ' ' : *value, out);
	fputc('\n', out);
}

/* fault-anon becomes FaultAnon. */
static void put_camel(FILE *out, const char *text)
{
	bool upper = true;

	for (; *text; text++) {
		if (isalnum((unsigned char)*text))
			fputc(upper ? toupper((unsigned char)*text) : *text, out);
		upper = !isalnum((unsigned char)*text);
	}
}

static void put_name(FILE *out, const json_t *b)
{
	const char *name = view_text(b, "name", ""), *translator = view_text(b, "translator", "");
	const char *workload = view_text(b, "workload", "");
	const char *rest = strstr(name, workload);
	double threads = view_number(b, "threads");

	fputs("Benchmark", out);
	put_camel(out, workload);
	if (*translator) {
		fputs("/translator=", out);
		/* A slash in the path of a plug-in would begin the next key. */
		for (; *translator; translator++)
			put_part(out, *translator == '/' ? "_" : (char[]){ *translator, '\0' });
	}
	if (rest)
		put_part(out, rest + strlen(workload));
	fprintf(out, "-%.0f", isfinite(threads) ? threads : 1);
}

static void put_value(FILE *out, double value, const char *unit)
{
	if (isfinite(value))
		fprintf(out, " %.9g %s", value, unit);
}

/* Its first thread is of the first role, whose latency is the benchmark's. */
static double of_first_thread(const json_t *sample, const char *key)
{
	return view_number(json_array_get(view_get(sample, "threads"), 0), key);
}

static void put_sample(FILE *out, const json_t *b, const json_t *sample)
{
	const json_t *threads = view_get(sample, "threads");
	double operations = 0;

	for (size_t i = 0; i < json_array_size(threads); i++) {
		double ops = view_number(json_array_get(threads, i), "ops");

		operations += isfinite(ops) ? ops : 0;
	}
	if (!(operations > 0))
		return;
	put_name(out, b);
	fprintf(out, " %.0f", operations);
	put_value(out, view_number(sample, "ns_per_op"), "ns/op");
	put_value(out, view_number(sample, "ops_per_s"), "ops/s");
	put_value(out, of_first_thread(sample, "p50"), "p50-ns");
	put_value(out, of_first_thread(sample, "p99"), "p99-ns");
	fputc('\n', out);
}

int export_gobench(FILE *out, const char *dir, const json_t *result, char *error, size_t size)
{
	const json_t *benchmarks = view_get(result, "benchmarks");
	json_t *samples = export_samples(dir);

	(void)error, (void)size;
	fputs("goos: linux\ngoarch: amd64\npkg: faultline\n", out);
	put_configuration(out, "cpu", view_text(result, "host.cpu", "unknown"));
	put_configuration(out, "commit", view_text(result, "tool.commit", "unknown"));
	fputs("Unit ns/op better=lower assume=nothing\nUnit ops/s better=higher assume=nothing\n"
	      "Unit p50-ns better=lower assume=nothing\nUnit p99-ns better=lower assume=nothing\n",
	      out);
	for (size_t i = 0; i < json_array_size(benchmarks); i++) {
		const json_t *b = json_array_get(benchmarks, i);

		for (size_t s = 0; s < json_array_size(samples); s++) {
			const json_t *sample = json_array_get(samples, s);

			if (strcmp(view_text(sample, "benchmark", ""), view_text(b, "name", "?")) ==
				    0 &&
			    !view_get(sample, "error"))
				put_sample(out, b, sample);
		}
	}
	json_decref(samples);
	return 0;
}
