/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history_series.c - series of an index, and where they changed.
 *
 * Change points are looked for in logarithms, so that twice as slow is as far as twice as fast.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/history.h"
#include "harness/statistics_change.h"
#include "harness/statistics_location.h"

/* The same index, the same answer. */
#define SEED 1

const char *const history_metric_names[HISTORY_METRICS] = { "throughput", "p50", "p99", "floor" };

static char *text_of(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);
	char *copy = strdup(text ? text : "");

	if (!copy)
		abort();
	return copy;
}

static void *grow(void *array, size_t count, size_t item)
{
	void *larger = array;

	/* Room doubles. */
	if ((count & (count - 1)) == 0)
		larger = realloc(array, (count ? 2 * count : 1) * item);
	if (!larger)
		abort();
	return larger;
}

static bool is_wanted(const char *benchmark, char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strstr(benchmark, words[i]))
			return true;
	}
	return !count;
}

/* Columns: host, cpu, benchmark, run, start, commit, kernel, values. */
static void take_row(sqlite3_stmt *statement, struct history_series **series, size_t *count)
{
	char *key[3] = { text_of(statement, 0), text_of(statement, 1), text_of(statement, 2) };
	struct history_series *last = *count ? &(*series)[*count - 1] : NULL;
	struct history_point *point;

	if (!last || strcmp(last->host, key[0]) != 0 || strcmp(last->cpu, key[1]) != 0 ||
	    strcmp(last->benchmark, key[2]) != 0) {
		*series = grow(*series, *count, sizeof(**series));
		last = &(*series)[(*count)++];
		*last = (struct history_series){ key[0], key[1], key[2], NULL, 0 };
	} else {
		for (size_t i = 0; i < 3; i++)
			free(key[i]);
	}
	last->points = grow(last->points, last->count, sizeof(*last->points));
	point = &last->points[last->count++];
	*point = (struct history_point){ .run = text_of(statement, 3),
					 .start = text_of(statement, 4),
					 .commit = text_of(statement, 5),
					 .kernel = text_of(statement, 6) };
	for (int m = 0; m < HISTORY_METRICS; m++) {
		double value = sqlite3_column_double(statement, 7 + m);

		point->value[m] = value > 0 && isfinite(value) ? value : NAN;
	}
}

int history_read(struct history *h, char *const *words, size_t count,
		 struct history_series **series, size_t *series_count, char *error, size_t size)
{
	static const char sql[] =
		"SELECT host, cpu, benchmark, id, start, version, kernel, throughput, p50, p99,"
		" floor FROM figure JOIN run ON id = run ORDER BY host, cpu, benchmark, start, id";
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(h->db, sql, -1, &statement, NULL);

	*series = NULL;
	*series_count = 0;
	while (!code && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *benchmark = (const char *)sqlite3_column_text(statement, 2);

		if (is_wanted(benchmark ? benchmark : "", words, count))
			take_row(statement, series, series_count);
		code = SQLITE_OK;
	}
	if (code != SQLITE_DONE)
		snprintf(error, size, "%s: %s", h->path, sqlite3_errmsg(h->db));
	sqlite3_finalize(statement);
	return code == SQLITE_DONE ? 0 : -EBADMSG;
}

void history_series_free(struct history_series *series, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t p = 0; p < series[i].count; p++) {
			free(series[i].points[p].run);
			free(series[i].points[p].start);
			free(series[i].points[p].commit);
			free(series[i].points[p].kernel);
		}
		free(series[i].points);
		free(series[i].host);
		free(series[i].cpu);
		free(series[i].benchmark);
	}
	free(series);
}

double history_median(const struct history_series *series, enum history_metric metric, size_t from,
		      size_t to)
{
	double *values = calloc(to - from + 1, sizeof(*values)), median;
	size_t count = 0;

	if (!values)
		abort();
	for (size_t i = from; i < to; i++) {
		if (!isnan(series->points[i].value[metric]))
			values[count++] = series->points[i].value[metric];
	}
	statistics_sort(values, count);
	median = statistics_median(values, count);
	free(values);
	return median;
}

/* Those of one metric, appended. */
static size_t find_changes(const struct history_series *s, enum history_metric metric,
			   struct history_change *changes)
{
	double *values = calloc(s->count + 1, sizeof(*values));
	size_t *points = calloc(s->count + 1, sizeof(*points));
	struct statistics_change *found = calloc(s->count + 1, sizeof(*found));
	size_t count = 0, found_count;

	if (!values || !points || !found)
		abort();
	for (size_t i = 0; i < s->count; i++) {
		if (isnan(s->points[i].value[metric]))
			continue;
		values[count] = log(s->points[i].value[metric]);
		points[count++] = i;
	}
	points[count] = s->count;
	found_count = statistics_changes(values, count, SEED, found, s->count);
	for (size_t i = 0; i < found_count; i++) {
		size_t from = i ? points[found[i - 1].index] : 0, at = points[found[i].index];
		size_t to = i + 1 < found_count ? points[found[i + 1].index] : s->count;

		changes[i] = (struct history_change){
			.metric = metric,
			.point = at,
			.before = points[found[i].index - 1],
			.shift = log(history_median(s, metric, at, to) /
				     history_median(s, metric, from, at)),
			.p = found[i].p,
		};
	}
	free(values);
	free(points);
	free(found);
	return found_count;
}

size_t history_changes(const struct history_series *series, struct history_change **changes)
{
	size_t count = 0;

	*changes = calloc(HISTORY_METRICS * series->count + 1, sizeof(**changes));
	if (!*changes)
		abort();
	for (unsigned m = 0; m < HISTORY_METRICS; m++)
		count += find_changes(series, m, *changes + count);
	return count;
}
