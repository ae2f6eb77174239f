/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-sigsegv-mmap - the least that a trap-driven translator can do: SIGSEGV, a handler that
 * shows the page with mmap(MAP_FIXED | MAP_SHARED | MAP_POPULATE), and the store retried.
 */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "workloads/sigsegv.h"
#include "workloads/window.h"

static void floor_sigsegv_mmap_trap(void *arg, unsigned char *at, ucontext_t *context)
{
	struct window *window = arg;
	uint64_t offset = (uint64_t)(at - window->base) & ~UINT64_C(4095);
	int saved = errno;

	(void)context;
	/* A page that cannot be shown would trap for ever. */
	if (window_show(window, offset, 4096, MAP_POPULATE))
		raise(SIGABRT);
	errno = saved;
}

static int floor_sigsegv_mmap_setup(struct workload_run *run)
{
	int rc = window_setup(run);
	struct window *window = run->data;

	if (rc)
		return rc;
	return sigsegv_register(window->base, window->bytes, floor_sigsegv_mmap_trap, window);
}

static uint64_t floor_sigsegv_mmap_run(struct worker *w, uint64_t count)
{
	volatile unsigned char *at = window_of(w)->base + window_offset(w) + w->cursor;

	for (uint64_t i = 0; i < count; i++, at += 4096)
		*at = 1;
	w->cursor += count * 4096;
	return count;
}

static void floor_sigsegv_mmap_teardown(struct workload_run *run)
{
	const struct window *window = run->data;

	if (window)
		sigsegv_unregister(window->base);
	window_teardown(run);
}

const struct workload workload_floor_sigsegv_mmap = {
	.name = "floor-sigsegv-mmap",
	.description = "SIGSEGV to a handler that shows the page with mmap, and back",
	.operation = "store to a page that is not shown, trap to resumed instruction",
	.is_floor = true,
	.params = { { "region", "bytes for each worker", 16 << 20 } },
	.roles = { {
		.name = "toucher",
		.run = floor_sigsegv_mmap_run,
		.reset = window_reset_hidden,
		.singles = true,
	} },
	.round_of = window_round,
	.setup = floor_sigsegv_mmap_setup,
	.enter = window_enter,
	.teardown = floor_sigsegv_mmap_teardown,
};
