/* SPDX-License-Identifier: Apache-2.0 */
/*
 * summary.h - a result as a table: for the terminal and as Markdown.
 *
 * One row a benchmark: name, threads, operations a second, p50, p99, p99.9 of its first role, time
 * over that of its floor, flags. Other roles follow on rows of their own. Whatever the result
 * lacks is a dash. No locks; the JSON is only read.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

/* Writes aligned columns, then what was skipped and why, and whether the run was cut short. */
void summary_print(FILE *out, const json_t *result);

/* The same as a Markdown document, with the machine above; names cannot become markup. */
void summary_markdown(FILE *out, const json_t *result);
