/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safe_copy.h - copies, zeroing and 32-bit atomics that survive SIGSEGV and SIGBUS.
 *
 * Memory that shows a file can fault although it is mapped: the file was cut, the disk failed.
 * These functions then stop and say how far they came, exactly. They need the handlers of
 * trap_install(), and neither signal blocked in the calling thread. A fault in a window is not
 * resolved: it stops them like any other (trap_resolve() is for that).
 *
 * They are a few instructions of assembly in a section of their own. A handler that finds itself
 * interrupting one of them sets the thread to go on at its landing pad. Sanitizers do not see
 * their accesses, which is right: these race with stores of the application by nature.
 *
 * No locks; may be called with any lock held.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#include "engine/error.h"

struct safe_copied {
	size_t left; /* bytes not done: the last of the range */
	uintptr_t fault; /* left > 0: the address that faulted (0 if the processor names none) */
	bool bus; /* left > 0: it was SIGBUS: for trap_resolve() */
};

/* Copies n bytes, ascending. Overlapping ranges: unspecified content. */
struct safe_copied safe_copy(void *to, const void *from, size_t n);
struct safe_copied safe_zero(void *to, size_t n);

/* On an aligned word, sequentially consistent. 0 with what was there in *old, or -EFAULT. */
MM_MUST_CHECK int safe_swap_u32(uint32_t *word, uint32_t value, uint32_t *old);
MM_MUST_CHECK int safe_compare_swap_u32(uint32_t *word, uint32_t expected, uint32_t value,
					uint32_t *old);
MM_MUST_CHECK int safe_load_u32(const uint32_t *word, uint32_t *value);

/* For handlers: if the fault came from one of the above, makes context go on at the landing pad.
 * False: it did not, nothing has changed. Async-signal-safe. */
bool safe_copy_recover(ucontext_t *context, const siginfo_t *info);
