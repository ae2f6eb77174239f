/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_listing.h - the mappings of a space, and in the formats of /proc/PID/maps and smaps.
 *
 * What is told of memory is what the engine knows for certain. Of smaps, these fields are left
 * out: FilePmdMapped (a mapping does not say what its object is made of), Shared_Hugetlb and
 * Private_Hugetlb (huge pages are the application's ordinary memory here, counted in Rss),
 * ProtectionKey, and the flag "sd" of VmFlags (nobody watches it).
 * Where Linux knows more than the engine, the field means:
 *   Rss         present in this space; a page that was only read counts too (no zero page)
 *   Pss         divided by the mappings that the page's references tell
 *   *_Dirty     may have been written through here: private pages, and others mapped writable
 *   Referenced  all that is present: it came by an access
 *   "ac"        private and writable now, whatever it was before
 */
#pragma once

#include <stdio.h>

#include "engine/mm.h"

#define MM_LISTING_NAME_SIZE 256

/* Bytes of a run, all present here. */
struct mm_listing_memory {
	uint64_t resident, proportional, proportional_dirty;
	uint64_t shared_clean, shared_dirty, private_clean, private_dirty;
	uint64_t anonymous; /* private to the space: no page of a mappable */
	uint64_t anonymous_huge, mappable_huge; /* by 2 MiB entries */
};

/* A run of addresses whose mapping is equal in all but range (neighbours are joined). */
struct mm_listing_line {
	struct addr_range range;
	mm_access perms, max_perms;
	bool is_private, grows_down, locked, lock_on_fault, dontfork;
	bool may_be_huge; /* 2 MiB pages are used where they fit */
	const struct mappable *mappable; /* to be compared only; NULL: anonymous */
	uint64_t offset, device, inode; /* of private anonymous memory: 0 */
	struct mm_listing_memory memory;
	char name[MM_LISTING_NAME_SIZE]; /* as it is, cut to fit; "": none */
};

typedef bool (*mm_listing_fn)(const struct mm_listing_line *line, void *arg);

/* Calls visit for each run, ascending, until it returns false; with no lock held. Runs are
 * consistent each, not together, while others change the space; `memory` is a hint then. */
void mm_listing(struct mm_space *s, mm_listing_fn visit, void *arg) MAY_LOCK_ANY;
/* As Linux writes them, to a stream. */
void mm_print_maps(struct mm_space *s, FILE *to) MAY_LOCK_ANY;
void mm_print_smaps(struct mm_space *s, FILE *to) MAY_LOCK_ANY;
