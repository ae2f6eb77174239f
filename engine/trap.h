/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trap.h - SIGSEGV-driven faults: an ordinary load or store of a registered window faults, the
 * engine resolves it in the handler and the instruction is retried.
 *
 * The handler runs on the thread's alternate stack (trap_thread_enter). It finds the window
 * without a lock; if the faulting address is in none, the signal goes on to the handler that was
 * there before (default: the process dies as it would have). If the thread holds an engine lock,
 * that is a bug in the engine: mm_fail() names the lock. A bus error reaches the program as
 * SIGBUS with si_code BUS_ADRERR and the faulting address, by way of the previous SIGBUS handler.
 */
#pragma once

#include <stdint.h>

#include "engine/access.h"
#include "engine/error.h"

/* Resolves a fault at application address va; 0, or -errno / bus error. */
typedef int (*trap_fault_fn)(void *space, uint64_t va, mm_access at);

/* Installs the SIGSEGV handler once per process. 0 or -errno. Thread-safe. */
MM_MUST_CHECK int trap_install(void);
/* Registers [base, base + bytes) of this process as a window of space. At most TRAP_WINDOWS at a
 * time (-ENOSPC). Takes a leaf lock; readers are lock-free. */
#define TRAP_WINDOWS 256
MM_MUST_CHECK int trap_register(void *base, uint64_t bytes, trap_fault_fn fault, void *space);
/* After this returns no handler runs for the window (it waits for those that do). */
void trap_unregister(void *base);
/* Gives the calling thread an alternate signal stack, unless it has one. 0 or -errno. */
MM_MUST_CHECK int trap_thread_enter(void);
void trap_thread_leave(void);
