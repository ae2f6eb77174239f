/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_space.h - what the host sees of a space: a table of at most six functions.
 *
 *   none   nothing: the engine alone. Addresses exist only in the address map.
 *   mmap   a window of this process, reserved PROT_NONE; a present entry is shown with
 *          mmap(MAP_FIXED | MAP_SHARED) of the page's file. Loads and stores that miss take
 *          SIGSEGV, which trap.h resolves.
 *
 * map/unmap run under the entry lock of the address (and take `platform` only if they need it).
 * unmap never fails: a host that refuses to split a mapping (vm.max_map_count) gets a wider
 * unmap, since the host space is only a cache. Unmapped means PROT_NONE again, never munmap.
 */
#pragma once

#include <stdatomic.h>

#include "engine/interfaces.h"

struct host_space;

struct host_space_ops {
	const char *name; /* "none", "mmap" */
	/* window_bytes: application addresses 0 .. window_bytes are shown. 0 or -errno. */
	int (*create)(uint64_t window_bytes, struct host_space **out);
	void (*destroy)(struct host_space *h); /* gives the window back */
	/* Shows fr of file at ar (same length) with perms; replaces what was there. 0 or -errno
	 * (-ENOMEM: vm.max_map_count). populate: fill the host's page tables now. */
	int (*map)(struct host_space *h, struct addr_range ar, struct file *file,
		   uint64_t file_offset, mm_access perms, bool populate);
	void (*unmap)(struct host_space *h, struct addr_range ar);
	/* The address in this process that shows application address va; NULL for none. */
	void *(*address)(struct host_space *h, uint64_t va);
};

/* Common head; each kind embeds it first. */
struct host_space {
	const struct host_space_ops *ops;
	_Atomic uint64_t maps; /* counters: host calls made */
	_Atomic uint64_t unmaps;
	_Atomic uint64_t widened; /* unmaps that had to be widened */
};

extern const struct host_space_ops host_space_none;
extern const struct host_space_ops host_space_mmap;

/* The kind of that name, or NULL. */
const struct host_space_ops *host_space_find(const char *name);
