/* SPDX-License-Identifier: Apache-2.0 */
/*
 * biglock_window.c - what loads and stores touch: a reservation for each space, and the SIGSEGV
 * that says which page of it is missing.
 *
 * A window is only a cache of what the slots say. It may be emptied at any time, and is, when the
 * host has no room for one more mapping: pages come back by faults.
 */
#include "translators/biglock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define FAULT_STORE 2 /* bits of the x86 page-fault error code */
#define FAULT_FETCH 16

static unsigned windows; /* how many there are: the handler is installed while there is one */
static bool installed;
static struct sigaction previous;

/* The signal that this thread is passing on: if it comes back, handlers stand in a circle. */
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

/* SIGBUS is blocked in the handler: it comes when that returns, at the same instruction. */
static void bus_error(void *address, ucontext_t *context)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = SIGBUS;
	info.si_code = BUS_ADRERR;
	info.si_addr = address;
	/* Where the program blocks it, the kernel would end the program. */
	if (sigismember(&context->uc_sigmask, SIGBUS)) {
		signal(SIGBUS, SIG_DFL);
		sigdelset(&context->uc_sigmask, SIGBUS);
	}
	syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGBUS, &info);
}

static void handle(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uint64_t bits = (uint64_t)uc->uc_mcontext.gregs[REG_ERR];
	uint32_t access = bits & FAULT_STORE   ? TRANSLATOR_WRITE
			  : bits & FAULT_FETCH ? TRANSLATOR_EXEC
					       : TRANSLATOR_READ;
	uintptr_t at = (uintptr_t)info->si_addr;
	struct translator_space *space;
	int saved = errno, rc = -EFAULT;

	/* A fault of our own would wait for itself. */
	if (biglock_locked()) {
		pass_on(signo, info, context);
		return;
	}
	biglock_lock();
	for (space = biglock_spaces; space; space = space->next)
		if (space->window && at - (uintptr_t)space->window < space->bytes)
			break;
	if (space)
		rc = biglock_fault(space, at - (uintptr_t)space->window, access);
	biglock_unlock();
	errno = saved;
	if (!rc)
		return;
	if (TRANSLATOR_IS_BUS_ERROR(rc) || rc == -ENOMEM) {
		bus_error(info->si_addr, uc);
		return;
	}
	/* The host sees a reservation; the application sees whether anything is mapped. */
	if (space)
		info->si_code = rc == -EACCES ? SEGV_ACCERR : SEGV_MAPERR;
	pass_on(signo, info, context);
}

static int install(void)
{
	struct sigaction ours = { .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

	if (installed)
		return 0;
	ours.sa_sigaction = handle;
	sigemptyset(&ours.sa_mask);
	sigaddset(&ours.sa_mask, SIGBUS);
	if (sigaction(SIGSEGV, NULL, &previous) || sigaction(SIGSEGV, &ours, NULL))
		return -errno;
	installed = true;
	return 0;
}

/* Another handler over ours still passes on to us: then we stay, and pass everything on. */
static void uninstall(void)
{
	struct sigaction now;

	if (sigaction(SIGSEGV, NULL, &now) || !(now.sa_flags & SA_SIGINFO) ||
	    now.sa_sigaction != handle)
		return;
	installed = sigaction(SIGSEGV, &previous, NULL) != 0;
}

static void *reserve(void *at, uint64_t bytes, int flags)
{
	return mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1,
		    0);
}

int biglock_window_create(struct translator_space *space)
{
	int rc = install();
	void *window = rc ? MAP_FAILED : reserve(NULL, space->bytes, 0);

	if (rc)
		return rc;
	if (window == MAP_FAILED) {
		if (!windows)
			uninstall();
		return -ENOMEM;
	}
	space->window = window;
	windows++;
	return 0;
}

void biglock_window_destroy(struct translator_space *space)
{
	munmap(space->window, space->bytes);
	space->window = NULL;
	if (!--windows)
		uninstall();
}

void biglock_window_hide(struct translator_space *space, uint64_t start, uint64_t end)
{
	if (!space->window || !space->shown)
		return;
	space->engine->stat.host_unmappings++;
	if (end - start < space->bytes &&
	    reserve(space->window + start, end - start, MAP_FIXED) != MAP_FAILED)
		return;
	/* No room to split the host's mapping: all of it goes, which needs none. A page that
	 * stayed would be seen by who must not. */
	if (reserve(space->window, space->bytes, MAP_FIXED) == MAP_FAILED)
		abort();
	space->shown = false;
}

int biglock_window_show(struct translator_space *space, uint64_t address, uint32_t page,
			uint32_t perms)
{
	int prot = (perms & TRANSLATOR_READ ? PROT_READ : 0) |
		   (perms & TRANSLATOR_WRITE ? PROT_WRITE : 0) |
		   (perms & TRANSLATOR_EXEC ? PROT_EXEC : 0);
	void *at = space->window + address;
	off_t offset = (off_t)(page * PAGE_BYTES);
	int fd = space->engine->fd;

	space->engine->stat.host_mappings++;
	if (prot & PROT_WRITE)
		space->engine->stored[page] = 1;
	if (mmap(at, PAGE_BYTES, prot, MAP_SHARED | MAP_FIXED, fd, offset) == MAP_FAILED) {
		biglock_window_hide(space, 0, space->bytes);
		if (mmap(at, PAGE_BYTES, prot, MAP_SHARED | MAP_FIXED, fd, offset) == MAP_FAILED)
			return -ENOMEM;
	}
	space->shown = true;
	return 0;
}

bool biglock_window_meets(const void *memory, uint64_t length)
{
	uintptr_t start = (uintptr_t)memory, end = start + length;

	for (struct translator_space *space = biglock_spaces; space; space = space->next)
		if (space->window && start < (uintptr_t)space->window + space->bytes &&
		    (uintptr_t)space->window < end)
			return true;
	return false;
}
