/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reservation.h - page numbers set aside for a range of private anonymous memory.
 *
 * The address decides the page: neighbouring addresses have neighbouring file offsets whatever the
 * order of faults, so that the host can merge their mappings (the original's worst trouble was a
 * host mapping per page). One per mapping that is created, shared by the vmas that it is later cut
 * into; per NUMA node and size class, made lazily in slices of 1 GiB.
 *
 * Locks: none of its own. Slices are published by compare-and-swap; who loses gives his run back.
 */
#pragma once

#include <stdatomic.h>

#include "engine/memory_file.h"

struct reservation {
	_Atomic uint32_t references;
	char apart[64]; /* what faults read is in other lines, wherever the heap puts it */
	struct memory_file *mf; /* immutable */
	uint64_t origin; /* address page of slice 0; immutable */
	uint64_t end; /* immutable */
	unsigned nodes, slices; /* immutable */
	/* (class, node, i) -> first page number of the run that serves addresses
	 * [origin + i GiB, origin + (i + 1) GiB), or 0 while there is none */
	_Atomic uint32_t slice[];
};

/* Pages [start, end) of the address space (page numbers of addresses). 0 or -ENOMEM. */
MM_MUST_CHECK int reservation_create(struct memory_file *mf, uint64_t start, uint64_t end,
				     unsigned nodes, struct reservation **out);
void reservation_get(struct reservation *r);
/* The last reference gives every slice back; pages still referenced stay until they are not. */
void reservation_put(struct reservation *r) MAY_LOCK_ARENA;
static inline _Atomic uint32_t *reservation_slot(struct reservation *r, unsigned node,
						 enum page_class cls, unsigned i)
{
	return &r->slice[((cls != PAGE_4K) * r->nodes + node) * r->slices + i];
}

/* Makes the slice, unless somebody else does. 0 or -ENOMEM. */
MM_MUST_CHECK int reservation_make_slice(struct reservation *r, unsigned node, enum page_class cls,
					 unsigned i) MAY_LOCK_ARENA;

/*
 * The page number for an address page on a node: 0 or -ENOMEM. cls PAGE_4K: any page; PAGE_THP
 * and PAGE_2M: address_page is aligned to 512 and so is *page.
 */
static inline MM_MUST_CHECK int reservation_page(struct reservation *r, uint64_t address_page,
						 unsigned node, enum page_class cls, uint32_t *page)
	MAY_LOCK_ARENA
{
	uint64_t offset = address_page - r->origin;
	unsigned i = (unsigned)(offset / MEMORY_CHUNK_PAGES);
	_Atomic uint32_t *slot = reservation_slot(r, node, cls, i);
	uint32_t first = atomic_load_explicit(slot, memory_order_acquire);

	if (__builtin_expect(!first, 0)) {
		int rc = reservation_make_slice(r, node, cls, i);

		if (rc)
			return rc;
		first = atomic_load_explicit(slot, memory_order_acquire);
	}
	*page = first + (uint32_t)(offset % MEMORY_CHUNK_PAGES);
	return 0;
}

/* Bytes of all reservations of the process. */
uint64_t reservation_bytes(void);
