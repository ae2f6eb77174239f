/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapping_set.h - the reverse map of a mappable: offset ranges -> who maps them.
 *
 * An element is (space, address range, writable) over an offset range. Adding an element that is
 * there already is a no-op (set semantics); a part of an element may be removed, which leaves
 * the rest. Cost: O(log n + k) for k elements touched, with no copying of bystanders.
 * Locks: the caller holds the mappable's `rmap` lock around every call.
 */
#pragma once

#include "engine/interfaces.h"

struct mapping_set;

/* Called for each maximal sub-range; ascending. */
typedef void (*mapping_set_range_fn)(struct mappable_range mr, void *arg);

MM_MUST_CHECK int mapping_set_create(struct mapping_set **out); /* 0 or -ENOMEM */
void mapping_set_destroy(struct mapping_set *set); /* NULL is fine; elements are forgotten */
/* Before it returns an error (-ENOMEM) nothing has changed. newly (may be NULL) is told the
 * sub-ranges of [offset, offset + length(ar)) that had no mapping before. */
MM_MUST_CHECK int mapping_set_add(struct mapping_set *set, struct mapping_space *ms,
				  struct addr_range ar, uint64_t offset, bool writable,
				  mapping_set_range_fn newly, void *arg) REQUIRES(rmap_class);
/* gone (may be NULL) is told the sub-ranges that have no mapping now. Never fails: a removal
 * that must split an element uses the spare node that its add set aside. */
void mapping_set_remove(struct mapping_set *set, struct mapping_space *ms, struct addr_range ar,
			uint64_t offset, bool writable, mapping_set_range_fn gone, void *arg)
	REQUIRES(rmap_class);
/* Calls mapping_space_invalidate() for every element that overlaps mr, clipped to it, spaces in
 * ascending id, inside a space by ascending address. */
void mapping_set_invalidate(struct mapping_set *set, struct mappable_range mr,
			    struct invalidate_opts opts) REQUIRES(rmap_class) MAY_LOCK_ENTRY;
bool mapping_set_is_empty(const struct mapping_set *set) REQUIRES(rmap_class);
size_t mapping_set_count(const struct mapping_set *set) REQUIRES(rmap_class); /* elements */
/* Elements that were added as writable; 0: nobody can write through a mapping. */
size_t mapping_set_writable_count(const struct mapping_set *set) REQUIRES(rmap_class);
/* Walks elements that overlap mr: for tests and mm_check(). */
typedef void (*mapping_set_element_fn)(struct mappable_range mr, struct mapping_space *ms,
				       struct addr_range ar, bool writable, void *arg);
void mapping_set_visit(const struct mapping_set *set, struct mappable_range mr,
		       mapping_set_element_fn visit, void *arg) REQUIRES(rmap_class);
