/* SPDX-License-Identifier: Apache-2.0 */
/* mm_listing.h - the mappings of a space in the formats of /proc/PID/maps and smaps. */
#pragma once

#include <stdio.h>

#include "engine/mm.h"

/* A run of addresses whose mapping is equal in all but range (neighbours are joined). */
struct mm_listing_line {
	struct addr_range range;
	mm_access perms;
	bool is_private, grows_down, locked, lock_on_fault, dontfork;
	uint64_t offset, device, inode;
	uint64_t resident, anonymous; /* bytes; resident: present here */
	char name[80];
};

typedef bool (*mm_listing_fn)(const struct mm_listing_line *line, void *arg);

/* Calls visit for each run, ascending, until it returns false. Runs are consistent each, not
 * together, while others change the space. Names are asked with no lock held but `mapping`. */
void mm_listing(struct mm_space *s, mm_listing_fn visit, void *arg) MAY_LOCK_ANY;
/* As Linux writes them, to a stream. */
void mm_print_maps(struct mm_space *s, FILE *to) MAY_LOCK_ANY;
void mm_print_smaps(struct mm_space *s, FILE *to) MAY_LOCK_ANY;
