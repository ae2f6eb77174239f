/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_report.c - faultline report DIR...: summary, plots and report.html of results, made anew.
 */
#include <string.h>

#include "harness/commands.h"
#include "harness/export.h"
#include "harness/report.h"
#include "harness/summary.h"

/* Writes one report; adds it to list if that is not NULL. An exit code. */
static int report_one(const char *dir, json_t *list)
{
	char remark[4608] = "";
	json_t *result = export_load(dir, remark, sizeof(remark));
	int rc;

	if (!result) {
		complain("report: %s", remark);
		return CODE_FILES;
	}
	rc = report_write(dir, remark, sizeof(remark));
	if (rc)
		complain("report: %s: %s", dir, remark[0] ? remark : strerror(-rc));
	else if (remark[0])
		complain("report: %s", remark);
	if (!rc && list) {
		json_array_append_new(list,
				      json_pack("{s:s, s:s+, s:s}", "directory", dir, "report", dir,
						"/report.html", "remark", remark));
	} else if (!rc) {
		summary_print(stdout, result);
		printf("%s/report.html\n", dir);
	}
	json_decref(result);
	return rc ? CODE_FILES : CODE_OK;
}

int cmd_report(const struct options *options)
{
	json_t *list = options->json ? json_array() : NULL;
	int code = CODE_OK;

	if (!options->argument_count) {
		json_decref(list);
		return usage_error("report: which result directory?");
	}
	for (size_t i = 0; i < options->argument_count; i++) {
		int one = report_one(options->arguments[i], list);

		code = one ? one : code;
	}
	if (list) {
		json_dumpf(list, stdout, JSON_INDENT(1));
		putchar('\n');
		json_decref(list);
	}
	return code;
}
