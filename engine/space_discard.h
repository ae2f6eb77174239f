/* SPDX-License-Identifier: Apache-2.0 */
/* space_discard.h - inside of the engine: the advices that make pages go. Errors as madvise(2). */
#pragma once

#include "engine/space.h"

/* MADV_DONTNEED; with anonymous_only MADV_FREE. -EINVAL at the first mapping that is locked, or
 * not private anonymous memory if it must be: what precedes is dropped. -ENOMEM: there was a
 * hole; all else is dropped. */
MM_MUST_CHECK int space_discard(struct mm_space *s, uint64_t address, uint64_t length,
				bool anonymous_only) MAY_LOCK_ANY;
/* MADV_REMOVE. At the first mapping that refuses: -EINVAL (locked, or not of a mappable), -EACCES
 * (private, or never writable), what punching says; what precedes is punched. -ENOMEM as above. */
MM_MUST_CHECK int space_remove(struct mm_space *s, uint64_t address, uint64_t length) MAY_LOCK_ANY;
