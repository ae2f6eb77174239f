/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_wait.h - lanes that wait for each other, on a machine that may be busy.
 *
 * One waits by spinning at first, since a wake-up is longer than what is to be hit, and then
 * asleep: on a busy machine who spins, or gives the CPU up, costs the other whole time slices.
 * Everything here may be called in a signal handler.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Rung after each change that somebody may wait for; zero at first. */
struct check_bell {
	_Atomic uint32_t rung;
	_Atomic unsigned sleepers;
};
void check_bell_ring(struct check_bell *bell);

/* One wait; all but the bell zero at first. */
struct check_wait {
	struct check_bell *bell;
	unsigned spins;
	uint32_t rung; /* what the bell was before the last look */
};
/* Each time that what is waited for is not so yet. Comes back now and then without a ring. true:
 * it has slept. */
bool check_wait(struct check_wait *wait);

/* The calling thread and those that it makes are to have the CPU soon after they wake, for a short
 * time each: the scheduler is asked, and need not listen. */
void check_wait_promptly(void);

/* To see from outside whether the calling thread sleeps: a descriptor, or -1. */
int check_wait_watch(void);
/* Whether that thread waits for something in the kernel; false if that cannot be seen. */
bool check_wait_sleeps(int watch);
