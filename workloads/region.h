/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region.h - what several workloads do in their setup: one space, in it a region for each worker.
 *
 * Parameter 0 of such a workload is `region`, bytes for each worker. Regions are multiples of
 * 2 MiB (of a page, if that is more) and start at such an address, so that workers share no leaf
 * of a translator's tree. run->space and run->object belong to these functions. All return 0 or
 * -errno.
 */
#pragma once

#include "workloads/workload.h"

#define REGION_ALIGN (UINT64_C(2) << 20)

/* Makes params[0] a multiple of that of which `shares` fit into half of memory_max (the other half
 * is the translator's, unless one page is more than that), writing back what it became. -ENOMEM:
 * not even one fits. */
int region_fit(struct workload_run *run, uint64_t shares);
/* Parameter 1 is pages of a batch, of which `most` are there: makes it that if it is more.
 * -EINVAL: it is 0, or `most` is. */
int region_fit_batch(struct workload_run *run, uint64_t most);
/* Creates run->space for one region of params[0] bytes for each of `regions`. */
int region_space_create(struct workload_run *run, uint64_t regions);
/* workload.setup: both, with a region for each worker, which alone faults pages of it. */
int region_setup_each(struct workload_run *run);
/* workload.setup: the same for operations on params[1] bytes at the start of a region. -EINVAL:
 * that is 0, not whole pages, or more than half a region. */
int region_setup_parts(struct workload_run *run);
/* workload.enter for both: maps the worker's region, or its part, and faults it. */
int region_enter(struct worker *w);
int region_enter_part(struct worker *w);
/* Makes run->object, bytes of shared memory. */
int region_object_create(struct workload_run *run, uint64_t bytes);
/* role.reset where all regions show run->object, one after another: forgets the translations of
 * the worker's, which keeps its pages, and starts at its first page again. */
void region_forget(struct worker *w);
/* workload.enter there: faults the worker's region, and forgets it. */
int region_enter_object(struct worker *w);
/* workload.setup: an object of params[0] bytes, mapped in region 0 of a space and faulted. */
int region_setup_object(struct workload_run *run);
/* Where region number `index` starts. */
static inline uint64_t region_start(const struct workload_run *run, unsigned index)
{
	return (index + UINT64_C(1)) * run->params[0];
}
/* A random number below `below` (at most 2^32), without a division. */
static inline uint64_t region_random(struct worker *w, uint64_t below)
{
	return ((worker_random(w) >> 32) * below) >> 32;
}
/* Maps bytes of object (NULL: private anonymous) from offset, readable and writable. */
int region_map(const struct workload_run *run, uint64_t address, uint64_t bytes,
	       struct translator_object *object, uint64_t offset);
/* The same, but what is stored stays in the space. */
int region_map_private(const struct workload_run *run, uint64_t address, uint64_t bytes,
		       struct translator_object *object, uint64_t offset);
/* Faults every 4 KiB of the range for writing: afterwards it is present. */
int region_fault(const struct workload_run *run, uint64_t address, uint64_t bytes);
/* -EIO unless every page of the range is present (a translator that computes nothing passes). */
int region_verify(const struct workload_run *run, uint64_t address, uint64_t bytes);
/* -EIO unless each page of [one, one + bytes) is present and shows the memory that the page of
 * [other, other + bytes) shows (same), or other memory (not same). */
int region_verify_pairs(const struct workload_run *run, uint64_t one, uint64_t other,
			uint64_t bytes, bool same);
/* Operations of a round: pages in params[0] bytes. Fits workload.round_of. */
uint64_t region_round(const struct workload_run *run, unsigned role);
/* Destroys run->space and run->object, those that there are. Fits workload.teardown. */
void region_teardown(struct workload_run *run);
/* role.run: faults the next `count` pages of the worker's region from w->cursor, bytes done. */
uint64_t region_fault_next(struct worker *w, uint64_t count);
/* The same for reading. */
uint64_t region_fault_next_read(struct worker *w, uint64_t count);
/* workload.verify for them: what each worker has faulted since its last reset is present. */
int region_verify_next(struct workload_run *run);
/* role.run: faults random pages of region 0. A bus error is a failure in the first, and an
 * answer like another in the second. */
uint64_t region_fault_random(struct worker *w, uint64_t count);
uint64_t region_fault_random_or_bus(struct worker *w, uint64_t count);
