/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_junit.c - JUnit's XML, as continuous integration shows it.
 *
 * A benchmark is a test case: wrong answers are a failure, a worker that crashed is an error, what
 * a translator lacks is skipped. Figures are properties.
 */
#include <math.h>

#include "harness/export.h"
#include "harness/html.h"
#include "harness/view.h"

static void property(FILE *out, const json_t *b, const char *name, const char *path)
{
	double value = view_number(b, path);

	if (isfinite(value))
		fprintf(out, "      <property name=\"%s\" value=\"%.9g\"/>\n", name, value);
}

static const char *crash_of(const json_t *b)
{
	return view_text(b, "failure.sentence", NULL);
}

/* NULL: the answers were right, or were not looked at. */
static const char *wrong(const json_t *b)
{
	const json_t *ok = view_get(b, "verify.ok");

	return json_is_false(ok) ? view_text(b, "verify.error", "wrong answers") : NULL;
}

static void testcase(FILE *out, const json_t *b)
{
	html_format(out, "  <testcase classname=\"%s\" name=\"%s\">\n    <properties>\n",
		    view_text(b, "workload", ""), view_text(b, "name", ""));
	property(out, b, "ops_per_s", "throughput.ops_per_s");
	property(out, b, "p50_ns", "latency.p50");
	property(out, b, "p99_ns", "latency.p99");
	property(out, b, "p999_ns", "latency.p999");
	property(out, b, "floor_ratio", "floor.ratio");
	property(out, b, "response_p99_ns", "response.p99");
	property(out, b, "response_p999_ns", "response.p999");
	fputs("    </properties>\n", out);
	if (crash_of(b))
		html_format(out, "    <error message=\"%s\"/>\n", crash_of(b));
	else if (wrong(b))
		html_format(out, "    <failure message=\"%s\"/>\n", wrong(b));
	fputs("  </testcase>\n", out);
}

int export_junit(FILE *out, const char *dir, const json_t *result, char *error, size_t size)
{
	const json_t *list = view_get(result, "benchmarks"), *skips = view_get(result, "skipped");
	size_t errors = 0, failures = 0;

	(void)dir, (void)error, (void)size;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *b = json_array_get(list, i);

		errors += crash_of(b) != NULL;
		failures += !crash_of(b) && wrong(b);
	}
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"faultline\" "
		"tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\"",
		json_array_size(list) + json_array_size(skips), failures, errors,
		json_array_size(skips));
	html_format(out, " hostname=\"%s\" timestamp=\"%s\">\n", view_text(result, "host.name", ""),
		    view_text(result, "run.start", ""));
	for (size_t i = 0; i < json_array_size(list); i++)
		testcase(out, json_array_get(list, i));
	for (size_t i = 0; i < json_array_size(skips); i++) {
		const json_t *skip = json_array_get(skips, i);

		html_format(out,
			    "  <testcase classname=\"%s\" name=\"%s\"><skipped message=\"%s\"/>"
			    "</testcase>\n",
			    view_text(skip, "workload", ""), view_text(skip, "translator", "floor"),
			    view_text(skip, "reason", ""));
	}
	fputs("</testsuite>\n", out);
	return 0;
}
