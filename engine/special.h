/* SPDX-License-Identifier: Apache-2.0 */
/*
 * special.h - a mappable of fixed pages: what a kernel shows of its own (a vdso, a ring).
 *
 * Its pages are given when it is made, never change and are never taken away, so it does not keep
 * who maps it and never invalidates. Offsets beyond them are bus_error(EFAULT).
 */
#pragma once

#include "engine/interfaces.h"
#include "engine/memory_file.h"

struct special;

/*
 * Of `pages` referenced pages of one chunk from first_page; it takes references of its own.
 * perms: what mappings may do at most. name: for maps listings, cut to fit, not NULL. *out comes
 * with one reference of its identity. 0, -ENOMEM, -EINVAL (no pages, or of two chunks).
 */
MM_MUST_CHECK int special_create(struct memory_file *mf, uint32_t first_page, uint32_t pages,
				 mm_access perms, const char *name, struct special **out)
	MAY_LOCK_BLOCK;

struct mappable *special_mappable(struct special *sp);
struct mapping_identity *special_identity(struct special *sp);
