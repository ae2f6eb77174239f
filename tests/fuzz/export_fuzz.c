/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_fuzz.c - what is made of a result for people and other tools: whatever the result holds,
 * its summary and its page come to their end, and so does each export of one that may be exported.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/export.h"
#include "harness/report_page.h"
#include "harness/stored.h"
#include "harness/summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_exports(FILE *out, const json_t *result)
{
	for (const struct export_format *f = export_table; f->name; f++) {
		char error[1024] = "";
		int rc = f->write(out, "/dev/null", result, error, sizeof(error));

		if (rc && !*error)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	json_t *result = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	struct plot_set set = { .result = result };
	struct report_page page = { .result = result, .env = result, .set = &set };
	char error[1024] = "";
	struct stored stored;
	FILE *out = fopen("/dev/null", "we");

	if (!out)
		abort();
	if (json_is_object(result)) {
		summary_print(out, result);
		summary_markdown(out, result);
		report_page_write(out, &page);
	}
	if (!stored_parse(&stored, "fuzz", text, size, NULL, 0, error, sizeof(error)) &&
	    !stored.google)
		write_exports(out, stored.json);
	stored_release(&stored);
	json_decref(result);
	fclose(out);
	return 0;
}
