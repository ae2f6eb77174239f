/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trap_fixture.h - a window whose faults a function of the test resolves, and cases that run in a
 * child each: a handler is for the whole process and for ever.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/range.h"
#include "engine/trap.h"

#define PAGE ((size_t)MM_PAGE_SIZE)
#define WINDOW_PAGES 64
#define WINDOW_BYTES (WINDOW_PAGES * PAGE)
#define FAULTS_MAX 1000
#define MUST(x)                                    \
	do {                                       \
		if (!(x))                          \
			_exit(__LINE__ % 251 + 1); \
	} while (0)

static volatile char *window; /* of the trap */
static volatile char *foreign; /* a page that is nobody's */

/* What the fault function is to do, and what it saw: behind the back of the compiler. */
static volatile int fault_rc;
static volatile size_t shift; /* from the start of the window to that of the registered one */
static _Atomic int faults;
static volatile uint64_t fault_va;
static volatile mm_access fault_at;
static volatile bool fault_bus;
static volatile int over = -1; /* a file that the window shows, to be made long enough */
static void *volatile fault_space;
static char *volatile fault_stack;

static inline int resolve(void *space, uint64_t va, mm_access at, bool bus)
{
	char here;

	faults++;
	fault_va = va;
	fault_at = at;
	fault_bus = bus;
	fault_space = space;
	fault_stack = (char *)((uintptr_t)&here & ~(uintptr_t)15);
	errno = EXDEV;
	if (faults > FAULTS_MAX)
		return -ELOOP; /* retried without an end: this ends it */
	if (fault_rc)
		return fault_rc;
	if (over >= 0)
		return ftruncate(over, WINDOW_BYTES);
	return mprotect((void *)(uintptr_t)(window + page_round_down(shift + va)), PAGE,
			at == MM_READ	? PROT_READ
			: at == MM_EXEC ? PROT_READ | PROT_EXEC
					: PROT_READ | PROT_WRITE);
}

static inline void *inaccessible(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(p != MAP_FAILED);
	return p;
}

static inline void install(void)
{
	window = inaccessible(WINDOW_BYTES);
	foreign = inaccessible(PAGE);
	MUST(trap_install() == 0);
	MUST(trap_thread_enter() == 0);
	MUST(trap_register((void *)(uintptr_t)window, WINDOW_BYTES, resolve, &faults) == 0);
}

/* Runs the case in a child; the wait status. */
static inline int run(void (*in_child)(void))
{
	int status = -1;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		const struct rlimit no_core = { 0, 0 };

		setrlimit(RLIMIT_CORE, &no_core);
		alarm(20); /* a child that hangs ends, and its test fails */
		signal(SIGSEGV, SIG_DFL); /* whatever a sanitizer or cmocka has put there */
		signal(SIGBUS, SIG_DFL);
		in_child();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static inline void assert_exits(int code, void (*in_child)(void))
{
	int status = run(in_child);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), code);
}

static inline void assert_dies_of(int signal_number, void (*in_child)(void))
{
	int status = run(in_child);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), signal_number);
}

/* What a handler of the program saw, and where it jumps to. */
static volatile sig_atomic_t seen, seen_signal, seen_code, seen_error, seen_usr1_blocked,
	seen_segv_blocked;
static void *volatile seen_address;
static void *volatile seen_context;
static sigjmp_buf escape;

static inline void record(int signal_number, siginfo_t *info, void *context)
{
	sigset_t mask;

	seen++;
	seen_signal = signal_number;
	seen_code = info->si_code;
	seen_error = info->si_errno;
	seen_address = info->si_addr;
	seen_context = context;
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	seen_usr1_blocked = sigismember(&mask, SIGUSR1);
	seen_segv_blocked = sigismember(&mask, SIGSEGV);
}

static inline void record_and_jump(int signal_number, siginfo_t *info, void *context)
{
	record(signal_number, info, context);
	siglongjmp(escape, 1);
}

static inline void set_handler(int signal_number, void (*handler)(int, siginfo_t *, void *),
			       int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	sigaddset(&action.sa_mask, SIGUSR1);
	MUST(sigaction(signal_number, &action, NULL) == 0);
}
