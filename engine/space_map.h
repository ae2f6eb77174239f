/* SPDX-License-Identifier: Apache-2.0 */
/* space_map.h - inside of the engine: making a mapping at a known place. */
#pragma once

#include "engine/space.h"

/*
 * Maps o at address pages [start, end), whose `mapping` is held: charges the limits, removes what
 * is there if o says so, tells the mappable, publishes the entries. *mode: how it is mlocked, to
 * be populated by the caller. 0, -EEXIST, -EPERM, -EAGAIN, -ENOMEM, what the mappable says. The
 * arguments have been checked.
 */
MM_MUST_CHECK int space_map_range(struct mm_space *s, const struct mmap_opts *o, uint64_t start,
				  uint64_t end, enum mlock_mode *mode, uint32_t *dead)
	REQUIRES(mapping_class) MAY_LOCK_RMAP;
