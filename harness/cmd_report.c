/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_report.c - faultline report DIR...: summary, plots and report.html of results, made anew.
 *
 * With --topology a recorded result is drawn on another machine, into a directory of its own: PUs
 * of the same number keep their figures, the others are grey, and everything is stamped synthetic.
 */
#include <errno.h>
#include <string.h>

#include "harness/commands.h"
#include "harness/export.h"
#include "harness/report.h"
#include "harness/result.h"
#include "harness/result_dir.h"
#include "harness/summary.h"
#include "harness/topology.h"

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

/* Copies the result of `from` to the new directory `to`, on the machine `source`. An exit code. */
static int transplant(const char *from, const char *source, const char *to)
{
	char why[512] = "";
	struct topology topology;
	struct result_dir dir;
	json_t *result = export_load(from, why, sizeof(why));
	int rc;

	if (!result) {
		complain("report: %s", why);
		return CODE_FILES;
	}
	rc = topology_load(&topology, source, why, sizeof(why));
	if (rc) {
		complain("report: --topology: %s", why);
		json_decref(result);
		return CODE_USAGE;
	}
	topology.synthetic = true;
	json_object_set_new(result, "topology", result_topology_json(&topology));
	json_object_set_new(json_object_get(result, "run"), "synthetic", json_true());
	rc = result_dir_create(&dir, to, why, sizeof(why));
	if (rc) {
		complain("report: --out: %s", why);
	} else {
		rc = result_dir_write_json(&dir, "result.json", result);
		if (rc)
			complain("report: %s: %s", to, strerror(-rc));
		result_dir_close(&dir);
	}
	topology_release(&topology);
	json_decref(result);
	return !rc ? CODE_OK : rc == -EINVAL ? CODE_USAGE : CODE_FILES;
}

/* report --topology T --out NEW DIR. An exit code. */
static int report_elsewhere(const struct options *options, json_t *list)
{
	int code;

	if (options->argument_count != 1 || !options_given(options, OPTION_OUT))
		return usage_error("report: --topology draws one result into --out NEW");
	code = transplant(options->arguments[0], options->text[OPTION_TOPOLOGY],
			  options->text[OPTION_OUT]);
	return code ? code : report_one(options->text[OPTION_OUT], list);
}

int cmd_report(const struct options *options)
{
	json_t *list = options->json ? json_array() : NULL;
	int code = CODE_OK;

	if (!options->argument_count) {
		json_decref(list);
		return usage_error("report: which result directory?");
	}
	if (options_given(options, OPTION_TOPOLOGY)) {
		code = report_elsewhere(options, list);
	} else if (options_given(options, OPTION_OUT)) {
		code = usage_error("report: --out goes with --topology");
	} else {
		for (size_t i = 0; i < options->argument_count; i++) {
			int one = report_one(options->arguments[i], list);

			code = one ? one : code;
		}
	}
	if (list) {
		json_dumpf(list, stdout, JSON_INDENT(1));
		putchar('\n');
		json_decref(list);
	}
	return code;
}
