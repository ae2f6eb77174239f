/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_page.c - the text of report.html: what came out, the table, the figures, how far to trust
 * it, and how to do it again.
 *
 * The page is one file that asks nothing of a network: style sheet, script and pictures stand in
 * it. Everything from the result passes html_text. What is missing is named, with its reason.
 * No locks.
 */
#include "harness/report_page.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "harness/html.h"
#include "harness/plot_asset.h"
#include "harness/report_detail.h"
#include "harness/report_noise.h"
#include "harness/side_by_side.h"
#include "harness/view.h"

static void write_head(FILE *out, const struct report_page *page)
{
	const json_t *result = page->result;

	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	      "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n",
	      out);
	html_format(out, "<title>faultline · %s</title>\n<style>\n",
		    view_text(result, "run.id", "report"));
	fputs(plot_asset_text("report.css"), out);
	fputs("</style>\n</head>\n<body>\n<header>\n", out);
	html_format(out, "<p class=\"kind\">faultline report</p>\n<h1>%s</h1>\n",
		    view_text(result, "host.cpu", "CPU unknown"));
	html_format(out, "<p class=\"facts\"><b>%s</b> · %s CPUs · ",
		    view_text(result, "host.name", "host unknown"),
		    view_format_count(view_number(result, "host.cpus"),
				      (char[VIEW_TEXT_SIZE]){ 0 }));
	html_format(out, "%s NUMA nodes · %s%s · %s</p>\n",
		    view_format_count(view_number(result, "host.nodes"),
				      (char[VIEW_TEXT_SIZE]){ 0 }),
		    view_text(result, "host.kernel", "kernel unknown"),
		    view_true(result, "host.emulated")	    ? " · emulated processor"
		    : view_true(result, "host.virtualized") ? " · virtual machine"
							    : "",
		    view_text(result, "run.start", "time unknown"));
	if (*view_text(result, "run.label", ""))
		html_format(out, "<p class=\"facts\">label: %s</p>\n",
			    view_text(result, "run.label", ""));
	if (view_true(result, "run.synthetic"))
		fputs("<p class=\"alarm\"><b>Synthetic.</b> The machine of this report is not the "
		      "one that it was made on; nothing here was measured on it.</p>\n",
		      out);
	if (view_true(result, "run.interrupted"))
		fputs("<p class=\"alarm\"><b>Interrupted.</b> The run was stopped; what it had "
		      "measured until then is here.</p>\n",
		      out);
	fputs("<nav><a href=\"#results\">Results</a> <a href=\"#table\">Table</a> "
	      "<a href=\"#figures\">Figures</a> <a href=\"#flags\">Flags</a> "
	      "<a href=\"#placement\">Placement</a> <a href=\"#details\">Details</a> "
	      "<a href=\"#environment\">Environment</a> <a href=\"#again\">Again</a></nav>\n"
	      "</header>\n<main>\n",
	      out);
}

/* Of the benchmarks that differ from this only in threads, the one with the most. */
static const json_t *widest_of(const json_t *all, const json_t *benchmark)
{
	const char *name = view_text(benchmark, "name", "");
	const char *at = strstr(name, "threads=");
	size_t head = at ? (size_t)(at - name) : strlen(name), i;
	const json_t *widest = benchmark;
	json_t *each;

	json_array_foreach(all, i,
			   each) if (strncmp(view_text(each, "name", ""), name, head) == 0 &&
				     view_number(each, "threads") > view_number(widest, "threads"))
		widest = each;
	return widest;
}

