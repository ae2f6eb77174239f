/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu_halves.h - the CPUs of a machine in two halves that are alike, for two programs at once.
 *
 * A core is never shared between halves, so that what runs in one takes no execution unit from what
 * runs in the other. Halves are alike when their CPUs, in order, are as far from one another: what
 * is measured in the one might as well have been measured in the other. As near as can be: a half
 * is a run of neighbouring cores (with two packages, a package) if such halves are alike; otherwise
 * each L3's cores are shared out. A core too many stays idle.
 *
 * Pure functions of a topology, which may be imagined. No locks; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "harness/topology.h"

/* Fewer CPUs are not halved: a half of one CPU has nobody to be interrupted by but the measured. */
#define CPU_HALVES_MIN 4

struct cpu_halves {
	unsigned count; /* CPUs of a half, >= 2; 0: this machine has no halves */
	unsigned *cpus[2]; /* kernel numbers, in the order of the topology; owned */
};

/* No halves are no error: count is 0. cpu_halves_release afterwards in all cases. */
struct cpu_halves cpu_halves_of(const struct topology *topology);
void cpu_halves_release(struct cpu_halves *halves);

/* "0,1,2,3 and 4,5,6,7", cut to what fits; "" without halves. Returns text. */
char *cpu_halves_text(const struct cpu_halves *halves, char *text, size_t size);
