/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_stop.c - traps between two instructions.
 *
 * A trap of the trap flag costs a microsecond, ten of them in a guest of a guest, and a call has
 * thousands of instructions. Hence it is followed once, and then stopped by a breakpoint: an event
 * of the kernel's perf, synchronous, which needs no privilege in one's own thread. Following ends
 * before the thread changes its signal mask, since a trap that is blocked ends the process.
 */
#include "harness/check_stop.h"

#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <x86intrin.h>

#include "harness/check_play.h"

#ifndef TRAP_PERF
#define TRAP_PERF 6 /* si_code: an event of perf; not in the C library's headers yet */
#endif
#define TRAP_FLAG 0x100
#define PREFIXES_MAX 14
#define CLOCK_EVERY 64 /* steps */
#define STEPPING_NS UINT64_C(200000000) /* at most, to a place */

/* Stepping or breaking is on the way to a place; through is behind it. */
enum { FOLLOWING, STEPPING, BREAKING, THROUGH };

static _Thread_local struct check_stop *active __attribute__((tls_model("initial-exec")));

static bool is_one_of(uint8_t byte, const char *bytes)
{
	return byte && strchr(bytes, byte);
}

/* How many bytes of prefixes an instruction has; and whether lock is among them. */
static unsigned count_prefixes(const uint8_t *code, bool *locks)
{
	unsigned at = 0;

	*locks = false;
	for (; at < PREFIXES_MAX; at++) {
		*locks |= code[at] == 0xf0;
		if ((code[at] & 0xf0) != 0x40 &&
		    !is_one_of(code[at], "\xf0\x66\x67\xf2\xf3\x2e\x36\x3e\x26\x64\x65"))
			break;
	}
	return at;
}

/* Whether what others see changes, or is ordered, by the instruction; and if it is a system
 * call. */
static bool is_ordering(const uint8_t *code, bool *is_call)
{
	bool locks;

	code += count_prefixes(code, &locks);
	*is_call = code[0] == 0x0f && code[1] == 0x05;
	if (locks || *is_call)
		return true;
	/* xchg with memory locks without saying so. */
	if ((code[0] == 0x86 || code[0] == 0x87) && code[1] < 0xc0)
		return true;
	return code[0] == 0x0f && code[1] == 0xae && code[2] == 0xf0; /* mfence */
}

/* Notes a place; false: it is not to be followed further. */
static bool note(struct check_stop *stop, const greg_t *registers)
{
	struct check_trace *trace = stop->trace;
	uint64_t place = (uint64_t)registers[REG_RIP];
	bool is_call, orders = is_ordering((const uint8_t *)(uintptr_t)place, &is_call);

	if ((orders || trace->beside) && trace->turn_count < CHECK_TURNS_MAX)
		trace->turns[trace->turn_count++] = (uint16_t)trace->place_count;
	trace->places[trace->place_count++] = place;
	trace->beside = orders;
	trace->is_whole = trace->place_count == CHECK_PLACES_MAX ||
			  (is_call && registers[REG_RAX] == SYS_rt_sigprocmask);
	return !trace->is_whole;
}

/* A breakpoint of the calling thread; -1: the system permits none. */
static int break_at(uint64_t address)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(attr),
		.sample_period = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
		.remove_on_exec = 1,
		.sigtrap = 1,
		.bp_type = HW_BREAKPOINT_X,
		.bp_addr = address,
		.bp_len = sizeof(long),
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* At the place that was meant. */
static void arrive(struct check_stop *stop, greg_t *registers)
{
	stop->was_reached = true;
	if (stop->fd >= 0)
		ioctl(stop->fd, PERF_EVENT_IOC_DISABLE, 0);
	if (stop->goes_on) {
		stop->mode = FOLLOWING;
		stop->before = (uint64_t)registers[REG_RIP];
		if (!stop->until_ns)
			stop->until_ns = check_now_ns() + stop->budget_ns;
		registers[REG_EFL] |= TRAP_FLAG;
	} else {
		stop->mode = THROUGH;
		registers[REG_EFL] &= ~TRAP_FLAG;
		stop->reached(stop);
	}
}

/* A string instruction traps at each repetition, thousands of times for a page: it is followed from
 * its end. */
