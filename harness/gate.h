/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.h - one gate: what its layers found, and how that is told.
 *
 * Two layers. Exact counts block to the digit. Pairs of fresh processes block only what two
 * batches, each by itself, found slower by more than is allowed: the second is asked for nothing
 * but what the first found. Private to cmd_gate.c and gate_report.c.
 */
#pragma once

#include "harness/findings.h"
#include "harness/gate_exact.h"
#include "harness/side.h"
#include "harness/versus.h"

struct gate {
	const struct options *options;
	char *directories[2]; /* where the exact counts of baseline and candidate are */
	struct side sides[2]; /* baseline, candidate */
	struct cpu_halves halves; /* on which they are measured side by side */
	struct gate_exact exact;
	struct pairs_rule rule;
	struct pairs first, second; /* of the batches; second: what the first flagged */
	struct pairs_finding *first_findings;
	bool *flagged, *confirmed; /* as first_findings */
	size_t flagged_count, confirmed_count;
	json_t *notes;
	struct result_dir dir;
	bool interrupted;
	int code;
};

struct findings gate_findings(const struct gate *gate);

/* Three lines: the verdict, what it rests on, and where to read on. */
void gate_print(FILE *out, const struct gate *gate);
/* For a merge request, a CI system, a monitoring system. */
void gate_markdown(FILE *out, const struct gate *gate);
void gate_junit(FILE *out, const struct gate *gate);
void gate_openmetrics(FILE *out, const struct gate *gate);
json_t *gate_json(const struct gate *gate);
