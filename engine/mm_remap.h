/* SPDX-License-Identifier: Apache-2.0 */
/* mm_remap.h - mremap(2). */
#pragma once

#include "engine/mm.h"

enum mremap_mode {
	MREMAP_IN_PLACE = 0, /* no flag: must not move */
	MREMAP_MAY_MOVE, /* MREMAP_MAYMOVE */
	MREMAP_FIXED_MOVE, /* MREMAP_MAYMOVE | MREMAP_FIXED: to new_address, replacing that */
};

/*
 * Resizes or moves what is mapped at old_address; *address says where it is now. Lengths are
 * rounded up to pages; without FIXED new_address is ignored. As Linux (6.17 and later) in all of
 * this:
 *   shrinking in place      is munmap of the rest, whatever is mapped there
 *   growing, or FIXED       the old range, as far as it is kept, is part of one mapping: neighbours
 *   with another size       that are equal in all but range; else -EFAULT
 *   FIXED, same size        each mapping of the range moves, gaps stay gaps; -EFAULT: the first
 *                           page is not mapped. An error leaves those before it moved
 *   old_length 0            maps a shared mapping a second time (a private one: -EINVAL; onto
 *                           itself: -EFAULT, and it is gone)
 * -EINVAL (unaligned, no new length, beyond the addresses, overlap), -EFAULT (also: nothing is
 * mapped), -ENOMEM (memory, limits, no room), -EAGAIN (locked memory limit), and what the mappable
 * says. A failure leaves everything as it was, but what stood at the destination of FIXED, and
 * the cut-off part of what shrinks into it, may be gone.
 * What has grown of a locked mapping is made resident as far as it can be.
 */
MM_MUST_CHECK int mm_mremap(struct mm_space *s, uint64_t old_address, uint64_t old_length,
			    uint64_t new_length, enum mremap_mode mode, uint64_t new_address,
			    uint64_t *address) MAY_LOCK_ANY;
