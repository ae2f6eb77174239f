/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot_versus.c - the translators of a run side by side: one row a workload, one colour a
 * translator; throughput over the first with its interval, latencies, memory, host mappings.
 *
 * Four figures of one script. One in which no translator has anything to show is left out. No
 * locks.
 */
#include "harness/plot.h"

#include <math.h>
#include <string.h>

#include "harness/side_by_side.h"
#include "harness/view.h"

enum { TRANSLATORS_MAX = 10, ROWS_MAX = 40 };

struct span {
	double value, low, high;
};

static struct span ratio_of(const json_t *b, bool first)
{
	const json_t *interval = view_get(b, "versus.interval");
	double ratio = first ? 1 : view_number(b, "versus.ratio");
	struct span span = { ratio, ratio, ratio };

	if (json_array_size(interval) == 2) {
		span.low = json_number_value(json_array_get(interval, 0));
		span.high = json_number_value(json_array_get(interval, 1));
	}
	return span;
}

static struct span latency_of(const json_t *b, bool first)
{
	double p50 = view_number(b, "latency.p50");

	(void)first;
	return (struct span){ p50, p50, view_number(b, "latency.p99") };
}

static struct span memory_of(const json_t *b, bool first)
{
	double bytes = view_number(b, "counters.rss_anon_bytes");

	(void)first;
	return (struct span){ bytes, bytes, bytes };
}

static struct span mappings_of(const json_t *b, bool first)
{
	double count = view_number(b, "counters.host_mappings");

	(void)first;
	return (struct span){ count, count, count };
}

static const struct metric {
	const char *name, *title, *unit, *axis, *subtitle;
	struct span (*of)(const json_t *benchmark, bool first);
} metrics[] = {
	{ "throughput", "Throughput of each translator over that of the first", "ratio",
	  "ratio of throughputs (right: faster than the first; logarithmic)",
	  "medians of the pairs of interleaved repetitions; whisker: 95 % by bootstrap", ratio_of },
	{ "latency", "Latency of each translator", "ns",
	  "time of one operation (right: slower; logarithmic)", "dot: p50; whisker: to p99",
	  latency_of },
	{ "memory", "Memory that each translator took", "bytes",
	  "growth of the process's anonymous memory (right: more; logarithmic)",
	  "last repetition; memory of the pages themselves is not in it", memory_of },
	{ "mappings", "Host mappings that each translator made", "count",
	  "host calls that map, in a repetition (right: more; logarithmic)",
	  "last repetition; what maps nothing is not shown", mappings_of },
};

struct figure {
	const char *translators[TRANSLATORS_MAX];
	size_t translator_count, rows;
	bool left_out;
	double low, high;
};

/* Its place among those seen so far, added if new; TRANSLATORS_MAX: too many. */
static size_t number_of(struct figure *f, const char *translator)
{
	size_t i = 0;

	while (i < f->translator_count && strcmp(f->translators[i], translator) != 0)
		i++;
	if (i == f->translator_count && i < TRANSLATORS_MAX)
		f->translators[f->translator_count++] = translator;
	return i;
}

static void write_block(FILE *data, struct figure *f, const struct side_table *table,
			const struct metric *m, size_t translator)
{
	size_t row = 0, written = 0;

	for (size_t i = 0; i < table->count; i++) {
		const json_t *b = table->rows[i].benchmark;
		struct span s = m->of(b, translator == 0);

		row += table->rows[i].begins;
		if (row > f->rows || number_of(f, view_text(b, "translator", "")) != translator ||
		    !(s.value > 0) || !(view_number(b, "repeats") > 0))
			continue;
		s.low = s.low > 0 ? fmin(s.low, s.value) : s.value;
		s.high = s.high > 0 ? fmax(s.high, s.value) : s.value;
		f->low = fmin(f->low, s.low);
		f->high = fmax(f->high, s.high);
		fprintf(data, "%zu %.9g %.9g %.9g\n", f->rows + 1 - row, s.value, s.low, s.high);
		written++;
	}
	/* gnuplot 5.4 crashes on a layer without a point: one out of sight. */
	if (!written)
		fputs("-9 1 1 1\n", data);
	fputs("\n\n", data);
}

static bool write_data(struct plot_set *set, struct figure *f, const struct side_table *table,
		       const struct metric *m)
{
	FILE *data = plot_open(set, "versus.dat"), *rows = plot_open(set, "rows.dat");
	size_t row = 0;

	for (size_t i = 0; rows && i < table->count && row < f->rows; i++) {
		if (!table->rows[i].begins)
			continue;
		fprintf(rows, "%zu ", f->rows - row++);
		plot_field(rows, table->rows[i].cells[0]);
		fputs("\n", rows);
	}
	for (size_t t = 0; data && t < f->translator_count; t++)
		write_block(data, f, table, m, t);
	if (data)
		fclose(data);
	if (rows)
		fclose(rows);
	return data && rows && isfinite(f->low);
}

static void draw(struct plot_set *set, const struct side_table *table, const struct metric *m,
		 struct figure f)
{
	char subtitle[200], name[32], label[80];
	struct plot *plot;
	FILE *out;

	f.low = INFINITY;
	if (!write_data(set, &f, table, m))
		return;
	plot = plot_add(set, "versus", m->name);
	if (!plot)
		return;
	snprintf(plot->title, sizeof(plot->title), "%s", m->title);
	snprintf(subtitle, sizeof(subtitle), "%s%s", m->subtitle,
		 f.left_out ? "; the first ones only" : "");
	out = plot_settings(set, plot, 1000,
			    180 + (unsigned)(f.rows * (16 + 12 * f.translator_count)), subtitle);
	if (!out)
		return;
	fprintf(out, "N = %zu\nROWS = %zu\nLOW = %.9g\nHIGH = %.9g\n", f.translator_count, f.rows,
		f.low, f.high);
	plot_quote(out, "UNIT", m->unit);
	plot_quote(out, "AXIS", m->axis);
	fputs("array LABEL[N]\narray COLOUR[N]\n", out);
	for (size_t i = 0; i < f.translator_count; i++) {
		const char *text = f.translators[i];
		size_t length = strlen(text), most = 48;

		snprintf(name, sizeof(name), "LABEL[%zu]", i + 1);
		snprintf(label, sizeof(label), "%s%s%s", length > most ? "…" : "",
			 length > most ? text + length - most : text, i ? "" : " (first)");
		plot_quote(out, name, label);
		fprintf(out, "COLOUR[%zu] = 0x%06x\n", i + 1, plot_colour(i));
	}
	fclose(out);
	plot_draw(set, plot, "versus.gp");
}

void plot_versus(struct plot_set *set)
{
	struct side_table table = side_by_side(set->result);
	struct figure f = { 0 };

	for (size_t i = 0; i < table.count; i++) {
		f.rows += table.rows[i].begins;
		if (number_of(&f, view_text(table.rows[i].benchmark, "translator", "")) ==
		    TRANSLATORS_MAX)
			f.left_out = true;
	}
	if (f.rows > ROWS_MAX) {
		f.rows = ROWS_MAX;
		f.left_out = true;
	}
	for (size_t m = 0; table.count && m < sizeof(metrics) / sizeof(metrics[0]); m++)
		draw(set, &table, &metrics[m], f);
	side_by_side_release(&table);
}
