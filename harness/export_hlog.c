/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_hlog.c - all histograms of a result as one HdrHistogram V2 log.
 *
 * The files of hist/ are logs themselves: their tagged lines follow one another below one head.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/export.h"
#include "harness/hlog.h"
#include "harness/result_dir.h"
#include "harness/view.h"

/* Copies the lines that hold histograms. 0 or -errno. */
static int copy_lines(FILE *out, const char *dir, const char *name)
{
	FILE *file = result_dir_read(dir, name);
	char *line = NULL;
	size_t room = 0;
	int rc = file ? 0 : -errno;

	while (!rc && getline(&line, &room, file) > 0) {
		if (strncmp(line, "Tag=", 4) == 0 && fputs(line, out) < 0)
			rc = -EIO;
	}
	free(line);
	if (file)
		fclose(file);
	return rc;
}

/* Seconds since 1970, from which the lines count; 0: not known. */
static double begin_of(const json_t *result)
{
	struct tm utc = { 0 };

	return strptime(view_text(result, "run.start", ""), "%Y-%m-%dT%H:%M:%SZ", &utc)
		       ? (double)timegm(&utc)
		       : 0;
}

int export_hlog(FILE *out, const char *dir, const json_t *result, char *error, size_t size)
{
	const json_t *benchmarks = view_get(result, "benchmarks");
	char file[300], name[256];
	int rc = hlog_write_head(out, begin_of(result), "faultline");

	for (size_t i = 0; i < json_array_size(benchmarks) && !rc; i++) {
		const json_t *b = json_array_get(benchmarks, i);

		/* What was not measured has no file. */
		if (!view_get(b, "latency"))
			continue;
		snprintf(file, sizeof(file), "hist/%s.hlog",
			 result_dir_file_name(view_text(b, "name", ""), name, sizeof(name)));
		rc = copy_lines(out, dir, file);
		if (rc)
			snprintf(error, size, "%s/%s: %s", dir, file, strerror(-rc));
	}
	return rc;
}
