/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot_floors.c - engine against floor: a bar a benchmark, how many times its floor it takes.
 *
 * Bars are in the order of the result, so those of one workload stand together. No locks.
 */
#include "harness/plot.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "harness/view.h"

enum { BARS_MAX = 60 };

struct bars {
	const json_t *list[BARS_MAX];
	const char *names[BARS_MAX];
	size_t count, total;
	double low, high;
};

/* Neither the fewest nor the most threads of what is otherwise the same benchmark? */
static bool is_between(const json_t *all, const json_t *benchmark)
{
	const char *name = view_text(benchmark, "name", "?"), *at = strstr(name, "threads=");
	size_t head = at ? (size_t)(at - name) : strlen(name), i;
	double threads = view_number(benchmark, "threads");
	bool fewer = false, more = false;
	json_t *each;

	json_array_foreach(all, i, each)
	{
		if (strncmp(view_text(each, "name", ""), name, head) != 0)
			continue;
		fewer = fewer || view_number(each, "threads") < threads;
		more = more || view_number(each, "threads") > threads;
	}
	return fewer && more;
}

static void collect(struct bars *bars, const json_t *result)
{
	const json_t *all = view_get(result, "benchmarks");
	size_t i;
	json_t *each;

	json_array_foreach(all, i, each) if (view_number(each, "floor.ratio") > 0) bars->total++;
	json_array_foreach(all, i, each)
	{
		if (!(view_number(each, "floor.ratio") > 0) || bars->count == BARS_MAX ||
		    (bars->total > BARS_MAX && is_between(all, each)))
			continue;
		bars->names[bars->count] = view_text(each, "name", "?");
		bars->list[bars->count++] = each;
	}
}

static void write_data(FILE *data, struct bars *bars)
{
	for (size_t i = 0; i < bars->count; i++) {
		const json_t *each = bars->list[i];
		double ratio = view_number(each, "floor.ratio");
		double low = view_number(each, "floor.ratio_min");
		double high = view_number(each, "floor.ratio_max");
		char label[160], name[320];

		low = low > 0 ? fmin(low, ratio) : ratio;
		high = high > 0 ? fmax(high, ratio) : ratio;
		bars->low = fmin(bars->low, low);
		bars->high = fmax(bars->high, high);
		plot_label(bars->names[i], bars->names, bars->count, label, sizeof(label));
		snprintf(name, sizeof(name), "%.150s  ÷  %.60s", *label ? label : bars->names[i],
			 view_text(each, "floor.workload", "floor"));
		fprintf(data, "%zu %.9g %.9g %.9g ", bars->count - i, ratio, low, high);
		plot_field(data, name);
		fputs(" ", data);
		plot_field(data, view_format_ratio(ratio, (char[VIEW_TEXT_SIZE]){ 0 }));
		fputs("\n", data);
	}
	/* gnuplot 5.4 crashes on a layer without a point: one out of sight on each side of 1. */
	fputs("-9 2 2 2 \" \" \" \"\n-9 0.5 0.5 0.5 \" \" \" \"\n", data);
}

void plot_floors(struct plot_set *set)
{
	struct bars bars = { .low = INFINITY, .high = 0 };
	FILE *data, *out;
	struct plot *plot;
	char subtitle[200];

	collect(&bars, set->result);
	if (!bars.count)
		return;
	plot = plot_add(set, "floors", "");
	data = plot ? plot_open(set, "floors.dat") : NULL;
	if (!data)
		return;
	write_data(data, &bars);
	fclose(data);
	snprintf(plot->title, sizeof(plot->title), "Time per operation, engine over floor");
	snprintf(subtitle, sizeof(subtitle),
		 "median of interleaved repetitions; whisker: smallest to largest%s",
		 bars.count < bars.total ? "; of each the fewest and the most threads" : "");
	out = plot_settings(set, plot, 1000, 160 + 24 * (unsigned)bars.count, subtitle);
	if (!out)
		return;
	fprintf(out, "N = %zu\nLOW = %.9g\nHIGH = %.9g\n", bars.count, bars.low, bars.high);
	fclose(out);
	plot_draw(set, plot, "floors.gp");
}
