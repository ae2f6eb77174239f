/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trap_bus_test.c - faults of a window that cannot be resolved: the program gets the signal that
 * the fault function's error stands for, as if the kernel had raised it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <x86intrin.h>

#include "engine/range.h"
#include "engine/trap.h"
#include "tests/unit/trap_fixture.h"

/* ---- faults that fail ---- */

static void touch_failing(void)
{
	install();
	(void)window[0];
}

static void fail_with_handler(void)
{
	static const struct {
		int rc, code;
	} cases[] = {
		{ -EFAULT, SEGV_MAPERR },
		{ -EACCES, SEGV_ACCERR },
		{ -EPERM, SEGV_ACCERR },
		{ -ENOMEM, SEGV_MAPERR },
	};

	set_handler(SIGSEGV, record_and_jump, 0);
	install();
	for (volatile size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fault_rc = cases[i].rc;
		if (!sigsetjmp(escape, 1)) {
			window[2 * PAGE + i] = 1;
			MUST(false);
		}
		MUST(seen == (int)i + 1 && faults == (int)i + 1);
		MUST(seen_code == cases[i].code && seen_signal == SIGSEGV);
		MUST(seen_address == (void *)(uintptr_t)(window + 2 * PAGE + i));
	}
	/* A handler that jumped away has left the window: this does not wait for ever. */
	trap_unregister((void *)(uintptr_t)window);
}

static void a_fault_that_fails_is_a_segmentation_fault(void **state)
{
	(void)state;
	fault_rc = -EFAULT;
	assert_dies_of(SIGSEGV, touch_failing);
	assert_exits(0, fail_with_handler);
	fault_rc = 0;
}

static void bus_record_and_clear(int signal_number, siginfo_t *info, void *context)
{
	record(signal_number, info, context);
	fault_rc = 0; /* the cause is gone: the retried instruction succeeds */
}

static void bus_with_handler(void)
{
	set_handler(SIGBUS, bus_record_and_clear, 0);
	install();
	fault_rc = bus_error(EIO);
	errno = ENOTTY;
	window[3 * PAGE + 1] = 1;
	MUST(errno == ENOTTY);
	MUST(seen == 1 && seen_signal == SIGBUS && seen_code == BUS_ADRERR && seen_context);
	MUST(seen_address == (void *)(uintptr_t)(window + 3 * PAGE + 1));
	MUST(seen_usr1_blocked == 1);
	MUST(faults == 2 && window[3 * PAGE + 1] == 1);
}

static void bus_with_jump(void)
{
	set_handler(SIGBUS, record_and_jump, 0);
	install();
	fault_rc = bus_error(EIO);
	for (volatile int i = 0; i < 3; i++) {
		if (!sigsetjmp(escape, 1)) {
			window[i] = 1;
			MUST(false);
		}
		MUST(seen == i + 1 && seen_signal == SIGBUS);
	}
	trap_unregister((void *)(uintptr_t)window);
}

#ifndef __SANITIZE_THREAD__
/* Each instruction of our handler traps from here to its end, as for a debugger. */
#define TRAP_FLAG 0x100u

static volatile int steps;

static void on_step(int signal_number)
{
	(void)signal_number;
	steps++;
}

static int resolve_stepping(void *space, uint64_t va, mm_access at, bool bus)
{
	int rc = resolve(space, va, at, bus);

	if (rc)
		__writeeflags(__readeflags() | TRAP_FLAG);
	return rc;
}

static void bus_in_program(int signal_number, siginfo_t *info, void *context)
{
	MUST(sigismember(&((ucontext_t *)context)->uc_sigmask, SIGBUS) == 0);
	bus_record_and_clear(signal_number, info, context);
}

/* Not in the middle of our handler, which has it blocked. */
static void bus_while_stepping(void)
{
	set_handler(SIGBUS, bus_in_program, 0);
	signal(SIGTRAP, on_step);
	install();
	trap_unregister((void *)(uintptr_t)window);
	MUST(trap_register((void *)(uintptr_t)window, PAGE, resolve_stepping, NULL) == 0);
	fault_rc = bus_error(EIO);
	MUST(window[1] == 0);
	MUST(steps > 0 && seen == 1 && seen_signal == SIGBUS && faults == 2);
}
#endif

static void bus_ignored(void)
{
	signal(SIGBUS, SIG_IGN);
	touch_failing();
}

static void bus_blocked(void)
{
	sigset_t mask;

	set_handler(SIGBUS, bus_record_and_clear, 0);
	sigemptyset(&mask);
	sigaddset(&mask, SIGBUS);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	touch_failing();
}

static void a_bus_error_is_a_sigbus(void **state)
{
	(void)state;
	assert_exits(0, bus_with_handler);
	assert_exits(0, bus_with_jump);
#ifndef __SANITIZE_THREAD__ /* its own handler puts traps off */
	assert_exits(0, bus_while_stepping);
#endif
	fault_rc = bus_error(EIO);
	assert_dies_of(SIGBUS, touch_failing);
	assert_dies_of(SIGBUS, bus_ignored);
	assert_dies_of(SIGBUS, bus_blocked);
	fault_rc = 0;
}

/* ---- misses that raise SIGBUS, as those of userfaultfd do ---- */

/* The window shows a file without a page: each touch raises SIGBUS. */
static void install_over_nothing(void)
{
	int fd = memfd_create("trap_test", MFD_CLOEXEC);

	install();
	MUST(fd >= 0 && mmap((void *)(uintptr_t)window, WINDOW_BYTES, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED);
	over = fd;
}

static void bus_touch(void)
{
	install_over_nothing();
	errno = ENOTTY;
	window[3 * PAGE + 5] = 1;
	MUST(errno == ENOTTY && window[3 * PAGE + 5] == 1);
	MUST(faults == 1 && fault_bus && fault_at == MM_WRITE && fault_va == 3 * PAGE + 5);
}

static void bus_that_fails(void)
{
	set_handler(SIGSEGV, record_and_jump, 0);
	set_handler(SIGBUS, record_and_jump, 0);
	install_over_nothing();
	fault_rc = -EACCES;
	if (!sigsetjmp(escape, 1)) {
		(void)window[PAGE];
		MUST(false);
	}
	MUST(seen == 1 && seen_signal == SIGSEGV && seen_code == SEGV_ACCERR && fault_bus);
	MUST(seen_address == (void *)(uintptr_t)(window + PAGE));
	fault_rc = bus_error(EIO);
	if (!sigsetjmp(escape, 1)) {
		(void)window[PAGE];
		MUST(false);
	}
	MUST(seen == 2 && seen_signal == SIGBUS && seen_code == BUS_ADRERR && faults == 2);
	MUST(seen_error == 0); /* the engine's mark is gone */
	trap_unregister((void *)(uintptr_t)window);
}

static void touch_failing_over_nothing(void)
{
	install_over_nothing();
	(void)window[0];
}

static void a_miss_may_raise_sigbus(void **state)
{
	(void)state;
	assert_exits(0, bus_touch);
	assert_exits(0, bus_that_fails);
	fault_rc = -EFAULT;
	assert_dies_of(SIGSEGV, touch_failing_over_nothing);
	fault_rc = bus_error(EIO);
	assert_dies_of(SIGBUS, touch_failing_over_nothing);
	fault_rc = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fault_that_fails_is_a_segmentation_fault),
		cmocka_unit_test(a_bus_error_is_a_sigbus),
		cmocka_unit_test(a_miss_may_raise_sigbus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
