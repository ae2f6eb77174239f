/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checked.h - included before other headers of the project by a test: every call on a space is
 * followed by mm_check() of its whole memory manager, while no thread but the test's own runs
 * (those made and joined by pthread calls in the test's text are known).
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "engine/mm_advise.h"
#include "engine/mm_fork.h"
#include "engine/mm_io.h"
#include "engine/mm_remap.h"
#include "engine/space.h"

static atomic_int checked_threads; /* that run beside the test's own */

/* One thread alone has no races: ThreadSanitizer, which makes a check fifty times as slow, looks
 * after a few calls only. */
#ifdef __SANITIZE_THREAD__
#define CHECKED_EVERY 64
#else
#define CHECKED_EVERY 1
#endif

static inline int checked(struct mm_space *s, int rc)
{
	static unsigned calls;

	if (!atomic_load(&checked_threads) && ++calls % CHECKED_EVERY == 0)
		mm_check(s->mm);
	return rc;
}

static inline int checked_join(int rc)
{
	atomic_fetch_sub(&checked_threads, 1);
	return rc;
}

#define pthread_create(...) (atomic_fetch_add(&checked_threads, 1), pthread_create(__VA_ARGS__))
#define pthread_join(...) checked_join(pthread_join(__VA_ARGS__))

/* A macro is not expanded in itself, so each of these calls the function. */
#define mm_mmap(s, ...) checked(s, mm_mmap(s, __VA_ARGS__))
#define mm_munmap(s, ...) checked(s, mm_munmap(s, __VA_ARGS__))
#define mm_mprotect(s, ...) checked(s, mm_mprotect(s, __VA_ARGS__))
#define mm_discard(s, ...) checked(s, mm_discard(s, __VA_ARGS__))
#define mm_fault(s, ...) checked(s, mm_fault(s, __VA_ARGS__))
#define mm_mremap(s, ...) checked(s, mm_mremap(s, __VA_ARGS__))
#define mm_fork(s, ...) checked(s, mm_fork(s, __VA_ARGS__))
#define mm_madvise(s, ...) checked(s, mm_madvise(s, __VA_ARGS__))
#define mm_mlock(s, ...) checked(s, mm_mlock(s, __VA_ARGS__))
#define mm_mlockall(s, ...) checked(s, mm_mlockall(s, __VA_ARGS__))
#define mm_brk(s, ...) checked(s, mm_brk(s, __VA_ARGS__))
#define mm_mbind(s, ...) checked(s, mm_mbind(s, __VA_ARGS__))
#define mm_copy_in(s, ...) checked(s, mm_copy_in(s, __VA_ARGS__))
#define mm_copy_out(s, ...) checked(s, mm_copy_out(s, __VA_ARGS__))
#define mm_zero_out(s, ...) checked(s, mm_zero_out(s, __VA_ARGS__))
#define mm_pin(s, ...) checked(s, mm_pin(s, __VA_ARGS__))
