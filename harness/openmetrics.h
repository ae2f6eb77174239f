/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openmetrics.h - pieces of the OpenMetrics text format.
 */
#pragma once

#include <stdio.h>

/* # TYPE, # UNIT (NULL: none) and # HELP of a family. */
void openmetrics_family(FILE *out, const char *name, const char *type, const char *unit,
			const char *help);
/* The value of a label, between its quotes: backslash, quote and newline are escaped. */
void openmetrics_label(FILE *out, const char *text);
