/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-sigbus-continue - the least that a translator driven by userfaultfd can do: SIGBUS, a
 * handler that shows the page with UFFDIO_CONTINUE, and the store retried.
 */
#include <errno.h>
#include <signal.h>

#include "workloads/window_uffd.h"

static struct sigaction before; /* while set up */

static void on_sigbus(int signo, siginfo_t *info, void *context)
{
	const struct window *window = window_uffd();
	uint64_t offset = (uint64_t)((uintptr_t)info->si_addr - (uintptr_t)window->base);
	int saved = errno, rc = -EFAULT;

	(void)context;
	if (offset < window->bytes)
		rc = window_uffd_show(offset & ~UINT64_C(4095));
	/* One that is none of ours, or that cannot be shown, is met again by default. */
	if (rc && rc != -EEXIST)
		signal(signo, SIG_DFL);
	errno = saved;
}

static int floor_sigbus_continue_setup(struct workload_run *run)
{
	struct sigaction action = { .sa_sigaction = on_sigbus,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK };
	int rc = window_uffd_setup(run);

	if (rc)
		return rc;
	return sigaction(SIGBUS, &action, &before) ? -errno : 0;
}

static uint64_t floor_sigbus_continue_run(struct worker *w, uint64_t count)
{
	volatile unsigned char *at = window_of(w)->base + window_offset(w) + w->cursor;

	for (uint64_t i = 0; i < count; i++, at += 4096)
		*at = 1;
	w->cursor += count * 4096;
	return count;
}

static void floor_sigbus_continue_teardown(struct workload_run *run)
{
	struct sigaction now;

	if (!sigaction(SIGBUS, NULL, &now) && now.sa_sigaction == on_sigbus)
		sigaction(SIGBUS, &before, NULL);
	window_uffd_teardown(run);
}

const struct workload workload_floor_sigbus_continue = {
	.name = "floor-sigbus-continue",
	.description = "SIGBUS to a handler that shows the page with UFFDIO_CONTINUE, and back",
	.operation = "store to a page that is not shown, trap to resumed instruction",
	.is_floor = true,
	.lacks = window_uffd_lacks,
	.params = { { "region", "bytes for each worker", 16 << 20 } },
	.roles = { {
		.name = "toucher",
		.run = floor_sigbus_continue_run,
		.reset = window_uffd_reset,
		.singles = true,
	} },
	.round_of = window_round,
	.setup = floor_sigbus_continue_setup,
	.enter = window_uffd_enter,
	.verify = window_uffd_verify,
	.teardown = floor_sigbus_continue_teardown,
};