static void write_tile(FILE *out, const json_t *all, const json_t *benchmark)
{
	const json_t *widest = widest_of(all, benchmark);
	double ratio = view_number(benchmark, "floor.ratio");
	double scaling = view_number(widest, "scaling.ratio");
	double gained =
		view_number(widest, "threads") / view_number(widest, "scaling.threads_from");
	char text[VIEW_TEXT_SIZE];

	html_format(out, "<div class=\"tile\"><h3>%s</h3>\n<p class=\"big\">%s</p>\n",
		    view_text(benchmark, "workload", "?"),
		    view_format_ns(view_number(benchmark, "latency.p50"), text));
	html_format(out, "<p>%s, p50, ", view_text(benchmark, "operation", "one operation"));
	html_format(out, "%s thread%s</p>\n",
		    view_format_count(view_number(benchmark, "threads"), text),
		    view_number(benchmark, "threads") > 1 ? "s" : "");
	if (isfinite(ratio))
		html_format(out, "<p><b>%s</b> the time of %s</p>\n",
			    view_format_ratio(ratio, text),
			    view_text(benchmark, "floor.workload", "its floor"));
	if (widest != benchmark && isfinite(scaling) && isfinite(gained) && gained > 0) {
		html_format(out, "<p><b>%s</b> the throughput ", view_format_ratio(scaling, text));
		fprintf(out, "with %s× the threads (%.0f %% of ideal)</p>\n",
			view_format_count(gained, text), 100 * scaling / gained);
	}
	fputs("</div>\n", out);
}

/* Whether it has open loops. */
static bool is_open(const json_t *result)
{
	size_t i;
	json_t *each;

	json_array_foreach(view_get(result, "benchmarks"), i,
			   each) if (view_get(each, "rate")) return true;
	return false;
}

static void write_results(FILE *out, const struct report_page *page)
{
	const json_t *all = view_get(page->result, "benchmarks");
	size_t i, j, engine = 0, floors = 0, void_count = 0, tiles = 0;
	char text[VIEW_TEXT_SIZE];
	json_t *each, *other;

	json_array_foreach(all, i, each)
	{
		if (view_true(each, "is_floor"))
			floors++;
		else
			engine++;
		void_count += json_is_false(view_get(each, "verify.ok"));
	}
	fprintf(out,
		"<section id=\"results\"><h2>Results</h2>\n<p>%zu benchmarks of translators and "
		"%zu of the floors under them, in one interleaved run. Times are <i>service "
		"times</i>%s. ",
		engine, floors,
		is_open(page->result)
			? "; the open loops' <i>response times</i>, from the intended "
			  "start, stand under them"
			: " (closed loop)");
	html_format(out,
		    "The harness itself takes %s an operation (null translator), not "
		    "subtracted; the timer advances in steps of ",
		    view_format_ns(view_number(page->result, "host.overhead_ns"), text));
	html_format(out, "%s.</p>\n",
		    view_format_ns(view_number(page->result, "host.timer.step_ns"), text));
	if (void_count)
		fprintf(out,
			"<p class=\"alarm\"><b>%zu benchmarks failed verification:</b> their "
			"figures are void.</p>\n",
			void_count);
	if (engine + floors == 0)
		fputs("<p class=\"alarm\">No benchmark was measured.</p>\n", out);
	fputs("<div class=\"tiles\">\n", out);
	json_array_foreach(all, i, each)
	{
		bool first = !view_true(each, "is_floor");

		/* Of each workload its first benchmark with the fewest threads. */
		json_array_foreach(all, j,
				   other) if (first && strcmp(view_text(other, "workload", ""),
							      view_text(each, "workload", "")) == 0)
		{
			double a = view_number(other, "threads");
			double b = view_number(each, "threads");

			first = !(a < b || (a == b && j < i));
		}
		if (first && tiles++ < 24)
			write_tile(out, all, each);
	}
	fputs("</div></section>\n", out);
}

static void table_cell(FILE *out, double value, const char *text)
{
	if (isfinite(value))
		fprintf(out, "<td data-value=\"%.9g\">", value);
	else
		fputs("<td class=\"none\">", out);
	html_text(out, text);
	fputs("</td>", out);
}

static void table_latency(FILE *out, const json_t *latency)
{
	static const char *const keys[] = { "p50", "p90", "p99", "p999", "p9999", "max" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		double value = view_number(latency, keys[i]);

		table_cell(out, value, view_format_ns(value, (char[VIEW_TEXT_SIZE]){ 0 }));
	}
}

