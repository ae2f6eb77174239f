/* SPDX-License-Identifier: Apache-2.0 */
/*
 * park.h - waiting for a lock bit that is too small to hold a queue: a hashed table of futexes.
 *
 * Protocol of a waiter: read the bucket's sequence (park_prepare) *before* setting the waiter
 * bit in the locked word; then park_wait. Unlock is a read-modify-write that sees the waiter bit
 * and calls park_wake after the word is free. A sleeper holds no lock and is in no RCU section.
 *
 * park_lock is a plain mutex on a 32-bit word built on the same table: 0 free, 1 held, 2 held
 * with waiters. It spins shortly, then sleeps: on few CPUs the holder may be preempted.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/lock_order.h"

struct park_ticket {
	_Atomic uint32_t *bucket;
	uint32_t sequence;
};

struct park_ticket park_prepare(const void *word);
void park_wait(struct park_ticket ticket); /* returns after a wake, or spuriously */
void park_wake(const void *word); /* wakes everybody who waits for word (or shares its bucket) */
extern _Atomic uint64_t park_sleeps; /* how often anybody slept: for tests and counters */

void park_lock_slow(_Atomic uint32_t *word);
void park_unlock_slow(_Atomic uint32_t *word);

static inline void park_lock_raw(_Atomic uint32_t *word)
{
	uint32_t free = 0;

	if (!atomic_compare_exchange_strong_explicit(word, &free, 1, memory_order_acquire,
						     memory_order_relaxed))
		park_lock_slow(word);
}

static inline bool park_try_lock_raw(_Atomic uint32_t *word)
{
	uint32_t free = 0;

	return atomic_compare_exchange_strong_explicit(word, &free, 1, memory_order_acquire,
						       memory_order_relaxed);
}

static inline void park_unlock_raw(_Atomic uint32_t *word)
{
	if (atomic_exchange_explicit(word, 0, memory_order_release) == 2)
		park_unlock_slow(word);
}
