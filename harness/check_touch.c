/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_touch.c - ordinary loads and stores that may fail: a signal that the translator passes on
 * to us makes the instruction's function return, with the reason.
 *
 * The handler changes where the thread goes on instead of jumping away, so that the translator's
 * own handler, which called ours, ends as it should.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "harness/check_subject.h"

/* rdi: address, rsi: value to store. eax: the byte, 0, or by the handler less than 0. */
int32_t check_touch_load(const void *address);
int32_t check_touch_store(void *address, uint64_t value);
extern const char check_touch_back[];

__asm__(".text\n"
	".globl check_touch_load, check_touch_store, check_touch_back\n"
	".type check_touch_load, @function\n"
	".type check_touch_store, @function\n"
	"check_touch_load:\n"
	"	movzbl (%rdi), %eax\n"
	"	ret\n"
	"check_touch_store:\n"
	"	movb %sil, (%rdi)\n"
	"	xorl %eax, %eax\n"
	"check_touch_back:\n"
	"	ret\n"
	".size check_touch_load, . - check_touch_load\n");

/* A translator's handler that has queued a signal for the instruction it returns to has it blocked
 * until then. Linux hands it out early if a trap comes first: of the synchronous signals it takes
 * the first that is queued, blocked or not, once one of them may be taken. */
static bool comes_early(int number, const siginfo_t *info, const ucontext_t *context)
{
	return info->si_code > 0 && sigismember(&context->uc_sigmask, number) == 1;
}

static void queue_again(int number, siginfo_t *info)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), number, info))
		abort();
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	uintptr_t at = (uintptr_t)registers[REG_RIP];
	int32_t rc = -EFAULT;

	if (at != (uintptr_t)check_touch_load && at != (uintptr_t)check_touch_store) {
		if (comes_early(number, info, context))
			queue_again(number, info);
		else
			signal(number, SIG_DFL);
		return;
	}
	if (number == SIGBUS)
		rc = CHECK_BUS;
	else if (info->si_code == SEGV_ACCERR)
		rc = -EACCES;
	registers[REG_RAX] = (uint32_t)rc;
	registers[REG_RIP] = (greg_t)(uintptr_t)check_touch_back;
}

void check_touch_install(void)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

	action.sa_sigaction = on_signal;
	sigemptyset(&action.sa_mask);
	if (sigaction(SIGSEGV, &action, NULL) || sigaction(SIGBUS, &action, NULL))
		abort();
}

int32_t check_touch(void *address, bool store, uint8_t *value)
{
	int32_t rc = store ? check_touch_store(address, *value) : check_touch_load(address);

	if (rc < 0)
		return rc;
	if (!store)
		*value = (uint8_t)rc;
	return 0;
}
