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

#include <stdbool.h>
#include <stdint.h>

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

/*
 * The same pair for a look-up, where every instruction counts: liburcu's asks three times whether
 * the kernel has membarrier(2), loads again what it has stored, and calls a function in the
 * middle, for which the caller's registers must be saved. Only where mm_rcu_is_quick(), which never
 * changes. False: the thread is in a section already. *ctr is for the unlock.
 */
static inline bool mm_rcu_is_quick(void)
{
	return urcu_memb_has_sys_membarrier;
}

static inline bool mm_rcu_try_read_lock(unsigned long *ctr)
{
	if (__builtin_expect((URCU_TLS(urcu_memb_reader).ctr & URCU_GP_CTR_NEST_MASK) != 0, 0))
		return false;
	*ctr = CMM_LOAD_SHARED(urcu_memb_gp.ctr);
	CMM_STORE_SHARED(URCU_TLS(urcu_memb_reader).ctr, *ctr);
	cmm_barrier();
	return true;
}

/* The section is over; false: somebody sleeps until he is told so, which the end of an ordinary
 * section does. */
static inline bool mm_rcu_quick_read_unlock(unsigned long ctr)
{
	MM_RCU_RELEASE();
	cmm_barrier();
	CMM_STORE_SHARED(URCU_TLS(urcu_memb_reader).ctr, ctr - URCU_GP_COUNT);
	cmm_barrier();
	return __builtin_expect(uatomic_read(&urcu_memb_gp.futex) != -1, 1);
}

/* Part of what is reclaimed, first in it or anywhere; from mm_rcu_call on until fn it is ours. */
struct mm_rcu_item {
	struct rcu_head head;
	struct mm_rcu_item *next;
	struct mm_rcu_batch *batch;
	void (*fn)(struct mm_rcu_item *item);
};

/*
 * Calls fn(item) after a grace period, which begins when this CPU has a batch of requests, in
 * liburcu's thread, or when somebody calls mm_rcu_barrier, in his. No lock is needed; none may be
 * asked.
 */
void mm_rcu_call(struct mm_rcu_item *item, void (*fn)(struct mm_rcu_item *item));
/* Waits until every fn asked for so far has run. No lock held, not in a read section. */
void mm_rcu_barrier(void);
/* Requests of this CPU whose fn has not run, and those of all; exact when nobody makes any. */
uint64_t mm_rcu_waiting_here(void);
uint64_t mm_rcu_waiting(void);
