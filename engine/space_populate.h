/* SPDX-License-Identifier: Apache-2.0 */
/* space_populate.h - inside of the engine: faulting pages in ahead of use. Ranges are in pages. */
#pragma once

#include "engine/space.h"

/* Faults every page of [start, end) in, a mapping with these perms, as Linux populates: to be
 * written if it is private and writable. 0 (also without perms) or the first error of a fault. */
MM_MUST_CHECK int space_populate(struct mm_space *s, mm_access perms, bool is_private,
				 uint64_t start, uint64_t end) MAY_LOCK_ENTRY;
/* The same for what is mapped and eagerly locked in [start, end); -EFAULT if it has no perms. With
 * go_on the mapping behind one that fails is next. */
MM_MUST_CHECK int space_populate_locked(struct mm_space *s, uint64_t start, uint64_t end,
					bool go_on) MAY_LOCK_MAPPING;
/* The same for private mappings alone, whatever fails: they have become writable, and are to be
 * copied now. */
void space_populate_private_locked(struct mm_space *s, uint64_t start, uint64_t end)
	MAY_LOCK_MAPPING;
/* MADV_POPULATE_READ and _WRITE: -ENOMEM (hole, no memory), -EINVAL (not permitted), -EFAULT (what
 * would be SIGBUS or SIGSEGV); ends there. */
MM_MUST_CHECK int space_populate_for(struct mm_space *s, mm_access at, uint64_t start, uint64_t end)
	MAY_LOCK_MAPPING;
