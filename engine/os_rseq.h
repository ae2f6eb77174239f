/* SPDX-License-Identifier: Apache-2.0 */
/*
 * os_rseq.h - restartable sequences: a change of a CPU's own memory without an atomic operation.
 *
 * The kernel aborts the sequence of a thread that it preempts, migrates or signals in the middle,
 * so on one CPU sequences come one after another, each whole or not at all. A thread elsewhere
 * that wants them stopped writes the lock word, which every sequence reads, and fences: sequences
 * of that CPU that had begun before are aborted, and those that begin later see the word.
 *
 * ThreadSanitizer cannot see the sequence, and the sharing audit has CPU identities of its own:
 * in those builds there are none. Valgrind and some kernels have none either.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/rseq.h>

#include "engine/error.h"

/* Whether sequences and fences work in this process: asked once per user, before the first. */
bool os_rseq_available(void);
/* Aborts what sequences of that CPU have begun; all that they and this thread wrote before is seen
 * by each other after it. */
void os_rseq_fence(unsigned cpu);

static inline struct rseq *os_rseq_area(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

/* Is this thread on that CPU at this moment? Sequences of other threads on it that had begun are
 * then aborted already. Only where they are available. */
static inline bool os_rseq_is_on(unsigned cpu)
{
	return *(volatile uint32_t *)&os_rseq_area()->cpu_id == cpu;
}

/* The thread has run sequences whose code may be unloaded while it goes on: forgets them, or the
 * kernel would look for them there. */
static inline void os_rseq_forget(void)
{
	if (__rseq_size)
		__asm__ volatile("movq $0, %0" : "=m"(os_rseq_area()->rseq_cs));
}

/* The upper half of a pair is its key, the lower half its sum. */
union os_rseq_pair {
	_Atomic uint64_t both;
	struct {
		uint32_t sum, key;
	} half;
};

/*
 * In one sequence: if the thread is on that CPU, *lock is 0 and the pair has the key, adds delta
 * to the sum. False: nothing has changed. Only where sequences are available.
 */
static inline bool os_rseq_add(unsigned cpu, const _Atomic uint32_t *lock, union os_rseq_pair *pair,
			       uint32_t key, uint32_t delta)
{
	struct rseq *area = os_rseq_area();

#ifndef __cppcheck__ /* which does not know this statement */
	__asm__ goto(".pushsection __rseq_cs, \"aw\"\n\t"
		     ".balign 32\n"
		     "3:\n\t" /* version and flags, where it begins, how long, where to go */
		     ".long 0, 0\n\t"
		     ".quad 1f, 2f - 1f, 4f\n\t"
		     ".popsection\n\t"
		     "leaq 3b(%%rip), %%rax\n\t"
		     "movq %%rax, %[section]\n"
		     "1:\n\t"
		     "cmpl %[cpu], %[on]\n\t"
		     "jne %l[no]\n\t"
		     "cmpl $0, %[lock]\n\t"
		     "jne %l[no]\n\t"
		     "cmpl %[key], %[found]\n\t"
		     "jne %l[no]\n\t"
		     "addl %[delta], %[sum]\n"
		     "2:\n\t"
		     ".pushsection __rseq_failure, \"ax\"\n\t"
		     ".byte 0x0f, 0xb9, 0x3d\n\t" /* what precedes such a place: RSEQ_SIG */
		     ".long %c[signature]\n"
		     "4:\n\t"
		     "jmp %l[no]\n\t"
		     ".popsection"
		     :
		     : [section] "m"(area->rseq_cs), [on] "m"(area->cpu_id), [cpu] "r"(cpu),
		       [lock] "m"(*lock), [found] "m"(pair->half.key), [key] "r"(key),
		       [sum] "m"(pair->half.sum), [delta] "r"(delta), [signature] "i"(RSEQ_SIG)
		     : "memory", "cc", "rax"
		     : no);
#endif
	return true;
no:
	return false;
}
