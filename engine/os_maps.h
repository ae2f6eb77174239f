/* SPDX-License-Identifier: Apache-2.0 */
/* os_maps.h - the mappings of this process, as the host tells them (/proc/self/maps). */
#pragma once

#include <stdbool.h>

#include "engine/access.h"
#include "engine/error.h"
#include "engine/range.h"

struct os_mapping {
	struct addr_range range; /* addresses of this process */
	mm_access perms;
	bool shared;
	uint64_t offset, inode; /* of the file; inode 0: none */
	const char *name; /* valid during the call; "" if there is none */
};

/* Returns false to stop. */
typedef bool (*os_mapping_fn)(const struct os_mapping *mapping, void *arg);

/* Calls visit for each mapping that overlaps `in`, ascending. 0 or -errno. Not consistent while
 * other threads map. */
MM_MUST_CHECK int os_visit_mappings(struct addr_range in, os_mapping_fn visit, void *arg);

/* Which of count pages from address on are in the page table of this process? At most 512. 0 or
 * -errno. */
MM_MUST_CHECK int os_pages_in_table(uint64_t address, unsigned count, bool *in_table);
