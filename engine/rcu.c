/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rcu.c - deferred calls, see rcu.h: what a CPU asks for is collected on its own list and handed to
 * liburcu, which has one queue for all, in batches.
 *
 * Right because a grace period that begins after the last request of a batch is long enough for all
 * of them, and because a list is only ever pushed to, or taken whole: by compare-and-swap and
 * exchange, so that a thread that has moved to another CPU meanwhile does no harm. A batch that is
 * not full waits until mm_rcu_barrier() or the next requests of its CPU; that bounds what waits
 * for them to RCU_BATCH a CPU.
 */
#include "engine/rcu.h"

#include <stdatomic.h>

#include "engine/percpu.h"

#define RCU_BATCH 16 /* leaves: 64 KiB a CPU */

#ifdef MM_RCU_TSAN
char mm_rcu_tag;
#endif

struct mm_rcu_batch {
	_Atomic(struct mm_rcu_item *) newest;
	_Atomic int32_t listed; /* on newest, about */
	_Atomic int64_t waiting; /* asked for, not yet called */
} __attribute__((aligned(128)));

static struct mm_rcu_batch batches[PERCPU_MAX];

/* After a grace period. */
static void run_items(struct mm_rcu_batch *b, struct mm_rcu_item *item)
{
	int64_t count = 0;

	while (item) {
		struct mm_rcu_item *next = item->next;

		item->fn(item);
		item = next;
		count++;
	}
	/* release: whoever sees them gone sees what fn did */
	atomic_fetch_sub_explicit(&b->waiting, count, memory_order_release);
}

/* In liburcu's thread, after the grace period; head is the first of its batch. */
static void run_batch(struct rcu_head *head)
{
	struct mm_rcu_item *item = (struct mm_rcu_item *)head; /* head is its first field */

	MM_RCU_ACQUIRE();
	run_items(item->batch, item);
	MM_RCU_RELEASE();
}

/* Takes the list; what the removers wrote happens before the reclaim. */
static struct mm_rcu_item *take(struct mm_rcu_batch *b)
{
	struct mm_rcu_item *first =
		atomic_exchange_explicit(&b->newest, NULL, memory_order_acquire);
	int32_t count = 0;

	for (struct mm_rcu_item *i = first; i; i = i->next)
		count++;
	if (count)
		atomic_fetch_sub_explicit(&b->listed, count, memory_order_relaxed);
	MM_RCU_RELEASE();
	return first;
}

static void send(struct mm_rcu_batch *b)
{
	struct mm_rcu_item *first = take(b);

	if (first)
		urcu_memb_call_rcu(&first->head, run_batch);
}

void mm_rcu_call(struct mm_rcu_item *item, void (*fn)(struct mm_rcu_item *))
{
	struct mm_rcu_batch *b = &batches[percpu_id()];

	item->fn = fn;
	item->batch = b;
	atomic_fetch_add_explicit(&b->waiting, 1, memory_order_relaxed);
	item->next = atomic_load_explicit(&b->newest, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&b->newest, &item->next, item,
						      memory_order_release, memory_order_relaxed))
		;
	if (atomic_fetch_add_explicit(&b->listed, 1, memory_order_relaxed) + 1 >= RCU_BATCH)
		send(b);
}

void mm_rcu_barrier(void)
{
	struct mm_rcu_item *lists[PERCPU_MAX];
	bool any = false;

	/* liburcu's thread would collect for 10 ms first: what is here is reclaimed here. */
	for (unsigned i = 0; i < PERCPU_MAX; i++) {
		lists[i] = take(&batches[i]);
		any |= lists[i] != NULL;
	}
	if (any)
		urcu_memb_synchronize_rcu();
	MM_RCU_ACQUIRE();
	for (unsigned i = 0; i < PERCPU_MAX; i++) {
		if (lists[i])
			run_items(&batches[i], lists[i]);
	}
	/* Of what was sent before, a count of zero says that it has run. */
	if (mm_rcu_waiting())
		urcu_memb_barrier();
	MM_RCU_ACQUIRE(); /* pairs with the release at the end of each batch */
}

uint64_t mm_rcu_waiting_here(void)
{
	return (uint64_t)atomic_load_explicit(&batches[percpu_id()].waiting, memory_order_relaxed);
}

uint64_t mm_rcu_waiting(void)
{
	uint64_t waiting = 0;

	for (unsigned i = 0; i < PERCPU_MAX; i++)
		waiting +=
			(uint64_t)atomic_load_explicit(&batches[i].waiting, memory_order_acquire);
	return waiting;
}
