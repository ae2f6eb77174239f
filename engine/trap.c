/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trap.c - the handler of SIGSEGV and SIGBUS that turns misses of a window into engine faults, and
 * ends safe copies that one of them interrupts.
 *
 * Windows are slots of a fixed array. A handler that finds its address in a slot counts itself
 * into the slot, then reads `base` again (both sequentially consistent); trap_unregister clears
 * `base`, then waits for the count to be 0. Either the handler's count is seen, or the handler
 * sees the cleared base: so `end`, `fault` and `space`, which are written before `base` and
 * changed only after such a wait, are stable while counted. The last handler out wakes a waiter
 * that left CLOSING in the count. The slots that were ever used are a prefix, which bounds the
 * search. Writers hold one leaf mutex.
 *
 * The handler first looks whether a safe copy was interrupted (safe_copy.h): one that runs with
 * locks held must come back to its caller, whatever the address is.
 *
 * The handler leaves its signal unblocked (SA_NODEFER): a fault function that itself faults shows
 * as what it is instead of killing the process without a word. It leaves the window before
 * passing a signal on, since the program's handler may longjmp.
 *
 * A miss of a window comes as SIGSEGV (mmap) or as SIGBUS (userfaultfd); the kernel's siginfo of
 * the latter is that of a real bus error. What it was is for the fault function to say: it shows
 * the page, or answers with a bus error, and then it was one.
 *
 * A signal other than the one that is handled is queued to the thread itself while blocked: it is
 * delivered when the handler returns, at the faulting instruction and before it runs again. It
 * comes to our own handler, which knows it by its si_errno (0 in the kernel's own) as judged
 * already, and passes it on without that mark. It may come too early: where a trap (of a debugger's
 * breakpoint, of a sandbox) is due in the handler's last instructions, Linux takes the first
 * synchronous signal that is queued, blocked or not. Then it is queued again.
 */
#include "engine/trap.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "engine/fail.h"
#include "engine/inject.h"
#include "engine/park.h"
#include "engine/range.h"
#include "engine/safe_copy.h"

#define TRAP_CHAIN 32 /* different handlers that a program may put before ours */
#define CLOSING (UINT32_C(1) << 31)
#define STACK_BYTES ((size_t)256 << 10)
#define PAGE_FAULT_WRITE 2 /* bits of the x86 page-fault error code */
#define PAGE_FAULT_FETCH 16

/* Apart from the counters, so that a search reads four slots a line. */
static struct trap_window {
	_Atomic uint64_t base; /* 0: free, or being unregistered */
	_Atomic uint64_t end;
} window[TRAP_WINDOWS];

static struct trap_target {
	_Alignas(64) _Atomic uint32_t handlers; /* running for it; CLOSING: wake me at 0 */
	bool taken; /* protected by registry */
	_Atomic(trap_fault_fn) fault;
	_Atomic(void *) space;
} target[TRAP_WINDOWS];

static _Atomic unsigned windows_used; /* slots at and above this were never used */
static _Atomic uint32_t registry; /* leaf */
/* The handlers that were there before ours, each immutable once `current` names it: a program may
 * install its own anew (test runners do so for each test), and is chained to again. */
static struct chain {
	struct sigaction before[TRAP_CHAIN];
	unsigned used; /* protected by registry */
	_Atomic unsigned current; /* the one that a foreign signal goes to */
} segv_chain, bus_chain;

/* The alternate stack that trap_thread_enter gave this thread. */
static _Thread_local struct {
	unsigned depth; /* enters not yet left */
	char *memory; /* NULL: the thread had a stack of its own */
	stack_t old;
} own_stack;

static struct lock_key registry_key(void)
{
	return (struct lock_key){ 0, (uint64_t)(uintptr_t)&registry };
}

static void registry_lock(void) ACQUIRES(leaf_class) MAY_LOCK_LEAF;
static void registry_lock(void) NO_TSA /* a lock word */
{
	lock_rank_push(RANK_LEAF, registry_key(), LOCK_SITE);
	park_lock_raw(&registry);
}

static void registry_unlock(void) RELEASES(leaf_class);
static void registry_unlock(void) NO_TSA /* a lock word */
{
	park_unlock_raw(&registry);
	lock_rank_pop(RANK_LEAF, registry_key(), LOCK_SITE);
}

static void window_leave(unsigned i)
{
	if (atomic_fetch_sub(&target[i].handlers, 1) == (CLOSING | 1))
		park_wake(&target[i].handlers);
}

static bool window_covers(unsigned i, uint64_t address, uint64_t *base)
{
	*base = atomic_load(&window[i].base);
	return *base != 0 && *base <= address && address < atomic_load(&window[i].end);
}

/* The slot whose window has the address, counted into, or -1. */
static int window_enter(uint64_t address, uint64_t *base)
{
	unsigned used = atomic_load_explicit(&windows_used, memory_order_acquire);

	for (unsigned i = 0; i < used; i++) {
		if (!window_covers(i, address, base))
			continue;
		atomic_fetch_add(&target[i].handlers, 1);
		if (window_covers(i, address, base))
			return (int)i;
		window_leave(i);
	}
	return -1;
}

/* Resolves a fault in the window counted into, and leaves it. */
static int window_fault(unsigned i, uint64_t va, mm_access at, bool bus)
{
	int rc = atomic_load_explicit(&target[i].fault, memory_order_relaxed)(
		atomic_load_explicit(&target[i].space, memory_order_relaxed), va, at, bus);

	window_leave(i);
	return rc;
}

int trap_resolve(const void *address, mm_access at, bool bus)
{
	uint64_t base;
	int i = window_enter((uint64_t)(uintptr_t)address, &base);

	return i < 0 ? -ENOENT : window_fault((unsigned)i, (uintptr_t)address - base, at, bus);
}

static void set_default(int signal_number)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };

	sigaction(signal_number, &dfl, NULL);
}

