/* SPDX-License-Identifier: Apache-2.0 */
/*
 * summary_test.c - the table: its numbers, its columns, and results that lack things. No locks.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report_noise.h"
#include "harness/summary.h"
#include "harness/view.h"

static char *text_of(void (*write)(FILE *out, const json_t *result), const char *json)
{
	json_t *result = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(result);
	write(out, result);
	fclose(out);
	json_decref(result);
	return text;
}

static void expect_ns(double ns, const char *wanted)
{
	char text[VIEW_TEXT_SIZE];

	assert_string_equal(view_format_ns(ns, text), wanted);
}

static void numbers_have_three_digits(void **state)
{
	char text[VIEW_TEXT_SIZE];

	(void)state;
	expect_ns(2.2, "2.20 ns");
	expect_ns(9.996, "10.0 ns");
	expect_ns(99.96, "100 ns");
	expect_ns(999.4, "999 ns");
	expect_ns(999.6, "1.00 µs");
	expect_ns(3.2e6, "3.20 ms");
	expect_ns(7.2e12, "7200 s");
	expect_ns(0, "0.00 ns");
	expect_ns(NAN, "–");
	expect_ns(INFINITY, "–");
	assert_string_equal(view_format_rate(38.2e6, text), "38.2 M/s");
	assert_string_equal(view_format_rate(0.5, text), "0.50 /s");
	assert_string_equal(view_format_ratio(0.0213, text), "0.021×");
	assert_string_equal(view_format_ratio(6.414, text), "6.41×");
	assert_string_equal(view_format_count(1234567, text), "1,234,567");
	assert_string_equal(view_format_count(999, text), "999");
	assert_string_equal(view_format_count(-1000, text), "-1,000");
	assert_string_equal(view_format_count(1e300, text), "–");
}

static void values_are_found_or_missed(void **state)
{
	json_t *value = json_loads("{\"a\":{\"b\":3,\"c\":null,\"c_reason\":\"why\","
				   "\"d\":{\"unavailable\":\"not here\"}},\"s\":\"t\"}",
				   0, NULL);

	(void)state;
	assert_true(view_number(value, "a.b") == 3);
	assert_true(isnan(view_number(value, "a.c")));
	assert_true(isnan(view_number(value, "a.x.y")));
	assert_true(isnan(view_number(value, "s")));
	assert_true(isnan(view_number(NULL, "s")));
	assert_string_equal(view_text(value, "s", "no"), "t");
	assert_string_equal(view_text(value, "a.b", "no"), "no");
	assert_string_equal(view_reason(view_get(value, "a"), "c"), "why");
	assert_string_equal(view_reason(view_get(value, "a"), "d"), "not here");
	assert_string_equal(view_reason(view_get(value, "a"), "z"), "no reason given");
	json_decref(value);
}

static const char one[] =
	"{\"benchmarks\":[{\"name\":\"memmap/fault-anon/threads=2\",\"threads\":2,"
	"\"throughput\":{\"ops_per_s\":38200000},\"latency\":{\"p50\":14.1,\"p99\":1999,"
	"\"p999\":null},\"floor\":{\"ratio\":6.41},\"flags\":[\"preempted\",\"unsteady\"],"
	"\"verify\":{\"ok\":false},"
	"\"roles\":[{\"name\":\"faulter\"},{\"name\":\"invalidator\",\"threads\":1,"
	"\"latency\":{\"p50\":504}}]}],"
	"\"skipped\":[{\"translator\":\"null\",\"workload\":\"touch\",\"reason\":\"no address\"}],"
	"\"run\":{\"interrupted\":true}}";

static void a_row_says_it_all(void **state)
{
	char *text = text_of(summary_print, one);

	(void)state;
	assert_non_null(strstr(text, "memmap/fault-anon/threads=2        2  38.2 M/s  14.1 ns"));
	assert_non_null(strstr(text, "2.00 µs"));
	assert_non_null(strstr(text, "6.41×"));
	assert_non_null(strstr(text, "preempted,unsteady,VERIFY FAILED"));
	assert_non_null(strstr(text, "· invalidator"));
	assert_non_null(strstr(text, "504 ns"));
	assert_non_null(strstr(text, "skipped null/touch: no address"));
	assert_non_null(strstr(text, "interrupted"));
	free(text);
}

static const char noisy[] =
	"{\"run\":{\"duration_ns\":50000000},\"benchmarks\":["
	"{\"name\":\"a\",\"threads\":1,\"repeats\":2,\"noise\":{\"lost_part\":"
	"{\"median\":0.01,\"worst\":0.2}},\"outliers\":{\"count\":3,\"ns\":1000000,"
	"\"causes\":{\"unexplained\":1,\"preempted\":2}}},"
	"{\"name\":\"b<i>\",\"threads\":2,\"repeats\":2,\"noise\":{\"lost_part\":"
	"{\"median\":0.03,\"worst\":0.3}},\"outliers\":{\"count\":1000,\"ns\":5000000,"
	"\"causes\":{\"preempted\":1000}}},"
	"{\"name\":\"c\",\"noise\":null}]}";

static void noise_has_two_lines(void **state)
{
	char *text = text_of(summary_print, noisy);

	(void)state;
	assert_non_null(strstr(text, "noise: 2 % of the CPUs' time was lost around windows, at "
				     "worst 30 % (b<i>)\n"));
	assert_non_null(strstr(text, "outliers: 1,003 over 50 µs, 2 % of the measured time: 1,002 "
				     "preempted, 1 unexplained\n"));
	free(text);
	text = text_of(summary_markdown, noisy);
	assert_non_null(strstr(text, "- noise: 2 % of the CPUs"));
	assert_non_null(strstr(text, "(b&lt;i>)"));
	assert_non_null(strstr(text, "- outliers: 1,003 over"));
	free(text);
	/* Older results say nothing of it, and neither do we. */
	text = text_of(summary_print, one);
	assert_null(strstr(text, "noise:"));
	assert_null(strstr(text, "outliers:"));
	free(text);
}

