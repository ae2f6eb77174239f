/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot_history.c - a benchmark over the runs of a machine: throughput, medians between changes.
 */
#include "harness/plot_history.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/plot.h"
#include "harness/result_dir.h"

/* Each takes a quarter of a second. */
#define FIGURES_MAX 60
#define TICKS 8

/* Of the two that are drawn: block 0 the points, block 1 the medians between changes. */
static bool write_data(struct plot_set *set, const struct history_series *s,
		       const struct history_change *changes, size_t change_count, double range[2])
{
	FILE *data = plot_open(set, "history.dat");
	size_t from = 0;

	if (!data)
		return false;
	for (size_t i = 0; i < s->count; i++) {
		double value = s->points[i].value[HISTORY_THROUGHPUT];

		fprintf(data, "%zu ", i + 1);
		plot_value(data, value);
		fputc('\n', data);
		range[0] = fmin(range[0], value);
		range[1] = fmax(range[1], value);
	}
	fputs("\n\n", data);
	for (size_t c = 0; c <= change_count; c++) {
		size_t to = c < change_count ? changes[c].point : s->count;
		double median = history_median(s, HISTORY_THROUGHPUT, from, to);

		fprintf(data, "%g %.9g\n%g %.9g\n\n", (double)from + 0.5, median, (double)to + 0.5,
			median);
		from = to;
	}
	return fclose(data) == 0;
}

static void write_ticks(FILE *out, const struct history_series *s)
{
	size_t step = (s->count + TICKS - 1) / TICKS;
	char name[48], label[96];

	fprintf(out, "TICKS = %zu\narray TICK[TICKS]\narray AT[TICKS]\n",
		(s->count + step - 1) / step);
	for (size_t i = 0; i * step < s->count; i++) {
		const struct history_point *p = &s->points[i * step];

		snprintf(name, sizeof(name), "TICK[%zu]", i + 1);
		snprintf(label, sizeof(label), "%.10s\n%.12s", p->start, p->commit);
		for (char *c = label; *c; c++)
			*c = (char)(*c == '\n' ? ' ' : *c);
		plot_quote(out, name, label);
		fprintf(out, "AT[%zu] = %zu\n", i + 1, i * step + 1);
	}
}

static void draw(struct plot_set *set, const struct history_series *s)
{
	struct history_change *changes;
	size_t count = history_changes(s, &changes), kept = 0;
	double range[2] = { INFINITY, -INFINITY };
	struct plot *plot;
	char subtitle[200];
	FILE *out;

	while (kept < count && changes[kept].metric == HISTORY_THROUGHPUT)
		kept++;
	plot = write_data(set, s, changes, kept, range) && isfinite(range[0])
		       ? plot_add(set, "history", s->benchmark)
		       : NULL;
	if (plot) {
		snprintf(plot->title, sizeof(plot->title), "%s", s->benchmark);
		snprintf(subtitle, sizeof(subtitle),
			 "throughput, %zu runs on %s (%s); grey: median between change points",
			 s->count, s->host, s->cpu);
		out = plot_settings(set, plot, 900, 360, subtitle);
		if (out) {
			fprintf(out, "N = %zu\nLOW = %.9g\nHIGH = %.9g\nCHANGES = %zu\n", s->count,
				range[0], range[1], kept);
			fprintf(out, "array CHANGE[%zu]\n", kept + 1);
			for (size_t c = 0; c < kept; c++)
				fprintf(out, "CHANGE[%zu] = %g\n", c + 1,
					(double)changes[c].point + 0.5);
			write_ticks(out, s);
			fclose(out);
			plot_draw(set, plot, "history.gp");
		}
	}
	free(changes);
}

int plot_history(const char *dir, const struct history_series *series, size_t count, char *remark,
		 size_t remark_size, char *error, size_t size)
{
	json_t *stamp = json_pack("{s:{s:s, s:s}, s:{s:s}}", "host", "name",
				  count ? series[0].host : "", "cpu", count ? series[0].cpu : "",
				  "run", "start", "history");
	size_t drawn = count < FIGURES_MAX ? count : FIGURES_MAX;
	struct plot_set set;
	int rc = result_dir_make(dir);

	*remark = '\0';
	if (rc)
		snprintf(error, size, "%s: %s", dir, strerror(-rc));
	else
		rc = plot_set_init(&set, dir, stamp, error, size);
	if (!rc) {
		for (size_t i = 0; i < drawn; i++)
			draw(&set, &series[i]);
		if (drawn < count)
			snprintf(remark, remark_size,
				 "the first %zu of %zu series are drawn: name benchmarks", drawn,
				 count);
		for (size_t i = 0; i < set.count; i++) {
			if (set.plots[i].error[0])
				snprintf(remark, remark_size, "%s: %s", set.plots[i].file,
					 set.plots[i].error);
		}
		plot_set_release(&set);
	}
	json_decref(stamp);
	return rc;
}
