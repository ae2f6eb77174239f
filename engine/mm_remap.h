/* SPDX-License-Identifier: Apache-2.0 */
/* mm_remap.h - mremap(2). */
#pragma once

#include "engine/mm.h"

enum mremap_mode {
	MREMAP_IN_PLACE = 0, /* no flag: must not move */
	MREMAP_MAY_MOVE, /* MREMAP_MAYMOVE */
	MREMAP_FIXED_MOVE, /* MREMAP_MAYMOVE | MREMAP_FIXED: to new_address, replacing what is there */
};

/*
 * Resizes or moves the mapping at old_address; *address says where it is now. Sizes are rounded up
 * to pages. old_length 0 copies a shared mapping (a private one: -EINVAL). -EINVAL, -EFAULT (not
 * one mapping), -ENOMEM, -EAGAIN (locked memory limit), and what the mappable says. As in Linux,
 * what stood at the destination is gone even if a later step fails. A move follows lock_order
 * rule 4: copy_mapping first, then unit by unit with the mappable's rmap and both entries held,
 * then remove_mapping of the source.
 */
MM_MUST_CHECK int mm_mremap(struct mm_space *s, uint64_t old_address, uint64_t old_length,
			    uint64_t new_length, enum mremap_mode mode, uint64_t new_address,
			    uint64_t *address) MAY_LOCK_ANY;
