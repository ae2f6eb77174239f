/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-radix - a bare look-up: three levels of 512, 8-byte leaves, no lock, no epoch, read-only,
 * shared by all workers, in the order of translate. It is also the share-nothing control.
 */
#include <errno.h>
#include <stdlib.h>

#include "workloads/workload.h"

struct middle {
	struct leaf {
		uint64_t entries[512];
	} * leaves[512];
};
struct root {
	struct middle *middles[512];
	struct leaf *leaf_storage;
	struct middle middle_storage[];
};

static int floor_radix_setup(struct workload_run *run)
{
	uint64_t pages = run->params[0], leaves = pages / 512, middles = (leaves + 511) / 512;
	struct root *root;

	if (pages < 512 || pages & (pages - 1) || middles > 512)
		return -EINVAL;
	root = calloc(1, sizeof(*root) + middles * sizeof(struct middle));
	if (!root)
		return -ENOMEM;
	run->data = root;
	root->leaf_storage = aligned_alloc(4096, leaves * sizeof(struct leaf));
	if (!root->leaf_storage)
		return -ENOMEM;
	for (uint64_t i = 0; i < leaves; i++) {
		root->middles[i >> 9] = &root->middle_storage[i >> 9];
		root->middles[i >> 9]->leaves[i & 511] = &root->leaf_storage[i];
		for (uint64_t k = 0; k < 512; k++)
			root->leaf_storage[i].entries[k] = i << 9 | k;
	}
	return 0;
}

static uint64_t floor_radix_run(struct worker *w, uint64_t count)
{
	struct root *root = w->run->data;
	uint64_t mask = w->run->params[0] - 1, wrong = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t page = worker_random(w) & mask;
		struct middle *middle = root->middles[page >> 18];

		wrong |= middle->leaves[page >> 9 & 511]->entries[page & 511] ^ page;
	}
	if (wrong)
		workload_fail(w, -EIO);
	return count;
}

static void floor_radix_teardown(struct workload_run *run)
{
	struct root *root = run->data;

	if (root)
		free(root->leaf_storage);
	free(root);
	run->data = NULL;
}

const struct workload workload_floor_radix = {
	.name = "floor-radix",
	.description = "look-ups of random pages in a bare three-level tree of 512-way nodes",
	.operation = "look-up in a bare radix tree",
	.is_floor = true,
	.params = { { "pages", "4 KiB pages, a power of two", 65536 } },
	.roles = { { .name = "reader", .run = floor_radix_run } },
	.setup = floor_radix_setup,
	.teardown = floor_radix_teardown,
};
