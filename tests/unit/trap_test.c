/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trap_test.c - faults of a window are resolved and retried; every other signal, and every fault
 * that cannot be resolved, reaches the program as it would have without the trap.
 *
 * A handler is for the whole process and for ever, so each case runs in a child of its own; it
 * exits with the line that failed, or 0. Only the last test, with threads, runs in this process.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/fail.h"
#include "engine/lock_order.h"
#include "engine/range.h"
#include "engine/trap.h"
#include "tests/unit/trap_fixture.h"

/* ---- faults of a window ---- */

static void touch(void)
{
	install();
	errno = ENOTTY;
	MUST(window[5 * PAGE + 7] == 0);
	MUST(errno == ENOTTY);
	MUST(faults == 1 && fault_va == 5 * PAGE + 7 && fault_at == MM_READ);
	MUST(fault_space == &faults);
	window[5 * PAGE + 8] = 1; /* readable by now: a second fault, for writing */
	MUST(faults == 2 && fault_va == 5 * PAGE + 8 && fault_at == MM_WRITE);
	window[5 * PAGE + 9] = 2;
	MUST(faults == 2 && window[5 * PAGE + 8] == 1 && window[5 * PAGE + 9] == 2);
	__atomic_fetch_add((volatile int *)(window + 6 * PAGE), 3, __ATOMIC_RELAXED);
	MUST(faults == 3 && fault_at == MM_WRITE && window[6 * PAGE] == 3);
	window[0] = 4;
	window[WINDOW_BYTES - 1] = 5;
	MUST(faults == 5 && fault_va == WINDOW_BYTES - 1);
	/* Installing again changes nothing. */
	MUST(trap_install() == 0);
	window[PAGE] = 6;
	MUST(faults == 6);
}

static void execute(void)
{
	void (*function)(void);
	void *start;

	install();
	start = (void *)(uintptr_t)(window + PAGE);
	window[PAGE] = (char)0xc3; /* ret */
	MUST(faults == 1);
	memcpy(&function, &start, sizeof(function));
	function();
	MUST(faults == 2 && fault_at == MM_EXEC && fault_va == PAGE);
}

static void faults_are_resolved_and_retried(void **state)
{
	(void)state;
	assert_exits(0, touch);
	assert_exits(0, execute);
}

/* ---- signals that are not ours ---- */

static void touch_foreign(void)
{
	install();
	(void)foreign[3];
}

static void send_segv(void)
{
	install();
	kill(getpid(), SIGSEGV);
}

static void touch_behind_window(void)
{
	volatile char *w = inaccessible(2 * PAGE);

	MUST(trap_install() == 0);
	MUST(trap_register((void *)(uintptr_t)w, PAGE, resolve, NULL) == 0);
	(void)w[PAGE];
}

static void ignore_then_touch_foreign(void)
{
	signal(SIGSEGV, SIG_IGN);
	touch_foreign();
}

static void ignore_then_send(void)
{
	signal(SIGSEGV, SIG_IGN);
	send_segv();
	window[0] = 1; /* the trap is still there */
	MUST(faults == 1);
}

static void without_a_handler_the_process_dies_as_it_would_have(void **state)
{
	(void)state;
	assert_dies_of(SIGSEGV, touch_foreign);
	assert_dies_of(SIGSEGV, touch_behind_window);
	assert_dies_of(SIGSEGV, send_segv);
	assert_dies_of(SIGSEGV, ignore_then_touch_foreign);
	assert_exits(0, ignore_then_send);
}

static void record_and_mend(int signal_number, siginfo_t *info, void *context)
{
	record(signal_number, info, context);
	mprotect((void *)page_round_down((uintptr_t)info->si_addr), PAGE, PROT_READ | PROT_WRITE);
	errno = EXDEV;
}

static void plain_and_mend(int signal_number)
{
	seen++;
	seen_signal = signal_number;
	mprotect((void *)(uintptr_t)foreign, PAGE, PROT_READ | PROT_WRITE);
}

