/* SPDX-License-Identifier: Apache-2.0 */
/*
 * side_by_side.c - the table in which a run's translators stand under each other.
 *
 * Rows of one workload are those whose names differ in nothing but the translator. Text of the
 * result goes to terminals, Markdown and HTML: control characters and markup are taken out. No
 * locks.
 */
#include "harness/side_by_side.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/html.h"
#include "harness/view.h"

const char *const side_columns[SIDE_COLUMNS] = {
	"workload", "translator", "ops/s",   "× first", "95 %",	     "p50",
	"p99",	    "p99.9",	  "scaling", "memory",	"host maps",
};

const char side_reading[] =
	"Samples of all translators were interleaved in random order, each in a process of its "
	"own. × first: throughput over that of the first translator, median of the pairs of each "
	"repetition, with the bootstrap interval. Scaling: throughput over that with the fewest "
	"threads. Memory: growth of the process's anonymous memory. Host maps: calls that map.";

enum { WORKLOAD, TRANSLATOR, RATE, RATIO, INTERVAL, P50, P99, P999, SCALING, MEMORY, MAPS };

/* What is left of a name without its translator, which may hold slashes itself. */
static const char *rest_of(const json_t *benchmark)
{
	const char *name = view_text(benchmark, "name", "");
	size_t length = strlen(view_text(benchmark, "translator", ""));

	return strlen(name) > length ? name + length + 1 : name;
}

static bool is_candidate(const json_t *benchmark)
{
	return view_text(benchmark, "translator", NULL) && !view_true(benchmark, "is_floor");
}

size_t side_translators(const json_t *result)
{
	const json_t *all = view_get(result, "benchmarks");
	size_t count = 0, i, j;
	json_t *each, *other;

	json_array_foreach(all, i, each)
	{
		bool seen = !is_candidate(each);

		for (j = 0; j < i && !seen; j++) {
			other = json_array_get(all, j);
			seen = is_candidate(other) &&
			       strcmp(view_text(other, "translator", ""),
				      view_text(each, "translator", "")) == 0;
		}
		count += !seen;
	}
	return count;
}

/* The end of what is too long says more: of a path, the file. */
static void put(char *cell, const char *text, size_t most)
{
	size_t length = strlen(text);

	if (length > most)
		snprintf(cell, SIDE_CELL_SIZE, "…%s", text + length - most);
	else
		snprintf(cell, SIDE_CELL_SIZE, "%s", text);
	for (char *at = cell; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f || *at == '|')
			*at = '?';
}

/* Workload, what is not the usual, threads. */
static void put_workload(char *cell, const json_t *benchmark)
{
	static const char *const usual[] = { "pages=4k", "as=none", "place=compact", "threads=" };
	const char *at = rest_of(benchmark);
	char shown[SIDE_CELL_SIZE];
	size_t used = 0;

	while (*at && used < sizeof(shown)) {
		size_t length = strcspn(at, "/"), i = 0;

		while (i < 4 && strncmp(at, usual[i], strlen(usual[i])) != 0)
			i++;
		if (i == 4)
			used += (size_t)snprintf(shown + used, sizeof(shown) - used, "%s%.*s",
						 used ? " " : "", (int)length, at);
		at += length + (at[length] == '/');
	}
	if (used < sizeof(shown))
		snprintf(shown + used, sizeof(shown) - used, ", %.0f thr.",
			 view_number(benchmark, "threads"));
	put(cell, shown, SIDE_CELL_SIZE - 8);
}

static void put_bytes(char *cell, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB" };
	unsigned i = 0;

	if (!isfinite(bytes)) {
		snprintf(cell, SIDE_CELL_SIZE, "–");
		return;
	}
	for (; i < 3 && fabs(bytes) >= 1024; i++)
		bytes /= 1024;
	snprintf(cell, SIDE_CELL_SIZE, "%.3g %s", bytes, units[i]);
}

static void fill(struct side_row *row, const json_t *benchmark)
{
	const json_t *interval = view_get(benchmark, "versus.interval");

	put(row->cells[TRANSLATOR], view_text(benchmark, "translator", "?"), 40);
	if (row->begins)
		put_workload(row->cells[WORKLOAD], benchmark);
	view_format_rate(view_number(benchmark, "throughput.ops_per_s"), row->cells[RATE]);
	if (view_get(benchmark, "versus"))
		view_format_ratio(view_number(benchmark, "versus.ratio"), row->cells[RATIO]);
	else
		snprintf(row->cells[RATIO], SIDE_CELL_SIZE, "%s", row->begins ? "1" : "–");
	if (json_array_size(interval) == 2)
		snprintf(row->cells[INTERVAL], SIDE_CELL_SIZE, "%.3g – %.3g",
			 json_number_value(json_array_get(interval, 0)),
			 json_number_value(json_array_get(interval, 1)));
	view_format_ns(view_number(benchmark, "latency.p50"), row->cells[P50]);
	view_format_ns(view_number(benchmark, "latency.p99"), row->cells[P99]);
	view_format_ns(view_number(benchmark, "latency.p999"), row->cells[P999]);
	view_format_ratio(view_number(benchmark, "scaling.ratio"), row->cells[SCALING]);
	put_bytes(row->cells[MEMORY], view_number(benchmark, "counters.rss_anon_bytes"));
	view_format_count(view_number(benchmark, "counters.host_mappings"), row->cells[MAPS]);
}

