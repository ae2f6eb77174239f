/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_report.c - what a gate found, in four forms.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "harness/commands.h"
#include "harness/env.h"
#include "harness/gate.h"
#include "harness/html.h"
#include "harness/openmetrics.h"

struct findings gate_findings(const struct gate *g)
{
	return (struct findings){ &g->first, &g->rule, g->first_findings, false };
}

static const char *verdict(const struct gate *g)
{
	return g->interrupted		   ? "interrupted"
	       : g->code == CODE_REGRESSED ? "regressed"
	       : g->code == CODE_UNDECIDED ? "not decided"
	       : g->code != CODE_OK	   ? "failed"
					   : "passed";
}

static const char *percent(double value, char text[24])
{
	snprintf(text, 24, isnan(value) ? "not known" : "%.2f %%", value);
	return text;
}

/* The first of what was confirmed, or of what became more. */
static const char *reason(const struct gate *g, char *text, size_t size)
{
	char change[24];

	snprintf(text, size, "nothing slower, within what could be seen");
	for (size_t i = 0; i < g->exact.count; i++) {
		const struct gate_exact_row *row = &g->exact.rows[i];

		if (!(row->after > row->before))
			continue;
		snprintf(text, size, "%s of %s: %.15g, was %.15g", row->table, row->name,
			 row->after, row->before);
		return text;
	}
	for (size_t i = 0; i < g->first.count * PAIRS_METRICS; i++) {
		if (!g->confirmed[i])
			continue;
		snprintf(change, sizeof(change), "%+.2f %%",
			 pairs_percent(g->first_findings[i].shift));
		snprintf(text, size, "%s: %s %s, in both batches",
			 g->first.benchmarks[i / PAIRS_METRICS].name,
			 pairs_metric_names[i % PAIRS_METRICS], change);
		return text;
	}
	if (g->code == CODE_UNDECIDED && !*findings_noisy(&g->first, text, size) &&
	    !*findings_noisy(&g->second, text, size))
		snprintf(text, size,
			 "no throughput could be decided: more --budget, or less noise");
	else if (g->code != CODE_OK && g->code != CODE_UNDECIDED)
		snprintf(text, size, "a side could not be measured");
	return text;
}

void gate_print(FILE *out, const struct gate *g)
{
	struct findings f = gate_findings(g);
	char text[512], floor[24], least[24];

	fprintf(out, "gate: %s: %s\n", verdict(g), reason(g, text, sizeof(text)));
	fprintf(out,
		"exact: %zu counts, %zu worse%s%s; pairs: %s, %zu flagged, %zu confirmed; A/A "
		"floor %s, smallest detectable change %s\n",
		g->exact.compared, g->exact.worse, *g->exact.missing ? ", without " : "",
		g->exact.missing, findings_counts(&f, text, sizeof(text)), g->flagged_count,
		g->confirmed_count, percent(findings_floor(&f), floor),
		percent(findings_detectable(&f), least));
	fprintf(out, "%s/summary.md\n", g->dir.path);
}

static void exact_markdown(FILE *out, const struct gate *g)
{
	if (!g->exact.count)
		return;
	fputs("\n| exact count | baseline | candidate | change |\n| --- | ---: | ---: | ---: |\n",
	      out);
	for (size_t i = 0; i < g->exact.count; i++) {
		const struct gate_exact_row *row = &g->exact.rows[i];

		fprintf(out, "| %s: %s | ", row->table, row->name);
		if (isnan(row->before))
			fprintf(out, "- | %.15g | new |\n", row->after);
		else if (isnan(row->after))
			fprintf(out, "%.15g | - | gone |\n", row->before);
		else if (row->before == 0)
			fprintf(out, "0 | %.15g | from nothing |\n", row->after);
		else
			fprintf(out, "%.15g | %.15g | %+.2f %% |\n", row->before, row->after,
				100 * (row->after / row->before - 1));
	}
}

void gate_markdown(FILE *out, const struct gate *g)
{
	struct findings f = gate_findings(g);
	char text[512], floor[24], least[24];
	size_t i;
	json_t *each;

	fprintf(out, "**faultline gate: %s** - %s\n\n", verdict(g), reason(g, text, sizeof(text)));
	fprintf(out,
		"A/A noise floor %s, smallest detectable change %s (throughput, worst "
		"benchmark). Exact counts: %zu compared, %zu worse. Pairs: %s; %zu flagged in the "
		"first batch, %zu confirmed by the second.\n",
		percent(findings_floor(&f), floor), percent(findings_detectable(&f), least),
		g->exact.compared, g->exact.worse, findings_counts(&f, text, sizeof(text)),
		g->flagged_count, g->confirmed_count);
	exact_markdown(out, g);
	fputc('\n', out);
	findings_markdown(out, &f, true);
	fputs("\n<details><summary>all benchmarks</summary>\n\n", out);
	findings_markdown(out, &f, false);
	fputs("\n</details>\n", out);
	for (size_t b = 0; b < g->first.count; b++) {
		const struct pairs_benchmark *of = &g->first.benchmarks[b];

		if (sample_noise_total(of->spoiled))
			fprintf(out, "\n- %s: %zu pairs, and spoiled by noise %s", of->name,
				of->count, sample_noise_text(of->spoiled, text, sizeof(text)));
	}
	json_array_foreach(g->notes, i, each)
		fprintf(out, "\n- not compared: %s", json_string_value(each));
	if (g->halves.count)
		fprintf(out, "\n- side by side on CPUs %s, which are swapped",
			cpu_halves_text(&g->halves, text, sizeof(text)));
	fprintf(out, "\n\nbaseline: %s, candidate: %s, seed %" PRIu64 "\n", g->sides[0].version,
		g->sides[1].version, g->rule.seed);
}

