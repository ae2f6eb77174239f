/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_test.c - a result directory becomes figures, a summary and a page; whatever it lacks.
 *
 * Where gnuplot is missing, the tests of figures check that the report says so. No locks.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/plot.h"
#include "harness/plot_asset.h"
#include "harness/plot_machine.h"
#include "harness/report.h"
#include "harness/report_detail.h"

static char directory[64];
static bool have_gnuplot;

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/report-test-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

static void write_text(const char *name, const char *text)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static char *read_text(const char *name)
{
	char path[256], *text = NULL;
	size_t room = 0;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	in = fopen(path, "r");
	if (!in)
		return NULL;
	if (getdelim(&text, &room, '\0', in) < 0) {
		free(text);
		text = NULL;
	}
	fclose(in);
	return text;
}

static size_t count_of(const char *text, const char *needle)
{
	size_t count = 0;

	for (; (text = strstr(text, needle)); text += strlen(needle))
		count++;
	return count;
}

static json_t *load_golden(void)
{
	char path[512] = __FILE__;
	char *slash = strrchr(path, '/');

	assert_non_null(slash);
	snprintf(slash, sizeof(path) - (size_t)(slash - path), "/../golden/result_2cpu.json");
	return json_load_file(path, 0, NULL);
}

/* Writes the report of a result; the page is to be freed. */
static char *report_of(const json_t *result, char *message, size_t size)
{
	char path[128], *page;

	snprintf(path, sizeof(path), "%s/result.json", directory);
	assert_int_equal(json_dump_file(result, path, 0), 0);
	assert_int_equal(report_write(directory, message, size), 0);
	page = read_text("report.html");
	assert_non_null(page);
	assert_non_null(strstr(page, "</html>"));
	return page;
}

static bool exists(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return access(path, F_OK) == 0;
}

static void golden_result_gives_everything(void **state)
{
	static const char *const pictures[] = {
		"floors.svg",
		"scaling-compact.svg",
		"scaling-floors-compact.svg",
		"machine-fault-anon.svg",
		"curves-fault-anon.svg",
		"curves-invalidate-storm.svg",
		"pairs-floor-pingpong.svg",
		"nodes-fault-anon.svg",
	};
	json_t *result = load_golden();
	char message[512], *page, *summary;

	(void)state;
	assert_non_null(result);
	write_text("env.json", "{\"thp\":\"madvise\",\"psi\":null,\"psi_reason\":\"no <file>\"}");
	write_text("job.ini", "[run]\nseed = 1\n");
	page = report_of(result, message, sizeof(message));
	summary = read_text("summary.md");
	assert_non_null(strstr(summary, "memmap/fault-anon/pages=4k/as=none/place=compact"));
	assert_non_null(strstr(page, "unavailable: no &lt;file&gt;"));
	assert_non_null(strstr(page, "unavailable: no performance counters in this guest"));
	assert_non_null(strstr(page, "seed = 1"));
	assert_non_null(strstr(page, "./faultline run --threads 1,2"));
	assert_non_null(strstr(page, "Repetitions disagree"));
	/* Self-contained: nothing is fetched. */
	assert_null(strstr(page, "src=\"http"));
	assert_null(strstr(page, "<link"));
	if (have_gnuplot) {
		assert_string_equal(message, "");
		for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
			char name[128];

			snprintf(name, sizeof(name), "plots/%s", pictures[i]);
			assert_true(exists(name));
		}
		assert_int_equal(count_of(page, "<svg"), 24);
		assert_int_equal(count_of(page, "no picture"), 0);
	} else {
		assert_non_null(strstr(message, "gnuplot"));
		assert_non_null(strstr(page, "gnuplot is not installed"));
	}
	assert_false(exists("report.html.tmp"));
	free(page);
	free(summary);
	json_decref(result);
}

static void no_gnuplot_is_said(void **state)
{
	json_t *result = load_golden();
	char *path = strdup(getenv("PATH")), message[512], *page;

	(void)state;
	setenv("PATH", "/nonexistent", 1);
	page = report_of(result, message, sizeof(message));
	setenv("PATH", path, 1);
	assert_non_null(strstr(message, "gnuplot was not found"));
	assert_non_null(strstr(page, "This report has no pictures"));
	assert_int_equal(count_of(page, "<svg"), 0);
	free(page);
	free(path);
	json_decref(result);
}

