/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - everything for people, made from a result directory.
 *
 * Files are written beside their place and renamed onto it, so that a reader, or a report that is
 * killed, never leaves half a file. No locks.
 */
#include "harness/report.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/plot.h"
#include "harness/report_page.h"
#include "harness/result_dir.h"
#include "harness/summary.h"

enum { PATH_SIZE = 1024 };

/* NULL: cannot be opened (errno), or is not JSON (errno 0). */
static json_t *load(const char *dir, const char *name, json_error_t *why)
{
	FILE *in = result_dir_read(dir, name);
	json_t *json;

	if (!in) {
		snprintf(why->text, sizeof(why->text), "%s", strerror(errno));
		return NULL;
	}
	errno = 0;
	json = json_loadf(in, JSON_REJECT_DUPLICATES, why);
	fclose(in);
	return json;
}

/* The text of a small file, or NULL. */
static char *read_text(const char *dir, const char *name)
{
	char *text = NULL;
	size_t room = 0;
	FILE *in = result_dir_read(dir, name);

	if (!in)
		return NULL;
	if (getdelim(&text, &room, '\0', in) < 0) {
		free(text);
		text = NULL;
	}
	fclose(in);
	return text;
}

static int write_file(const char *dir, const char *name,
		      void (*write)(FILE *out, const struct report_page *page),
		      const struct report_page *page, char *error, size_t size)
{
	char path[PATH_SIZE], temporary[PATH_SIZE + 8];
	FILE *out;
	int rc = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	out = result_dir_new_file(temporary);
	if (!out) {
		rc = -errno;
		goto fail;
	}
	write(out, page);
	if (fflush(out) != 0 || ferror(out) || fsync(fileno(out)) != 0)
		rc = errno ? -errno : -EIO;
	if (fclose(out) != 0 && !rc)
		rc = -errno;
	if (!rc && rename(temporary, path) != 0)
		rc = -errno;
	if (!rc)
		return 0;
	unlink(temporary);
fail:
	snprintf(error, size, "cannot write %s: %s", path, strerror(-rc));
	return rc;
}

static void write_summary(FILE *out, const struct report_page *page)
{
	summary_markdown(out, page->result);
}

/* In the order of the page, the most telling first. */
static void draw(struct plot_set *set)
{
	static void (*const makers[])(
		struct plot_set *) = { plot_versus, plot_floors, plot_scaling, plot_topology,
				       plot_pairs,  plot_nodes,	 plot_curves,  plot_time };

	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++)
		makers[i](set);
}

static void remark(const struct plot_set *set, char *error, size_t size)
{
	size_t failed = 0, first = 0;

	for (size_t i = set->count; i-- > 0;)
		if (*set->plots[i].error) {
			failed++;
			first = i;
		}
	if (set->gnuplot_missing)
		snprintf(error, size,
			 "gnuplot was not found: the report has no pictures (on Debian: apt-get "
			 "install gnuplot-nox, then: faultline report DIR)");
	else if (failed)
		snprintf(error, size, "%zu of %zu pictures could not be drawn; %s: %s", failed,
			 set->count, set->plots[first].file, set->plots[first].error);
}

int report_write(const char *dir, char *error, size_t size)
{
	struct report_page page = { 0 };
	struct plot_set set;
	json_error_t why;
	json_t *result, *env = NULL;
	char *job = NULL;
	int rc;

	error[0] = '\0';
	errno = 0;
	result = load(dir, "result.json", &why);
	if (!result) {
		rc = errno ? -errno : -EINVAL;
		snprintf(error, size, "%s/result.json: %s", dir, why.text);
		return rc;
	}
	if (!json_is_object(result)) {
		snprintf(error, size, "%s/result.json: not an object", dir);
		json_decref(result);
		return -EINVAL;
	}
	rc = plot_set_init(&set, dir, result, error, size);
	if (rc)
		goto out;
	draw(&set);
	env = load(dir, "env.json", &why);
	job = read_text(dir, "job.ini");
	page = (struct report_page){ .result = result, .env = env, .job = job, .set = &set };
	rc = write_file(dir, "summary.md", write_summary, &page, error, size);
	if (!rc)
		rc = write_file(dir, "report.html", report_page_write, &page, error, size);
	if (!rc)
		remark(&set, error, size);
	plot_set_release(&set);
out:
	free(job);
	json_decref(env);
	json_decref(result);
	return rc;
}
