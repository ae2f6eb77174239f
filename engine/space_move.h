/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_move.h - inside of the engine: what mremap does to a mapping: extending it, moving it.
 *
 * Page numbers are those of addresses. The caller holds `mapping` of all that is named, has
 * charged the growth (space_usage.h), and frees *dead (vma_free_dead) when it has let go.
 */
#pragma once

#include "engine/space.h"

/*
 * The mapping that ends at page `end` continues to new_end, with all its properties: [end, new_end)
 * is free. 0, -ENOMEM, or what the mappable says: then nothing has changed.
 */
MM_MUST_CHECK int space_extend(struct mm_space *s, uint64_t end, uint64_t new_end, uint32_t *dead)
	REQUIRES(mapping_class) MAY_LOCK_RMAP;

/*
 * Moves [from, from + pages), one mapping, to the free [to, to + new_pages), new_pages >= pages,
 * which it fills with its properties and, behind what was moved, continues. pages 0: the mapping
 * that page `from` is in is mapped a second time, from there on.
 *
 * 0, -ENOMEM, or what the mappable says: then nothing has changed. (While memory for nodes has run
 * out, faults of other threads into untouched parts may expand what was to move folded, and then
 * what was to move back: only in that case a part is left moved, pages lost never.)
 */
MM_MUST_CHECK int space_move(struct mm_space *s, uint64_t from, uint64_t pages, uint64_t to,
			     uint64_t new_pages, uint32_t *dead) REQUIRES(mapping_class)
	MAY_LOCK_RMAP;