struct side_table side_by_side(const json_t *result)
{
	const json_t *all = view_get(result, "benchmarks");
	size_t size = json_array_size(all), i, j;
	bool *done = calloc(size + 1, sizeof(*done));
	struct side_table table = { .rows = calloc(size + 1, sizeof(*table.rows)) };
	json_t *each;

	if (!done || !table.rows)
		abort();
	if (side_translators(result) < 2)
		size = 0;
	for (i = 0; i < size; i++) {
		const json_t *leader = json_array_get(all, i);
		bool begins = true;

		for (j = i; j < size && is_candidate(leader) && !done[i]; j++) {
			each = json_array_get(all, j);
			if (!is_candidate(each) || strcmp(rest_of(each), rest_of(leader)) != 0)
				continue;
			table.rows[table.count].begins = begins;
			table.rows[table.count].benchmark = each;
			fill(&table.rows[table.count++], each);
			begins = false;
			/* The leader itself is not looked at again. */
			if (j != i)
				done[j] = true;
		}
	}
	free(done);
	return table;
}

void side_by_side_release(struct side_table *table)
{
	free(table->rows);
	memset(table, 0, sizeof(*table));
}

/* Characters, which are columns of a terminal for all that is written here. */
static size_t characters(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

static void print_cells(FILE *out, const size_t widths[SIDE_COLUMNS],
			const char *const cells[SIDE_COLUMNS])
{
	for (unsigned c = 0; c < SIDE_COLUMNS; c++) {
		int room = (int)(widths[c] - characters(cells[c]));

		if (c <= TRANSLATOR)
			fprintf(out, "%s%*s  ", cells[c], room, "");
		else
			fprintf(out, "%*s%s%s", room, "", cells[c],
				c + 1 < SIDE_COLUMNS ? "  " : "\n");
	}
}

void side_by_side_print(FILE *out, const json_t *result)
{
	struct side_table table = side_by_side(result);
	size_t widths[SIDE_COLUMNS];

	for (unsigned c = 0; c < SIDE_COLUMNS; c++) {
		widths[c] = characters(side_columns[c]);
		for (size_t i = 0; i < table.count; i++)
			if (characters(table.rows[i].cells[c]) > widths[c])
				widths[c] = characters(table.rows[i].cells[c]);
	}
	if (table.count) {
		fputs("\nside by side (interleaved; × first: throughput over that of the first "
		      "translator)\n",
		      out);
		print_cells(out, widths, side_columns);
	}
	for (size_t i = 0; i < table.count; i++) {
		const char *cells[SIDE_COLUMNS];

		for (unsigned c = 0; c < SIDE_COLUMNS; c++)
			cells[c] = table.rows[i].cells[c];
		print_cells(out, widths, cells);
	}
	side_by_side_release(&table);
}

static void markdown_cell(FILE *out, const char *text)
{
	fputs("| ", out);
	for (; *text; text++) {
		if (strchr("\\`*_[]<>#!&", *text))
			putc('\\', out);
		putc(*text, out);
	}
	putc(' ', out);
}

void side_by_side_markdown(FILE *out, const json_t *result)
{
	struct side_table table = side_by_side(result);

	if (table.count) {
		fprintf(out, "\n## Side by side\n\n%s\n\n", side_reading);
		for (unsigned c = 0; c < SIDE_COLUMNS; c++)
			markdown_cell(out, side_columns[c]);
		fputs("|\n", out);
		for (unsigned c = 0; c < SIDE_COLUMNS; c++)
			fputs(c <= TRANSLATOR ? "| :-- " : "| --: ", out);
		fputs("|\n", out);
	}
	for (size_t i = 0; i < table.count; i++) {
		for (unsigned c = 0; c < SIDE_COLUMNS; c++)
			markdown_cell(out, table.rows[i].cells[c]);
		fputs("|\n", out);
	}
	side_by_side_release(&table);
}

void side_by_side_html(FILE *out, const json_t *result)
{
	struct side_table table = side_by_side(result);

	if (table.count) {
		html_format(out,
			    "<section id=\"side\"><h2>Side by side</h2>\n<p>%s</p>\n"
			    "<div class=\"scroll\"><table><thead><tr>",
			    side_reading);
		for (unsigned c = 0; c < SIDE_COLUMNS; c++)
			html_format(out, "<th scope=\"col\">%s</th>", side_columns[c]);
		fputs("</tr></thead>\n<tbody>\n", out);
	}
	for (size_t i = 0; i < table.count; i++) {
		fputs("<tr>", out);
		for (unsigned c = 0; c < SIDE_COLUMNS; c++)
			html_format(out,
				    c <= TRANSLATOR ? "<td class=\"text\">%s</td>" : "<td>%s</td>",
				    table.rows[i].cells[c]);
		fputs("</tr>\n", out);
	}
	if (table.count)
		fputs("</tbody></table></div></section>\n", out);
	side_by_side_release(&table);
}
