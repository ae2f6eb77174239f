/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot_time.c - latency over time: one figure a workload, with the intervals of each repetition.
 *
 * Repetitions stand one after the other, as if nothing had been measured between them. Too few
 * intervals show nothing, and give no figure. No locks.
 */
#include "harness/plot.h"

#include <math.h>
#include <string.h>

#include "harness/view.h"

enum { BENCHMARKS_MAX = 4, INTERVALS_MIN = 10 };

struct lines {
	FILE *data;
	size_t count;
	double low, high; /* ns */
	double end, window; /* seconds */
	char label[BENCHMARKS_MAX][128];
};

static void write_interval(struct lines *lines, const json_t *interval, double x)
{
	double p50 = view_number(interval, "p50"), max = view_number(interval, "max");

	fprintf(lines->data, "%.9g ", x);
	plot_value(lines->data, p50);
	fputc(' ', lines->data);
	plot_value(lines->data, view_number(interval, "p99"));
	fputc(' ', lines->data);
	plot_value(lines->data, max);
	fputc('\n', lines->data);
	if (p50 > 0)
		lines->low = fmin(lines->low, p50);
	if (max > 0)
		lines->high = fmax(lines->high, max);
}

static void add_line(struct lines *lines, const json_t *benchmark, const char *label)
{
	const json_t *intervals = view_get(benchmark, "over_time.intervals");
	double repetition = NAN, begin = 0, at = 0;
	size_t i;
	json_t *each;

	json_array_foreach(intervals, i, each)
	{
		double of = view_number(each, "repetition"), length = view_number(each, "seconds");

		if (!isfinite(of) || !(length > 0))
			continue;
		if (i && of > repetition) {
			lines->window = at - begin;
			begin = at;
			fputc('\n', lines->data);
		}
		repetition = of;
		write_interval(lines, each, at + length / 2);
		at += length;
	}
	fputs("\n\n", lines->data);
	if (!(lines->window > 0))
		lines->window = at;
	lines->end = fmax(lines->end, at);
	snprintf(lines->label[lines->count++], sizeof(lines->label[0]), "%.120s", label);
}

static void write_settings(struct plot_set *set, const struct plot *plot, const struct lines *lines,
			   const char *subtitle)
{
	unsigned rows = (unsigned)(lines->count + 1) / 2;
	FILE *out = plot_settings(set, plot, 1000, 400 + 22 * rows, subtitle);

	if (!out)
		return;
	fprintf(out, "N = %zu\nROWS = %u\nLOW = %.9g\nHIGH = %.9g\nEND = %.9g\nWINDOW = %.9g\n",
		lines->count, rows, lines->low, lines->high, lines->end, lines->window);
	fprintf(out, "array LABEL[N]\narray COLOUR[N]\n");
	for (size_t i = 0; i < lines->count; i++) {
		char name[32];

		snprintf(name, sizeof(name), "LABEL[%zu]", i + 1);
		plot_quote(out, name, lines->label[i]);
		fprintf(out, "COLOUR[%zu] = 0x%06x\n", i + 1, plot_colour(i));
	}
	fclose(out);
}

static void draw_group(struct plot_set *set, const json_t *const group[], size_t count)
{
	const char *names[BENCHMARKS_MAX], *workload = view_text(group[0], "workload", "?");
	bool response = strcmp(view_text(group[0], "over_time.kind", ""), "response") == 0;
	size_t shown = count < BENCHMARKS_MAX ? count : BENCHMARKS_MAX;
	struct lines lines = { .low = INFINITY };
	const json_t *chosen[BENCHMARKS_MAX];
	char subtitle[256], label[256];
	struct plot *plot;

	for (size_t i = 0; i < shown; i++) {
		chosen[i] = group[shown > 1 ? i * (count - 1) / (shown - 1) : 0];
		names[i] = view_text(chosen[i], "name", "?");
	}
	lines.data = plot_open(set, "time.dat");
	if (!lines.data)
		return;
	for (size_t i = 0; i < shown; i++) {
		plot_label(names[i], names, shown, label, sizeof(label));
		add_line(&lines, chosen[i], *label ? label : workload);
	}
	fclose(lines.data);
	if (!(lines.high > 0) || !isfinite(lines.low))
		return;
	plot = plot_add(set, "time", workload);
	if (!plot)
		return;
	snprintf(plot->title, sizeof(plot->title), "%.60s: latency over time", workload);
	snprintf(subtitle, sizeof(subtitle), "%s time%s; solid: p50, dashed: p99, dots: maximum%s",
		 response ? "response" : "service", response ? " from the intended start" : "",
		 shown < count ? "; some of the benchmarks, evenly chosen" : "");
	write_settings(set, plot, &lines, subtitle);
	plot_draw(set, plot, "time.gp");
}

void plot_time(struct plot_set *set)
{
	plot_each_workload(set, "over_time.intervals", INTERVALS_MIN, draw_group);
}