static void forward_siginfo(void)
{
	sigset_t mask;

	set_handler(SIGSEGV, record_and_mend, 0);
	install();
	errno = ENOTTY;
	foreign[9] = 1;
	MUST(errno == ENOTTY && foreign[9] == 1);
	MUST(seen == 1 && seen_signal == SIGSEGV && seen_code == SEGV_ACCERR && seen_context);
	MUST(seen_address == (void *)(uintptr_t)(foreign + 9));
	MUST(seen_usr1_blocked == 1 && seen_segv_blocked == 1);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	MUST(!sigismember(&mask, SIGUSR1) && !sigismember(&mask, SIGSEGV));
	kill(getpid(), SIGSEGV);
	MUST(seen == 2 && seen_code == SI_USER);
	window[0] = 1;
	MUST(faults == 1 && seen == 2);
}

static void forward_nodefer(void)
{
	volatile char *before = inaccessible(PAGE);
	int blocked;

	/* The measure is what the handler sees without the trap: TSan blocks all signals in it. */
	set_handler(SIGSEGV, record_and_mend, SA_NODEFER);
	before[0] = 1;
	MUST(seen == 1 && seen_usr1_blocked == 1);
	blocked = seen_segv_blocked;
	install();
	foreign[0] = 1;
	MUST(seen == 2 && seen_usr1_blocked == 1 && seen_segv_blocked == blocked);
}

static void forward_plain(void)
{
	signal(SIGSEGV, plain_and_mend);
	install();
	foreign[9] = 1;
	MUST(seen == 1 && seen_signal == SIGSEGV && foreign[9] == 1);
}

static void a_handler_from_before_gets_what_is_not_ours(void **state)
{
	(void)state;
	assert_exits(0, forward_siginfo);
	assert_exits(0, forward_nodefer);
	assert_exits(0, forward_plain);
}

/* ---- the engine's own mistakes ---- */

/* A failure hook: 200 for the complaints that are expected. */
static void expect_complaint(const char *text)
{
	MUST(strstr(text, "holds data taken at site.c:7") || strstr(text, "no window at"));
	_exit(200);
}

static void touch_with_a_lock(void)
{
	install();
	mm_fail_set_hook(expect_complaint);
	lock_rank_push(RANK_DATA, (struct lock_key){ 0, 1 }, "site.c:7");
	(void)window[0];
	lock_rank_pop(RANK_DATA, (struct lock_key){ 0, 1 }, "site.c:8");
}

static void a_window_touched_with_a_lock_held_is_reported(void **state)
{
	(void)state;
	assert_exits(LOCK_CHECKED ? 200 : 0, touch_with_a_lock);
}

static int fault_again(void *space, uint64_t va, mm_access at, bool bus)
{
	(void)space, (void)va, (void)at, (void)bus;
	return foreign[0]; /* the engine trips over itself */
}

static void fault_in_the_fault_function(void)
{
	volatile char *w = inaccessible(PAGE);

	install();
	MUST(trap_register((void *)(uintptr_t)w, PAGE, fault_again, NULL) == 0);
	(void)w[0];
}

static void a_fault_function_that_faults_dies_of_it(void **state)
{
	(void)state;
	assert_dies_of(SIGSEGV, fault_in_the_fault_function);
}

/* ---- registration ---- */

static void unregister_unknown(void)
{
	install();
	mm_fail_set_hook(expect_complaint);
	trap_unregister((void *)(uintptr_t)(window + PAGE));
}

