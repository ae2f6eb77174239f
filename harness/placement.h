/* SPDX-License-Identifier: Apache-2.0 */
/*
 * placement.h - which CPU each thread runs on.
 *
 * A plan is a pure function of topology, words and thread count, so that synthetic machines can
 * be planned for. Words:
 *   compact     SMT siblings first, then the next core of the same L3, package, machine
 *   scatter     packages in turn, then nodes, L3s, L2s, cores; SMT siblings last
 *   cores       one PU of each core, in order; then the second ones
 *   node:N      the PUs of memory node N (kernel's number), cores first
 *   cpus:LIST   exactly these (0,2-5), in that order
 * No locks; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"
#include "harness/topology.h"

/* "WORD\tdescription" each, sorted, ends with NULL. For `list` and help. */
extern const char *const placement_words[];

/*
 * Fills cpus[threads] with kernel CPU numbers. If there are more threads than CPUs, the list
 * starts again from its beginning, *wrapped is true and `why` says so. 0 or, with a sentence in
 * `why` (may be NULL):
 *   -EINVAL  unknown word (the nearest known one is named) or broken list
 *   -ENODEV  a node or CPU that is not there or may not be used
 *   -ENOMEM
 */
MM_MUST_CHECK int placement_plan(const struct topology *t, const char *spec, unsigned threads,
				 unsigned cpus[], bool *wrapped, char *why, size_t why_size);

/* Checks the spelling alone, without a machine: 0 or -EINVAL with a sentence in `why`. */
MM_MUST_CHECK int placement_check(const char *spec, char *why, size_t why_size);

/*
 * Pins the calling thread and checks that it runs there. 0; -EINVAL: the kernel refuses that
 * CPU; -EIO: pinned, but found running elsewhere; -ENOMEM.
 */
MM_MUST_CHECK int placement_pin(unsigned cpu);
