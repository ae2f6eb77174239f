/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_query.h - what the rest of a kernel asks of a space beside mapping and faulting: names of
 * anonymous memory, policies, keys of futexes, a stack for a new program, readiness to be saved.
 */
#pragma once

#include "engine/mm.h"

/*
 * Names the anonymous memory of a range in listings: "[anon:NAME]"; NULL takes the name away
 * (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME)). -EINVAL: unaligned, too long (80 bytes with the NUL),
 * a character that is not printable or one of \\ ` $ [ ]; -EBADF: a mapping of a mappable, what
 * precedes it is named; -ENOMEM: a hole, the rest is named, or no memory.
 */
MM_MUST_CHECK int mm_set_name(struct mm_space *s, uint64_t address, uint64_t length,
			      const char *name) MAY_LOCK_ANY;

/* The NUMA policy of the mapping at address (get_mempolicy(MPOL_F_ADDR)). -EFAULT: none there. */
MM_MUST_CHECK int mm_numa_policy(struct mm_space *s, uint64_t address, enum numa_policy *policy,
				 uint64_t *nodes) MAY_LOCK_ANY;

/* What a futex word is known by: two are the same if mappable and offset are equal, and, where
 * mappable is NULL, the spaces. */
struct mm_futex_key {
	struct mappable *mappable; /* NULL: private memory */
	struct mapping_identity *identity; /* keeps mappable; the caller drops it. May be NULL */
	uint64_t offset; /* in mappable, or the address */
};
/* -EINVAL: not a multiple of 4; -EFAULT: nothing readable is mapped there. */
MM_MUST_CHECK int mm_futex_key(struct mm_space *s, uint64_t address, struct mm_futex_key *key)
	MAY_LOCK_ANY;

/*
 * Maps the stack of a new program, named "[stack]", growing down: as large as the limit of stacks,
 * 8 MiB without one, 128 MiB at most, near the upper end of the space. -ENOMEM: the limit is less
 * than a page, or there is no room.
 */
MM_MUST_CHECK int mm_map_stack(struct mm_space *s, uint64_t *address) MAY_LOCK_ANY;

/*
 * Tells every mappable that the space maps to invalidate what could not be saved; one that is
 * mapped twice is told twice. Nothing else runs in any space meanwhile. 0, or the first error.
 */
MM_MUST_CHECK int mm_invalidate_unsavable(struct mm_space *s) MAY_LOCK_ANY;
