/* SPDX-License-Identifier: Apache-2.0 */
/*
 * side_by_side.h - the table in which a run's translators stand under each other, workload by
 * workload: rate, ratio to the first with its interval, percentiles, scaling, memory, host
 * mappings.
 *
 * Made from a result.json that may lack anything. A result with one translator has no such table.
 * No locks.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define SIDE_COLUMNS 11
#define SIDE_CELL_SIZE 160

struct side_row {
	const json_t *benchmark; /* borrowed */
	bool begins; /* a workload: its first translator */
	char cells[SIDE_COLUMNS][SIDE_CELL_SIZE];
};

struct side_table {
	struct side_row *rows;
	size_t count;
};

/* Headings of the columns; the first two are text, the others numbers. */
extern const char *const side_columns[SIDE_COLUMNS];
/* What the columns mean, a sentence or two. */
extern const char side_reading[];

/* No rows if there is one translator only. side_by_side_release afterwards. */
struct side_table side_by_side(const json_t *result);
void side_by_side_release(struct side_table *table);

/* How many translators the benchmarks of a result have. */
size_t side_translators(const json_t *result);

/* Nothing if there are no rows. */
void side_by_side_print(FILE *out, const json_t *result);
void side_by_side_markdown(FILE *out, const json_t *result);
void side_by_side_html(FILE *out, const json_t *result);
