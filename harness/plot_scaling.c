/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot_scaling.c - throughput against threads: one line a workload, with the ideal line and marks
 * where the placement begins to share a core, or crosses into another L3 cache, node or package.
 *
 * Lines are relative to the fewest threads, so that one ideal line serves all; the key names the
 * rate that 1x stands for. Engine and floors have a figure each, and so does each placement.
 * No locks.
 */
#include "harness/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/plot_machine.h"
#include "harness/view.h"

enum { LINES_MAX = 10, POINTS_MAX = 64, GROUP_SIZE = 256 };

struct point {
	double threads, rate, low, high;
};

/* What makes two benchmarks points of one line: the name without its threads. */
static void group_of(const json_t *benchmark, char *group)
{
	const char *name = view_text(benchmark, "name", "?"), *at = strstr(name, "threads=");
	size_t head = at ? (size_t)(at - name) : strlen(name);
	const char *tail = at ? at + strcspn(at, "/") : "";

	while (head && name[head - 1] == '/')
		head--;
	snprintf(group, GROUP_SIZE, "%.*s%s", (int)head, name, tail);
}

static int by_threads(const void *left, const void *right)
{
	const struct point *a = left, *b = right;

	return a->threads < b->threads ? -1 : a->threads > b->threads;
}

static size_t collect(const json_t *all, const char *group, struct point *points)
{
	size_t i, count = 0;
	json_t *each;

	json_array_foreach(all, i, each)
	{
		char other[GROUP_SIZE];
		struct point point = { view_number(each, "threads"),
				       view_number(each, "throughput.ops_per_s"),
				       view_number(each, "throughput.min"),
				       view_number(each, "throughput.max") };

		group_of(each, other);
		if (strcmp(other, group) != 0 || !(point.threads > 0) || !(point.rate > 0) ||
		    count == POINTS_MAX)
			continue;
		points[count++] = point;
	}
	qsort(points, count, sizeof(*points), by_threads);
	return count;
}

struct lines {
	char place[64];
	bool floors;
	char groups[LINES_MAX][GROUP_SIZE];
	double base_rate[LINES_MAX], base_threads[LINES_MAX];
	size_t count, left_out;
	double threads_low, threads_high, high, low;
	const json_t *longest; /* the benchmark with the most threads */
};

static bool belongs(const struct lines *lines, const json_t *benchmark)
{
	return view_true(benchmark, "is_floor") == lines->floors &&
	       strcmp(view_text(benchmark, "placement.asked.place", ""), lines->place) == 0;
}

static void write_line(struct lines *lines, FILE *data, const char *group,
		       const struct point *points, size_t count)
{
	snprintf(lines->groups[lines->count], GROUP_SIZE, "%s", group);
	lines->base_rate[lines->count] = points[0].rate;
	lines->base_threads[lines->count] = points[0].threads;
	lines->count++;
	lines->threads_low = fmin(lines->threads_low, points[0].threads);
	lines->threads_high = fmax(lines->threads_high, points[count - 1].threads);
	for (size_t i = 0; i < count; i++) {
		double unit = points[0].rate / points[0].threads;

		fprintf(data, "%.9g %.9g ", points[i].threads, points[i].rate / unit);
		plot_value(data, points[i].low / unit);
		fputs(" ", data);
		plot_value(data, points[i].high / unit);
		fputs("\n", data);
		/* fmax and fmin pass over a whisker that is NaN. */
		lines->high = fmax(lines->high, fmax(points[i].rate, points[i].high) / unit);
		lines->low = fmin(lines->low, fmin(points[i].rate, points[i].low) / unit);
	}
	fputs("\n\n", data);
}

static void write_lines(struct lines *lines, FILE *data, const json_t *all)
{
	struct point points[POINTS_MAX];
	size_t i;
	json_t *each;

	json_array_foreach(all, i, each)
	{
		char group[GROUP_SIZE];
		bool known = false;
		size_t count;

		if (!belongs(lines, each))
			continue;
		if (!lines->longest ||
		    view_number(each, "threads") > view_number(lines->longest, "threads"))
			lines->longest = each;
		group_of(each, group);
		for (size_t j = 0; j < lines->count; j++)
			known = known || strcmp(lines->groups[j], group) == 0;
		if (known)
			continue;
		count = collect(all, group, points);
		if (count < 2)
			continue;
		if (lines->count == LINES_MAX)
			lines->left_out++;
		else
			write_line(lines, data, group, points, count);
	}
}