static void write_flags_cell(FILE *out, const json_t *benchmark)
{
	const json_t *flags = view_get(benchmark, "flags");
	size_t i;
	json_t *each;

	fputs("<td class=\"text\">", out);
	if (json_is_false(view_get(benchmark, "verify.ok")))
		fputs("<span class=\"flag bad\">verification failed</span> ", out);
	json_array_foreach(flags, i, each)
		html_format(out, "<span class=\"flag\">%s</span> ",
			    json_is_string(each) ? json_string_value(each) : "?");
	fputs("</td></tr>\n", out);
}

/* One row a role; roles but the first have no ratio and no flags of their own. */
static void write_rows(FILE *out, const json_t *benchmark)
{
	const json_t *roles = view_get(benchmark, "roles");
	size_t rows = json_array_size(roles) > 1 ? json_array_size(roles) : 1;

	for (size_t i = 0; i < rows; i++) {
		const json_t *role = json_array_get(roles, i);
		bool whole = rows == 1;
		double threads = view_number(whole ? benchmark : role, "threads");
		double rate = view_number(whole ? benchmark : role,
					  whole ? "throughput.ops_per_s" : "ops_per_s");
		double batch = view_number(role, "batch");
		double ratio = i ? NAN : view_number(benchmark, "floor.ratio");
		char text[VIEW_TEXT_SIZE];

		fprintf(out, "<tr%s><td class=\"text\">",
			view_true(benchmark, "is_floor") ? " class=\"floor\"" : "");
		html_name(out, view_text(benchmark, "name", "(no name)"));
		if (!whole)
			html_format(out, " <i>%s</i>", view_text(role, "name", "?"));
		if (batch > 1)
			html_format(out, " <small>batches of %s</small>",
				    view_format_count(batch, text));
		fputs("</td>", out);
		table_cell(out, threads, view_format_count(threads, text));
		table_cell(out, rate, view_format_rate(rate, text));
		table_cell(out, ratio, view_format_ratio(ratio, text));
		table_latency(out, view_get(whole ? benchmark : role, "latency"));
		write_flags_cell(out, i ? NULL : benchmark);
	}
}