static void registration(void)
{
	char *w;

	install();
	w = (char *)(uintptr_t)window;
	MUST(trap_register(NULL, PAGE, resolve, NULL) == -EINVAL);
	MUST(trap_register(w, 0, resolve, NULL) == -EINVAL);
	MUST(trap_register(w, UINT64_MAX, resolve, NULL) == -EINVAL);
	MUST(trap_register(w, WINDOW_BYTES, resolve, NULL) == -EEXIST);
	MUST(trap_register(w + PAGE, PAGE, resolve, NULL) == -EEXIST);
	MUST(trap_register(w - PAGE, PAGE + 1, resolve, NULL) == -EEXIST);
	MUST(trap_register(w + WINDOW_BYTES - 1, PAGE, resolve, NULL) == -EEXIST);
	trap_unregister(w);
	for (int i = 0; i < TRAP_WINDOWS; i++)
		MUST(trap_register(w + (size_t)i * 64, 64, resolve, w + i) == 0);
	MUST(trap_register(w + TRAP_WINDOWS * 64, 64, resolve, NULL) == -ENOSPC);
	shift = 77 * 64;
	window[shift + 5] = 1;
	MUST(faults == 1 && fault_space == w + 77 && fault_va == 5);
	trap_unregister(w + 77 * 64);
	MUST(trap_register(w + TRAP_WINDOWS * 64, 64, resolve, w) == 0);
	shift = TRAP_WINDOWS * 64;
	window[shift + 63] = 1;
	MUST(faults == 2 && fault_space == w && fault_va == 63);
	for (int i = 0; i <= TRAP_WINDOWS; i++)
		if (i != 77)
			trap_unregister(w + (size_t)i * 64);
}

static void touch_unregistered(void)
{
	install();
	window[0] = 1;
	MUST(faults == 1);
	trap_unregister((void *)(uintptr_t)window);
	window[PAGE] = 1;
}

static void windows_come_and_go(void **state)
{
	(void)state;
	assert_exits(0, registration);
	assert_dies_of(SIGSEGV, touch_unregistered);
	assert_exits(200, unregister_unknown);
}

static void stacks(void)
{
	char *own = inaccessible(1 << 20);
	stack_t at_first, given, now;
	const stack_t none = { .ss_flags = SS_DISABLE };
	stack_t large = { .ss_sp = own, .ss_size = 1 << 20 };
	stack_t small = { .ss_sp = own, .ss_size = 16384 };

	MUST(mprotect(own, 1 << 20, PROT_READ | PROT_WRITE) == 0);
	MUST(sigaltstack(&none, NULL) == 0);
	install();
	MUST(sigaltstack(NULL, &given) == 0);
	MUST(!(given.ss_flags & SS_DISABLE) && given.ss_size >= 65536);
	(void)window[0];
	MUST(fault_stack >= (char *)given.ss_sp &&
	     fault_stack < (char *)given.ss_sp + given.ss_size);
	/* Nested: the stack stays until the last one leaves. */
	MUST(trap_thread_enter() == 0);
	trap_thread_leave();
	MUST(sigaltstack(NULL, &now) == 0 && now.ss_sp == given.ss_sp);
	trap_thread_leave();
	MUST(sigaltstack(NULL, &at_first) == 0 && (at_first.ss_flags & SS_DISABLE));
	/* One that is there and big enough is kept, a small one replaced and given back. */
	MUST(sigaltstack(&large, NULL) == 0 && trap_thread_enter() == 0);
	MUST(sigaltstack(NULL, &now) == 0 && now.ss_sp == own);
	trap_thread_leave();
	MUST(sigaltstack(NULL, &now) == 0 && now.ss_sp == own && now.ss_size == 1 << 20);
	MUST(sigaltstack(&small, NULL) == 0 && trap_thread_enter() == 0);
	MUST(sigaltstack(NULL, &now) == 0 && now.ss_sp != own);
	trap_thread_leave();
	MUST(sigaltstack(NULL, &now) == 0 && now.ss_sp == own && now.ss_size == 16384);
}

static void threads_get_a_stack_unless_they_have_one(void **state)
{
	(void)state;
	assert_exits(0, stacks);
}

/* ---- threads: in this process, so that TSan's verdict counts ---- */

static _Atomic int gate, arrived, unregistered;