static struct sigaction chain_current(struct chain *c)
{
	return c->before[atomic_load_explicit(&c->current, memory_order_acquire)];
}

/* What the process would have seen without us. */
static void forward(struct chain *c, int signal_number, siginfo_t *info, void *context)
{
	bool synchronous = info->si_code > 0;
	struct sigaction previous = chain_current(c);
	sigset_t mask, old;

	if (!(previous.sa_flags & SA_SIGINFO)) {
		/* The kernel never lets a program ignore its own faults. */
		if (previous.sa_handler == SIG_IGN && !synchronous)
			return;
		if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN) {
			set_default(signal_number);
			if (!synchronous)
				raise(signal_number);
			return; /* a fault happens again, by default this time */
		}
	}
	mask = previous.sa_mask;
	if (!(previous.sa_flags & SA_NODEFER))
		sigaddset(&mask, signal_number);
	pthread_sigmask(SIG_BLOCK, &mask, &old);
	if (previous.sa_flags & SA_SIGINFO)
		previous.sa_sigaction(signal_number, info, context);
	else
		previous.sa_handler(signal_number);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static bool is_handler(const struct sigaction *a, void (*handler)(int, siginfo_t *, void *))
{
	return (a->sa_flags & SA_SIGINFO) && a->sa_sigaction == handler;
}

static void on_fault(int signal_number, siginfo_t *info, void *context);

static struct chain *chain_of(int signal_number)
{
	return signal_number == SIGBUS ? &bus_chain : &segv_chain;
}

/* Would nobody handle the signal? */
static bool is_unhandled(int signal_number)
{
	struct sigaction action;

	if (sigaction(signal_number, NULL, &action))
		return false;
	if (is_handler(&action, on_fault))
		action = chain_current(chain_of(signal_number));
	return !(action.sa_flags & SA_SIGINFO) &&
	       (action.sa_handler == SIG_IGN || action.sa_handler == SIG_DFL);
}

/* To this thread, for when the handler returns. */
static void queue(int signal_number, siginfo_t *info)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal_number);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), signal_number, info)) {
		/* Not permitted (a filter): at least die of the right signal. */
		set_default(signal_number);
		raise(signal_number);
	}
}

