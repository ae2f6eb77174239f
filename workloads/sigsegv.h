/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigsegv.h - a SIGSEGV handler for floors that trap on purpose.
 *
 * A floor registers the memory whose traps are its own. Every other SIGSEGV goes on to the handler
 * that was there before (default: the process dies as it would have), and whoever installs one
 * later passes ours on to us. Registration is for the main thread; the handler takes no lock.
 */
#pragma once

#include <stdint.h>
#include <ucontext.h>

/* Called in the handler: at is the address that trapped, in the registered memory. */
typedef void (*sigsegv_fn)(void *arg, unsigned char *at, ucontext_t *context);

/* 0, -ENOSPC (more than 8 at a time) or -errno. */
int sigsegv_register(void *base, uint64_t bytes, sigsegv_fn trap, void *arg);
/* No trap of that memory may be under way. Nothing happens if it is not registered. */
void sigsegv_unregister(void *base);
