/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot_curves.c - percentile curves: one figure a workload, one curve a benchmark and role.
 *
 * The roles of a benchmark and its floor share a colour; the floor is dashed and roles differ by
 * their marks. With more benchmarks than can be
 * told apart, some are chosen at even distances in the order of the result, first and last among
 * them, and the figure says so. No locks.
 */
#include "harness/plot.h"

#include <math.h>
#include <string.h>

#include "harness/view.h"

enum { BENCHMARKS_MAX = 4, CURVES_MAX = 4 * BENCHMARKS_MAX };

struct curves {
	FILE *data;
	size_t count, points;
	struct {
		char label[128];
		unsigned colour, role;
		bool floor;
	} list[CURVES_MAX];
	double low, high; /* ns */
};

static size_t write_points(struct curves *curves, const json_t *curve)
{
	size_t i, written = 0;
	json_t *point;

	json_array_foreach(curve, i, point)
	{
		const json_t *x = json_array_get(point, 0), *y = json_array_get(point, 1);
		double percentile = json_number_value(x), ns = json_number_value(y);

		/* Logarithmic axes: what has no place on them is left out. */
		if (!json_is_number(x) || !json_is_number(y) || percentile < 0 ||
		    percentile > 99.9905 || ns <= 0)
			continue;
		fprintf(curves->data, "%.9g %.9g\n", 1 / (1 - percentile / 100), ns);
		curves->low = fmin(curves->low, ns);
		curves->high = fmax(curves->high, ns);
		written++;
	}
	return written;
}

static void add_curve(struct curves *curves, const json_t *latency, const char *label, double batch,
		      size_t benchmark, size_t role, bool floor)
{
	size_t written;
	char *to;

	if (curves->count == CURVES_MAX)
		return;
	written = write_points(curves, view_get(latency, "curve"));
	if (!written)
		return;
	fputs("\n\n", curves->data);
	curves->points += written;
	to = curves->list[curves->count].label;
	if (batch > 1)
		snprintf(to, sizeof(curves->list[0].label), "%.90s (batches of %.0f)", label,
			 batch);
	else
		snprintf(to, sizeof(curves->list[0].label), "%.120s", label);
	curves->list[curves->count].colour = plot_colour(benchmark);
	curves->list[curves->count].role = (unsigned)role;
	curves->list[curves->count].floor = floor;
	curves->count++;
}

/* Adds each role of a benchmark, then its floor in the colour of the first. */
static void add_benchmark(struct curves *curves, const json_t *result, const json_t *benchmark,
			  const char *const names[], size_t count, size_t index)
{
	const json_t *roles = view_get(benchmark, "roles");
	const json_t *floor = view_benchmark(result, view_text(benchmark, "floor.benchmark", NULL));
	char own[128], label[256];
	size_t i, before = curves->count;
	json_t *role;

	plot_label(view_text(benchmark, "name", "?"), names, count, own, sizeof(own));
	json_array_foreach(roles, i, role)
	{
		snprintf(label, sizeof(label), "%s%s%s", view_text(role, "name", "?"),
			 *own ? " · " : "", own);
		add_curve(curves, view_get(role, "latency"), label, view_number(role, "batch"),
			  index, i, false);
	}
	if (curves->count == before)
		add_curve(curves, view_get(benchmark, "latency"), *own ? own : "all", NAN, index, 0,
			  false);
	if (floor && curves->count > before) {
		const json_t *role0 = json_array_get(view_get(floor, "roles"), 0);

		snprintf(label, sizeof(label), "%s%s%s", view_text(floor, "workload", "floor"),
			 *own ? " · " : "", own);
		add_curve(curves, view_get(floor, "latency"), label, view_number(role0, "batch"),
			  index, 0, true);
	}
}

static void write_settings(struct plot_set *set, const struct plot *plot,
			   const struct curves *curves, const char *subtitle)
{
	unsigned rows = (unsigned)(curves->count + 1) / 2;
	FILE *out = plot_settings(set, plot, 1000, 460 + 22 * rows, subtitle);

	if (!out)
		return;
	fprintf(out, "N = %zu\nROWS = %u\nLOW = %.9g\nHIGH = %.9g\n", curves->count, rows,
		curves->low, curves->high);
	fprintf(out, "array LABEL[N]\narray COLOUR[N]\narray ROLE[N]\narray DASH[N]\n");
	for (size_t i = 0; i < curves->count; i++) {
		char name[32];

		snprintf(name, sizeof(name), "LABEL[%zu]", i + 1);
		plot_quote(out, name, curves->list[i].label);
		fprintf(out, "COLOUR[%zu] = 0x%06x\nROLE[%zu] = %u\nDASH[%zu] = %d\n", i + 1,
			curves->list[i].colour, i + 1, curves->list[i].role, i + 1,
			curves->list[i].floor ? 2 : 1);
	}
	fclose(out);
}

static void draw_group(struct plot_set *set, const json_t *const group[], size_t count)
{
	size_t shown = count < BENCHMARKS_MAX ? count : BENCHMARKS_MAX;
	const char *names[BENCHMARKS_MAX], *workload = view_text(group[0], "workload", "?");
	const json_t *chosen[BENCHMARKS_MAX];
	struct curves curves = { .low = INFINITY, .high = 0 };
	struct plot *plot;
	char subtitle[256];

	for (size_t i = 0; i < shown; i++) {
		chosen[i] = group[shown > 1 ? i * (count - 1) / (shown - 1) : 0];
		names[i] = view_text(chosen[i], "name", "?");
	}
	curves.data = plot_open(set, "curves.dat");
	if (curves.data) {
		for (size_t i = 0; i < shown; i++)
			add_benchmark(&curves, set->result, chosen[i], names, shown, i);
		fclose(curves.data);
	}
	if (!curves.points)
		return;
	plot = plot_add(set, "curves", workload);
	if (!plot)
		return;
	snprintf(plot->title, sizeof(plot->title), "%.60s: latency by percentile", workload);
	snprintf(subtitle, sizeof(subtitle), "%.120s%s; dashed: its floor",
		 view_text(group[0], "operation", "one operation"),
		 shown < count ? "; some of the benchmarks, evenly chosen" : "");
	write_settings(set, plot, &curves, subtitle);
	plot_draw(set, plot, "curves.gp");
}

void plot_curves(struct plot_set *set)
{
	plot_each_workload(set, "latency.curve", 1, draw_group);
}
