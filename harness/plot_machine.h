/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot_machine.h - the PUs of a result in the order in which figures show them.
 *
 * Sorted by package, node, L3, core, SMT sibling: neighbours share most, and every cache, node and
 * package is one run of indexes. No locks.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct plot_pu {
	int os; /* the number that taskset and per_cpu use */
	int package, node, l3, l2, core, smt; /* logical; -1 unknown */
};

struct plot_machine {
	struct plot_pu *pus;
	size_t count;
};

/* How much two PUs share, from most to least; a boundary is named after what is left. */
enum plot_sharing { SHARING_PU, SHARING_CORE, SHARING_L3, SHARING_PACKAGE, SHARING_NONE };

/* Reads result.topology.pus; an absent topology gives no PUs. Returns 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int plot_machine_init(struct plot_machine *machine,
							  const json_t *result);
void plot_machine_release(struct plot_machine *machine);

/* The place of the PU of that OS number; -1 if the machine has none. */
int plot_machine_index(const struct plot_machine *machine, int os);

/* The innermost thing that holds both. */
enum plot_sharing plot_sharing_of(const struct plot_pu *a, const struct plot_pu *b);

/* How a value lies between the two ends of a logarithmic colour scale: 0 to 1. */
double plot_shade(double value, double low, double high);

/*
 * Ends of a colour scale over the finite positive values: at least half as much again from end to
 * end, so that noise of a few per cent does not look like a cliff. False, and both 1,
 * if there is no value.
 */
bool plot_shade_range(const double values[], size_t count, double *low, double *high);
