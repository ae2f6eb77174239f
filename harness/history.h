/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.h - the results of a machine over time: an index in SQLite, and the series in it.
 *
 * The index holds nothing that result directories do not: lost or broken, it is made anew from
 * them. A run is known by its id, so that adding it again changes nothing, from wherever it is
 * added. Two results are of one machine if host name and processor are the same, as for compare;
 * kernel and commit may differ, and a change between them says so.
 *
 * All that one command adds is one transaction with SQLite's rollback journal: killed at any
 * instant, the index is as before it or as after it. Several processes may use an index at once
 * (SQLite's locks; a writer waits for at most 10 s). One struct belongs to one thread.
 */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "harness/stored.h"

struct history {
	sqlite3 *db;
	char *path;
};

enum history_metric {
	HISTORY_THROUGHPUT, /* operations per second */
	HISTORY_P50, /* ns */
	HISTORY_P99, /* ns */
	HISTORY_FLOOR, /* time of an operation over that of its floor, of the same minutes */
	HISTORY_METRICS
};

extern const char *const history_metric_names[HISTORY_METRICS];

struct history_point {
	char *run, *start, *commit, *kernel;
	double value[HISTORY_METRICS]; /* > 0; NAN: not known */
};

/* One benchmark on one machine, in order of the runs' starts. */
struct history_series {
	char *host, *cpu, *benchmark;
	struct history_point *points;
	size_t count;
};

struct history_change {
	enum history_metric metric;
	size_t point; /* the first after it */
	size_t before; /* the last one before it that has the metric */
	double shift; /* log ratio of the medians, from change to change: after over before */
	double p;
};

/*
 * Opens an index; `make`: for adding, made if there is none. 0 or, with a sentence, -ENOENT: there
 * is none; -EINVAL: it is no index of ours, or of a version to come; -EBADMSG: it is one, and
 * broken; other -errno: it cannot be used. history_close afterwards in all cases.
 */
int history_open(struct history *h, const char *path, bool make, char *error, size_t size)
	__attribute__((warn_unused_result));
void history_close(struct history *h);

/* $XDG_DATA_HOME/faultline/history.sqlite, or below ~/.local/share; its directories are made if
 * `make`. 0 or -errno. */
int history_default_path(char *path, size_t size, bool make) __attribute__((warn_unused_result));

/* history_add stands between these. 0 or -errno with a sentence. */
int history_begin(struct history *h, char *error, size_t size) __attribute__((warn_unused_result));
int history_commit(struct history *h, char *error, size_t size) __attribute__((warn_unused_result));

/*
 * Adds a result, or replaces what is there of the same run (*again). 0 or, with a sentence,
 * -EINVAL: it is no run that could be kept; other -errno: the index.
 */
int history_add(struct history *h, const struct stored *stored, bool *again, char *error,
		size_t size) __attribute__((warn_unused_result));

/*
 * Series whose benchmark's name contains one of `count` words (0: all), sorted by machine and
 * benchmark. 0 or -errno with a sentence; history_series_free afterwards in both cases.
 */
int history_read(struct history *h, char *const *words, size_t count,
		 struct history_series **series, size_t *series_count, char *error, size_t size)
	__attribute__((warn_unused_result));
void history_series_free(struct history_series *series, size_t count);

/* Change points of all metrics of a series, a new array; how many there are. */
size_t history_changes(const struct history_series *series, struct history_change **changes);

/* The median of a metric from point `from` to before `to`; NAN if no point has it. */
double history_median(const struct history_series *series, enum history_metric metric, size_t from,
		      size_t to);
