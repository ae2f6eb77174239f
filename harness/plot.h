/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot.h - figures: data for gnuplot, gnuplot itself, and the list of what came of it.
 *
 * A plot_set is one drawing session for one result directory. It owns a temporary directory with
 * the scripts of plots/. For each figure its maker calls plot_add, writes data files and
 * "settings.gp" there (plot_open), then plot_draw, which runs
 *
 *   gnuplot -d settings.gp SCRIPT          in the temporary directory, at most 20 s
 *
 * and moves the picture to DIR/plots/FILE as a whole or not at all. A figure that cannot be drawn
 * stays in the list with its reason: the report says so in its place. A set belongs to one thread;
 * no locks. Everything that comes from a result reaches gnuplot through plot_quote or plot_field.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct plot {
	const char
		*section; /* constant: "curves", "machine", "pairs", "nodes", "scaling", "floors",
			  * "versus", "time", "history" */
	char file[128]; /* name within DIR/plots */
	char title[192]; /* what is shown; also the text for those who do not see it */
	char error[256]; /* why it was not drawn; empty: drawn */
};

struct plot_set {
	const json_t *result; /* borrowed */
	char directory[512]; /* DIR/plots */
	char work[64]; /* temporary */
	char stamp[160]; /* run and host, on every figure */
	bool synthetic;
	bool gnuplot_missing;
	struct plot *plots;
	size_t count;
};

/*
 * Opens a session that draws into DIR/plots, which is made if missing. Returns 0, or -errno with
 * a message in `error`; then there is nothing to release.
 */
__attribute__((warn_unused_result)) int plot_set_init(struct plot_set *set, const char *dir,
						      const json_t *result, char *error,
						      size_t size);
/* Removes the temporary directory and frees the list. */
void plot_set_release(struct plot_set *set);

/*
 * Adds a figure; its file is "SECTION[-NAME].svg" with whatever is no letter, digit or dot in the
 * name made a dash. NULL without memory. Valid until the next plot_add.
 */
struct plot *plot_add(struct plot_set *set, const char *section, const char *name);

/* Opens (creates, truncates) a file of the session's directory for writing; NULL on failure. */
FILE *plot_open(struct plot_set *set, const char *name);

/*
 * Opens settings.gp and writes what all scripts want: W and H (pixels), TITLE, SUBTITLE, STAMP,
 * SYNTHETIC. The caller adds its own and closes. NULL on failure.
 */
FILE *plot_settings(struct plot_set *set, const struct plot *plot, unsigned width, unsigned height,
		    const char *subtitle);

/* Runs gnuplot on a script of plots/. The outcome is in plot->error. */
void plot_draw(struct plot_set *set, struct plot *plot, const char *script);

/* Writes NAME = 'text' with nothing in the text able to end the string. */
void plot_quote(FILE *out, const char *name, const char *text);
/* Writes text as one tab-separated field of a data file: no tabs, newlines or double quotes. */
void plot_field(FILE *out, const char *text);
/* Writes a number, or NaN (gnuplot's word for nothing) if it is not finite. */
void plot_value(FILE *out, double value);

/*
 * Text for a key or an axis: the segments of a benchmark's name ("pages=4k") that are not the same
 * in all of `count` names, joined by blanks; "" if none differ. Writes at most `size` bytes.
 */
void plot_label(const char *name, const char *const names[], size_t count, char *label,
		size_t size);

/* Colour number i of a palette that colour-blind readers can tell apart, as 0xRRGGBB. */
unsigned plot_colour(size_t index);

/*
 * Calls draw with the benchmarks of each workload (no floors) whose array at `path` has at least
 * `least` elements, in the order of the result.
 */
typedef void plot_group_fn(struct plot_set *set, const json_t *const group[], size_t count);
void plot_each_workload(struct plot_set *set, const char *path, size_t least, plot_group_fn *draw);

/* The makers: each looks through the result and draws every figure of its kind. */
void plot_versus(struct plot_set *set);
void plot_floors(struct plot_set *set);
void plot_scaling(struct plot_set *set);
void plot_curves(struct plot_set *set);
void plot_time(struct plot_set *set);
void plot_topology(struct plot_set *set);
void plot_pairs(struct plot_set *set);
void plot_nodes(struct plot_set *set);
