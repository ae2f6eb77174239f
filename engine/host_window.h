/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_window.h - inside of the engine: a window of this process, which the kinds of host space
 * that show pages have in common.
 *
 * The window is reserved PROT_NONE, aligned as the largest huge page that fits (hugetlb), with a
 * guard on each side so that no mapping of it merges with a neighbour's.
 */
#pragma once

#include "engine/host_space.h"

struct host_window {
	struct host_space base; /* first */
	char *at; /* shows application address 0; immutable */
	uint64_t below; /* bytes reserved below it: a guard, and what aligns it; immutable */
	uint64_t bytes; /* a multiple of 2 MiB; immutable */
	_Atomic uint32_t change; /* leaf: see host_window_change_lock() */
};

static inline struct host_window *host_window_of(struct host_space *h)
{
	return (struct host_window *)h;
}

/* 0, -EINVAL (no bytes), -ENOMEM, -errno. */
MM_MUST_CHECK int host_window_init(struct host_window *w, const struct host_space_ops *ops,
				   uint64_t window_bytes);
void host_window_release(struct host_window *w) MAY_LOCK_LEAF;

/* mm_fail() unless ar is a range of pages in the window. */
void host_window_check(const struct host_window *w, struct addr_range ar);
/* host_space_ops.map by one mmap, atomic for every other thread. */
MM_MUST_CHECK int host_window_show(struct host_window *w, struct addr_range ar, struct file *file,
				   uint64_t file_offset, mm_access perms, bool populate);
/* host_space_ops.unmap by one mmap, or wider. */
void host_window_hide(struct host_window *w, struct addr_range ar) MAY_LOCK_LEAF;
/* host_space_ops.address */
void *host_window_address(struct host_space *h, uint64_t va);

/*
 * Hiding more than was asked for (at the host's limit of mappings) changes mappings that belong to
 * entries of others. That is harmless to whoever changes a mapping by a single call; who needs
 * several calls for it holds this.
 */
void host_window_change_lock(struct host_window *w) ACQUIRES(leaf_class) MAY_LOCK_LEAF;
void host_window_change_unlock(struct host_window *w) RELEASES(leaf_class);
