/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot_topology.c - the machine as boxes within boxes, each PU coloured by its latency.
 *
 * One figure a workload: its benchmark that covers most PUs, p50 and p99, each with its own scale.
 * Boxes are laid out here, bottom up: every level is a grid of boxes of one size, with as many
 * columns as bring it nearest to the shape that the level wants; gnuplot draws rectangles and
 * text. A result without a latency per PU gets the machine with its planned threads. No locks.
 */
#include "harness/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/plot_machine.h"
#include "harness/view.h"

enum level { LEVEL_MACHINE, LEVEL_PACKAGE, LEVEL_NODE, LEVEL_L3, LEVEL_CORE, LEVEL_PU };

enum {
	MARGIN = 14,
	HEADER = 62,
	PANEL_HEADER = 44,
	FOOTER = 30,
	WIDTH_MIN = 820,
	PANEL_MIN = 380, /* room for the name of a panel and its scale */
	SIDE_BY_SIDE = 1500, /* widest picture with both panels in a row */
};

struct panel {
	const char *name; /* "p50" */
	double *values; /* by index of plot_machine; NAN: grey */
	double low, high; /* of the colour scale */
	bool is_plan; /* values are numbers of threads, not ns */
};

struct drawing {
	struct plot_machine machine;
	FILE *boxes, *small, *large;
	int pu_width, pu_height;
	const struct panel *panel;
};

static int key_of(const struct plot_pu *pu, enum level level)
{
	const int keys[] = { 0, pu->package, pu->node, pu->l3, pu->core, pu->os };

	return keys[level];
}

/* How many PUs from `first` on are within the same box of the level. */
static size_t run_length(const struct drawing *d, enum level level, size_t first, size_t count)
{
	size_t length = 1;

	while (length < count && key_of(&d->machine.pus[first + length], level) ==
					 key_of(&d->machine.pus[first], level))
		length++;
	return length;
}

struct shape {
	int width, height; /* of the box */
	int child_width, child_height, columns;
};

static int padding(enum level level)
{
	return level == LEVEL_CORE ? 2 : level == LEVEL_MACHINE ? 0 : 5;
}

/* A level that the machine does not know (no L3 cache in a guest, say) has no frame. */
static bool has_frame(const struct drawing *d, enum level level, size_t first)
{
	return level != LEVEL_MACHINE && key_of(&d->machine.pus[first], level) >= 0;
}

static int title_height(const struct drawing *d, enum level level)
{
	if (level == LEVEL_MACHINE)
		return 0;
	if (level == LEVEL_CORE)
		return d->pu_width >= 60 ? 14 : 0;
	return 15;
}

static struct shape measure(const struct drawing *d, enum level level, size_t first, size_t count)
{
	static const double aspects[] = { 3.2, 1.5, 1.5, 1.6, 100 };
	struct shape shape = { d->pu_width, d->pu_height, 0, 0, 1 };
	size_t children = 0;
	double best = INFINITY;
	int gap = level == LEVEL_MACHINE ? 10 : level == LEVEL_CORE ? 1 : 4;

	if (level == LEVEL_PU)
		return shape;
	for (size_t at = 0; at < count; children++) {
		size_t length = run_length(d, level + 1, first + at, count - at);
		struct shape child = measure(d, level + 1, first + at, length);

		shape.child_width = child.width > shape.child_width ? child.width
								    : shape.child_width;
		shape.child_height = child.height > shape.child_height ? child.height
								       : shape.child_height;
		at += length;
	}
	shape.child_width += gap;
	shape.child_height += gap;
	for (int columns = 1; columns <= (int)children; columns++) {
		int rows = ((int)children + columns - 1) / columns;
		double aspect = (double)(columns * shape.child_width) / (rows * shape.child_height);
		/* Empty places in the last row cost a little. */
		double cost = fabs(log(aspect / aspects[level])) +
			      3.0 * (columns * rows - (int)children) / (double)children;

		if (cost < best) {
			best = cost;
			shape.columns = columns;
		}
	}
	shape.width = shape.columns * shape.child_width - gap;
	shape.height =
		((int)children + shape.columns - 1) / shape.columns * shape.child_height - gap;
	if (has_frame(d, level, first)) {
		shape.width += 2 * padding(level);
		shape.height += 2 * padding(level) + title_height(d, level);
	}
	return shape;
}

