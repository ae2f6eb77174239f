/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot_asset.h - the files of plots/ as they were when the program was built.
 *
 * The program carries its gnuplot scripts, style sheet and script of the report within itself:
 * an installed or copied binary draws the same report as one in the source tree.
 */
#pragma once

struct plot_asset {
	const char *name; /* "curves.gp" */
	const char *text; /* ends with a zero byte */
};

/* Sorted by name; ends with a NULL name. Immutable. */
extern const struct plot_asset plot_asset_list[];

/* The text of a file of plots/; NULL if there is none of that name. */
const char *plot_asset_text(const char *name);
