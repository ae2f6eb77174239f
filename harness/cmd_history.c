/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_history.c - faultline history add|show|changes: results over time.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/commands.h"
#include "harness/env.h"
#include "harness/history.h"
#include "harness/pairs.h"
#include "harness/plot_history.h"
#include "harness/suggest.h"
#include "harness/view.h"

/* As many as fit beside the other columns. */
#define SPARKS 24

struct call {
	const struct options *options;
	struct history history;
	char path[PATH_MAX];
	size_t added, again, broken;
	int code;
};

static void print_json(json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
	putchar('\n');
	json_decref(json);
}

static int code_of_open(int rc)
{
	return rc == -EINVAL ? CODE_USAGE : CODE_FILES;
}

static int find_path(struct call *c, bool make)
{
	int rc = 0;

	if (options_given(c->options, OPTION_INDEX))
		snprintf(c->path, sizeof(c->path), "%s", c->options->text[OPTION_INDEX]);
	else
		rc = history_default_path(c->path, sizeof(c->path), make);
	if (!rc)
		return CODE_OK;
	complain("history: no place for the index (%s): name one with --index FILE", strerror(-rc));
	return CODE_FILES;
}

/* ---- add ---- */

/* A broken index goes out of the way: it holds nothing that the results do not. */
static int open_to_add(struct call *c)
{
	char error[4864] = "", aside[PATH_MAX + 16];
	int rc = history_open(&c->history, c->path, true, error, sizeof(error));

	if (rc == -EBADMSG) {
		history_close(&c->history);
		snprintf(aside, sizeof(aside), "%s.broken", c->path);
		complain("history: %s", error);
		if (rename(c->path, aside)) {
			complain("history: %s: %s", aside, strerror(errno));
			return CODE_FILES;
		}
		complain("history: it is now %s, and made anew from what is added here", aside);
		rc = history_open(&c->history, c->path, true, error, sizeof(error));
	}
	if (!rc)
		return CODE_OK;
	complain("history: %s", error);
	return code_of_open(rc);
}

/* One result. What is wrong with it keeps no other from being added. An error of the index ends
 * it: < 0. */
static int add_one(struct call *c, const char *path)
{
	char error[4864] = "";
	struct stored stored;
	bool again = false;
	int rc = stored_read(&stored, path, error, sizeof(error));
	int code = rc == -EINVAL ? CODE_USAGE : CODE_FILES;

	if (!rc) {
		rc = history_add(&c->history, &stored, &again, error, sizeof(error));
		code = rc == -EINVAL ? CODE_USAGE : CODE_FILES;
		if (rc && rc != -EINVAL) {
			complain("history: %s", error);
			stored_release(&stored);
			return rc;
		}
	}
	stored_release(&stored);
	if (rc) {
		complain("history: left out: %s", error);
		c->broken++;
		c->code = c->code > code ? c->code : code;
	} else {
		c->added += !again;
		c->again += again;
	}
	return 0;
}