static void noise_has_a_table(void **state)
{
	char *text = text_of(report_noise_html, noisy);

	(void)state;
	assert_non_null(strstr(text, "b&lt;i&gt;"));
	assert_non_null(strstr(text, "2 preempted, 1 unexplained"));
	free(text);
	text = text_of(report_noise_html, one);
	assert_string_equal(text, "");
	free(text);
}

/* Columns are aligned by characters: a µ is two bytes and one column. */
static size_t column_of(const char *line, const char *needle)
{
	const char *at = strstr(line, needle);
	size_t column = 0;

	assert_non_null(at);
	for (at += strlen(needle); line < at; line++)
		column += ((unsigned char)*line & 0xc0) != 0x80;
	return column;
}

static void columns_line_up(void **state)
{
	char *text = text_of(summary_print,
			     "{\"benchmarks\":[{\"name\":\"a\",\"latency\":{\"p50\":1500}},"
			     "{\"name\":\"longer\",\"latency\":{\"p50\":1.5}}]}");
	char *second = strchr(text, '\n') + 1, *third = strchr(second, '\n') + 1;

	(void)state;
	assert_int_equal(column_of(text, "p50"), column_of(second, "1.50 µs"));
	assert_int_equal(column_of(second, "1.50 µs"), column_of(third, "1.50 ns"));
	free(text);
}

static void nothing_is_a_table_too(void **state)
{
	static const char *const empty[] = { "{}", "{\"benchmarks\":[]}", "{\"benchmarks\":null}",
					     "{\"benchmarks\":[null,3,{}],\"skipped\":[null]}" };

	(void)state;
	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		char *text = text_of(summary_print, empty[i]);
		char *markdown = text_of(summary_markdown, empty[i]);

		if (i < 3) {
			assert_string_equal(text, "no benchmark was measured\n");
			assert_non_null(strstr(markdown, "No benchmark was measured."));
		} else {
			assert_non_null(strstr(text, "(no name)"));
			assert_non_null(strstr(markdown, "| (no name) | – | – |"));
		}
		free(text);
		free(markdown);
	}
}

static void names_are_not_obeyed(void **state)
{
	static const char evil[] = "{\"benchmarks\":[{\"name\":\"a|<b>*x*\\u001b[31m`\"}]}";
	char *text = text_of(summary_print, evil), *markdown = text_of(summary_markdown, evil);

	(void)state;
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(markdown, "| a\\|&lt;b>\\*x\\*?\\[31m\\` |"));
	free(text);
	free(markdown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_three_digits),
		cmocka_unit_test(values_are_found_or_missed),
		cmocka_unit_test(a_row_says_it_all),
		cmocka_unit_test(noise_has_two_lines),
		cmocka_unit_test(noise_has_a_table),
		cmocka_unit_test(columns_line_up),
		cmocka_unit_test(nothing_is_a_table_too),
		cmocka_unit_test(names_are_not_obeyed),
	};

	return cmocka_run_group_tests_name("summary", tests, NULL, NULL);
}
