/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_export.c - faultline export FORMAT DIR, and the reading of results that exports share.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness/commands.h"
#include "harness/export.h"
#include "harness/result_dir.h"
#include "harness/stored.h"
#include "harness/suggest.h"

const struct export_format export_table[] = {
	{ "bmf", "Bencher Metric Format", export_bmf },
	{ "csv", "one row a benchmark and role", export_csv },
	{ "gbench", "the JSON of Google Benchmark, one entry a repetition", export_gbench },
	{ "gobench", "the text of Go's benchmarks for benchstat, one line a repetition",
	  export_gobench },
	{ "hlog", "one HdrHistogram V2 log, a tagged line for each benchmark and role",
	  export_hlog },
	{ "junit", "XML of JUnit: benchmarks as test cases", export_junit },
	{ "openmetrics", "OpenMetrics text: throughput, summaries of latency, flags",
	  export_openmetrics },
	{ 0 },
};

json_t *export_load(const char *dir, char *error, size_t size)
{
	json_error_t where;
	json_t *json;
	FILE *file = result_dir_read(dir, "result.json");

	json = file ? json_loadf(file, 0, &where) : NULL;
	if (!json)
		snprintf(error, size, "%s/result.json: %s", dir,
			 file ? where.text : strerror(errno));
	else if (!json_is_object(json))
		snprintf(error, size, "%s/result.json is not a result", dir);
	if (file)
		fclose(file);
	if (json && !json_is_object(json)) {
		json_decref(json);
		return NULL;
	}
	return json;
}

json_t *export_samples(const char *dir)
{
	json_t *list = json_array(), *sample;
	char *line = NULL;
	size_t room = 0;
	FILE *file = result_dir_read(dir, "samples.ndjson");

	while (file && getline(&line, &room, file) > 0) {
		sample = json_loads(line, 0, NULL);
		if (sample)
			json_array_append_new(list, sample);
	}
	free(line);
	if (file)
		fclose(file);
	return list;
}

static const struct export_format *find_format(const char *name)
{
	const char *names[16];
	char hint[96];
	size_t count = 0;

	for (; export_table[count].name; count++) {
		names[count] = export_table[count].name;
		if (strcmp(name, names[count]) == 0)
			return &export_table[count];
	}
	usage_error("export: unknown format \"%s\"%s", name,
		    suggest_text(name, names, count, hint, sizeof(hint)));
	return NULL;
}

/* With --json text is wrapped, JSON is not: it is what was asked for. */
static int write_wrapped(const struct export_format *format, const char *dir, const json_t *result,
			 char *error, size_t size)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	json_t *json;
	int rc;

	if (!out)
		return -ENOMEM;
	rc = format->write(out, dir, result, error, size);
	if (fclose(out) && !rc)
		rc = -ENOMEM;
	json = rc ? NULL : json_loads(text, 0, NULL);
	if (!rc && !json)
		json = json_pack("{s:s, s:s}", "format", format->name, "text", text);
	if (!rc) {
		json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
		putchar('\n');
	}
	json_decref(json);
	free(text);
	return rc;
}

/* A whole result: what cannot be is refused before any of it is written. An exit code. */
static int read_result(struct stored *stored, const char *dir)
{
	char error[4864] = "";
	int rc = stored_read(stored, dir, error, sizeof(error));

	if (!rc && stored->google) {
		snprintf(error, sizeof(error), "%s: is of Google Benchmark, no result of ours",
			 stored->path);
		rc = -EINVAL;
	}
	if (!rc) {
		if (stored->remark[0])
			complain("export: %s: %s", dir, stored->remark);
		return CODE_OK;
	}
	complain("export: %s", error);
	return rc == -EINVAL ? CODE_USAGE : CODE_FILES;
}

int cmd_export(const struct options *options)
{
	const struct export_format *format;
	char error[4352] = "";
	struct stored stored;
	const char *dir;
	int code, rc = 0;

	if (options->argument_count > 0 && !find_format(options->arguments[0]))
		return CODE_USAGE;
	if (options->argument_count != 2)
		return usage_error("export: a format and a result directory are needed: "
				   "export " EXPORT_FORMATS " DIR");
	format = find_format(options->arguments[0]);
	dir = options->arguments[1];
	code = read_result(&stored, dir);
	if (!code)
		rc = options->json ? write_wrapped(format, dir, stored.json, error, sizeof(error))
				   : format->write(stdout, dir, stored.json, error, sizeof(error));
	stored_release(&stored);
	if (rc) {
		complain("export: %s", error[0] ? error : strerror(-rc));
		return CODE_FILES;
	}
	return code;
}