static void testcase(FILE *out, const char *class, const char *name, const char *failure,
		     const char *skipped)
{
	html_format(out, "  <testcase classname=\"%s\" name=\"%s\"", class, name);
	if (failure)
		html_format(out, "><failure message=\"%s\"/></testcase>\n", failure);
	else if (skipped)
		html_format(out, "><skipped message=\"%s\"/></testcase>\n", skipped);
	else
		fputs("/>\n", out);
}

void gate_junit(FILE *out, const struct gate *g)
{
	size_t tests = g->first.count * PAIRS_METRICS + 1, skipped = 0;
	char text[512], name[512], why[256], skip[300];

	for (size_t i = 0; i + 1 < tests; i++)
		skipped += g->first_findings[i].verdict == PAIRS_UNDECIDED;
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"faultline gate\" "
		"tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\">\n",
		tests, g->confirmed_count + (g->exact.worse > 0), skipped);
	snprintf(text, sizeof(text), "%zu of %zu counts are worse", g->exact.worse,
		 g->exact.compared);
	testcase(out, "exact", "counts", g->exact.worse ? text : NULL, NULL);
	for (size_t i = 0; i + 1 < tests; i++) {
		const struct pairs_finding *f = &g->first_findings[i];

		snprintf(name, sizeof(name), "%s %s", g->first.benchmarks[i / PAIRS_METRICS].name,
			 pairs_metric_names[i % PAIRS_METRICS]);
		snprintf(text, sizeof(text), "%+.2f %% (%+.2f to %+.2f %%) in both batches",
			 pairs_percent(f->shift), pairs_percent(f->interval.low),
			 pairs_percent(f->interval.high));
		pairs_reason(&g->first.benchmarks[i / PAIRS_METRICS], i % PAIRS_METRICS, f, why,
			     sizeof(why));
		snprintf(skip, sizeof(skip), "not decided%s%s", *why ? ": " : "", why);
		testcase(out, "pairs", name, g->confirmed[i] ? text : NULL,
			 f->verdict == PAIRS_UNDECIDED ? skip : NULL);
	}
	fputs("</testsuite>\n", out);
}

static void family(FILE *out, const struct gate *g, const char *name, const char *help,
		   double (*value)(const struct pairs_finding *f))
{
	openmetrics_family(out, name, "gauge", NULL, help);
	for (size_t i = 0; i < g->first.count * PAIRS_METRICS; i++) {
		if (isnan(value(&g->first_findings[i])))
			continue;
		fprintf(out, "%s{benchmark=\"", name);
		openmetrics_label(out, g->first.benchmarks[i / PAIRS_METRICS].name);
		fprintf(out, "\",metric=\"%s\"} %.9g\n", pairs_metric_names[i % PAIRS_METRICS],
			value(&g->first_findings[i]));
	}
}

static double ratio_of(const struct pairs_finding *f)
{
	return exp(f->shift);
}

static double floor_of(const struct pairs_finding *f)
{
	return expm1(f->floor);
}

static double detectable_of(const struct pairs_finding *f)
{
	return expm1(f->detectable);
}

void gate_openmetrics(FILE *out, const struct gate *g)
{
	family(out, g, "faultline_gate_ratio", "Candidate over baseline.", ratio_of);
	family(out, g, "faultline_gate_floor", "Share by which equal things differed.", floor_of);
	family(out, g, "faultline_gate_detectable", "Smallest share that would have been found.",
	       detectable_of);
	fprintf(out,
		"# TYPE faultline_gate_exact_worse gauge\n"
		"# HELP faultline_gate_exact_worse Exact counts with more than before.\n"
		"faultline_gate_exact_worse %zu\n"
		"# TYPE faultline_gate_confirmed gauge\n"
		"# HELP faultline_gate_confirmed Metrics that two batches found slower.\n"
		"faultline_gate_confirmed %zu\n"
		"# TYPE faultline_gate_exit_code gauge\n"
		"# HELP faultline_gate_exit_code What the command returned.\n"
		"faultline_gate_exit_code %d\n# EOF\n",
		g->exact.worse, g->confirmed_count, g->code);
}

static json_t *exact_json(const struct gate *g)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < g->exact.count; i++) {
		const struct gate_exact_row *row = &g->exact.rows[i];

		json_array_append_new(rows,
				      json_pack("{s:s, s:s, s:o, s:o}", "table", row->table, "name",
						row->name, "before", env_number(row->before),
						"after", env_number(row->after)));
	}
	return json_pack("{s:I, s:I, s:s, s:o}", "compared", (json_int_t)g->exact.compared, "worse",
			 (json_int_t)g->exact.worse, "missing", g->exact.missing, "different",
			 rows);
}

json_t *gate_json(const struct gate *g)
{
	struct findings f = gate_findings(g);
	json_t *confirmed = json_array();

	for (size_t i = 0; i < g->first.count * PAIRS_METRICS; i++) {
		if (g->confirmed[i])
			json_array_append_new(confirmed,
					      json_pack("{s:s, s:s}", "benchmark",
							g->first.benchmarks[i / PAIRS_METRICS].name,
							"metric",
							pairs_metric_names[i % PAIRS_METRICS]));
	}
	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:I, s:o, s:I, s:o, s:o, s:O, s:s, s:o}",
			 "schema", "faultline.gate/1", "verdict", verdict(g), "exit_code", g->code,
			 "baseline", g->sides[0].version, "candidate", g->sides[1].version, "seed",
			 (json_int_t)g->rule.seed, "exact", exact_json(g), "flagged",
			 (json_int_t)g->flagged_count, "confirmed", confirmed, "side_by_side",
			 versus_halves_json(&g->halves), "notes", g->notes, "directory",
			 g->dir.path, "benchmarks", findings_json(&f));
}