static void gaps_are_survived(void **state)
{
	static const char *const results[] = {
		"{}",
		"{\"benchmarks\":[]}",
		"{\"run\":null,\"host\":3,\"topology\":{\"pus\":[{}]},\"benchmarks\":[{},null,4]}",
		"{\"topology\":{\"pus\":[{\"os\":0}]},\"benchmarks\":[{\"name\":\"x\","
		"\"workload\":\"x\",\"latency\":{\"curve\":[[50,0],[\"a\"],null,[50,10]]},"
		"\"per_cpu\":[{\"cpu\":0,\"p50\":3},{\"cpu\":7,\"p50\":3},null],"
		"\"pairs\":[{\"cpu_a\":0,\"cpu_b\":0,\"p50\":3}],\"roles\":null,"
		"\"per_node\":[{\"cpu\":0,\"node\":0,\"p50\":3,\"p99\":4}],"
		"\"placement\":{\"got\":{\"threads\":null,\"threads_reason\":\"gone\"}}}]}",
		/* Only the start of the names is there to tell them apart. */
		"{\"benchmarks\":[{\"name\":\"a/threads=1\",\"threads\":1,\"floor\":{\"ratio\":0}},"
		"{\"name\":\"a/threads=1\",\"threads\":1,"
		"\"floor\":{\"ratio\":1,\"ratio_min\":null}},"
		"{\"name\":\"a/threads=2\",\"threads\":2,\"throughput\":{\"ops_per_s\":7}}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		json_t *result = json_loads(results[i], 0, NULL);
		char message[512], *page;

		assert_non_null(result);
		page = report_of(result, message, sizeof(message));
		if (have_gnuplot)
			assert_string_equal(message, "");
		if (i == 0)
			assert_non_null(strstr(page, "No benchmark was measured"));
		if (i == 3)
			assert_non_null(strstr(page, "unavailable: gone"));
		free(page);
		json_decref(result);
	}
}

static void bad_results_are_refused(void **state)
{
	char message[512];

	(void)state;
	assert_int_equal(report_write(directory, message, sizeof(message)), -ENOENT);
	assert_non_null(strstr(message, "result.json"));
	write_text("result.json", "{\"run\":");
	assert_int_equal(report_write(directory, message, sizeof(message)), -EINVAL);
	write_text("result.json", "[1]");
	assert_int_equal(report_write(directory, message, sizeof(message)), -EINVAL);
	assert_non_null(strstr(message, "not an object"));
	assert_false(exists("report.html"));
}

/* A name that tries to leave HTML, SVG, gnuplot's strings, its data files and the directory. */
static void names_are_not_obeyed(void **state)
{
	static const char evil[] = "x'\"\n\t\\`touch pwned`<script>alert(1)</script>../../$(id)";
	json_t *result = load_golden();
	json_t *each;
	size_t i;
	char message[512], *page;

	(void)state;
	json_array_foreach(json_object_get(result, "benchmarks"), i, each)
	{
		json_object_set_new(each, "name", json_string(evil));
		json_object_set_new(each, "workload", json_string(evil));
		json_object_set_new(each, "operation", json_string(evil));
		json_array_append_new(json_object_get(each, "flags"), json_string(evil));
	}
	json_object_set_new(json_object_get(result, "host"), "cpu", json_string(evil));
	json_object_set_new(json_object_get(result, "run"), "id", json_string("</title><script>"));
	page = report_of(result, message, sizeof(message));
	if (have_gnuplot)
		assert_string_equal(message, "");
	/* The one script is ours. */
	assert_int_equal(count_of(page, "<script"), 1);
	assert_null(strstr(page, "<script>alert"));
	assert_false(exists("pwned"));
	assert_false(exists("../pwned"));
	free(page);
	json_decref(result);
}

static void add_pu(json_t *pus, int index, int cores, int smt)
{
	int core = index / smt;

	json_array_append_new(pus,
			      json_pack("{s:i,s:i,s:i,s:i,s:i,s:i,s:i}", "os", index, "core", core,
					"l2", core, "l3", core / 8, "package", core / cores, "node",
					core / cores, "smt", index % smt));
}

/* 8 packages, 16 cores, 2 PUs: what was planned but not measured is drawn, and stamped. */
static void a_large_plan_is_drawn(void **state)
{
	json_t *pus = json_array(), *cpus = json_array(), *result;
	char message[512], *page, *svg;

	(void)state;
	for (int i = 0; i < 256; i++) {
		add_pu(pus, i, 16, 2);
		json_array_append_new(cpus, json_integer(255 - i));
	}
	result = json_pack("{s:{s:b},s:{s:o},s:[{s:s,s:s,s:{s:{s:o}}}]}", "run", "synthetic", 1,
			   "topology", "pus", pus, "benchmarks", "name", "plan", "workload", "plan",
			   "placement", "asked", "cpus", cpus);
	page = report_of(result, message, sizeof(message));
	assert_non_null(strstr(page, "Synthetic."));
	svg = read_text("plots/machine.svg");
	if (have_gnuplot) {
		assert_non_null(svg);
		assert_non_null(strstr(svg, "SYNTHETIC"));
		assert_non_null(strstr(svg, "Package 7"));
		assert_non_null(strstr(svg, "L3 15 · PU 240-255"));
		assert_non_null(strstr(svg, ">256<"));
	}
	free(svg);
	free(page);
	json_decref(result);
}

