/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rcu.h - read-copy-update for the nodes of address maps: liburcu's memb flavour, inlined (out of
 * line a read-side pair costs ten times as much).
 *
 * Only nodes are protected by RCU. A read section never sleeps and never waits for a lock; no
 * grace period is waited for with a lock held. liburcu orders readers and reclaimers by inline
 * assembly that ThreadSanitizer cannot see: mm_rcu_tag tells it.
 */
#pragma once

#define _LGPL_SOURCE
#include <urcu/urcu-memb.h>

#if defined(__SANITIZE_THREAD__)
#define MM_RCU_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MM_RCU_TSAN 1
#endif
#endif

#ifdef MM_RCU_TSAN
void __tsan_acquire(void *);
void __tsan_release(void *);
extern char mm_rcu_tag;
#define MM_RCU_RELEASE() __tsan_release(&mm_rcu_tag)
#define MM_RCU_ACQUIRE() __tsan_acquire(&mm_rcu_tag)
#else
#define MM_RCU_RELEASE() ((void)0)
#define MM_RCU_ACQUIRE() ((void)0)
#endif

static inline void mm_rcu_read_lock(void)
{
	urcu_memb_read_lock();
}

static inline void mm_rcu_read_unlock(void)
{
	MM_RCU_RELEASE();
	urcu_memb_read_unlock();
}

/* Calls fn(head) in liburcu's thread after a grace period. No lock is needed; none may be asked. */
static inline void mm_rcu_call(struct rcu_head *head, void (*fn)(struct rcu_head *))
{
	MM_RCU_RELEASE(); /* what the remover wrote happens before the reclaim */
	urcu_memb_call_rcu(head, fn);
}

/* Waits until every fn asked for so far has run. No lock held, not in a read section. */
static inline void mm_rcu_barrier(void)
{
	urcu_memb_barrier();
	MM_RCU_ACQUIRE(); /* pairs with the release at the end of each fn */
}
