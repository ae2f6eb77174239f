/* SPDX-License-Identifier: Apache-2.0 */
/*
 * os_rseq.c - the system call that stops restartable sequences of another CPU.
 *
 * A process registers for it once; to register again does no harm. No locks.
 */
#include "engine/os_rseq.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/fail.h"

#if defined(MM_PERCPU_TEST) || defined(__SANITIZE_THREAD__)
#define NO_SEQUENCES 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NO_SEQUENCES 1
#endif
#endif

#ifdef NO_SEQUENCES
bool os_rseq_available(void)
{
	return false;
}
#else
bool os_rseq_available(void)
{
	return __rseq_size >= 20 && (int)os_rseq_area()->cpu_id >= 0 &&
	       !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0) &&
	       !syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ,
			MEMBARRIER_CMD_FLAG_CPU, 0);
}
#endif

void os_rseq_fence(unsigned cpu)
{
	/* A CPU that is offline has nothing to stop. */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU,
		    cpu) &&
	    errno != ENXIO)
		mm_fail("membarrier: error %d, though it worked before", errno);
}