static int with_result(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* A directory that is no result holds some. */
static int add_path(struct call *c, const char *path)
{
	char inner[PATH_MAX], file[PATH_MAX + 16];
	struct dirent **entries;
	int count, rc = 0;
	bool found = false;

	snprintf(file, sizeof(file), "%s/result.json", path);
	count = access(file, F_OK) ? scandir(path, &entries, with_result, alphasort) : -1;
	if (count < 0)
		return add_one(c, path);
	for (int i = 0; i < count; i++) {
		snprintf(inner, sizeof(inner), "%s/%s", path, entries[i]->d_name);
		snprintf(file, sizeof(file), "%s/result.json", inner);
		if (!rc && access(file, F_OK) == 0) {
			found = true;
			rc = add_one(c, inner);
		}
		free(entries[i]);
	}
	free(entries);
	return found || rc ? rc : add_one(c, path);
}

static int add(struct call *c)
{
	const struct options *o = c->options;
	char error[4864] = "";
	int rc, code;

	if (o->argument_count < 2)
		return usage_error("history add: result directories are needed, or one that holds "
				   "them: history add results");
	code = find_path(c, true);
	if (!code)
		code = open_to_add(c);
	if (code)
		return code;
	rc = history_begin(&c->history, error, sizeof(error));
	if (rc)
		complain("history: %s", error);
	for (size_t i = 1; i < o->argument_count && !rc; i++)
		rc = add_path(c, o->arguments[i]);
	if (!rc) {
		rc = history_commit(&c->history, error, sizeof(error));
		if (rc)
			complain("history: %s", error);
	}
	if (rc)
		return CODE_FILES;
	if (o->json)
		print_json(json_pack("{s:s, s:s, s:I, s:I, s:I}", "schema",
				     "faultline.history-add/1", "index", c->path, "added",
				     (json_int_t)c->added, "again", (json_int_t)c->again,
				     "left_out", (json_int_t)c->broken));
	else
		printf("%zu runs added, %zu there already, %zu left out: %s\n", c->added, c->again,
		       c->broken, c->path);
	return c->code;
}

/* ---- show and changes ---- */

static int open_to_read(struct call *c, struct history_series **series, size_t *count)
{
	char error[4864] = "";
	int rc, code = find_path(c, false);

	*series = NULL;
	*count = 0;
	if (code)
		return code;
	rc = history_open(&c->history, c->path, false, error, sizeof(error));
	if (!rc)
		rc = history_read(&c->history, c->options->arguments + 1,
				  c->options->argument_count - 1, series, count, error,
				  sizeof(error));
	if (!rc)
		return CODE_OK;
	complain("history: %s", error);
	if (rc == -ENOENT || rc == -EBADMSG)
		complain("history: it is made from results by: faultline history add%s%s DIR...",
			 options_given(c->options, OPTION_INDEX) ? " --index " : "",
			 options_given(c->options, OPTION_INDEX) ? c->path : "");
	return code_of_open(rc);
}

static json_t *point_json(const struct history_point *point)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "run", point->run, "start", point->start,
			      "commit", point->commit, "kernel", point->kernel);

	for (int m = 0; m < HISTORY_METRICS; m++)
		json_object_set_new(o, history_metric_names[m], env_number(point->value[m]));
	return o;
}

static json_t *series_json(const struct history_series *s)
{
	json_t *points = json_array();

	for (size_t i = 0; i < s->count; i++)
		json_array_append_new(points, point_json(&s->points[i]));
	return json_pack("{s:s, s:{s:s, s:s}, s:o}", "benchmark", s->benchmark, "machine", "host",
			 s->host, "cpu", s->cpu, "points", points);
}

/* Blocks of eight heights, of the last runs; a blank where there is nothing. */
static void print_sparks(const struct history_series *s)
{
	static const char blocks[] = "▁▂▃▄▅▆▇█"; /* of three bytes each */
	size_t from = s->count > SPARKS ? s->count - SPARKS : 0;
	double low = INFINITY, high = 0, span;

	for (size_t i = from; i < s->count; i++) {
		low = fmin(low, s->points[i].value[HISTORY_THROUGHPUT]);
		high = fmax(high, s->points[i].value[HISTORY_THROUGHPUT]);
	}
	/* The height is a tenth at least: noise shall not look like a landslide. */
	span = fmax(high - low, 0.1 * high);
	low -= (span - (high - low)) / 2;
	for (size_t i = from; i < s->count; i++) {
		double value = s->points[i].value[HISTORY_THROUGHPUT];

		if (isnan(value))
			putchar(' ');
		else
			printf("%.3s", blocks + 3 * (int)(7 * (value - low) / span));
	}
}

static bool same_machine(const struct history_series *a, const struct history_series *b)
{
	return strcmp(a->host, b->host) == 0 && strcmp(a->cpu, b->cpu) == 0;
}

static void print_series(const struct history_series *series, size_t count)
{
	int width = 9;

	for (size_t i = 0; i < count; i++) {
		int length = (int)strlen(series[i].benchmark);

		width = length > width ? length : width;
	}
	for (size_t i = 0; i < count; i++) {
		const struct history_series *s = &series[i];
		double last = s->points[s->count - 1].value[HISTORY_THROUGHPUT];
		double median = history_median(s, HISTORY_THROUGHPUT, 0, s->count);
		char rate[VIEW_TEXT_SIZE], middle[VIEW_TEXT_SIZE];

		if (!i || !same_machine(s - 1, s))
			printf("%s%s, %s\n%-*s  runs  %10s  %10s  last:median  throughput\n",
			       i ? "\n" : "", s->host, s->cpu, width, "benchmark", "median",
			       "last");
		printf("%-*s  %4zu  %10s  %10s  ", width, s->benchmark, s->count,
		       view_format_rate(median, middle), view_format_rate(last, rate));
		if (isfinite(last))
			printf("%+9.1f %%  ", 100 * (last / median - 1));
		else
			printf("%11s  ", "-");
		print_sparks(s);
		putchar('\n');
	}
	if (!count)
		puts("no such benchmark in the index");
}

