/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_space.h - what the host sees of a space: a table of at most six functions.
 *
 *   none   nothing: the engine alone. Addresses exist only in the address map.
 *   mmap   a window of this process, reserved PROT_NONE; a present entry is shown with
 *          mmap(MAP_FIXED | MAP_SHARED) of the page's file. Loads and stores that miss take
 *          SIGSEGV, which trap.h resolves.
 *   uffd   the same window; but 2 MiB at a time it is attached to the memory file, of which a page
 *          is seen only after userfaultfd was told to show it: no host mapping changes. Misses
 *          take SIGBUS. What that cannot show is shown as `mmap` does.
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
	const char *name; /* "none", "mmap", "uffd" */
	bool misses_are_bus; /* a touch of what is not shown may raise SIGBUS */
	/* window_bytes: application addresses 0 .. window_bytes are shown. 0 or -errno. */
	int (*create)(uint64_t window_bytes, struct host_space **out);
	void (*destroy)(struct host_space *h); /* gives the window back */
	/* Shows fr of file at ar (same length, inside one aligned 2 MiB, whole pages of a hugetlb
	 * file) with perms; replaces what was there. populate: fill the host's page tables now.
	 * 0, -errno (-ENOMEM: vm.max_map_count), or a bus error: uffd knows that the page cannot
	 * be had. */
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
	_Atomic uint64_t attached; /* 2 MiB of a window attached to a file (uffd) */
};

extern const struct host_space_ops host_space_none;
extern const struct host_space_ops host_space_mmap;
extern const struct host_space_ops host_space_uffd;

/* Can this machine have the kind `uffd`? 0, or -errno with what it lacks, and what to do, in *why.
 * */
MM_MUST_CHECK int host_space_uffd_probe(const char **why);
/* Does a touch of va meet a page of h only if that is in the page table? For checks of what is
 * shown. */
bool host_space_is_attached(struct host_space *h, uint64_t va);

/* The kind of that name, or NULL. */
const struct host_space_ops *host_space_find(const char *name);
