/* SPDX-License-Identifier: Apache-2.0 */
/*
 * findings.c - findings of a comparison for people.
 */
#include "harness/findings.h"

#include <math.h>
#include <string.h>

#include "harness/commands.h"

static const struct pairs_finding *at(const struct findings *f, size_t benchmark, unsigned metric)
{
	return &f->findings[benchmark * PAIRS_METRICS + metric];
}

static const char *percent(double log_ratio, bool sign, char text[24])
{
	if (isnan(log_ratio))
		return strcpy(text, "-");
	snprintf(text, 24, sign ? "%+.2f %%" : "%.2f %%", pairs_percent(log_ratio));
	return text;
}

static const char *interval(const struct pairs_finding *f, char text[48])
{
	if (isnan(f->shift))
		return strcpy(text, "-");
	snprintf(text, 48, "%+.2f to %+.2f %%", pairs_percent(f->interval.low),
		 pairs_percent(f->interval.high));
	return text;
}

static const char *chance(double p, char text[24])
{
	if (isnan(p))
		return strcpy(text, "-");
	snprintf(text, 24, p < 0.0001 ? "<0.0001" : "%.4f", p);
	return text;
}

void findings_print(FILE *out, const struct findings *f)
{
	char shift[24], range[48], p[24], floor[24], least[24], verdict[32], text[256];

	for (size_t i = 0; i < f->pairs->count; i++) {
		const struct pairs_benchmark *b = &f->pairs->benchmarks[i];

		fprintf(out, "%s  (%zu %s", b->name, b->count, f->unpaired ? "samples" : "pairs");
		if (sample_noise_total(b->spoiled))
			fprintf(out, ", and spoiled by noise %s",
				sample_noise_text(b->spoiled, text, sizeof(text)));
		fputs(")\n", out);
		fprintf(out, "  %-11s %10s  %22s  %8s  %9s  %10s  %s\n", "", "B over A",
			"95 % interval", "p (Holm)", "A/A floor", "detectable", "verdict");
		for (unsigned m = 0; m < PAIRS_METRICS; m++) {
			const struct pairs_finding *x = at(f, i, m);

			fprintf(out, "  %-11s %10s  %22s  %8s  %9s  %10s  %s\n",
				pairs_metric_names[m], percent(x->shift, true, shift),
				interval(x, range), chance(x->p_family, p),
				percent(x->floor, false, floor),
				percent(x->detectable, false, least),
				pairs_verdict_text(x->verdict, f->rule, verdict, sizeof(verdict)));
		}
		for (unsigned m = 0; m < PAIRS_METRICS && !f->unpaired; m++) {
			/* What holds for throughput holds for the others. */
			if (!*pairs_reason(b, m, at(f, i, m), text, sizeof(text)))
				continue;
			fprintf(out, "  not decided: %s\n", text);
			break;
		}
	}
}

void findings_markdown(FILE *out, const struct findings *f, bool only_changes)
{
	char shift[24], range[48], p[24], floor[24], least[24], verdict[32];

	fputs("| benchmark | metric | change | 95 % interval | p (Holm) | A/A floor | detectable | "
	      "verdict |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |\n",
	      out);
	for (size_t i = 0; i < f->pairs->count; i++) {
		for (unsigned m = 0; m < PAIRS_METRICS; m++) {
			const struct pairs_finding *x = at(f, i, m);

			if (only_changes && x->verdict < PAIRS_IMPROVED)
				continue;
			fprintf(out, "| %s | %s | %s | %s | %s | %s | %s | %s |\n",
				f->pairs->benchmarks[i].name, pairs_metric_names[m],
				percent(x->shift, true, shift), interval(x, range),
				chance(x->p_family, p), percent(x->floor, false, floor),
				percent(x->detectable, false, least),
				pairs_verdict_text(x->verdict, f->rule, verdict, sizeof(verdict)));
		}
	}
}

const char *findings_counts(const struct findings *f, char *text, size_t size)
{
	size_t counts[PAIRS_REGRESSED + 1] = { 0 };

	for (size_t i = 0; i < f->pairs->count * PAIRS_METRICS; i++)
		counts[f->findings[i].verdict]++;
	snprintf(text, size, "%zu regressed, %zu improved, %zu same within %g %%, %zu not decided",
		 counts[PAIRS_REGRESSED], counts[PAIRS_IMPROVED], counts[PAIRS_SAME],
		 100 * f->rule->within, counts[PAIRS_UNDECIDED]);
	return text;
}

const char *findings_worst(const struct findings *f, enum pairs_verdict verdict, char *text,
			   size_t size)
{
	const struct pairs_finding *worst = NULL;
	char shift[24], range[48];
	size_t where = 0;

	for (size_t i = 0; i < f->pairs->count * PAIRS_METRICS; i++) {
		const struct pairs_finding *x = &f->findings[i];

		/* Throughput before percentiles, and those before tails: so sure they are. */
		if (x->verdict != verdict ||
		    (worst && (i % PAIRS_METRICS > where % PAIRS_METRICS ||
			       (i % PAIRS_METRICS == where % PAIRS_METRICS &&
				fabs(x->shift) <= fabs(worst->shift)))))
			continue;
		worst = x;
		where = i;
	}
	*text = '\0';
	if (worst)
		snprintf(text, size, "%s: %s %s (%s)",
			 f->pairs->benchmarks[where / PAIRS_METRICS].name,
			 pairs_metric_names[where % PAIRS_METRICS],
			 percent(worst->shift, true, shift), interval(worst, range));
	return text;
}

const char *findings_noisy(const struct pairs *pairs, char *text, size_t size)
{
	char why[256];

	*text = '\0';
	for (size_t i = 0; i < pairs->count && !*text; i++) {
		if (pairs_too_noisy(&pairs->benchmarks[i]))
			snprintf(text, size, "%s: %s", pairs->benchmarks[i].name,
				 pairs_reason(&pairs->benchmarks[i], PAIRS_THROUGHPUT,
					      &pairs_nothing, why, sizeof(why)));
	}
	return text;
}

double findings_floor(const struct findings *f)
{
	double most = NAN;

	for (size_t i = 0; i < f->pairs->count; i++)
		most = fmax(most, at(f, i, PAIRS_THROUGHPUT)->floor);
	return pairs_percent(most);
}

double findings_detectable(const struct findings *f)
{
	double most = NAN;

	for (size_t i = 0; i < f->pairs->count; i++)
		most = fmax(most, at(f, i, PAIRS_THROUGHPUT)->detectable);
	return pairs_percent(most);
}

int findings_code(const struct findings *f)
{
	bool decided = false;

	for (size_t i = 0; i < f->pairs->count * PAIRS_METRICS; i++) {
		if (f->findings[i].verdict == PAIRS_REGRESSED)
			return CODE_REGRESSED;
		decided |= i % PAIRS_METRICS == PAIRS_THROUGHPUT &&
			   f->findings[i].verdict != PAIRS_UNDECIDED;
	}
	return decided ? CODE_OK : CODE_UNDECIDED;
}

json_t *findings_json(const struct findings *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->pairs->count; i++)
		json_array_append_new(list,
				      pairs_benchmark_json(&f->pairs->benchmarks[i], at(f, i, 0)));
	return list;
}