static void machines_are_put_in_order(void **state)
{
	json_t *pus = json_array(), *result;
	struct plot_machine machine;

	(void)state;
	for (int i = 7; i >= 0; i--)
		add_pu(pus, i, 2, 2);
	result = json_pack("{s:{s:o}}", "topology", "pus", pus);
	assert_int_equal(plot_machine_init(&machine, result), 0);
	assert_int_equal(machine.count, 8);
	assert_int_equal(machine.pus[0].os, 0);
	assert_int_equal(machine.pus[7].package, 1);
	assert_int_equal(plot_machine_index(&machine, 5), 5);
	assert_int_equal(plot_machine_index(&machine, 8), -1);
	assert_int_equal(plot_sharing_of(&machine.pus[0], &machine.pus[0]), SHARING_PU);
	assert_int_equal(plot_sharing_of(&machine.pus[0], &machine.pus[1]), SHARING_CORE);
	assert_int_equal(plot_sharing_of(&machine.pus[1], &machine.pus[2]), SHARING_L3);
	assert_int_equal(plot_sharing_of(&machine.pus[3], &machine.pus[4]), SHARING_NONE);
	plot_machine_release(&machine);
	json_decref(result);
}

static void scales_do_not_exaggerate(void **state)
{
	const double close[] = { 100, NAN, 102, -1, INFINITY }, wide[] = { 10, 1000 };
	double low, high;

	(void)state;
	assert_true(plot_shade_range(close, 5, &low, &high));
	assert_true(high / low > 1.49 && high / low < 1.51);
	assert_true(fabs(plot_shade(101, low, high) - 0.5) < 0.05);
	assert_true(plot_shade_range(wide, 2, &low, &high));
	assert_true(low == 10 && high == 1000);
	assert_true(fabs(plot_shade(100, low, high) - 0.5) < 1e-9);
	assert_true(plot_shade(1, low, high) == 0 && plot_shade(1e9, low, high) == 1);
	assert_false(plot_shade_range(close + 3, 1, &low, &high));
}

static void labels_tell_only_differences(void **state)
{
	const char *const names[] = { "memmap/fault/pages=4k/threads=1",
				      "memmap/fault/pages=2m/threads=2" };
	char label[64], small[9];

	(void)state;
	plot_label(names[0], names, 2, label, sizeof(label));
	assert_string_equal(label, "pages=4k threads=1");
	plot_label(names[0], names, 1, label, sizeof(label));
	assert_string_equal(label, "");
	plot_label(names[1], names, 2, small, sizeof(small));
	assert_string_equal(small, "pages=2m");
}

static void cpu_lists_are_short(void **state)
{
	json_t *cpus = json_loads("[3,1,2,8,{\"cpu\":10},{\"cpu\":9},null,2]", 0, NULL);
	char text[64];

	(void)state;
	assert_string_equal(report_detail_cpus(cpus, text, sizeof(text)), "1-3,8-10");
	assert_string_equal(report_detail_cpus(NULL, text, sizeof(text)), "");
	json_decref(cpus);
}

static void assets_are_within(void **state)
{
	(void)state;
	for (const struct plot_asset *each = plot_asset_list; each->name; each++) {
		assert_ptr_equal(plot_asset_text(each->name), each->text);
		assert_non_null(strstr(each->text, "SPDX-License-Identifier"));
		if (each[1].name)
			assert_true(strcmp(each->name, each[1].name) < 0);
	}
	assert_null(plot_asset_text("no.gp"));
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(golden_result_gives_everything),
		IN_DIRECTORY(no_gnuplot_is_said),
		IN_DIRECTORY(gaps_are_survived),
		IN_DIRECTORY(bad_results_are_refused),
		IN_DIRECTORY(names_are_not_obeyed),
		IN_DIRECTORY(a_large_plan_is_drawn),
		cmocka_unit_test(machines_are_put_in_order),
		cmocka_unit_test(scales_do_not_exaggerate),
		cmocka_unit_test(labels_tell_only_differences),
		cmocka_unit_test(cpu_lists_are_short),
		cmocka_unit_test(assets_are_within),
	};

	have_gnuplot = system("gnuplot --version >/dev/null 2>&1") == 0;
	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
