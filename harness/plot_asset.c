/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot_asset.c - the files of plots/ as they were when the program was built.
 *
 * The assembler reads the files (.incbin finds them by the compiler's -I, which names the top of
 * the tree), so there is no generated source. -MMD cannot see them: the Makefile says that this
 * object depends on plots/.
 */
#include "harness/plot_asset.h"

#include <string.h>

#define ASSET(symbol, file)                        \
	__asm__(".pushsection .rodata\n"           \
		".globl plot_asset_" #symbol "\n"  \
		".hidden plot_asset_" #symbol "\n" \
		"plot_asset_" #symbol ":\n"        \
		".incbin \"plots/" file "\"\n"     \
		".byte 0\n"                        \
		".popsection\n");                  \
	extern const char plot_asset_##symbol[] __attribute__((visibility("hidden")))

ASSET(common, "common.gp");
ASSET(curves, "curves.gp");
ASSET(floors, "floors.gp");
ASSET(history, "history.gp");
ASSET(matrix, "matrix.gp");
ASSET(report_css, "report.css");
ASSET(report_js, "report.js");
ASSET(scaling, "scaling.gp");
ASSET(time, "time.gp");
ASSET(topology, "topology.gp");
ASSET(versus, "versus.gp");

const struct plot_asset plot_asset_list[] = {
	{ "common.gp", plot_asset_common },    { "curves.gp", plot_asset_curves },
	{ "floors.gp", plot_asset_floors },    { "history.gp", plot_asset_history },
	{ "matrix.gp", plot_asset_matrix },    { "report.css", plot_asset_report_css },
	{ "report.js", plot_asset_report_js }, { "scaling.gp", plot_asset_scaling },
	{ "time.gp", plot_asset_time },	       { "topology.gp", plot_asset_topology },
	{ "versus.gp", plot_asset_versus },    { 0 },
};

const char *plot_asset_text(const char *name)
{
	for (const struct plot_asset *each = plot_asset_list; each->name; each++)
		if (strcmp(each->name, name) == 0)
			return each->text;
	return NULL;
}
