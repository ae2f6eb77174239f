/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-sigsegv - the round trip of a trap: a load from PROT_NONE memory, SIGSEGV, a handler that
 * makes no system call, and back. The handler steps over the load, whose length is known.
 */
#include <errno.h>

#include "workloads/sigsegv.h"
#include "workloads/window.h"

#define LOAD_BYTES 2 /* of "movb (%rdi), %al" */

static void floor_sigsegv_trap(void *arg, unsigned char *at, ucontext_t *context)
{
	(void)arg, (void)at;
	context->uc_mcontext.gregs[REG_RIP] += LOAD_BYTES;
	context->uc_mcontext.gregs[REG_RAX]++;
}

static int floor_sigsegv_setup(struct workload_run *run)
{
	int rc = window_setup(run);
	struct window *window = run->data;

	return rc ? rc : sigsegv_register(window->base, window->bytes, floor_sigsegv_trap, NULL);
}

static uint64_t floor_sigsegv_run(struct worker *w, uint64_t count)
{
	unsigned char *at = window_of(w)->base + window_offset(w);

	for (uint64_t i = 0; i < count; i++) {
		uint64_t traps = 0;

		__asm__ volatile("movb (%%rdi), %%al" : "+a"(traps) : "D"(at) : "memory");
		if (__builtin_expect(traps != 1, 0)) {
			workload_fail(w, -EIO);
			return i;
		}
	}
	return count;
}

static void floor_sigsegv_teardown(struct workload_run *run)
{
	const struct window *window = run->data;

	if (window)
		sigsegv_unregister(window->base);
	window_teardown(run);
}

const struct workload workload_floor_sigsegv = {
	.name = "floor-sigsegv",
	.description = "SIGSEGV to a handler without a system call, and back",
	.operation = "load from PROT_NONE memory, trap to resumed instruction",
	.is_floor = true,
	.params = { { "region", "bytes between workers", 2 << 20 } },
	.roles = { { .name = "trapper", .run = floor_sigsegv_run, .singles = true } },
	.setup = floor_sigsegv_setup,
	.teardown = floor_sigsegv_teardown,
};
