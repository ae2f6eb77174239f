/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_page.h - the text of report.html. No locks.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "harness/plot.h"

struct report_page {
	const json_t *result;
	const json_t *env; /* env.json; NULL if there is none */
	const char *job; /* text of job.ini; NULL if there is none */
	const struct plot_set *set; /* figures, drawn */
};

/* Writes the page. Pictures are read from set->directory and inlined. */
void report_page_write(FILE *out, const struct report_page *page);
