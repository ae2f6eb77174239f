/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_none.c - a host space that shows nothing: what remains is the engine's own cost.
 *
 * No host call is made, so the counters of host calls stay 0 and are not even touched: a shared
 * counter would be the only line that faults on different pages have in common. No locks.
 */
#include "engine/host_space.h"
#include "engine/inject.h"

#include <errno.h>
#include <stdlib.h>

static int none_create(uint64_t window_bytes, struct host_space **out)
{
	struct host_space *h = mm_calloc(sizeof(*h));

	(void)window_bytes;
	if (!h)
		return -ENOMEM;
	h->ops = &host_space_none;
	*out = h;
	return 0;
}

static void none_destroy(struct host_space *h)
{
	free(h);
}

static int none_map(struct host_space *h, struct addr_range ar, struct file *file,
		    uint64_t file_offset, mm_access perms, bool populate)
{
	(void)h, (void)ar, (void)file, (void)file_offset, (void)perms, (void)populate;
	return 0;
}

static void none_unmap(struct host_space *h, struct addr_range ar)
{
	(void)h, (void)ar;
}

static void *none_address(struct host_space *h, uint64_t va)
{
	(void)h, (void)va;
	return NULL;
}

const struct host_space_ops host_space_none = {
	.name = "none",
	.create = none_create,
	.destroy = none_destroy,
	.map = none_map,
	.unmap = none_unmap,
	.address = none_address,
};
