/* SPDX-License-Identifier: Apache-2.0 */
/*
 * summary.c - a result as a table: for the terminal and as Markdown.
 *
 * Rows are made once as text, then written either way; widths count characters, not bytes, since
 * units hold a µ. Text of the result loses its control characters: it goes to a terminal.
 * No locks.
 */
#include "harness/summary.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report_noise.h"
#include "harness/side_by_side.h"
#include "harness/view.h"

enum { NAME, THREADS, RATE, P50, P99, P999, RATIO, FLAGS, COLUMNS, CELL_SIZE = 256 };

struct row {
	char cells[COLUMNS][CELL_SIZE];
};

struct table {
	struct row *rows;
	size_t count;
};

static const struct row header = { { "benchmark", "threads", "ops/s", "p50", "p99", "p99.9",
				     "× floor", "flags" } };

static void copy_text(char *cell, const char *text)
{
	snprintf(cell, CELL_SIZE, "%s", text);
	for (char *at = cell; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
}

static struct row *add_row(struct table *table)
{
	struct row *grown = realloc(table->rows, (table->count + 1) * sizeof(*grown));

	if (!grown)
		return NULL;
	table->rows = grown;
	memset(&grown[table->count], 0, sizeof(*grown));
	return &grown[table->count++];
}

static void fill_latency(struct row *row, const json_t *latency)
{
	view_format_ns(view_number(latency, "p50"), row->cells[P50]);
	view_format_ns(view_number(latency, "p99"), row->cells[P99]);
	view_format_ns(view_number(latency, "p999"), row->cells[P999]);
}

static void fill_flags(char *cell, const json_t *benchmark)
{
	const json_t *flags = view_get(benchmark, "flags");
	size_t i, used = 0;
	json_t *each;

	json_array_foreach(flags, i, each)
	{
		char flag[CELL_SIZE];

		copy_text(flag, json_is_string(each) ? json_string_value(each) : "?");
		if (used + strlen(flag) + 2 > CELL_SIZE)
			break;
		used += (size_t)snprintf(cell + used, CELL_SIZE - used, "%s%s", used ? "," : "",
					 flag);
	}
	if (json_is_false(view_get(benchmark, "verify.ok")) && used + 16 < CELL_SIZE)
		snprintf(cell + used, CELL_SIZE - used, "%sVERIFY FAILED", used ? "," : "");
}

/* Of an open loop: response time and lag, or that it was too fast. */
static void add_open_loop(struct table *table, const json_t *benchmark)
{
	static const char *const kinds[] = { "response", "lag" };
	const json_t *rate = view_get(benchmark, "rate");
	char asked[VIEW_TEXT_SIZE], got[VIEW_TEXT_SIZE];

	for (size_t i = 0; rate && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct row *row = add_row(table);

		if (!row)
			return;
		if (!view_true(rate, "reached")) {
			view_format_rate(view_number(rate, "asked_ops_per_s"), asked);
			view_format_rate(view_number(rate, "got_ops_per_s"), got);
			snprintf(row->cells[NAME], CELL_SIZE,
				 "  · rate not reached: %s of %s, so waiting only grew", got,
				 asked);
			return;
		}
		snprintf(row->cells[NAME], CELL_SIZE, "  · %s%s", kinds[i],
			 i ? "" : " time, from the intended start");
		fill_latency(row, view_get(benchmark, kinds[i]));
	}
}

static void add_benchmark(struct table *table, const json_t *benchmark)
{
	const json_t *roles = view_get(benchmark, "roles");
	struct row *row = add_row(table);

	if (!row)
		return;
	copy_text(row->cells[NAME], view_text(benchmark, "name", "(no name)"));
	view_format_count(view_number(benchmark, "threads"), row->cells[THREADS]);
	view_format_rate(view_number(benchmark, "throughput.ops_per_s"), row->cells[RATE]);
	fill_latency(row, view_get(benchmark, "latency"));
	view_format_ratio(view_number(benchmark, "floor.ratio"), row->cells[RATIO]);
	fill_flags(row->cells[FLAGS], benchmark);
	add_open_loop(table, benchmark);
	for (size_t i = 1; i < json_array_size(roles); i++) {
		const json_t *role = json_array_get(roles, i);
		char name[CELL_SIZE];

		row = add_row(table);
		if (!row)
			return;
		snprintf(name, sizeof(name), "  · %.200s", view_text(role, "name", "?"));
		copy_text(row->cells[NAME], name);
		view_format_count(view_number(role, "threads"), row->cells[THREADS]);
		view_format_rate(view_number(role, "ops_per_s"), row->cells[RATE]);
		fill_latency(row, view_get(role, "latency"));
	}
}

static struct table make_table(const json_t *result)
{
	const json_t *all = view_get(result, "benchmarks");
	struct table table = { 0 };
	size_t i;
	json_t *each;

	json_array_foreach(all, i, each) add_benchmark(&table, each);
	return table;
}

/* Characters, which are columns of a terminal for all that is written here. */
static size_t characters(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

static void print_row(FILE *out, const struct row *row, const size_t widths[COLUMNS])
{
	for (unsigned i = 0; i < COLUMNS; i++) {
		int fill = (int)(widths[i] - characters(row->cells[i]));

		if (i == NAME)
			fprintf(out, "%s%*s", row->cells[i], fill, "");
		else if (i == FLAGS)
			fprintf(out, "%s%s", *row->cells[i] ? "  " : "", row->cells[i]);
		else
			fprintf(out, "  %*s%s", fill, "", row->cells[i]);
	}
	fputs("\n", out);
}

static void print_text(FILE *out, const char *text)
{
	char safe[CELL_SIZE];

	copy_text(safe, text);
	fputs(safe, out);
}

static void print_noise(FILE *out, const char *what, const char *text)
{
	if (!*text)
		return;
	fputs(what, out);
	print_text(out, text);
	fputs("\n", out);
}

void summary_print(FILE *out, const json_t *result)
{
	struct table table = make_table(result);
	const json_t *skipped = view_get(result, "skipped");
	size_t widths[COLUMNS], i;
	char noise[CELL_SIZE];
	json_t *each;

	for (unsigned c = 0; c < COLUMNS; c++) {
		widths[c] = characters(header.cells[c]);
		for (i = 0; i < table.count; i++)
			if (characters(table.rows[i].cells[c]) > widths[c])
				widths[c] = characters(table.rows[i].cells[c]);
	}
	if (table.count)
		print_row(out, &header, widths);
	else
		fputs("no benchmark was measured\n", out);
	for (i = 0; i < table.count; i++)
		print_row(out, &table.rows[i], widths);
	side_by_side_print(out, result);
	print_noise(out, "noise: ", report_noise_lost(result, noise, sizeof(noise)));
	print_noise(out, "outliers: ", report_noise_outliers(result, noise, sizeof(noise)));
	json_array_foreach(skipped, i, each)
	{
		fputs("skipped ", out);
		print_text(out, view_text(each, "translator", "-"));
		fputs("/", out);
		print_text(out, view_text(each, "workload", "?"));
		fputs(": ", out);
		print_text(out, view_text(each, "reason", "no reason given"));
		fputs("\n", out);
	}
	if (view_true(result, "run.synthetic"))
		fputs("synthetic: not measured on this machine\n", out);
	if (view_true(result, "run.interrupted"))
		fputs("interrupted: what was measured until then\n", out);
	free(table.rows);
}

/* Escapes what Markdown or HTML within it could take for markup, or for the end of a cell. */
static void markdown_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '<')
			fputs("&lt;", out);
		else if (c == '&')
			fputs("&amp;", out);
		else if (c < 0x20 || c == 0x7f)
			fputs(" ", out);
		else {
			if (strchr("\\`*_[]|#!", c))
				putc('\\', out);
			putc(c, out);
		}
	}
}