static int show(struct call *c, const struct history_series *series, size_t count)
{
	char error[1024] = "", remark[512] = "";
	json_t *list;

	if (options_given(c->options, OPTION_OUT) &&
	    plot_history(c->options->text[OPTION_OUT], series, count, remark, sizeof(remark), error,
			 sizeof(error))) {
		complain("history: --out: %s", error);
		return CODE_FILES;
	}
	if (*remark)
		complain("history: %s", remark);
	if (c->options->json) {
		list = json_array();
		for (size_t i = 0; i < count; i++)
			json_array_append_new(list, series_json(&series[i]));
		print_json(json_pack("{s:s, s:s, s:o}", "schema", "faultline.history/1", "index",
				     c->path, "series", list));
		return CODE_OK;
	}
	print_series(series, count);
	if (options_given(c->options, OPTION_OUT))
		printf("%s/plots\n", c->options->text[OPTION_OUT]);
	return CODE_OK;
}

static bool is_slower(const struct history_change *change)
{
	return (change->metric == HISTORY_THROUGHPUT) == (change->shift < 0);
}

static json_t *change_json(const struct history_series *s, const struct history_change *change)
{
	return json_pack("{s:s, s:{s:s, s:s}, s:s, s:f, s:s, s:f, s:o, s:o}", "benchmark",
			 s->benchmark, "machine", "host", s->host, "cpu", s->cpu, "metric",
			 history_metric_names[change->metric], "shift_percent",
			 pairs_percent(change->shift), "direction",
			 is_slower(change) ? "slower" : "faster", "p", change->p, "before",
			 point_json(&s->points[change->before]), "after",
			 point_json(&s->points[change->point]));
}

static void print_change(const struct history_series *s, const struct history_change *change)
{
	const struct history_point *after = &s->points[change->point];
	const struct history_point *before = &s->points[change->before];

	printf("  %-10s %+7.1f %%  %s  since %s (%s)  commit %s",
	       history_metric_names[change->metric], pairs_percent(change->shift),
	       is_slower(change) ? "slower" : "faster", after->start, after->run, before->commit);
	if (strcmp(before->commit, after->commit) != 0)
		printf(" -> %s", after->commit);
	if (strcmp(before->kernel, after->kernel) != 0)
		printf("  kernel %s -> %s", before->kernel, after->kernel);
	printf("  p %.3f\n", change->p);
}

static int print_changes(struct call *c, const struct history_series *series, size_t count)
{
	json_t *list = json_array();
	struct history_change *changes;
	size_t total = 0;

	for (size_t i = 0; i < count; i++) {
		size_t found = history_changes(&series[i], &changes);

		if (found && !c->options->json)
			printf("%s  on %s, %s\n", series[i].benchmark, series[i].host,
			       series[i].cpu);
		for (size_t j = 0; j < found; j++) {
			if (c->options->json)
				json_array_append_new(list, change_json(&series[i], &changes[j]));
			else
				print_change(&series[i], &changes[j]);
		}
		total += found;
		free(changes);
	}
	if (c->options->json) {
		print_json(json_pack("{s:s, s:s, s:I, s:o}", "schema", "faultline.changes/1",
				     "index", c->path, "tested",
				     (json_int_t)count * HISTORY_METRICS, "changes", list));
		return CODE_OK;
	}
	json_decref(list);
	printf("%zu changes in %zu series of %d metrics, each tested at 5 %%: one in twenty may be "
	       "chance\n",
	       total, count, HISTORY_METRICS);
	return CODE_OK;
}

int cmd_history(const struct options *options)
{
	static const char *const verbs[] = { "add", "changes", "show" };
	struct call c = { .options = options };
	struct history_series *series = NULL;
	size_t count = 0, verb = 0;
	char hint[96];
	int code;

	if (!options->argument_count)
		return usage_error("history: add, show or changes is needed");
	while (verb < 3 && strcmp(verbs[verb], options->arguments[0]) != 0)
		verb++;
	if (verb == 3)
		return usage_error("history: unknown \"%s\"%s", options->arguments[0],
				   suggest_text(options->arguments[0], verbs, 3, hint,
						sizeof(hint)));
	if (verb == 0) {
		code = add(&c);
	} else {
		code = open_to_read(&c, &series, &count);
		if (!code)
			code = verb == 1 ? print_changes(&c, series, count)
					 : show(&c, series, count);
	}
	history_series_free(series, count);
	history_close(&c.history);
	return code;
}
