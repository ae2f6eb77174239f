/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-copy - memcpy of 4 KiB between memory of the worker's own: the least that a copied page
 * costs, in a system call's buffer or after copy-on-write.
 */
#include <errno.h>
#include <string.h>

#include "workloads/window.h"

/* One half of the worker's part is copied to the other, page by page. */
static uint64_t floor_copy_run(struct worker *w, uint64_t count)
{
	uint64_t half = window_of(w)->stride / 2;
	unsigned char *part = window_of(w)->base + window_offset(w);

	for (uint64_t i = 0; i < count; i++) {
		memcpy(part + half + w->cursor, part + w->cursor, 4096);
		__asm__ volatile("" : : "r"(part) : "memory");
		w->cursor = (w->cursor + 4096) % half;
	}
	return count;
}

static int floor_copy_enter(struct worker *w)
{
	unsigned char *part = window_of(w)->base + window_offset(w);
	int rc = window_enter_shown(w);

	for (uint64_t at = 0; !rc && at < window_of(w)->stride / 2; at += 4096)
		memset(part + at, (int)(at / 4096) | 1, 4096);
	return rc;
}

/* What was copied is a copy. */
static int floor_copy_verify(struct workload_run *run)
{
	struct window *window = run->data;
	uint64_t half = window->stride / 2;

	for (unsigned i = 0; i < run->worker_count; i++) {
		const unsigned char *part = window->base + i * window->stride;

		if (run->workers[i].cursor && memcmp(part, part + half, run->workers[i].cursor))
			return -EIO;
	}
	return 0;
}

const struct workload workload_floor_copy = {
	.name = "floor-copy",
	.description = "memcpy of 4 KiB, each worker between pages of its own",
	.operation = "4 KiB copied",
	.is_floor = true,
	.params = { { "region", "bytes for each worker", 8 << 20 } },
	.roles = { { .name = "copier", .run = floor_copy_run } },
	.setup = window_setup,
	.enter = floor_copy_enter,
	.verify = floor_copy_verify,
	.teardown = window_teardown,
};
