/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu_halves.c - the CPUs of a machine in two halves that are alike.
 *
 * Cores are numbered in hwloc's logical order, in which those that share more are nearer. Two ways
 * to deal them out are tried, and the first whose halves are alike is taken: the whole list cut in
 * the middle, and the cores of each L3 cut in the middle.
 */
#include "harness/cpu_halves.h"

#include <stdio.h>
#include <stdlib.h>

/* Of a core: its CPUs are next to each other in the topology's list. */
struct core {
	unsigned first, count;
	int l3, package;
};

static unsigned list_cores(const struct topology *t, struct core *cores)
{
	unsigned count = 0;

	for (unsigned i = 0; i < t->pu_count; i++) {
		if (!i || t->pus[i].core != t->pus[i - 1].core)
			cores[count++] = (struct core){ i, 0, t->pus[i].l3, t->pus[i].package };
		cores[count - 1].count++;
	}
	return count;
}

/* The end of the cores that are dealt out together with `first`. */
static unsigned group_end(const struct core *cores, unsigned count, unsigned first, bool by_l3)
{
	unsigned end = first + 1;

	while (end < count && (!by_l3 || (cores[end].l3 == cores[first].l3 &&
					  cores[end].package == cores[first].package)))
		end++;
	return end;
}

static void add_core(unsigned *half, unsigned *used, const struct core *core)
{
	for (unsigned i = 0; i < core->count; i++)
		half[(*used)++] = core->first + i;
}

/* Deals out indexes of CPUs; returns how many each half has, 0: not the same. */
static unsigned deal(const struct core *cores, unsigned count, bool by_l3, unsigned *halves[2])
{
	unsigned used[2] = { 0, 0 };

	for (unsigned first = 0, end; first < count; first = end) {
		unsigned half;

		end = group_end(cores, count, first, by_l3);
		half = (end - first) / 2;
		for (unsigned i = 0; i < 2 * half; i++)
			add_core(halves[i >= half], &used[i >= half], &cores[first + i]);
	}
	return used[0] == used[1] ? used[0] : 0;
}

/* Each CPU is as far from the first of its half as its counterpart, and from the one before it. */
static bool alike(const struct topology *t, unsigned count, unsigned *const halves[2])
{
	const struct topology_pu *pus = t->pus;

	for (unsigned i = 1; i < count; i++) {
		const struct topology_pu *a = &pus[halves[0][i]], *b = &pus[halves[1][i]];

		if (topology_distance(a, &pus[halves[0][i - 1]]) !=
			    topology_distance(b, &pus[halves[1][i - 1]]) ||
		    topology_distance(a, &pus[halves[0][0]]) !=
			    topology_distance(b, &pus[halves[1][0]]))
			return false;
	}
	return true;
}

struct cpu_halves cpu_halves_of(const struct topology *t)
{
	struct core *cores = calloc(t->pu_count, sizeof(*cores));
	struct cpu_halves h = { .cpus = { calloc(t->pu_count, sizeof(unsigned)),
					  calloc(t->pu_count, sizeof(unsigned)) } };
	unsigned count;

	if (!cores || !h.cpus[0] || !h.cpus[1])
		abort();
	count = list_cores(t, cores);
	for (unsigned way = 0; way < 2 && !h.count && t->pu_count >= CPU_HALVES_MIN; way++) {
		h.count = deal(cores, count, way, h.cpus);
		if (h.count < CPU_HALVES_MIN / 2 || !alike(t, h.count, h.cpus))
			h.count = 0;
	}
	for (unsigned i = 0; i < h.count; i++) {
		h.cpus[0][i] = t->pus[h.cpus[0][i]].os;
		h.cpus[1][i] = t->pus[h.cpus[1][i]].os;
	}
	free(cores);
	return h;
}

void cpu_halves_release(struct cpu_halves *halves)
{
	free(halves->cpus[0]);
	free(halves->cpus[1]);
	*halves = (struct cpu_halves){ 0 };
}

char *cpu_halves_text(const struct cpu_halves *halves, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < 2 * halves->count && used < size; i++) {
		const char *before = i == halves->count ? " and " : i ? "," : "";

		used += (size_t)snprintf(text + used, size - used, "%s%u", before,
					 halves->cpus[i / halves->count][i % halves->count]);
	}
	return text;
}
