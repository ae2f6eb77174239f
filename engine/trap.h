/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trap.h - signal-driven faults: an ordinary load or store of a registered window faults (SIGSEGV,
 * or SIGBUS from userfaultfd), the engine resolves it in the handler and the instruction is
 * retried.
 *
 * The handler runs on the thread's alternate stack (trap_thread_enter). It finds the window
 * without a lock; if the faulting address is in none, the signal goes on to the handler that was
 * there before (default: the process dies as it would have). If the thread holds an engine lock,
 * that is a bug in the engine: mm_fail() names the lock. A bus error reaches the program as
 * SIGBUS with si_code BUS_ADRERR and the faulting address, at the faulting instruction, by the
 * program's SIGBUS handler (default, ignored or blocked: the process dies of it, as for a real
 * one). Any other error reaches it as SIGSEGV through the handler that was there before, with
 * si_code SEGV_ACCERR for -EACCES and -EPERM, else SEGV_MAPERR. errno is preserved.
 *
 * A SIGSEGV or SIGBUS in one of the accesses of safe_copy.h ends that access; what is in no window
 * goes on to the handler that was there before.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/access.h"
#include "engine/error.h"
#include "engine/lock_order.h"

/*
 * Resolves a fault at application address va; 0 (the instruction is retried), or -errno / bus
 * error. at: MM_READ, MM_WRITE or MM_EXEC, what the instruction did; bus: it raised SIGBUS. Runs in
 * the handler, so must not itself touch a window.
 */
typedef int (*trap_fault_fn)(void *space, uint64_t va, mm_access at, bool bus);

/*
 * Installs the handlers of SIGSEGV and SIGBUS once per process. 0 or -errno. Thread-safe. A program
 * that installs handlers of its own later has to pass on what it does not know.
 */
MM_MUST_CHECK int trap_install(void) MAY_LOCK_LEAF;

/*
 * Registers [base, base + bytes) of this process as a window of space. At most TRAP_WINDOWS at a
 * time (-ENOSPC); -EINVAL: base NULL, nothing, or beyond the end; -EEXIST: overlaps another one.
 * Takes a leaf lock; handlers look windows up without one.
 */
#define TRAP_WINDOWS 256
MM_MUST_CHECK int trap_register(void *base, uint64_t bytes, trap_fault_fn fault, void *space)
	MAY_LOCK_LEAF;
/* After this returns no handler runs for the window (it waits for those that do). Not from a
 * fault function. */
void trap_unregister(void *base) MAY_LOCK_ENTRY;

/*
 * What a touch of the address does, after one that raised SIGSEGV, or SIGBUS if bus: 0, an error
 * of the fault function, or -ENOENT: the address is in no window. With no lock held.
 */
MM_MUST_CHECK int trap_resolve(const void *address, mm_access at, bool bus) MAY_LOCK_ANY;

/*
 * Gives the calling thread an alternate signal stack big enough for a fault (256 KiB), unless it
 * has one; a smaller one comes back with trap_thread_leave().
 * 0 or -errno. Calls nest; each successful one is undone by a trap_thread_leave().
 */
MM_MUST_CHECK int trap_thread_enter(void);
void trap_thread_leave(void);
