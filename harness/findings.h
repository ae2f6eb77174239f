/* SPDX-License-Identifier: Apache-2.0 */
/*
 * findings.h - findings of a comparison for people: the table, and the verdict in a sentence.
 */
#pragma once

#include <stdio.h>

#include "harness/pairs.h"

struct findings {
	const struct pairs *pairs;
	const struct pairs_rule *rule;
	const struct pairs_finding *findings; /* [benchmark * PAIRS_METRICS + metric] */
	bool unpaired; /* the samples are not pairs, only as many */
};

/* A block of lines for each benchmark, a line for each metric. */
void findings_print(FILE *out, const struct findings *f);
/* The same as a table of Markdown; only_changes: no rows of what is the same or not decided. */
void findings_markdown(FILE *out, const struct findings *f, bool only_changes);
/* "2 regressed, 1 improved, 20 same within 5 %, 1 not decided". Returns text. */
const char *findings_counts(const struct findings *f, char *text, size_t size);
/* "fault-anon/...: throughput -4.8 % (-5.1 to -4.5 %)" of the worst of a verdict, or "". */
const char *findings_worst(const struct findings *f, enum pairs_verdict verdict, char *text,
			   size_t size);
/* "fault-anon/...: the machine was too noisy (...)" of the first that was so, or "". */
const char *findings_noisy(const struct pairs *pairs, char *text, size_t size);
/* The largest A/A floor and the largest detectable change of the throughputs, as percent; NAN if
 * there is none. */
double findings_floor(const struct findings *f);
double findings_detectable(const struct findings *f);
/* CODE_REGRESSED if anything regressed; else CODE_UNDECIDED if no throughput was decided; else
 * CODE_OK. */
int findings_code(const struct findings *f);
json_t *findings_json(const struct findings *f);
