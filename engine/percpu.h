/* SPDX-License-Identifier: Apache-2.0 */
/*
 * percpu.h - which CPU am I on? A hint that may be stale when it is used: per-CPU structures
 * have locks of their own, which are then nearly always uncontended.
 */
#pragma once

#include <sched.h>
#include <stdint.h>
#include <sys/rseq.h>

#define PERCPU_MAX 256 /* CPU ids wrap here: two CPUs may share a slot, which is only slower */

static inline unsigned percpu_id(void)
{
	int cpu;

	if (__rseq_size) {
		struct rseq *r = (struct rseq *)((char *)__builtin_thread_pointer() +
						 __rseq_offset);

		cpu = (int)*(volatile uint32_t *)&r->cpu_id;
		if (cpu >= 0)
			return (unsigned)cpu % PERCPU_MAX;
	}
	cpu = sched_getcpu();
	return cpu < 0 ? 0 : (unsigned)cpu % PERCPU_MAX;
}
