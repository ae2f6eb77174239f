/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openmetrics.c - escaping and headings (OpenMetrics 1.0.0, sections "ABNF" and "Metric Types").
 */
#include "harness/openmetrics.h"

void openmetrics_family(FILE *out, const char *name, const char *type, const char *unit,
			const char *help)
{
	fprintf(out, "# TYPE %s %s\n", name, type);
	if (unit)
		fprintf(out, "# UNIT %s %s\n", name, unit);
	fprintf(out, "# HELP %s %s\n", name, help);
}

void openmetrics_label(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
}
