/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapping_set.h - a reverse map: offset ranges -> who maps them.
 *
 * An element is (space, address range, writable) over an offset range. Adding an element that is
 * there already is a no-op (set semantics); a part of an element may be removed, which leaves
 * the rest. Cost: O(log n + k) for k elements touched, with no copying of bystanders.
 * Locks: the caller holds the `rmap` locks that guard the set, around every call; for those that
 * take a const set it is enough that nobody changes it meanwhile.
 */
#pragma once

#include "engine/interfaces.h"

struct mapping_element;

/* Zeroed memory is an empty set. */
struct mapping_set {
	struct mapping_element *root[2]; /* by offset, by owner */
	struct mapping_element *spares;
	uint32_t spare_count;
	uint32_t element_count;
	uint32_t writable_count; /* of them */
	uint64_t random;
};

/* Called for each maximal sub-range; ascending. */
typedef void (*mapping_set_range_fn)(struct mappable_range mr, void *arg);

/* Frees the elements: the set is empty again. */
void mapping_set_release(struct mapping_set *set);
/* Before it returns an error (-ENOMEM) nothing has changed. newly (may be NULL) is told the
 * sub-ranges of [offset, offset + length(ar)) that had no mapping before. */
MM_MUST_CHECK int mapping_set_add(struct mapping_set *set, struct mapping_space *ms,
				  struct addr_range ar, uint64_t offset, bool writable,
				  mapping_set_range_fn newly, void *arg) REQUIRES(rmap_class);
/* After a 0 the next mapping_set_add succeeds. 0 or -ENOMEM. */
MM_MUST_CHECK int mapping_set_reserve(struct mapping_set *set) REQUIRES(rmap_class);
/* gone (may be NULL) is told the sub-ranges that have no mapping now. Never fails: a removal
 * that must split an element uses the spare node that its add set aside. */
void mapping_set_remove(struct mapping_set *set, struct mapping_space *ms, struct addr_range ar,
			uint64_t offset, bool writable, mapping_set_range_fn gone, void *arg)
	REQUIRES(rmap_class);
/* The first part of mr that ms maps, at address - offset = delta and so writable; false: none. */
bool mapping_set_find(const struct mapping_set *set, struct mapping_space *ms, uint64_t delta,
		      bool writable, struct mappable_range mr, struct mappable_range *found)
	REQUIRES(rmap_class);

/*
 * Calls mapping_space_invalidate() for every element of both sets that overlaps mr, clipped to it,
 * spaces in ascending id, inside a space by ascending address. `second` may be NULL.
 */
void mapping_set_invalidate(struct mapping_set *set, struct mapping_set *second,
			    struct mappable_range mr, struct invalidate_opts opts)
	REQUIRES(rmap_class) MAY_LOCK_ENTRY;
/* The same, but others may do so with `shared` at once. False, and nothing is done, if `shared` has
 * more than MAPPING_SET_COPIES elements in mr. */
#define MAPPING_SET_COPIES 32
MM_MUST_CHECK bool mapping_set_invalidate_shared(struct mapping_set *set,
						 const struct mapping_set *shared,
						 struct mappable_range mr,
						 struct invalidate_opts opts) REQUIRES(rmap_class)
	MAY_LOCK_ENTRY;

static inline bool mapping_set_is_empty(const struct mapping_set *set) REQUIRES(rmap_class)
{
	return !set->element_count;
}

size_t mapping_set_count(const struct mapping_set *set) REQUIRES(rmap_class); /* elements */
/* Elements that were added as writable; 0: nobody can write through a mapping. */
size_t mapping_set_writable_count(const struct mapping_set *set) REQUIRES(rmap_class);
/* Walks elements that overlap mr, by ascending offset. */
typedef void (*mapping_set_element_fn)(struct mappable_range mr, struct mapping_space *ms,
				       struct addr_range ar, bool writable, void *arg);
void mapping_set_visit(const struct mapping_set *set, struct mappable_range mr,
		       mapping_set_element_fn visit, void *arg) REQUIRES(rmap_class);
