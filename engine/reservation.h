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

struct reservation;

/* Pages [start, end) of the address space (page numbers of addresses). 0 or -ENOMEM. */
MM_MUST_CHECK int reservation_create(struct memory_file *mf, uint64_t start, uint64_t end,
				     unsigned nodes, struct reservation **out);
void reservation_get(struct reservation *r);
/* The last reference gives every slice back; pages still referenced stay until they are not. */
void reservation_put(struct reservation *r) MAY_LOCK_ARENA;
/*
 * The page number for an address page on a node: 0 or -ENOMEM. cls PAGE_4K: any page; PAGE_THP
 * and PAGE_2M: address_page is aligned to 512 and so is *page.
 */
MM_MUST_CHECK int reservation_page(struct reservation *r, uint64_t address_page, unsigned node,
				   enum page_class cls, uint32_t *page) MAY_LOCK_ARENA;
/* Bytes of all reservations of the process. */
uint64_t reservation_bytes(void);
