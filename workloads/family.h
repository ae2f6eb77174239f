/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family.h - a parent space and its forked child, a pair for each worker: the ground of fork and
 * fork-cow. run->data belongs to these functions; run->space is not used.
 */
#pragma once

#include "workloads/workload.h"

struct family {
	struct translator_space *parent;
	struct translator_space *child; /* NULL: none now */
} __attribute__((aligned(128)));

/* Where the one mapping of each space is. */
#define FAMILY_START (UINT64_C(2) << 20)

/* workload.setup: a parent for each worker, with addresses for bytes. 0 or -errno. */
int family_setup(struct workload_run *run, uint64_t bytes);
/* Destroys what there is. Fits workload.teardown. */
void family_teardown(struct workload_run *run);
/* Maps bytes of private memory in the worker's parent. */
int family_map(struct worker *w, uint64_t bytes);
/* Makes every step-th byte's page of them the parent's own: write faults. */
int family_fault(struct worker *w, uint64_t bytes, uint64_t step);
/* Ends the child, if there is one. */
void family_end(struct worker *w);
/* role.reset: the same, and makes another. */
void family_fork(struct worker *w);

static inline struct family *family_of(const struct worker *w)
{
	return (struct family *)w->run->data + w->index;
}

/* workload.verify: forks anew, and finds every step-th page of the bytes shared, until the child
 * stores to it. 0 or -EIO. */
int family_verify(const struct workload_run *run, uint64_t bytes, uint64_t step);
/* Whether the pages at address, which are present in both, are one page: 1 or 0, or -EIO. */
int family_shares(const struct workload_run *run, const struct family *family, uint64_t address);
