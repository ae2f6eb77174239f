/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refcount_pieces.h - what refcount-range counts on: 2 MiB of a space as the pieces of files that
 * show them, each counted in one call.
 */
#pragma once

#include "workloads/workload.h"

#define REFCOUNT_RANGE (UINT64_C(2) << 20)

/* Pieces of a file that show 2 MiB of the space, in order. */
struct refcount_range {
	unsigned count;
	struct translator_translation piece[REFCOUNT_RANGE / 4096];
} __attribute__((aligned(128)));

/* Looks up what is present at start; pieces of up to `most` bytes (at least a page each). */
int refcount_gather(struct worker *w, uint64_t start, uint64_t most, struct refcount_range *r);
