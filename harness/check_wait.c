/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_wait.c - waiting, with a futex as the bell.
 *
 * No ring is missed: who waits reads `rung`, looks, says in `sleepers` that it will sleep, and
 * sleeps only while `rung` is what it was; who rings changes `rung` and then reads `sleepers`. All
 * of it is sequentially consistent: if the one does not see the sleeper, the other sees the ring.
 */
#include "harness/check_wait.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define SPINS_MAX 300
#define SLEEP_NS 100000 /* then who waits looks whether the other one sleeps as well */
#define SLICE_NS 100000 /* the shortest that Linux grants */

/* struct sched_attr of Linux; the header that has it does not go with the C library's. */
struct scheduling {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
};

void check_bell_ring(struct check_bell *bell)
{
	atomic_fetch_add(&bell->rung, 1);
	if (atomic_load(&bell->sleepers))
		syscall(SYS_futex, &bell->rung, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

bool check_wait(struct check_wait *wait)
{
	const struct timespec longest = { .tv_nsec = SLEEP_NS };
	struct check_bell *bell = wait->bell;
	bool slept = false;

	if (++wait->spins < SPINS_MAX) {
		_mm_pause();
		return false;
	}
	if (wait->spins > SPINS_MAX) {
		atomic_fetch_add(&bell->sleepers, 1);
		syscall(SYS_futex, &bell->rung, FUTEX_WAIT_PRIVATE, wait->rung, &longest, NULL, 0);
		atomic_fetch_sub(&bell->sleepers, 1);
		slept = true;
	}
	wait->rung = atomic_load(&bell->rung);
	return slept;
}

void check_wait_promptly(void)
{
	struct scheduling s = { .size = sizeof(s) };

	/* A slice for an ordinary thread is new in Linux 6.12; before that nothing changes. */
	if (syscall(SYS_sched_getattr, 0, &s, sizeof(s), 0) == 0 && s.policy == 0) {
		s.runtime = SLICE_NS;
		syscall(SYS_sched_setattr, 0, &s, 0);
	}
}

int check_wait_watch(void)
{
	return open("/proc/thread-self/stat", O_RDONLY | O_CLOEXEC);
}

bool check_wait_sleeps(int watch)
{
	char text[128];
	ssize_t got = watch < 0 ? -1 : pread(watch, text, sizeof(text) - 1, 0);
	const char *name_end;

	if (got <= 0)
		return false;
	text[got] = '\0';
	name_end = strrchr(text, ')');
	return name_end && (name_end[2] == 'S' || name_end[2] == 'D');
}