static void put_box(const struct drawing *d, int x, int y, int width, int height, double shade,
		    int level)
{
	fprintf(d->boxes, "%d %d %d %d %.4f %d\n", x, y, x + width, y + height, shade, level);
}

/* Alignment: 0 left, 1 centre, 2 right. */
static void put_text(FILE *out, int x, int y, const char *text, unsigned colour, int alignment)
{
	fprintf(out, "%d %d %u %d ", x, y, colour, alignment);
	plot_field(out, text);
	fputs("\n", out);
}

/* A value in the unit of its panel, so that a box needs no room for the unit. */
static void value_text(const struct panel *panel, double value, char *text)
{
	double unit = panel->high < 1e4 ? 1 : panel->high < 1e7 ? 1e3 : 1e6;

	value /= unit;
	if (panel->is_plan)
		snprintf(text, VIEW_TEXT_SIZE, "%.0f", value);
	else
		snprintf(text, VIEW_TEXT_SIZE, "%.*f", value < 99.95 ? 1 : 0, value);
}

static const char *unit_text(const struct panel *panel)
{
	return panel->high < 1e4 ? "ns" : panel->high < 1e7 ? "µs" : "ms";
}

static void place_pu(const struct drawing *d, size_t index, int x, int y)
{
	const struct panel *panel = d->panel;
	double value = panel->values[index];
	bool known = isfinite(value) && value > 0;
	double shade = !known		? -1
		       : panel->is_plan ? 0.8 * (value - 1) / (panel->high - 1)
					: plot_shade(value, panel->low, panel->high);
	unsigned ink = shade > 0.52 ? 0xffffff : known ? 0x222222 : 0x8a8a8a;
	char text[VIEW_TEXT_SIZE] = "–";

	put_box(d, x, y, d->pu_width, d->pu_height, shade, LEVEL_PU);
	if (known)
		value_text(panel, value, text);
	if (d->pu_width < 60) {
		put_text(d->small, x + d->pu_width / 2, y + d->pu_height / 2, text, ink, 1);
	} else {
		char name[48];

		snprintf(name, sizeof(name), "PU %d", d->machine.pus[index].os);
		put_text(d->large, x + d->pu_width / 2, y + d->pu_height / 2 + 7, text, ink, 1);
		put_text(d->small, x + d->pu_width / 2, y + 10, name, ink, 1);
	}
}

static int by_number(const void *left, const void *right)
{
	int a = *(const int *)left, b = *(const int *)right;

	return a < b ? -1 : a > b;
}

/* " · PU 0-7,128-135" */
static void range_text(const struct drawing *d, size_t first, size_t count, char *text, size_t size)
{
	int *numbers = calloc(count, sizeof(*numbers));
	size_t used = 0;

	for (size_t i = 0; numbers && i < count; i++)
		numbers[i] = d->machine.pus[first + i].os;
	if (numbers)
		qsort(numbers, count, sizeof(*numbers), by_number);
	for (size_t from = 0, to; numbers && from < count && used < size; from = to) {
		for (to = from + 1; to < count && numbers[to] == numbers[to - 1] + 1;)
			to++;
		snprintf(text + used, size - used, to - from > 1 ? "%s%d-%d" : "%s%d",
			 used ? "," : " · PU ", numbers[from], numbers[to - 1]);
		used += strlen(text + used);
	}
	free(numbers);
}

static void place(const struct drawing *d, enum level level, size_t first, size_t count, int x,
		  int y)
{
	static const char *const names[] = { "", "Package", "NUMA node", "L3", "Core" };
	struct shape shape = measure(d, level, first, count);
	bool frame = has_frame(d, level, first);
	int child_x = x, child_y = y, column = 0;

	if (level == LEVEL_PU) {
		place_pu(d, first, x, y);
		return;
	}
	if (frame) {
		put_box(d, x, y, shape.width, shape.height, -1, level);
		child_x += padding(level);
		child_y += padding(level) + title_height(d, level);
		if (title_height(d, level)) {
			char name[96];
			size_t used = (size_t)snprintf(name, sizeof(name), "%s %d", names[level],
						       key_of(&d->machine.pus[first], level));

			/* Boxes too small for their number: it stands one level further out. */
			if (d->pu_width < 60 && level == LEVEL_L3)
				range_text(d, first, count, name + used, sizeof(name) - used);
			put_text(d->small, x + padding(level) + 1,
				 y + padding(level) + title_height(d, level) / 2 - 2, name,
				 0x555555, 0);
		}
	}
	for (size_t at = 0; at < count;) {
		size_t length = run_length(d, level + 1, first + at, count - at);

		place(d, level + 1, first + at, length, child_x + column * shape.child_width,
		      child_y);
		at += length;
		if (++column == shape.columns) {
			column = 0;
			child_y += shape.child_height;
		}
	}
}

