/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot_matrix.c - PU x PU (two-party workloads) and PU x memory node (first touch), p50 and p99.
 *
 * PUs stand in the order of plot_machine, so that caches and packages are blocks along the
 * diagonal; their edges are drawn over the cells. A pair measured one way round stands for both,
 * unless the other was measured too. No locks.
 */
#include "harness/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/plot_machine.h"
#include "harness/view.h"

enum {
	TEXT_MAX = 16, /* cells along a side in which values are still printed */
	TEXT_CELL = 52, /* side of a cell, pixels, into which "14.7 µs" goes */
	BOXES_MAX = 4096, /* cells that are drawn one by one */
};

struct matrix {
	size_t width, height;
	double *cells[2]; /* p50, p99; row by row; NAN: not measured */
};

static const char *const percentile_names[2] = { "p50", "p99" };

static bool matrix_init(struct matrix *matrix, size_t width, size_t height)
{
	matrix->width = width;
	matrix->height = height;
	for (unsigned i = 0; i < 2; i++) {
		matrix->cells[i] = calloc(width * height + 1, sizeof(double));
		for (size_t j = 0; matrix->cells[i] && j < width * height; j++)
			matrix->cells[i][j] = NAN;
	}
	return matrix->cells[0] && matrix->cells[1];
}

static void matrix_release(struct matrix *matrix)
{
	free(matrix->cells[0]);
	free(matrix->cells[1]);
}

static void matrix_put(struct matrix *matrix, size_t x, size_t y, const json_t *from)
{
	for (unsigned i = 0; i < 2; i++) {
		double value = view_number(from, percentile_names[i]);

		if (value > 0)
			matrix->cells[i][y * matrix->width + x] = value;
	}
}

static void write_cells(FILE *out, const struct matrix *matrix, const double *cells, double low,
			double high)
{
	for (size_t y = 0; y < matrix->height; y++)
		for (size_t x = 0; x < matrix->width; x++) {
			double value = cells[y * matrix->width + x];
			double shade = plot_shade(value, low, high);
			char text[VIEW_TEXT_SIZE];

			fprintf(out, "%zu %zu ", x, y);
			plot_value(out, value);
			fprintf(out, " %u ", shade > 0.52 ? 0xffffffu : 0x222222u);
			plot_field(out, isfinite(value) ? view_format_ns(value, text) : "");
			fputs("\n", out);
		}
}

static void write_ticks(FILE *out, const char *axis, const struct plot_machine *machine,
			double shortest)
{
	size_t step = 1;

	/* At most some 32 numbers along an axis; start each package with one where possible. */
	while (machine->count / step > shortest)
		step *= 2;
	for (size_t i = 0; i < machine->count; i += step)
		fprintf(out, "set %stics add ('%d' %zu)\n", axis, machine->pus[i].os, i);
}

/* Edges between neighbouring PUs: 1 between L3 caches, 2 between packages. */
static void write_edges(FILE *out, const struct plot_machine *machine)
{
	for (size_t i = 1; i < machine->count; i++) {
		enum plot_sharing sharing = plot_sharing_of(&machine->pus[i - 1], &machine->pus[i]);

		if (sharing >= SHARING_PACKAGE)
			fprintf(out, "%zu %d\n", i, sharing == SHARING_NONE ? 2 : 1);
	}
}

static void write_packages(FILE *out, const struct plot_machine *machine)
{
	for (size_t i = 0, from = 0; i < machine->count; i++) {
		char text[48];

		if (i + 1 < machine->count &&
		    machine->pus[i + 1].package == machine->pus[i].package)
			continue;
		snprintf(text, sizeof(text), machine->count > 64 ? "P%d" : "package %d",
			 machine->pus[i].package);
		fprintf(out, "%.1f ", (double)(from + i) / 2);
		plot_field(out, text);
		fputs("\n", out);
		from = i + 1;
	}
}

/* How many of p50 and p99 have a value at all; p99 alone is none. Fills their scales. */
static unsigned scale_panels(const struct matrix *matrix, double low[2], double high[2])
{
	unsigned count = 0;

	while (count < 2 && plot_shade_range(matrix->cells[count], matrix->width * matrix->height,
					     &low[count], &high[count]))
		count++;
	return count;
}

static void draw(struct plot_set *set, const struct plot_machine *machine,
		 const struct matrix *matrix, struct plot *plot, const char *subtitle, bool pairs)
{
	double low[2] = { 0 }, high[2] = { 0 };
	bool values = matrix->width <= (pairs ? TEXT_MAX / 2 : TEXT_MAX);
	unsigned width = 1340, height = 740, panels = scale_panels(matrix, low, high);
	FILE *out, *edges, *packages;

	for (unsigned i = 0; i < panels; i++) {
		char name[32];

		snprintf(name, sizeof(name), "cells%u.dat", i + 1);
		out = plot_open(set, name);
		if (!out)
			return;
		write_cells(out, matrix, matrix->cells[i], low[i], high[i]);
		fclose(out);
	}
	edges = plot_open(set, "edges.dat");
	packages = plot_open(set, "packages.dat");
	if (edges && packages) {
		write_edges(edges, machine);
		write_packages(packages, machine);
	}
	if (edges)
		fclose(edges);
	if (packages)
		fclose(packages);
	if (pairs && matrix->width < 32) {
		height = 300 + 14 * (unsigned)matrix->width;
		if (values && height < 190 + TEXT_CELL * (unsigned)matrix->width)
			height = 190 + TEXT_CELL * (unsigned)matrix->width;
		width = 2 * (height - 150 + 110);
		width = width < 940 ? 940 : width;
	}
	if (!pairs)
		height = 2 * (130 + 22 * (unsigned)(matrix->height < 4 ? 4 : matrix->height)) + 70;
	out = plot_settings(set, plot, width, height, subtitle);
	if (!out)
		return;
	fprintf(out, "PANELS = %u\nPAIRS = %d\nNX = %zu\nNY = %zu\nVALUES = %d\nIMAGE = %d\n",
		panels, pairs, matrix->width, matrix->height, values,
		matrix->width * matrix->height > BOXES_MAX);
	fprintf(out, "array LOW[2] = [%.9g, %.9g]\narray HIGH[2] = [%.9g, %.9g]\n", low[0], low[1],
		high[0], high[1]);
	fprintf(out, "set xtics ()\nset ytics ()\n");
	write_ticks(out, "x", machine, pairs ? 16 : 40);
	if (pairs)
		write_ticks(out, "y", machine, 32);
	else
		for (size_t i = 0; i < matrix->height; i++)
			fprintf(out, "set ytics add ('node %zu' %zu)\n", i, i);
	fclose(out);
	plot_draw(set, plot, "matrix.gp");
}