static void write_table(FILE *out, const struct report_page *page)
{
	static const char *const columns[] = { "benchmark", "threads", "ops/s", "× floor",
					       "p50",	    "p90",     "p99",	"p99.9",
					       "p99.99",    "max",     "flags" };
	const json_t *all = view_get(page->result, "benchmarks");
	size_t i;
	json_t *each;

	fputs("<section id=\"table\"><h2>Every benchmark</h2>\n"
	      "<p>Rates are medians over the repetitions, times are of all of them. A "
	      "click on a heading sorts. <i>× floor</i>: time per operation over that of the bare "
	      "primitive, measured in the same run. Floors are in grey. An operation timed in "
	      "batches shows the spread of batch means, which hides single slow ones.</p>\n"
	      "<p><input id=\"filter\" type=\"search\" placeholder=\"show only names with …\" "
	      "aria-label=\"filter by name\"></p>\n<div class=\"scroll\"><table "
	      "class=\"sortable\"><thead><tr>",
	      out);
	for (i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		html_format(out, "<th scope=\"col\" tabindex=\"0\">%s</th>", columns[i]);
	fputs("</tr></thead>\n<tbody>\n", out);
	json_array_foreach(all, i, each) write_rows(out, each);
	fputs("</tbody></table></div></section>\n", out);
}

/* The whole file as a string, or NULL. */
static char *read_picture(const struct plot_set *set, const char *name)
{
	char path[sizeof(set->directory) + 140];
	char *text = NULL;
	size_t room = 0;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", set->directory, name);
	in = fopen(path, "re");
	if (!in)
		return NULL;
	/* An SVG holds no zero byte: this reads to the end. */
	if (getdelim(&text, &room, '\0', in) < 0) {
		free(text);
		text = NULL;
	}
	fclose(in);
	return text;
}

static void write_figure(FILE *out, const struct plot_set *set, size_t index)
{
	const struct plot *plot = &set->plots[index];
	char prefix[32], *svg;

	snprintf(prefix, sizeof(prefix), "figure%zu", index);
	fputs("<figure>", out);
	svg = *plot->error ? NULL : read_picture(set, plot->file);
	if (!svg || html_svg(out, svg, prefix) != 0)
		html_format(out, "<p class=\"missing\">%s: no picture: %s</p>", plot->title,
			    *plot->error ? plot->error : "the file could not be read");
	free(svg);
	fputs("</figure>\n", out);
}

static void write_section(FILE *out, const struct plot_set *set, const char *section,
			  const char *title, const char *reading)
{
	size_t shown = 0;

	for (size_t i = 0; i < set->count; i++) {
		/* Of machines and curves there is one a workload: all but the first fold. */
		bool folds = strcmp(section, "machine") == 0 && shown;

		if (strcmp(set->plots[i].section, section) != 0)
			continue;
		if (!shown++)
			html_format(out, "<h3>%s</h3>\n<p>%s</p>\n", title, reading);
		if (folds)
			html_format(out, "<details><summary>%s</summary>", set->plots[i].title);
		write_figure(out, set, i);
		if (folds)
			fputs("</details>\n", out);
	}
}

static void write_figures(FILE *out, const struct report_page *page)
{
	const struct plot_set *set = page->set;

	fputs("<section id=\"figures\"><h2>Figures</h2>\n", out);
	if (set->gnuplot_missing)
		fputs("<p class=\"alarm\">This report has no pictures: gnuplot was not found when "
		      "it was made. Install it (on Debian: gnuplot-nox) and run <code>faultline "
		      "report</code> on the directory.</p>\n",
		      out);
	if (!set->count)
		fputs("<p class=\"missing\">The result holds nothing to draw.</p>\n", out);
	write_section(out, set, "versus", "Which translator is better, and where?",
		      "One row a workload, one colour a translator; all of them in one interleaved "
		      "run. A whisker that crosses 1× leaves open which of the two is faster.");
	write_section(out, set, "floors", "How far from the limit?",
		      "Each workload against the bare primitive under it, timed in the same "
		      "interleaved run. Right of the line: slower than the primitive; left: it "
		      "gets by without it most of the time.");
	write_section(out, set, "scaling", "What does another thread bring?",
		      "Both axes are logarithmic: a line beside the dashed one scales; one that "
		      "goes flat shares something. Vertical lines mark where the placement enters "
		      "another part of the machine.");
	write_section(out, set, "machine", "Is a part of the machine slower?",
		      "Boxes are packages, NUMA nodes, L3 caches, cores and PUs. Dark is slow. The "
		      "scale is logarithmic and spans at least a factor of 1.5, so that noise "
		      "stays pale.");
	write_section(out, set, "pairs", "What does it cost two PUs to meet?",
		      "A row and a column are a pair of PUs. Squares along the diagonal are caches "
		      "and packages.");
	write_section(out, set, "nodes", "What does memory of another node cost?",
		      "The first touch of memory of each node, from each PU.");
	write_section(out, set, "curves", "How long are the tails?",
		      "From the fastest operation on the left to one in ten thousand on the right; "
		      "both axes are logarithmic.");
	write_section(
		out, set, "time", "Is the tail made of moments?",
		"The windows of all repetitions, one after the other, cut into intervals. A "
		"step is a change of the machine; dots far above the lines are moments; a gap "
		"is the workload making anew what it uses up.");
	fputs("</section>\n", out);
}

void report_page_write(FILE *out, const struct report_page *page)
{
	write_head(out, page);
	write_results(out, page);
	side_by_side_html(out, page->result);
	write_table(out, page);
	write_figures(out, page);
	report_detail_flags(out, page->result);
	report_noise_html(out, page->result);
	report_detail_placement(out, page->result);
	report_detail_benchmarks(out, page->result);
	report_detail_environment(out, page->result, page->env);
	report_detail_again(out, page->result, page->job);
	html_format(out, "</main>\n<footer>Made by %s %s (%s) from result.json, ",
		    view_text(page->result, "tool.name", "faultline"),
		    view_text(page->result, "tool.version", "(version unknown)"),
		    view_text(page->result, "tool.commit", "commit unknown"));
	html_format(out, "run %s.</footer>\n<script>\n", view_text(page->result, "run.id", "?"));
	fputs(plot_asset_text("report.js"), out);
	fputs("</script>\n</body>\n</html>\n", out);
}
