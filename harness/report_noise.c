/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_noise.c - how noisy a run was: two lines for every summary, a table for report.html.
 */
#include "harness/report_noise.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "harness/html.h"
#include "harness/outliers.h"
#include "harness/result.h"
#include "harness/view.h"

static const char *percent(double part, char *text)
{
	if (isfinite(part))
		snprintf(text, VIEW_TEXT_SIZE, "%.2g %%", 100 * part);
	else
		snprintf(text, VIEW_TEXT_SIZE, "–");
	return text;
}

const char *report_noise_lost(const json_t *result, char *text, size_t size)
{
	const json_t *all = view_get(result, "benchmarks");
	double *medians = calloc(json_array_size(all) + 1, sizeof(*medians)), worst = -1;
	char median[VIEW_TEXT_SIZE], most[VIEW_TEXT_SIZE];
	const char *where = "?";
	size_t i, count = 0;
	json_t *each;

	if (!medians)
		abort();
	json_array_foreach(all, i, each)
	{
		double lost = view_number(each, "noise.lost_part.worst");

		medians[count] = view_number(each, "noise.lost_part.median");
		count += isfinite(medians[count]) ? 1 : 0;
		if (lost > worst) {
			worst = lost;
			where = view_text(each, "name", "?");
		}
	}
	text[0] = '\0';
	if (count && worst >= 0)
		snprintf(text, size,
			 "%s of the CPUs' time was lost around windows, at worst %s (%s)",
			 percent(result_median(medians, count), median), percent(worst, most),
			 where);
	free(medians);
	return text;
}

/* Thread time of the windows of a benchmark, ns; NAN: not known. */
static double window_ns(const json_t *result, const json_t *benchmark)
{
	return view_number(result, "run.duration_ns") * view_number(benchmark, "repeats") *
	       view_number(benchmark, "threads");
}

/* "20 preempted, 14 unexplained" of so many of each cause. */
static void write_causes(const double counts[OUTLIER_CAUSES], char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned c = 0; c < OUTLIER_CAUSES && used < size; c++) {
		char number[VIEW_TEXT_SIZE];

		if (counts[c] > 0)
			used += (size_t)snprintf(text + used, size - used, "%s%s %s",
						 used ? ", " : "",
						 view_format_count(counts[c], number),
						 outlier_cause_name(c));
	}
}

static void add_causes(const json_t *benchmark, double counts[OUTLIER_CAUSES])
{
	const json_t *causes = view_get(benchmark, "outliers.causes");

	for (unsigned c = 0; c < OUTLIER_CAUSES; c++) {
		double count = view_number(causes, outlier_cause_name(c));

		counts[c] += isfinite(count) ? count : 0;
	}
}

const char *report_noise_outliers(const json_t *result, char *text, size_t size)
{
	const json_t *all = view_get(result, "benchmarks");
	double counts[OUTLIER_CAUSES] = { 0 }, count = 0, ns = 0, windows = 0;
	char number[VIEW_TEXT_SIZE], part[VIEW_TEXT_SIZE], causes[160];
	bool known = false;
	size_t i;
	json_t *each;

	json_array_foreach(all, i, each)
	{
		double of_it = view_number(each, "outliers.count");

		if (!isfinite(of_it))
			continue;
		known = true;
		count += of_it;
		ns += view_number(each, "outliers.ns");
		windows += window_ns(result, each);
		add_causes(each, counts);
	}
	text[0] = '\0';
	if (!known)
		return text;
	write_causes(counts, causes, sizeof(causes));
	snprintf(text, size, "%s over 50 µs, %s of the measured time%s%s",
		 view_format_count(count, number), percent(windows > 0 ? ns / windows : NAN, part),
		 *causes ? ": " : "", causes);
	return text;
}

static void write_spread(FILE *out, const json_t *benchmark, const char *name, bool as_percent)
{
	char path[64], text[VIEW_TEXT_SIZE];
	static const char *const members[] = { "median", "worst" };

	for (size_t i = 0; i < 2; i++) {
		double value;

		snprintf(path, sizeof(path), "noise.%s.%s", name, members[i]);
		value = view_number(benchmark, path);
		html_format(out, isfinite(value) ? "<td>%s</td>" : "<td class=\"none\">%s</td>",
			    as_percent ? percent(value, text) : view_format_ratio(value, text));
	}
}

static void write_row(FILE *out, const json_t *result, const json_t *benchmark)
{
	const json_t *longest = json_array_get(view_get(benchmark, "outliers.longest"), 0);
	double counts[OUTLIER_CAUSES] = { 0 };
	char text[VIEW_TEXT_SIZE], causes[160];

	fputs("<tr><td class=\"text\">", out);
	html_name(out, view_text(benchmark, "name", "(no name)"));
	fputs("</td>", out);
	write_spread(out, benchmark, "lost_part", true);
	write_spread(out, benchmark, "speed_ratio", false);
	write_spread(out, benchmark, "pressure_part", true);
	html_format(out, "<td>%s</td>",
		    view_format_count(view_number(benchmark, "outliers.count"), text));
	html_format(out, "<td>%s</td>",
		    percent(view_number(benchmark, "outliers.ns") / window_ns(result, benchmark),
			    text));
	add_causes(benchmark, counts);
	write_causes(counts, causes, sizeof(causes));
	html_format(out, "<td class=\"text\">%s</td>", causes);
	html_format(out, "<td>%s</td>", view_format_ns(view_number(longest, "ns"), text));
	html_format(out, "<td class=\"text\">%s</td></tr>\n", view_text(longest, "cause", ""));
}

void report_noise_html(FILE *out, const json_t *result)
{
	const json_t *all = view_get(result, "benchmarks");
	char lost[256], outliers[256];
	size_t i;
	json_t *each;

	report_noise_lost(result, lost, sizeof(lost));
	report_noise_outliers(result, outliers, sizeof(outliers));
	if (!*lost && !*outliers)
		return;
	fputs("<section id=\"noise\"><h2>Noise</h2>\n", out);
	html_format(out, "<p>%s. Outliers: %s.</p>\n", *lost ? lost : "Not known",
		    *outliers ? outliers : "not known");
	fputs("<p>Time lost: in a spin on each CPU before and after each window. Speed: of that "
	      "spin's work, after over before. Waiting: the part of the time in which some task "
	      "waited for a CPU. An outlier's cause is what the kernel's counts of its thread "
	      "show; <i>unexplained</i>: none of them rose, so it was the host, an interrupt or "
	      "the operation itself.</p>\n"
	      "<div class=\"scroll\"><table><thead><tr><th>benchmark</th><th>time lost</th>"
	      "<th>worst</th><th>speed</th><th>worst</th><th>waiting</th><th>worst</th>"
	      "<th>outliers</th><th>of the time</th><th>causes</th><th>longest</th>"
	      "<th>its cause</th></tr></thead>\n<tbody>\n",
	      out);
	json_array_foreach(all, i, each) write_row(out, result, each);
	fputs("</tbody></table></div></section>\n", out);
}