/* The name of a panel on the left, its colour scale on the right. */
static void place_header(const struct drawing *d, int x, int y, int width)
{
	enum { STEPS = 40, STEP = 3, HEIGHT = 11 };
	const struct panel *panel = d->panel;
	int right = x + width - 58, left = right - STEPS * STEP;
	char text[128], value[VIEW_TEXT_SIZE];

	if (panel->is_plan) {
		put_text(d->large, x, y + 14, "order of the threads on their PUs", 0x222222, 0);
		return;
	}
	snprintf(text, sizeof(text), "%s by PU, %s", panel->name, unit_text(panel));
	put_text(d->large, x, y + 14, text, 0x222222, 0);
	for (int i = 0; i < STEPS; i++)
		put_box(d, left + i * STEP, y + 9, STEP, HEIGHT, (i + 0.5) / STEPS, 9);
	view_format_ns(panel->low, value);
	put_text(d->small, left - 6, y + 14, value, 0x555555, 2);
	put_text(d->small, right + 6, y + 14, view_format_ns(panel->high, value), 0x555555, 0);
}

static bool open_files(struct plot_set *set, struct drawing *d)
{
	d->boxes = plot_open(set, "boxes.dat");
	d->small = plot_open(set, "small.dat");
	d->large = plot_open(set, "large.dat");
	if (!d->boxes || !d->small || !d->large)
		return false;
	/* gnuplot 5.4 crashes on a layer without a point: each has an invisible one. */
	put_box(d, 0, 0, 0, 0, 0, 9);
	for (int alignment = 0; alignment < 3; alignment++) {
		put_text(d->small, 0, 0, " ", 0xffffff, alignment);
		put_text(d->large, 0, 0, " ", 0xffffff, alignment);
	}
	return true;
}

static void close_files(struct drawing *d)
{
	FILE *const files[] = { d->boxes, d->small, d->large };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i])
			fclose(files[i]);
}

static void draw(struct plot_set *set, struct drawing *d, struct plot *plot,
		 const struct panel panels[], unsigned count, const char *subtitle)
{
	struct shape shape = measure(d, LEVEL_MACHINE, 0, d->machine.count);
	int panel = shape.width > PANEL_MIN ? shape.width : PANEL_MIN;
	bool row = (int)count * (panel + 2 * MARGIN) <= SIDE_BY_SIDE;
	int width = (row ? (int)count : 1) * (panel + 2 * MARGIN);
	int height = HEADER + (row ? 1 : (int)count) * (PANEL_HEADER + shape.height) + FOOTER;
	bool opened = open_files(set, d);
	FILE *settings;

	width = width < WIDTH_MIN ? WIDTH_MIN : width;
	for (unsigned i = 0; opened && i < count; i++) {
		int x = MARGIN + (row ? (int)i * (panel + 2 * MARGIN) : 0);
		int y = HEADER + (row ? 0 : (int)i * (PANEL_HEADER + shape.height));

		d->panel = &panels[i];
		place_header(d, x, y, panel);
		place(d, LEVEL_MACHINE, 0, d->machine.count, x, y + PANEL_HEADER - 10);
	}
	close_files(d);
	settings = opened ? plot_settings(set, plot, (unsigned)width, (unsigned)height, subtitle)
			  : NULL;
	if (!settings)
		return;
	fprintf(settings, "SMALL = %d\n", d->pu_width < 60 ? 9 : 10);
	fclose(settings);
	plot_draw(set, plot, "topology.gp");
}

static size_t first_role_values(const struct drawing *d, const json_t *benchmark, const char *key,
				double *values)
{
	const json_t *list = view_get(benchmark, "per_cpu");
	const char *role = view_text(json_array_get(list, 0), "role", "");
	size_t i, found = 0;
	json_t *each;

	for (i = 0; values && i < d->machine.count; i++)
		values[i] = NAN;
	json_array_foreach(list, i, each)
	{
		double cpu = view_number(each, "cpu"), value = view_number(each, key);
		int index = cpu >= 0 ? plot_machine_index(&d->machine, (int)cpu) : -1;

		if (index < 0 || !(value > 0) || strcmp(view_text(each, "role", ""), role) != 0)
			continue;
		found++;
		if (values)
			values[index] = value;
	}
	return found;
}

