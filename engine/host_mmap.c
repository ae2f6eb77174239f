/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_mmap.c - a host space that is a window of this process: loads and stores reach the pages.
 *
 * One mmap(MAP_FIXED) shows or hides (host_window.h), so `platform` is not taken.
 */
#include "engine/host_window.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/inject.h"

static int mmap_create(uint64_t window_bytes, struct host_space **out)
{
	struct host_window *w = mm_calloc(sizeof(*w));
	int rc;

	if (!w)
		return -ENOMEM;
	rc = host_window_init(w, &host_space_mmap, window_bytes);
	if (rc) {
		free(w);
		return rc;
	}
	*out = &w->base;
	return 0;
}

static void mmap_destroy(struct host_space *h) MAY_LOCK_LEAF
{
	host_window_release(host_window_of(h));
	free(host_window_of(h));
}

static int mmap_map(struct host_space *h, struct addr_range ar, struct file *file,
		    uint64_t file_offset, mm_access perms, bool populate)
{
	host_window_check(host_window_of(h), ar);
	atomic_fetch_add_explicit(&h->maps, 1, memory_order_relaxed);
	return host_window_show(host_window_of(h), ar, file, file_offset, perms, populate);
}

static void mmap_unmap(struct host_space *h, struct addr_range ar) MAY_LOCK_LEAF
{
	host_window_check(host_window_of(h), ar);
	atomic_fetch_add_explicit(&h->unmaps, 1, memory_order_relaxed);
	host_window_hide(host_window_of(h), ar);
}

const struct host_space_ops host_space_mmap = {
	.name = "mmap",
	.create = mmap_create,
	.destroy = mmap_destroy,
	.map = mmap_map,
	.unmap = mmap_unmap,
	.address = host_window_address,
};