/* error > 0: the mark. */
static void deliver(int signal_number, int code, int error, void *address, ucontext_t *uc)
{
	siginfo_t info;

	/* As the kernel does for a fault: neither ignoring nor blocking it helps. */
	if (sigismember(&uc->uc_sigmask, signal_number) == 1 || is_unhandled(signal_number)) {
		set_default(signal_number);
		sigdelset(&uc->uc_sigmask, signal_number);
	}
	memset(&info, 0, sizeof(info));
	info.si_signo = signal_number;
	info.si_errno = error;
	info.si_code = code;
	info.si_addr = address;
	queue(signal_number, &info);
}

static mm_access access_of(const ucontext_t *uc)
{
	greg_t error = uc->uc_mcontext.gregs[REG_ERR];

	if (error & PAGE_FAULT_WRITE)
		return MM_WRITE;
	return error & PAGE_FAULT_FETCH ? MM_EXEC : MM_READ;
}

/* What the program is to see of a fault that could not be resolved. */
static void fail_fault(int rc, int signal_number, siginfo_t *info, ucontext_t *uc)
{
	int code = rc == -EACCES || rc == -EPERM ? SEGV_ACCERR : SEGV_MAPERR;
	siginfo_t changed = *info;

	if (is_bus_error(rc)) {
		deliver(SIGBUS, BUS_ADRERR, errno_of(rc), info->si_addr, uc);
	} else if (signal_number != SIGSEGV) {
		deliver(SIGSEGV, code, -rc, info->si_addr, uc);
	} else {
		changed.si_code = code;
		forward(&segv_chain, signal_number, &changed, uc);
	}
}

/* A fault by the program itself, which may be one of a window. False: it is none of ours. */
static bool handle_fault(int signal_number, siginfo_t *info, ucontext_t *uc)
{
	uint64_t base = 0;
	uint64_t address = (uint64_t)(uintptr_t)info->si_addr;
	int i = window_enter(address, &base);

	if (i < 0)
		return false;
	if (lock_rank_held() > 0) {
		const char *site;
		const char *lock = lock_rank_innermost(&site);

		window_leave((unsigned)i);
		mm_fail("trap: window address 0x%llx touched by a thread that holds %s taken at %s",
			(unsigned long long)address, lock, site);
	}
	int rc = window_fault((unsigned)i, address - base, access_of(uc), signal_number == SIGBUS);

	if (rc)
		fail_fault(rc, signal_number, info, uc);
	return true;
}

/* Of both signals. One that was sent has no address, whatever its si_addr says. */
static void on_fault(int signal_number, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	bool judged = info->si_errno != 0;
	bool is_fault = info->si_code > 0 && !judged;
	int saved_errno = errno;

	if (judged && sigismember(&uc->uc_sigmask, signal_number) == 1) {
		/* In the handler's own end yet. */
		queue(signal_number, info);
		errno = saved_errno;
		return;
	}
	if (judged)
		info->si_errno = 0;
	if (!is_fault ||
	    (!safe_copy_recover(context, info) && !handle_fault(signal_number, info, context)))
		forward(chain_of(signal_number), signal_number, info, context);
	errno = saved_errno;
}

static bool same_handler(const struct sigaction *a, const struct sigaction *b)
{
	return a->sa_flags == b->sa_flags && a->sa_sigaction == b->sa_sigaction;
}

