/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_exact.h - the layer of a gate that needs no statistics: counts that are the same each time.
 *
 * A baseline directory holds tables of them, "NAME VALUE" a line, the NAME may have spaces; lines
 * that begin with # say what the table depends on. Every table that both sides have is compared to
 * the digit: more is worse, a name that is new or gone is said and is no regression. Only in the
 * table of shared lines, which lists those that are, a name that is absent stands for zero. Main
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct gate_exact_row {
	const char *table; /* "instructions" */
	char *name;
	double before, after; /* NAN: not there */
};

struct gate_exact {
	struct gate_exact_row *rows; /* those that differ */
	size_t count;
	size_t compared; /* names that both have */
	size_t tables; /* that both have */
	size_t worse; /* rows with more than before */
	char missing[256]; /* tables that one side lacks; "" if none */
};

/* Names of the tables ("instructions": instructions.txt), ends with NULL. */
extern const char *const gate_exact_tables[];

/*
 * Compares the tables of two directories. 0, or with a sentence that says file and line, -EBADMSG:
 * broken; -ESTALE: made by another compiler, so that the baseline has to be made anew; other
 * -errno. gate_exact_release afterwards in all cases.
 */
int gate_exact_compare(struct gate_exact *exact, const char *before, const char *after, char *error,
		       size_t size) __attribute__((warn_unused_result));
void gate_exact_release(struct gate_exact *exact);
