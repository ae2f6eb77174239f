/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot_machine.c - the PUs of a result in the order in which figures show them. No locks.
 */
#include "harness/plot_machine.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/view.h"

static int compare(const void *left, const void *right)
{
	const struct plot_pu *a = left, *b = right;
	const int keys[][2] = {
		{ a->package, b->package }, { a->node, b->node }, { a->l3, b->l3 },
		{ a->core, b->core },	    { a->smt, b->smt },	  { a->os, b->os }
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i][0] != keys[i][1])
			return keys[i][0] < keys[i][1] ? -1 : 1;
	return 0;
}

static int member(const json_t *pu, const char *key)
{
	double value = view_number(pu, key);

	return value >= 0 && value < 1e6 ? (int)value : -1;
}

int plot_machine_init(struct plot_machine *machine, const json_t *result)
{
	const json_t *pus = view_get(result, "topology.pus");
	size_t i;
	json_t *each;

	machine->count = 0;
	machine->pus = calloc(json_array_size(pus) + 1, sizeof(*machine->pus));
	if (!machine->pus)
		return -ENOMEM;
	json_array_foreach(pus, i, each)
	{
		struct plot_pu *pu = &machine->pus[machine->count];

		*pu = (struct plot_pu){ .os = member(each, "os"),
					.package = member(each, "package"),
					.node = member(each, "node"),
					.l3 = member(each, "l3"),
					.l2 = member(each, "l2"),
					.core = member(each, "core"),
					.smt = member(each, "smt") };
		if (pu->os >= 0)
			machine->count++;
	}
	qsort(machine->pus, machine->count, sizeof(*machine->pus), compare);
	return 0;
}

void plot_machine_release(struct plot_machine *machine)
{
	free(machine->pus);
	machine->pus = NULL;
	machine->count = 0;
}

int plot_machine_index(const struct plot_machine *machine, int os)
{
	for (size_t i = 0; i < machine->count; i++)
		if (machine->pus[i].os == os)
			return (int)i;
	return -1;
}

enum plot_sharing plot_sharing_of(const struct plot_pu *a, const struct plot_pu *b)
{
	if (a->os == b->os)
		return SHARING_PU;
	if (a->core == b->core && a->package == b->package)
		return SHARING_CORE;
	/* An unknown L3 is nobody's. */
	if (a->l3 == b->l3 && a->l3 >= 0 && a->package == b->package)
		return SHARING_L3;
	return a->package == b->package ? SHARING_PACKAGE : SHARING_NONE;
}

double plot_shade(double value, double low, double high)
{
	double at = log(value / low) / log(high / low);

	return fmin(1, fmax(0, at));
}

bool plot_shade_range(const double values[], size_t count, double *low, double *high)
{
	double middle;

	*low = INFINITY;
	*high = 0;
	for (size_t i = 0; i < count; i++)
		if (isfinite(values[i]) && values[i] > 0) {
			*low = fmin(*low, values[i]);
			*high = fmax(*high, values[i]);
		}
	if (*high <= 0) {
		*low = *high = 1;
		return false;
	}
	if (*high / *low < 1.5) {
		middle = sqrt(*low * *high);
		*low = middle / sqrt(1.5);
		*high = middle * sqrt(1.5);
	}
	return true;
}