/* Puts our handler before what is there now, unless that is it. */
static int install(int signal_number)
{
	struct chain *c = chain_of(signal_number);
	struct sigaction action = { .sa_sigaction = on_fault,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	struct sigaction now;
	unsigned i = 0;

	if (sigaction(signal_number, NULL, &now))
		return -errno;
	if (is_handler(&now, on_fault))
		return 0;
	while (i < c->used && !same_handler(&c->before[i], &now))
		i++;
	if (i == TRAP_CHAIN)
		return -ENOSPC;
	if (i == c->used)
		c->before[c->used++] = now;
	/* Published first: a fault may come as soon as the handler is there. */
	atomic_store_explicit(&c->current, i, memory_order_release);
	return sigaction(signal_number, &action, NULL) ? -errno : 0;
}

static bool is_installed(int signal_number)
{
	struct sigaction now;

	return !sigaction(signal_number, NULL, &now) && is_handler(&now, on_fault);
}

int trap_install(void)
{
	int rc;

	/* Each space asks, and nearly always all is there: without a lock then. */
	if (is_installed(SIGSEGV) && is_installed(SIGBUS))
		return 0;
	registry_lock();
	rc = install(SIGSEGV);
	if (!rc)
		rc = install(SIGBUS);
	registry_unlock();
	return rc;
}

int trap_register(void *base, uint64_t bytes, trap_fault_fn fault, void *space)
{
	uint64_t start = (uint64_t)(uintptr_t)base;
	unsigned used;
	int free_slot = -1;
	int rc = 0;

	if (start == 0 || bytes == 0 || start + bytes < start)
		return -EINVAL;
	registry_lock();
	used = atomic_load_explicit(&windows_used, memory_order_relaxed);
	for (unsigned i = used; i-- > 0;) {
		uint64_t other = atomic_load(&window[i].base);

		if (!target[i].taken)
			free_slot = (int)i;
		else if (other && other < start + bytes && start < atomic_load(&window[i].end))
			rc = -EEXIST;
	}
	if (rc)
		goto out;
	if (free_slot < 0) {
		if (used == TRAP_WINDOWS) {
			rc = -ENOSPC;
			goto out;
		}
		free_slot = (int)used;
	}
	target[free_slot].taken = true;
	atomic_store_explicit(&target[free_slot].fault, fault, memory_order_relaxed);
	atomic_store_explicit(&target[free_slot].space, space, memory_order_relaxed);
	atomic_store(&window[free_slot].end, start + bytes);
	atomic_store(&window[free_slot].base, start);
	if ((unsigned)free_slot == used)
		atomic_store_explicit(&windows_used, used + 1, memory_order_release);
out:
	registry_unlock();
	return rc;
}

static void wait_for_handlers(unsigned i)
{
	_Atomic uint32_t *handlers = &target[i].handlers;

	for (;;) {
		struct park_ticket ticket = park_prepare(handlers);

		if (atomic_fetch_or(handlers, CLOSING) << 1 == 0)
			break;
		park_wait(ticket);
	}
	/* Latecomers that found the base cleared may still go in and out: only take the bit off. */
	atomic_fetch_and(handlers, ~CLOSING);
}

void trap_unregister(void *base)
{
	uint64_t start = (uint64_t)(uintptr_t)base;
	unsigned i, used;

	registry_lock();
	used = atomic_load_explicit(&windows_used, memory_order_relaxed);
	for (i = 0; i < used; i++)
		if (start != 0 && atomic_load(&window[i].base) == start)
			break;
	if (i < used)
		atomic_store(&window[i].base, 0);
	registry_unlock();
	if (i == used)
		mm_fail("trap: no window at %p to unregister", base);
	wait_for_handlers(i);
	registry_lock();
	target[i].taken = false;
	registry_unlock();
}

int trap_thread_enter(void)
{
	stack_t mine = { .ss_size = STACK_BYTES };
	char *memory;
	int rc;

	/* Makes thread-local storage be there before a handler asks for it. */
	(void)lock_rank_held();
	if (own_stack.depth > 0) {
		own_stack.depth++;
		return 0;
	}
	if (sigaltstack(NULL, &own_stack.old))
		return -errno;
	own_stack.memory = NULL;
	if (!(own_stack.old.ss_flags & SS_DISABLE) && own_stack.old.ss_size >= STACK_BYTES) {
		own_stack.depth = 1;
		return 0;
	}
	/* A guard page below: an overflow dies instead of writing over a neighbour. */
	if (MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	memory = mmap(NULL, STACK_BYTES + MM_PAGE_SIZE, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	mine.ss_sp = memory + MM_PAGE_SIZE;
	if (mprotect(mine.ss_sp, STACK_BYTES, PROT_READ | PROT_WRITE) || sigaltstack(&mine, NULL)) {
		rc = -errno;
		munmap(memory, STACK_BYTES + MM_PAGE_SIZE);
		return rc;
	}
	own_stack.memory = memory;
	own_stack.depth = 1;
	return 0;
}

void trap_thread_leave(void)
{
	if (own_stack.depth == 0)
		mm_fail("trap: a thread leaves that has not entered");
	if (--own_stack.depth > 0 || !own_stack.memory)
		return;
	sigaltstack(&own_stack.old, NULL);
	munmap(own_stack.memory, STACK_BYTES + MM_PAGE_SIZE);
	own_stack.memory = NULL;
}
