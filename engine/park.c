/* SPDX-License-Identifier: Apache-2.0 */
/*
 * park.c - sleeping for lock bits, and the slow half of the plain mutex.
 *
 * No lost wake-up: a waiter reads the bucket's sequence, then sets the waiter bit, then sleeps
 * only while the sequence is unchanged. An unlocker whose read-modify-write came after the
 * waiter bit sees it and steps the sequence, so the kernel's compare fails or the wake finds the
 * sleeper; one that came before it left the word free, which the waiter's own read-modify-write
 * shows. The sequence cannot have been stepped for this waiter before it was read, since the
 * bit's store (release or stronger) follows the read and the unlocker acquires it. A wake that
 * steps the sequence 2^32 times between read and sleep would be lost; that is not a worry.
 *
 * Buckets are shared by hash, so wakes may be spurious; callers look again. Everybody in the
 * bucket is woken: one futex word cannot tell who waits for what, and contended words are few.
 *
 * The mutex sleeps on its own word, where the kernel can wake exactly one. Its wake may come
 * after the word's memory was freed: the kernel then wakes nobody, or somebody who looks again.
 */
#include "engine/park.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BUCKET_BITS 8
#define SPINS 100 /* a few hundred ns: longer than a short critical section, shorter than a park */

static struct {
	_Alignas(64) _Atomic uint32_t sequence;
} bucket[1 << BUCKET_BITS];

_Alignas(64) _Atomic uint64_t park_sleeps;

static _Atomic uint32_t *bucket_of(const void *word)
{
	uint64_t hash = ((uint64_t)(uintptr_t)word >> 2) * UINT64_C(0x9e3779b97f4a7c15);

	return &bucket[hash >> (64 - BUCKET_BITS)].sequence;
}

/* Errors are no news: EAGAIN (it changed), EINTR and EFAULT all mean "look again". */
static void futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
	atomic_fetch_add_explicit(&park_sleeps, 1, memory_order_relaxed);
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int count)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

struct park_ticket park_prepare(const void *word)
{
	_Atomic uint32_t *b = bucket_of(word);

	return (struct park_ticket){ .bucket = b, .sequence = atomic_load(b) };
}

void park_wait(struct park_ticket ticket)
{
	futex_wait(ticket.bucket, ticket.sequence);
}

void park_wake(const void *word)
{
	_Atomic uint32_t *b = bucket_of(word);

	atomic_fetch_add(b, 1);
	futex_wake(b, INT_MAX);
}

void park_lock_slow(_Atomic uint32_t *word)
{
	for (int i = 0; i < SPINS; i++) {
		if (atomic_load_explicit(word, memory_order_relaxed) == 0 &&
		    park_try_lock_raw(word))
			return;
		__builtin_ia32_pause();
	}
	/* From here on the lock is only taken as 2: others may sleep, we cannot know. */
	while (atomic_exchange_explicit(word, 2, memory_order_acquire) != 0)
		futex_wait(word, 2);
}

void park_unlock_slow(_Atomic uint32_t *word)
{
	futex_wake(word, 1);
}
