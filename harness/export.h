/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export.h - results in the formats of other tools.
 *
 * Each format is one function that writes a result directory to a stream: 0, or -errno with a
 * sentence in error. Results of other versions may lack anything.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

/* The names of the table. */
#define EXPORT_FORMATS "bmf|csv|gbench|gobench|hlog|junit|openmetrics"

struct export_format {
	const char *name;
	const char *help;
	int (*write)(FILE *out, const char *dir, const json_t *result, char *error, size_t size);
};

/* Sorted by name, ends with a NULL name. */
extern const struct export_format export_table[];

int export_bmf(FILE *out, const char *dir, const json_t *result, char *error, size_t size);
int export_csv(FILE *out, const char *dir, const json_t *result, char *error, size_t size);
int export_gbench(FILE *out, const char *dir, const json_t *result, char *error, size_t size);
int export_gobench(FILE *out, const char *dir, const json_t *result, char *error, size_t size);
int export_hlog(FILE *out, const char *dir, const json_t *result, char *error, size_t size);
int export_junit(FILE *out, const char *dir, const json_t *result, char *error, size_t size);
int export_openmetrics(FILE *out, const char *dir, const json_t *result, char *error, size_t size);

/* DIR/result.json; NULL with a sentence in error. A new reference. */
json_t *export_load(const char *dir, char *error, size_t size);
/* The lines of DIR/samples.ndjson as an array (empty if there are none; a cut line is left out). */
json_t *export_samples(const char *dir);