static void draw_benchmark(struct plot_set *set, struct drawing *d, const json_t *benchmark)
{
	struct panel panels[2] = { { .name = "p50" }, { .name = "p99" } };
	const char *role = view_text(json_array_get(view_get(benchmark, "per_cpu"), 0), "role", "");
	struct plot *plot;
	char subtitle[400];
	unsigned count = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct panel *panel = &panels[count];

		panel->name = i ? "p99" : "p50";
		panel->values = calloc(d->machine.count, sizeof(*panel->values));
		if (!panel->values)
			break;
		first_role_values(d, benchmark, panel->name, panel->values);
		if (plot_shade_range(panel->values, d->machine.count, &panel->low, &panel->high))
			count++;
		else
			free(panel->values);
	}
	plot = count ? plot_add(set, "machine", view_text(benchmark, "workload", "?")) : NULL;
	if (plot) {
		snprintf(plot->title, sizeof(plot->title), "%.60s on the machine: latency by PU",
			 view_text(benchmark, "workload", "?"));
		snprintf(subtitle, sizeof(subtitle), "%.200s%s%.40s; grey: not measured",
			 view_text(benchmark, "name", "?"), *role ? "; role " : "", role);
		draw(set, d, plot, panels, count, subtitle);
	}
	while (count)
		free(panels[--count].values);
}

/* No latency by PU: the machine, and on it the threads of the widest benchmark. */
static void draw_plan(struct plot_set *set, struct drawing *d)
{
	struct panel panel = { .name = "plan", .is_plan = true, .low = 1 };
	const json_t *all = view_get(set->result, "benchmarks"), *cpus = NULL, *widest = NULL;
	size_t i;
	json_t *each;
	struct plot *plot = plot_add(set, "machine", "");
	char subtitle[400];

	panel.values = calloc(d->machine.count, sizeof(*panel.values));
	if (!panel.values || !plot) {
		free(panel.values);
		return;
	}
	json_array_foreach(all, i, each)
	{
		const json_t *asked = view_get(each, "placement.asked.cpus");

		if (json_array_size(asked) > json_array_size(cpus)) {
			cpus = asked;
			widest = each;
		}
	}
	json_array_foreach(cpus, i, each)
	{
		int index = plot_machine_index(&d->machine, (int)json_integer_value(each));

		if (index >= 0 && !panel.values[index])
			panel.values[index] = (double)i + 1;
	}
	panel.high = json_array_size(cpus) > 2 ? (double)json_array_size(cpus) : 2;
	snprintf(plot->title, sizeof(plot->title), "The machine and its planned threads");
	snprintf(subtitle, sizeof(subtitle), "%.300s", view_text(widest, "name", "no benchmark"));
	draw(set, d, plot, &panel, 1, subtitle);
	free(panel.values);
}

void plot_topology(struct plot_set *set)
{
	const json_t *all = view_get(set->result, "benchmarks");
	struct drawing d = { 0 };
	size_t i, j, before = set->count;
	json_t *each, *other;

	if (plot_machine_init(&d.machine, set->result) != 0)
		return;
	d.pu_width = d.machine.count <= 16 ? 96 : d.machine.count <= 64 ? 62 : 38;
	d.pu_height = d.machine.count <= 16 ? 46 : d.machine.count <= 64 ? 36 : 20;
	json_array_foreach(all, i, each)
	{
		size_t best = first_role_values(&d, each, "p50", NULL);
		bool chosen = best > 0 && !view_true(each, "is_floor");

		/* The first of those of its workload that cover most. */
		json_array_foreach(all, j, other)
		{
			size_t found;

			if (!chosen || strcmp(view_text(other, "workload", "?"),
					      view_text(each, "workload", "?")) != 0)
				continue;
			found = first_role_values(&d, other, "p50", NULL);
			chosen = found < best || (found == best && j >= i);
		}
		if (chosen)
			draw_benchmark(set, &d, each);
	}
	if (set->count == before && d.machine.count)
		draw_plan(set, &d);
	plot_machine_release(&d.machine);
}
