/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reclaim.c - liburcu's deferred calls, made to run at a known moment.
 *
 * Callbacks are queued here and run, in order, by urcu_memb_barrier(), on the CPU identity of the
 * reclaimer; recorded threads run one at a time and never inside a read section of another, so
 * a grace period has always passed. In traces a call_rcu is a write of the queue that liburcu
 * would use: one for all threads, unless the program makes one for each CPU.
 */
#include <stddef.h>

#include "engine/percpu.h"
#include "engine/rcu.h"
#include "tests/audit/recorder.h"

#define QUEUED_MAX 65536
#define RECLAIMER 3

_Thread_local unsigned percpu_test_id;

static _Alignas(64) char liburcu_call_rcu_queue[64];
static struct {
	struct rcu_head *head;
	void (*fn)(struct rcu_head *);
} queued[QUEUED_MAX];
static unsigned queued_count;

void urcu_memb_call_rcu(struct rcu_head *head, void (*fn)(struct rcu_head *))
{
	trace_add(liburcu_call_rcu_queue, sizeof(liburcu_call_rcu_queue), true,
		  (uintptr_t)__builtin_return_address(0));
	if (queued_count == QUEUED_MAX)
		__builtin_trap();
	queued[queued_count].head = head;
	queued[queued_count++].fn = fn;
}

void urcu_memb_barrier(void)
{
	unsigned id = percpu_test_id;

	percpu_test_id = RECLAIMER;
	for (unsigned i = 0; i < queued_count; i++)
		queued[i].fn(queued[i].head);
	queued_count = 0;
	percpu_test_id = id;
}