static void pass_over(struct check_stop *stop, greg_t *registers)
{
	const uint8_t *code = (const uint8_t *)(uintptr_t)registers[REG_RIP];
	bool locks;
	unsigned prefixes = count_prefixes(code, &locks);
	int fd = -1;

	if (prefixes && is_one_of(code[prefixes], "\xa4\xa5\xaa\xab"))
		fd = break_at((uintptr_t)code + prefixes + 1);
	if (fd < 0)
		return;
	if (stop->fd >= 0)
		close(stop->fd);
	stop->fd = fd;
	stop->passed = 0;
	stop->goes_on = true;
	stop->mode = BREAKING;
	registers[REG_EFL] &= ~TRAP_FLAG;
}

static void on_step(struct check_stop *stop, greg_t *registers)
{
	uint64_t place = (uint64_t)registers[REG_RIP], before = stop->before;
	bool is_enough = ++stop->steps % CLOCK_EVERY == 0 && check_now_ns() >= stop->until_ns;

	stop->before = place;
	if (stop->mode == STEPPING && place == stop->place && place != before && !stop->passed--) {
		arrive(stop, registers);
		return;
	}
	if (stop->mode == FOLLOWING && place != before)
		is_enough |= !note(stop, registers);
	if (is_enough) {
		stop->mode = THROUGH;
		registers[REG_EFL] &= ~TRAP_FLAG;
	} else if (stop->mode == FOLLOWING && place == before) {
		pass_over(stop, registers);
	}
}

static void on_trap(int number, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	struct check_stop *stop = active;
	int error = errno;

	if (info->si_code == TRAP_PERF) {
		if (stop && stop->mode == BREAKING && !stop->passed--)
			arrive(stop, registers);
	} else if (info->si_code != TRAP_TRACE) {
		/* A breakpoint that the translator has put there itself. */
		signal(number, SIG_DFL);
		raise(number);
	} else if (stop) {
		on_step(stop, registers);
	} else {
		/* A thread that was made by one that is followed has its flag as well. */
		registers[REG_EFL] &= ~TRAP_FLAG;
	}
	/* The call may be between its system call and the look at what that said. */
	errno = error;
}

void check_stop_install(void)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

	action.sa_sigaction = on_trap;
	sigemptyset(&action.sa_mask);
	if (sigaction(SIGTRAP, &action, NULL))
		abort();
}

bool check_stop_is_cheap(void)
{
	int fd = break_at((uintptr_t)check_stop_install);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void begin(struct check_stop *stop, int mode)
{
	stop->mode = mode;
	stop->was_reached = false;
	stop->before = 0;
	stop->steps = 0;
	if (mode == STEPPING)
		stop->until_ns = check_now_ns() + STEPPING_NS;
	active = stop;
	atomic_signal_fence(memory_order_seq_cst);
	if (mode == FOLLOWING || mode == STEPPING)
		__writeeflags(__readeflags() | TRAP_FLAG);
}

static void begin_to(struct check_stop *stop, uint32_t place)
{
	const uint64_t *places = stop->trace->places;

	stop->fd = -1;
	if (place >= stop->trace->place_count) {
		begin(stop, THROUGH);
		return;
	}
	stop->place = places[place];
	stop->passed = 0;
	/* It may be passed before. */
	for (uint32_t i = 0; i < place; i++)
		stop->passed += places[i] == places[place];
	stop->fd = break_at(stop->place);
	begin(stop, stop->fd >= 0 ? BREAKING : STEPPING);
}

void check_stop_follow(struct check_stop *stop, uint64_t budget_ns)
{
	stop->goes_on = true;
	stop->budget_ns = budget_ns;
	stop->until_ns = 0;
	if (stop->trace->place_count) {
		begin_to(stop, stop->trace->place_count - 1);
	} else {
		stop->fd = -1;
		stop->until_ns = check_now_ns() + budget_ns;
		begin(stop, FOLLOWING);
	}
}

void check_stop_begin(struct check_stop *stop, uint32_t place)
{
	stop->goes_on = false;
	begin_to(stop, place);
}

void check_stop_end(struct check_stop *stop)
{
	__writeeflags(__readeflags() & ~(unsigned long long)TRAP_FLAG);
	atomic_signal_fence(memory_order_seq_cst);
	active = NULL;
	if (stop->mode == FOLLOWING)
		stop->trace->is_whole = true;
	if (stop->fd >= 0)
		close(stop->fd);
}
