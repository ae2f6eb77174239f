/* SPDX-License-Identifier: Apache-2.0 */
/*
 * percpu.h - which CPU am I on? A hint that may be stale when it is used: per-CPU structures
 * have locks of their own, which are then nearly always uncontended.
 */
#pragma once

#include <sched.h>
#include <stdint.h>
#include <sys/rseq.h>
#include <sys/sysinfo.h>

#define PERCPU_MAX 256 /* CPU ids wrap here: two CPUs may share a slot, which is only slower */

/* Defined by a test that says itself which CPU each of its threads is on, of MM_PERCPU_TEST many,
 * whatever the machine has. */
extern _Thread_local unsigned percpu_test_id;

static inline unsigned percpu_id(void)
{
#ifdef MM_PERCPU_TEST
	return percpu_test_id;
#endif
	int cpu;

	if (__rseq_size) {
		struct rseq *r =
			(struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);

		cpu = (int)*(volatile uint32_t *)&r->cpu_id;
		if (cpu >= 0)
			return (unsigned)cpu % PERCPU_MAX;
	}
	cpu = sched_getcpu();
	return cpu < 0 ? 0 : (unsigned)cpu % PERCPU_MAX;
}

/* How many different values percpu_id() may have. */
static inline unsigned percpu_count(void)
{
#ifdef MM_PERCPU_TEST
	return MM_PERCPU_TEST;
#endif
	int n = get_nprocs_conf();

	return n < 1 ? 1 : n > PERCPU_MAX ? PERCPU_MAX : (unsigned)n;
}
