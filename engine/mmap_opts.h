/* SPDX-License-Identifier: Apache-2.0 */
/* mmap_opts.h - a request to create a mapping: MMapOpts of the seed and what it lacked. */
#pragma once

#include "engine/interfaces.h"
#include "engine/numa_policy.h"

/* The order matters: of two modes the larger wins. */
enum mlock_mode {
	MLOCK_NONE = 0,
	MLOCK_EAGER, /* made and kept resident (VM_LOCKED) */
	MLOCK_LAZY, /* kept once resident (VM_LOCKED | VM_LOCKONFAULT) */
};

enum platform_effect {
	PLATFORM_EFFECT_DEFAULT = 0, /* nothing now: faults fill the mapping */
	PLATFORM_EFFECT_POPULATE, /* translate and map now */
	PLATFORM_EFFECT_COMMIT, /* and have the host allocate */
};

struct mmap_opts {
	uint64_t length; /* bytes, > 0; rounded up to pages */
	struct mapping_identity *identity; /* may be NULL; a reference is taken on success */
	struct mappable *mappable; /* NULL: anonymous */
	uint64_t offset; /* in mappable, aligned; ignored when anonymous */
	uint64_t address; /* wanted place; a hint (rounded down) unless fixed */
	bool fixed; /* exactly at address (aligned) */
	bool unmap; /* what is there is replaced; needs fixed */
	bool no_replace; /* -EEXIST if something is there; needs fixed, excludes unmap */
	bool map_32bit; /* all below 4 GiB; ignored when fixed */
	mm_access perms;
	mm_access max_perms; /* effective, a superset of perms */
	bool is_private;
	bool grows_down; /* anonymous only */
	bool stack;
	bool force; /* skip the checks of address and length; needs fixed and unmap */
	enum platform_effect platform_effect;
	bool require_platform_effect; /* fail rather than ignore what population could not do */
	enum mlock_mode mlock_mode;
	enum numa_policy numa_policy;
	uint64_t numa_nodes; /* bit mask for numa_policy */
	const char *name; /* for maps listings; NULL: the identity's. Copied (80 bytes). */
};
