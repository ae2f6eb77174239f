/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_change.h - inside of the engine: giving the mappings of a range another property.
 *
 * A vma is immutable, so the entries of the range get a changed copy of theirs: one for each run of
 * entries of the same vma. Where nothing would change, the vma stays. As in Linux this is not
 * atomic: what precedes an error is changed.
 */
#pragma once

#include "engine/space.h"

struct space_change {
	/* Of v, which is in the range: 1 if it is as wanted, 0 if it is to be changed, or -errno,
	 * which ends the walk. */
	int (*look)(const struct space_change *c, const struct vma *v);
	/* Changes a copy. 0 or -ENOMEM, which ends the walk. */
	int (*edit)(const struct space_change *c, struct vma *v);
	bool over_holes; /* go on behind a hole */
	int hole_error; /* for what is not mapped */
	/* What look and edit are to know. */
	mm_access perms;
	enum mlock_mode mlock_mode;
	bool dontfork;
	enum numa_policy numa_policy;
	uint64_t numa_nodes;
	const char *name; /* or NULL */
	bool *locked_writable; /* set if a locked private mapping becomes writable */
	/* Charged by the caller, for mappings that become locked; what is not needed is given back.
	 * (What becomes data, space_change charges itself.) */
	struct space_pages reserved;
};

/* 0, hole_error, what look said, or -ENOMEM (memory, or the limit of data). The caller holds
 * `mapping` of [start, end), which is within the space, and frees *dead without it. */
MM_MUST_CHECK int space_change(struct mm_space *s, uint64_t start, uint64_t end,
			       struct space_change *c, uint32_t *dead) REQUIRES(mapping_class)
	MAY_LOCK_ENTRY;