static int wait_at_gate(void *space, uint64_t va, mm_access at, bool bus)
{
	arrived = 1;
	while (!gate)
		sched_yield();
	return resolve(space, va, at, bus);
}

static void *touch_once(void *unused)
{
	(void)unused;
	if (trap_thread_enter())
		return NULL;
	window[0] = 1;
	trap_thread_leave();
	return (void *)(uintptr_t)window;
}

static void *unregister_it(void *unused)
{
	(void)unused;
	trap_unregister((void *)(uintptr_t)window);
	unregistered = 1;
	return NULL;
}

static void unregister_waits_for_handlers(void **state)
{
	pthread_t toucher, unregisterer;
	void *result;

	(void)state;
	signal(SIGSEGV, SIG_DFL);
	window = mmap(NULL, WINDOW_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(window, MAP_FAILED);
	assert_int_equal(trap_install(), 0);
	assert_int_equal(trap_register((void *)(uintptr_t)window, PAGE, wait_at_gate, NULL), 0);
	assert_int_equal(pthread_create(&toucher, NULL, touch_once, NULL), 0);
	while (!arrived)
		sched_yield();
	assert_int_equal(pthread_create(&unregisterer, NULL, unregister_it, NULL), 0);
	/* The slot is closed to others at once: the address may be registered anew... */
	while (trap_register((void *)(uintptr_t)window, PAGE, resolve, NULL) == -EEXIST)
		sched_yield();
	assert_int_equal(unregistered, 0); /* ...but the handler that runs is waited for. */
	gate = 1;
	pthread_join(toucher, &result);
	pthread_join(unregisterer, NULL);
	assert_ptr_equal(result, (void *)(uintptr_t)window);
	assert_int_equal(unregistered, 1);
	trap_unregister((void *)(uintptr_t)window);
	munmap((void *)(uintptr_t)window, WINDOW_BYTES);
}

#define THREADS 4
#define ROUNDS 300

struct own_window {
	char *base;
	_Atomic int count;
};

static int resolve_own(void *space, uint64_t va, mm_access at, bool bus)
{
	struct own_window *o = space;

	if (at != MM_WRITE || bus)
		return -EACCES;
	o->count++;
	return mprotect(o->base + page_round_down(va), PAGE, PROT_READ | PROT_WRITE);
}

/* Registers, touches, unregisters, over and over, beside others who do the same. */
static void *churn(void *failures)
{
	struct own_window o;

	if (trap_thread_enter())
		++*(_Atomic int *)failures;
	for (int round = 0; round < ROUNDS; round++) {
		o.base = mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		o.count = 0;
		if (o.base == MAP_FAILED || trap_register(o.base, 4 * PAGE, resolve_own, &o)) {
			++*(_Atomic int *)failures;
			continue;
		}
		for (unsigned i = 0; i < 4; i++)
			*(volatile char *)(o.base + i * PAGE) = (char)round;
		trap_unregister(o.base);
		if (o.count != 4)
			++*(_Atomic int *)failures;
		munmap(o.base, 4 * PAGE);
	}
	trap_thread_leave();
	return NULL;
}

static void threads_register_and_fault_at_once(void **state)
{
	pthread_t thread[THREADS];
	static _Atomic int failures;

	(void)state;
	assert_int_equal(trap_install(), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, churn, &failures), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_are_resolved_and_retried),
		cmocka_unit_test(without_a_handler_the_process_dies_as_it_would_have),
		cmocka_unit_test(a_handler_from_before_gets_what_is_not_ours),
		cmocka_unit_test(a_window_touched_with_a_lock_held_is_reported),
		cmocka_unit_test(a_fault_function_that_faults_dies_of_it),
		cmocka_unit_test(windows_come_and_go),
		cmocka_unit_test(threads_get_a_stack_unless_they_have_one),
		cmocka_unit_test(unregister_waits_for_handlers),
		cmocka_unit_test(threads_register_and_fault_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
