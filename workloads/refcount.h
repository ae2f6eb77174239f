/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refcount.h - what refcount-own and refcount-shared have in common: present pages, one a worker,
 * and the loop over pairs of incref and decref. They differ in who counts on which page. And what
 * refcount-range counts on.
 */
#pragma once

#include "workloads/workload.h"

/* A space with a present page in each worker's region. */
int refcount_setup(struct workload_run *run);
/* Chooses the page that the worker counts on: the one of region `index`. */
int refcount_pin(struct worker *w, unsigned index);
/* role.run: pairs of incref and decref. */
uint64_t refcount_run(struct worker *w, uint64_t count);
/* -EIO: the pages are not what they were, or a reference was lost or left over. */
int refcount_verify(struct workload_run *run);
/* Destroys what there is; run->data may be another array. Fits workload.teardown. */
void refcount_teardown(struct workload_run *run);
