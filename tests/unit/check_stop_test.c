/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_stop_test.c - a thread is followed through a call, and then held at any place of it: what
 * is half done there can be seen, and it goes on as if nothing had been.
 *
 * ThreadSanitizer keeps signals for later, so nothing can be stopped under it.
 */
#include "harness/check_stop.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* Enough to step through it on a busy machine. */
#define BUDGET_NS UINT64_C(1000000000)

static volatile int first, second;
static _Atomic int counter;
static unsigned char from[512], to[512];
static int seen_first, seen_second;
static unsigned reached_count;

/* Two stores, a locked instruction, and one that repeats itself. */
static __attribute__((noinline)) void call(int value)
{
	unsigned char *target = to;
	const unsigned char *source = from;
	size_t count = sizeof(from);

	first = value;
	second = value;
	counter++;
	__asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(count) : : "memory");
}

static void look(struct check_stop *stop)
{
	(void)stop;
	errno = EAGAIN;
	reached_count++;
	seen_first = first;
	seen_second = second;
}

static struct check_trace trace;

static void follow(struct check_stop *stop)
{
	for (unsigned i = 0; i < 1000 && !trace.is_whole; i++) {
		check_stop_follow(stop, BUDGET_NS);
		call(1);
		check_stop_end(stop);
	}
}

static void needs_signals(void **state)
{
	(void)state;
#ifdef __SANITIZE_THREAD__
	skip();
#endif
	check_stop_install();
}

static void every_place_can_be_held(void **state)
{
	struct check_stop stop = { .trace = &trace, .reached = look };
	unsigned between = 0, missed = 0;

	needs_signals(state);
	follow(&stop);
	assert_true(trace.is_whole);
	/* The bytes that are moved are one instruction, and not hundreds. */
	assert_in_range(trace.place_count, 8, 400);
	for (uint32_t place = 0; place < trace.place_count; place++) {
		first = second = 2;
		memset(from, (int)place, sizeof(from));
		reached_count = 0;
		check_stop_begin(&stop, place);
		errno = 0;
		call(3);
		check_stop_end(&stop);
		assert_int_equal(reached_count, stop.was_reached);
		/* Whatever is done meanwhile. */
		assert_int_equal(errno, 0);
		missed += !stop.was_reached;
		/* It went on, and was held once. */
		assert_int_equal(second, 3);
		assert_memory_equal(from, to, sizeof(from));
		between += stop.was_reached && seen_first == 3 && seen_second == 2;
		assert_false(stop.was_reached && seen_first == 2 && seen_second == 3);
	}
	/* Some instructions are of check_stop_follow and check_stop_end, and not of the call. */
	assert_in_range(missed, 0, trace.place_count / 2);
	assert_in_range(between, 1, trace.place_count - 1);
}

static void turns_are_beside_what_locks(void **state)
{
	struct check_stop stop = { .trace = &trace, .reached = look };

	needs_signals(state);
	follow(&stop);
	assert_true(trace.turn_count >= 2);
	for (uint32_t i = 1; i < trace.turn_count; i++)
		assert_true(trace.turns[i] > trace.turns[i - 1]);
	assert_true(trace.turns[trace.turn_count - 1] < trace.place_count);
}

static void a_place_that_is_not_there_is_passed(void **state)
{
	struct check_stop stop = { .trace = &trace, .reached = look };

	needs_signals(state);
	reached_count = 0;
	check_stop_begin(&stop, CHECK_PLACES_MAX);
	call(4);
	check_stop_end(&stop);
	assert_int_equal(reached_count, 0);
	assert_false(stop.was_reached);
	assert_int_equal(second, 4);
}

/* As in many containers. There is no way back, so this is the last test. */
static void forbid_breakpoints(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };

	assert_return_code(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), errno);
	assert_return_code(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), errno);
}

static void without_breakpoints_it_steps(void **state)
{
	needs_signals(state);
	forbid_breakpoints();
	assert_false(check_stop_is_cheap());
	memset(&trace, 0, sizeof(trace));
	every_place_can_be_held(state);
	turns_are_beside_what_locks(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_place_can_be_held),
		cmocka_unit_test(turns_are_beside_what_locks),
		cmocka_unit_test(a_place_that_is_not_there_is_passed),
		cmocka_unit_test(without_breakpoints_it_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
