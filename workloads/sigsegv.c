/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigsegv.c - a chaining SIGSEGV handler, in place while anything is registered.
 *
 * When the last registration goes, the previous handler is put back, unless another one has been
 * installed over ours meanwhile: that one still chains to us, so we stay, and pass everything on.
 */
#include "workloads/sigsegv.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define SIGSEGV_SLOTS 8

struct slot {
	_Atomic uintptr_t base; /* 0: free; published last, cleared first */
	uint64_t bytes;
	sigsegv_fn trap;
	void *arg;
};

static struct slot slots[SIGSEGV_SLOTS];
static struct sigaction previous; /* written before ours is installed */
static bool installed; /* main thread only, as is used */
static unsigned used;

/* The signal that this thread is passing on. If it comes back, the handler before ours has been
 * installed again over ours and passes on to us: nobody wants it. */
static _Thread_local siginfo_t *volatile passing;

static void pass_on(int signo, siginfo_t *info, void *context)
{
	bool comes_back = passing == info;

	passing = info;
	if (comes_back)
		signal(signo, SIG_DFL); /* the retried instruction meets it */
	else if (previous.sa_flags & SA_SIGINFO)
		previous.sa_sigaction(signo, info, context);
	else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN)
		previous.sa_handler(signo);
	else
		sigaction(signo, &previous, NULL);
	passing = NULL;
}

static void handle(int signo, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;

	for (struct slot *s = slots; s < slots + SIGSEGV_SLOTS; s++) {
		uintptr_t base = atomic_load_explicit(&s->base, memory_order_acquire);

		if (base && at >= base && at - base < s->bytes) {
			s->trap(s->arg, info->si_addr, context);
			return;
		}
	}
	pass_on(signo, info, context);
}

static int install(void)
{
	struct sigaction ours = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

	if (installed)
		return 0;
	ours.sa_sigaction = handle;
	sigemptyset(&ours.sa_mask);
	if (sigaction(SIGSEGV, NULL, &previous) || sigaction(SIGSEGV, &ours, NULL))
		return -errno;
	installed = true;
	return 0;
}

static void uninstall(void)
{
	struct sigaction now;

	if (sigaction(SIGSEGV, NULL, &now) || !(now.sa_flags & SA_SIGINFO) ||
	    now.sa_sigaction != handle)
		return;
	if (!sigaction(SIGSEGV, &previous, NULL))
		installed = false;
}

int sigsegv_register(void *base, uint64_t bytes, sigsegv_fn trap, void *arg)
{
	int rc;

	for (struct slot *s = slots; s < slots + SIGSEGV_SLOTS; s++) {
		if (atomic_load_explicit(&s->base, memory_order_relaxed))
			continue;
		rc = install();
		if (rc)
			return rc;
		s->bytes = bytes;
		s->trap = trap;
		s->arg = arg;
		atomic_store_explicit(&s->base, (uintptr_t)base, memory_order_release);
		used++;
		return 0;
	}
	return -ENOSPC;
}

void sigsegv_unregister(void *base)
{
	for (struct slot *s = slots; s < slots + SIGSEGV_SLOTS; s++) {
		if (atomic_load_explicit(&s->base, memory_order_relaxed) != (uintptr_t)base)
			continue;
		atomic_store_explicit(&s->base, 0, memory_order_relaxed);
		if (!--used)
			uninstall();
		return;
	}
}