static void markdown_row(FILE *out, const struct row *row)
{
	for (unsigned i = 0; i < COLUMNS; i++) {
		fputs("| ", out);
		markdown_text(out, row->cells[i]);
		fputs(" ", out);
	}
	fputs("|\n", out);
}

static void markdown_line(FILE *out, const char *what, const char *text)
{
	fprintf(out, "- %s: ", what);
	markdown_text(out, text);
	fputs("\n", out);
}

void summary_markdown(FILE *out, const json_t *result)
{
	struct table table = make_table(result);
	const json_t *skipped = view_get(result, "skipped");
	char text[VIEW_TEXT_SIZE], noise[CELL_SIZE];
	size_t i;
	json_t *each;

	fputs("# faultline ", out);
	markdown_text(out, view_text(result, "run.id", "(no id)"));
	fputs("\n\n", out);
	markdown_line(out, "host", view_text(result, "host.name", "unknown"));
	markdown_line(out, "CPU", view_text(result, "host.cpu", "unknown"));
	markdown_line(out, "CPUs", view_format_count(view_number(result, "host.cpus"), text));
	markdown_line(out, "kernel", view_text(result, "host.kernel", "unknown"));
	markdown_line(out, "start", view_text(result, "run.start", "unknown"));
	markdown_line(out, "timer step",
		      view_format_ns(view_number(result, "host.timer.step_ns"), text));
	markdown_line(out, "harness, per operation (null translator)",
		      view_format_ns(view_number(result, "host.overhead_ns"), text));
	if (*report_noise_lost(result, noise, sizeof(noise)))
		markdown_line(out, "noise", noise);
	if (*report_noise_outliers(result, noise, sizeof(noise)))
		markdown_line(out, "outliers", noise);
	if (view_true(result, "run.synthetic"))
		fputs("- **synthetic: not measured on this machine**\n", out);
	if (view_true(result, "run.interrupted"))
		fputs("- **interrupted: what was measured until then**\n", out);
	fputs("\n", out);
	if (table.count) {
		markdown_row(out, &header);
		fputs("| :-- | --: | --: | --: | --: | --: | --: | :-- |\n", out);
	} else {
		fputs("No benchmark was measured.\n", out);
	}
	for (i = 0; i < table.count; i++)
		markdown_row(out, &table.rows[i]);
	side_by_side_markdown(out, result);
	if (json_array_size(skipped))
		fputs("\nSkipped:\n\n", out);
	json_array_foreach(skipped, i, each)
	{
		fputs("- ", out);
		markdown_text(out, view_text(each, "translator", "-"));
		fputs("/", out);
		markdown_text(out, view_text(each, "workload", "?"));
		fputs(": ", out);
		markdown_text(out, view_text(each, "reason", "no reason given"));
		fputs("\n", out);
	}
	free(table.rows);
}
