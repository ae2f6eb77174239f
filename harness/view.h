/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.h - reading a result.json that may lack anything.
 *
 * The table, the plots and the report are made from results of this and of older or newer
 * versions, whole or interrupted. So nothing here fails: a value that is missing, null or of
 * another type comes back as NULL, NAN or the caller's word for it, and every formatter turns
 * NAN into a dash. No function keeps what it is given; all may be called from any thread as long
 * as nobody changes the JSON meanwhile. No locks.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

enum { VIEW_TEXT_SIZE = 32 }; /* enough for every view_format_ */

/* The value at a path of keys joined by dots ("run.id"); NULL if missing or null. */
const json_t *view_get(const json_t *value, const char *path);

/* A string at the path, or `fallback` (may be NULL). Lives as long as the JSON. */
const char *view_text(const json_t *value, const char *path, const char *fallback);

/* A number at the path, or NAN. */
double view_number(const json_t *value, const char *path);

/* Nonzero if the value at the path is true. */
int view_true(const json_t *value, const char *path);

/* Nonzero if benchmark.flags holds the flag. */
int view_flagged(const json_t *benchmark, const char *flag);

/*
 * Why the member `key` of an object is missing: its neighbour `<key>_reason`, the `unavailable`
 * within, or "no reason given". Never NULL.
 */
const char *view_reason(const json_t *object, const char *key);

/* The benchmark of that name; NULL if there is none or name is NULL. */
const json_t *view_benchmark(const json_t *result, const char *name);

/* "2.20 ns", "3.41 µs"; three digits. `text` holds VIEW_TEXT_SIZE bytes and is returned. */
const char *view_format_ns(double ns, char *text);
/* "38.2 M/s". */
const char *view_format_rate(double per_second, char *text);
/* "6.41×". */
const char *view_format_ratio(double ratio, char *text);
/* "12,345,678"; for counts. */
const char *view_format_count(double count, char *text);