/* Writes threads and a word for the first thread that crosses each kind of boundary. */
static unsigned write_boundaries(const struct plot_machine *machine, const json_t *benchmark,
				 FILE *data)
{
	static const char *const words[] = { NULL, "SMT siblings", "second core", "second L3",
					     "second package" };
	const json_t *got = view_get(benchmark, "placement.got.threads");
	const json_t *asked = view_get(benchmark, "placement.asked.cpus");
	size_t count = json_array_size(got) ? json_array_size(got) : json_array_size(asked);
	struct plot_pu *seen = calloc(count + 1, sizeof(*seen));
	unsigned marks = 0, done = 0;

	for (size_t i = 0; seen && i < count; i++) {
		const json_t *cpu = json_array_size(got) ? view_get(json_array_get(got, i), "cpu")
							 : json_array_get(asked, i);
		int index = plot_machine_index(machine, (int)json_integer_value(cpu));
		unsigned nearest = SHARING_NONE;

		if (!json_is_integer(cpu) || index < 0)
			break;
		seen[i] = machine->pus[index];
		for (size_t j = 0; j < i; j++) {
			unsigned sharing = plot_sharing_of(&seen[i], &seen[j]);

			nearest = sharing < nearest ? sharing : nearest;
		}
		/* The boundary crossed is the one around all that went before. */
		if (i == 0 || nearest == SHARING_PU || (done & 1u << nearest))
			continue;
		done |= 1u << nearest;
		fprintf(data, "%zu %u ", i + 1, marks++);
		plot_field(data, words[nearest]);
		fputs("\n", data);
	}
	free(seen);
	return marks;
}

static void write_settings(struct plot_set *set, const struct plot *plot, const struct lines *lines,
			   unsigned marks)
{
	const char *names[LINES_MAX];
	unsigned rows = (unsigned)(lines->count + 2) / 2;
	char subtitle[200];
	FILE *out;

	snprintf(subtitle, sizeof(subtitle),
		 "placement %.40s; 1× is the rate of a thread when fewest; medians, whisker: "
		 "smallest to largest%s",
		 lines->place, lines->left_out ? "; first lines only" : "");
	out = plot_settings(set, plot, 1000, 500 + 22 * rows, subtitle);
	if (!out)
		return;
	fprintf(out, "N = %zu\nROWS = %u\nFROM = %.9g\nTO = %.9g\nLOW = %.9g\nHIGH = %.9g\n",
		lines->count, rows, lines->threads_low, lines->threads_high, lines->low,
		fmax(lines->high, lines->threads_high));
	fprintf(out, "MARKS = %u\narray LABEL[N]\narray COLOUR[N]\n", marks);
	for (size_t i = 0; i < lines->count; i++)
		names[i] = lines->groups[i];
	for (size_t i = 0; i < lines->count; i++) {
		char name[32], own[128], label[256];

		plot_label(names[i], names, lines->count, own, sizeof(own));
		snprintf(name, sizeof(name), "LABEL[%zu]", i + 1);
		snprintf(label, sizeof(label), "%s  (%s at %.0f)", *own ? own : names[i],
			 view_format_rate(lines->base_rate[i], (char[VIEW_TEXT_SIZE]){ 0 }),
			 lines->base_threads[i]);
		plot_quote(out, name, label);
		fprintf(out, "COLOUR[%zu] = 0x%06x\n", i + 1, plot_colour(i));
	}
	fclose(out);
}

static void draw(struct plot_set *set, const struct plot_machine *machine, const char *place,
		 bool floors)
{
	struct lines lines = { .floors = floors, .threads_low = INFINITY, .low = INFINITY };
	FILE *data = plot_open(set, "scaling.dat"), *boundaries;
	struct plot *plot;
	unsigned marks = 0;
	char name[128];

	if (!data)
		return;
	snprintf(lines.place, sizeof(lines.place), "%s", place);
	write_lines(&lines, data, view_get(set->result, "benchmarks"));
	fclose(data);
	if (!lines.count)
		return;
	boundaries = plot_open(set, "boundaries.dat");
	if (boundaries) {
		marks = write_boundaries(machine, lines.longest, boundaries);
		fclose(boundaries);
	}
	snprintf(name, sizeof(name), "%s%s", floors ? "floors-" : "", lines.place);
	plot = plot_add(set, "scaling", name);
	if (!plot)
		return;
	snprintf(plot->title, sizeof(plot->title), "Throughput against threads: %s",
		 floors ? "the floors" : "workloads");
	write_settings(set, plot, &lines, marks);
	plot_draw(set, plot, "scaling.gp");
}

void plot_scaling(struct plot_set *set)
{
	const json_t *all = view_get(set->result, "benchmarks");
	struct plot_machine machine;
	size_t i, j;
	json_t *each, *other;

	if (plot_machine_init(&machine, set->result) != 0)
		return;
	for (int floors = 0; floors < 2; floors++)
		json_array_foreach(all, i, each)
		{
			const char *place = view_text(each, "placement.asked.place", "");

			/* Each placement at its first benchmark only. */
			json_array_foreach(
				all, j,
				other) if (view_true(other, "is_floor") == floors &&
					   strcmp(view_text(other, "placement.asked.place", ""),
						  place) == 0) break;
			if (j == i)
				draw(set, &machine, place, floors);
		}
	plot_machine_release(&machine);
}
