/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_compare.c - faultline compare BASE NEW: two stored results.
 *
 * Their samples are no pairs: whatever changed between the two runs (the day, the neighbours, the
 * temperature) is in the difference, and no test can take it out. So this warns, refuses results of
 * different machines, and never says more than the repetitions show.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/commands.h"
#include "harness/findings.h"
#include "harness/statistics_rank.h"
#include "harness/stored.h"

struct compare {
	const struct options *options;
	struct stored base, next;
	struct pairs pairs; /* names, and how many samples the smaller side has */
	struct pairs_rule rule;
	struct pairs_finding *findings;
	json_t *notes;
};

static void note(struct compare *c, const char *format, const char *what)
{
	json_array_append_new(c->notes, json_sprintf(format, what));
}

/* Logarithms of a metric; returns how many there are. */
static size_t logs_of(const struct stored_benchmark *b, enum pairs_metric metric, double *logs)
{
	size_t count = 0;

	for (size_t i = 0; i < b->count; i++) {
		const struct stored_sample *s = &b->samples[i];
		double value = metric == PAIRS_THROUGHPUT ? s->ops_per_s
			       : metric == PAIRS_P50	  ? s->p50
			       : metric == PAIRS_P99	  ? s->p99
							  : NAN;

		if (value > 0)
			logs[count++] = log(value);
	}
	return count;
}

static void find(const struct stored_benchmark *base, const struct stored_benchmark *next,
		 enum pairs_metric metric, const struct pairs_rule *rule, struct pairs_finding *f)
{
	double *a = calloc(base->count + 1, sizeof(*a)), *b = calloc(next->count + 1, sizeof(*b));
	size_t a_count, b_count;

	if (!a || !b)
		abort();
	a_count = logs_of(base, metric, a);
	b_count = logs_of(next, metric, b);
	*f = pairs_nothing;
	f->pairs = a_count < b_count ? a_count : b_count;
	if (f->pairs >= PAIRS_MIN) {
		f->shift = statistics_shift_between(a, a_count, b, b_count);
		f->interval = statistics_interval_between(a, a_count, b, b_count, rule->seed);
		f->p = statistics_rank_sum(a, a_count, b, b_count);
	}
	free(a);
	free(b);
}

static const struct stored_benchmark *counterpart(const struct compare *c,
						  const struct stored_benchmark *b)
{
	const struct stored_benchmark *same = stored_find(&c->next, b->name);

	/* Of another translator, if that is all that differs. */
	return same ? same : stored_find_key(&c->next, b->key);
}

static bool is_compared(struct compare *c, const struct stored_benchmark *b,
			const struct stored_benchmark *other)
{
	if (!other)
		note(c, "%s: only BASE has it", b->name);
	else if (b->void_reason || other->void_reason)
		note(c, "%s: void", b->name);
	else
		return true;
	return false;
}

static void judge(struct compare *c)
{
	size_t count = 0;

	c->findings = calloc(c->base.count * PAIRS_METRICS + 1, sizeof(*c->findings));
	if (!c->findings)
		abort();
	for (size_t i = 0; i < c->base.count; i++) {
		const struct stored_benchmark *b = &c->base.benchmarks[i];
		const struct stored_benchmark *other = counterpart(c, b);

		if (!is_compared(c, b, other))
			continue;
		pairs_add_benchmark(&c->pairs, b->name)->count =
			b->count < other->count ? b->count : other->count;
		for (unsigned m = 0; m < PAIRS_METRICS; m++)
			find(b, other, m, &c->rule, &c->findings[count++]);
	}
	for (size_t i = 0; i < c->next.count; i++) {
		if (!stored_find(&c->base, c->next.benchmarks[i].name) &&
		    !stored_find_key(&c->base, c->next.benchmarks[i].key))
			note(c, "%s: only NEW has it", c->next.benchmarks[i].name);
	}
	pairs_conclude(c->findings, count, &c->rule);
}

/* The same machine, as far as a result says which it was of. An exit code. */
static int check_machines(struct compare *c)
{
	const struct stored *a = &c->base, *b = &c->next;

	if (strcmp(a->host, b->host) == 0 && strcmp(a->cpu, b->cpu) == 0 && a->google == b->google)
		return CODE_OK;
	if (!c->options->any_machine)
		return usage_error(
			"compare: %s is of %s (%s), %s of %s (%s): what differs would be "
			"the machines; --any-machine compares all the same",
			a->path, *a->host ? a->host : "an unknown host", a->cpu, b->path,
			*b->host ? b->host : "an unknown host", b->cpu);
	note(c, "%s", "the results are of different machines: a difference may be theirs");
	return CODE_OK;
}

static int read_both(struct compare *c)
{
	char error[4608] = "";
	int rc = stored_read(&c->base, c->options->arguments[0], error, sizeof(error));

	if (!rc)
		rc = stored_read(&c->next, c->options->arguments[1], error, sizeof(error));
	if (rc) {
		complain("compare: %s", error);
		return rc == -EINVAL ? CODE_USAGE : CODE_FILES;
	}
	for (size_t i = 0; i < 2; i++) {
		const struct stored *s = i ? &c->next : &c->base;

		if (*s->remark)
			note(c, "%s", s->remark);
		if (s->interrupted)
			note(c, "%s was interrupted", s->path);
	}
	return check_machines(c);
}

static void print(const struct compare *c, int code)
{
	struct findings f = { &c->pairs, &c->rule, c->findings, .unpaired = true };
	char text[512];
	size_t i;
	json_t *each;

	if (c->options->json) {
		json_t *json = json_pack("{s:s, s:s, s:s, s:b, s:i, s:O, s:o}", "schema",
					 "faultline.compare/1", "base", c->base.path, "new",
					 c->next.path, "paired", 0, "exit_code", code, "notes",
					 c->notes, "benchmarks", findings_json(&f));

		json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
		putchar('\n');
		json_decref(json);
		return;
	}
	printf("BASE  %s  (%s, commit %s)\nNEW   %s  (%s, commit %s)\n\n", c->base.path,
	       c->base.start, *c->base.commit ? c->base.commit : "unknown", c->next.path,
	       c->next.start, *c->next.commit ? c->next.commit : "unknown");
	findings_print(stdout, &f);
	json_array_foreach(c->notes, i, each) printf("note: %s\n", json_string_value(each));
	printf("\n%s\n", findings_counts(&f, text, sizeof(text)));
}

int cmd_compare(const struct options *options)
{
	struct compare c = { .options = options,
			     .rule = { .allow = options->allow,
				       .within = options->within,
				       .level = PAIRS_LEVEL_DEFAULT,
				       .seed = 1 },
			     .notes = json_array() };
	struct findings f;
	int code;

	if (options->argument_count != 2)
		code = usage_error("compare: two results are needed: compare BASE NEW");
	else
		code = read_both(&c);
	if (!code) {
		judge(&c);
		f = (struct findings){ &c.pairs, &c.rule, c.findings, .unpaired = true };
		code = c.pairs.count ? findings_code(&f)
				     : usage_error("compare: they have no benchmark in common");
	}
	if (c.pairs.count) {
		print(&c, code);
		complain(
			"compare: the samples are not paired: runs of other days or minutes differ "
			"by tens of percent with nothing changed; `faultline versus` and `gate` "
			"measure in pairs");
	}
	free(c.findings);
	json_decref(c.notes);
	pairs_release(&c.pairs);
	stored_release(&c.base);
	stored_release(&c.next);
	return code;
}
