/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy-inout - the kernel's own access: 4 KiB written to the application's memory, and read back
 * with the next operation. Each worker goes round its own region, whose pages are there.
 */
#include <errno.h>
#include <string.h>

#include "workloads/region.h"

#define BLOCK 4096u

/* cursor counts copies: two for each page. What is written says where it belongs. */
static uint64_t copy_inout_run(struct worker *w, uint64_t count)
{
	struct translator_space *space = w->run->space;
	uint64_t start = region_start(w->run, w->index), blocks = w->run->params[0] / BLOCK;
	uint64_t buffer[BLOCK / 8] __attribute__((aligned(64))) = { 0 }, done = 0;

	for (uint64_t i = 0; i < count; i++, w->cursor++) {
		uint64_t address = start + w->cursor / 2 % blocks * BLOCK;
		int rc;

		if (w->cursor & 1) {
			rc = w->t->read(space, address, buffer, BLOCK, &done);
		} else {
			buffer[0] = buffer[BLOCK / 8 - 1] = address;
			rc = w->t->write(space, address, buffer, BLOCK, &done);
		}
		if (__builtin_expect(rc || done != BLOCK, 0)) {
			workload_fail(w, rc ? rc : -EIO);
			return i;
		}
	}
	return count;
}

static int copy_inout_verify(struct workload_run *run)
{
	uint64_t blocks = run->params[0] / BLOCK, buffer[BLOCK / 8], done;

	if (run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return 0;
	for (unsigned i = 0; i < run->worker_count; i++) {
		uint64_t written = (run->workers[i].cursor + 1) / 2;

		for (uint64_t k = 0; k < blocks && k < written; k++) {
			uint64_t address = region_start(run, i) + k * BLOCK;

			if (run->t->read(run->space, address, buffer, BLOCK, &done) ||
			    buffer[0] != address || buffer[BLOCK / 8 - 1] != address)
				return -EIO;
		}
	}
	return 0;
}

const struct workload workload_copy_inout = {
	.name = "copy-inout",
	.description = "4 KiB copied into application memory and out of it, each worker its own",
	.operation = "4 KiB copied in, or out",
	.floor = "floor-copy",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_IO,
	.params = { { "region", "bytes for each worker", 4 << 20 } },
	.roles = { { .name = "copier", .run = copy_inout_run } },
	.setup = region_setup_each,
	.enter = region_enter,
	.verify = copy_inout_verify,
	.teardown = region_teardown,
};