static void draw_pairs(struct plot_set *set, const struct plot_machine *machine,
		       const json_t *benchmark)
{
	const json_t *pairs = view_get(benchmark, "pairs");
	double low[2], high[2];
	struct matrix matrix;
	struct plot *plot;
	char subtitle[400];
	size_t i;
	json_t *each;

	if (!matrix_init(&matrix, machine->count, machine->count))
		goto out;
	/* First every pair the other way round, then as measured: that wins. */
	for (int mirrored = 1; mirrored >= 0; mirrored--)
		json_array_foreach(pairs, i, each)
		{
			double a = view_number(each, "cpu_a"), b = view_number(each, "cpu_b");
			int x = a >= 0 ? plot_machine_index(machine, (int)a) : -1;
			int y = b >= 0 ? plot_machine_index(machine, (int)b) : -1;

			if (x >= 0 && y >= 0)
				matrix_put(&matrix, (size_t)(mirrored ? y : x),
					   (size_t)(mirrored ? x : y), each);
		}
	if (!scale_panels(&matrix, low, high))
		goto out;
	plot = plot_add(set, "pairs", view_text(benchmark, "workload", "?"));
	if (!plot)
		goto out;
	snprintf(plot->title, sizeof(plot->title), "%.60s: latency between each two PUs",
		 view_text(benchmark, "workload", "?"));
	snprintf(subtitle, sizeof(subtitle),
		 "%.200s; thin lines: L3, thick: package; grey: not measured",
		 view_text(benchmark, "name", "?"));
	draw(set, machine, &matrix, plot, subtitle, true);
out:
	matrix_release(&matrix);
}

static void draw_nodes(struct plot_set *set, const struct plot_machine *machine,
		       const json_t *benchmark)
{
	const json_t *list = view_get(benchmark, "per_node");
	double low[2], high[2];
	struct matrix matrix;
	struct plot *plot;
	char subtitle[400];
	size_t i, nodes = 1;
	json_t *each;

	json_array_foreach(list, i, each)
	{
		double node = view_number(each, "node");

		if (node >= (double)nodes && node < 1024)
			nodes = (size_t)node + 1;
	}
	if (!matrix_init(&matrix, machine->count, nodes))
		goto out;
	json_array_foreach(list, i, each)
	{
		double cpu = view_number(each, "cpu"), node = view_number(each, "node");
		int x = cpu >= 0 ? plot_machine_index(machine, (int)cpu) : -1;

		if (x >= 0 && node >= 0 && node < (double)nodes)
			matrix_put(&matrix, (size_t)x, (size_t)node, each);
	}
	if (!scale_panels(&matrix, low, high))
		goto out;
	plot = plot_add(set, "nodes", view_text(benchmark, "workload", "?"));
	if (!plot)
		goto out;
	snprintf(plot->title, sizeof(plot->title), "%.60s: latency from PU to memory node",
		 view_text(benchmark, "workload", "?"));
	snprintf(subtitle, sizeof(subtitle), "%.200s; thin lines: L3, thick: package",
		 view_text(benchmark, "name", "?"));
	draw(set, machine, &matrix, plot, subtitle, false);
out:
	matrix_release(&matrix);
}

/* For each workload, draws the first of its benchmarks whose list `key` is longest. */
static void draw_each(struct plot_set *set, const char *key,
		      void (*draw_one)(struct plot_set *set, const struct plot_machine *machine,
				       const json_t *benchmark))
{
	const json_t *all = view_get(set->result, "benchmarks");
	struct plot_machine machine;
	size_t i, j;
	json_t *each, *other;

	if (plot_machine_init(&machine, set->result) != 0)
		return;
	json_array_foreach(all, i, each)
	{
		size_t length = json_array_size(view_get(each, key));
		bool chosen = length > 0 && machine.count > 0;

		json_array_foreach(all, j, other)
		{
			size_t found = json_array_size(view_get(other, key));

			if (strcmp(view_text(other, "workload", "?"),
				   view_text(each, "workload", "?")) == 0)
				chosen = chosen && (found < length || (found == length && j >= i));
		}
		if (chosen)
			draw_one(set, &machine, each);
	}
	plot_machine_release(&machine);
}

void plot_pairs(struct plot_set *set)
{
	draw_each(set, "pairs", draw_pairs);
}

void plot_nodes(struct plot_set *set)
{
	draw_each(set, "per_node", draw_nodes);
}
