/* SPDX-License-Identifier: Apache-2.0 */
/* touch.c - see touch.h. */
#include "tests/oracle/touch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

/* One instruction, wherever it lies. */
struct __attribute__((packed)) unaligned {
	volatile uint64_t value;
};

static _Thread_local sigjmp_buf jump;
static _Thread_local volatile struct {
	int signal, code;
	uint64_t fault;
} caught;

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)context;
	caught.signal = number;
	caught.code = info->si_code;
	caught.fault = (uint64_t)(uintptr_t)info->si_addr;
	siglongjmp(jump, 1);
}

void touch_install(void)
{
	struct sigaction action = { .sa_sigaction = on_signal,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK };

	if (sigaction(SIGSEGV, &action, NULL) || sigaction(SIGBUS, &action, NULL))
		abort();
}

struct touch touch_load(void *address)
{
	volatile struct touch t = { 0 };

	if (!sigsetjmp(jump, 1)) {
		t.value = ((struct unaligned *)address)->value;
		return t;
	}
	return (struct touch){ caught.signal, caught.code, caught.fault, 0 };
}

struct touch touch_store(void *address, uint64_t value)
{
	if (!sigsetjmp(jump, 1)) {
		((struct unaligned *)address)->value = value;
		return (struct touch){ 0 };
	}
	return (struct touch){ caught.signal, caught.code, caught.fault, 0 };
}
