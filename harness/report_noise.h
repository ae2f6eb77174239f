/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_noise.h - how noisy a run was: two lines for every summary, a table for report.html.
 *
 * Made from a result.json that may lack anything, as in view.h. Text of the result is handed on as
 * it is: writers escape it. No locks.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/* What the CPUs lost around the windows, "" if no benchmark says. Returns text. */
const char *report_noise_lost(const json_t *result, char *text, size_t size);
/* How many operations took long, and why; "" if no benchmark says. Returns text. */
const char *report_noise_outliers(const json_t *result, char *text, size_t size);

/* One <section>, a row a benchmark; nothing if no benchmark says. */
void report_noise_html(FILE *out, const json_t *result);
