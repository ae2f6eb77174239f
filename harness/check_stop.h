/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_stop.h - stops a thread in the middle of a call, between two chosen instructions, and lets
 * something else happen there.
 *
 * A thread can be held wherever an interrupt or a preemption could have held it, but at will and
 * not by luck: so a race of two instructions is met as surely as one of a thousand. First a call is
 * followed, instruction by instruction, by the processor's trap flag; what it passes is its trace.
 * Then it is stopped at any place of that, by a breakpoint of the processor, or where the system
 * permits none, by stepping up to it. Both are the thread's own: nothing of the translator's code
 * changes, and its other threads do not notice.
 *
 * A place is a boundary between two instructions. A turn is a place at either end of an instruction
 * that locks, exchanges, fences or enters the kernel: there what others see changes, or what they
 * may do. A struct check_stop belongs to one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CHECK_PLACES_MAX 24000
#define CHECK_TURNS_MAX 2000

struct check_trace {
	bool is_whole; /* to the end, or as far as can be */
	bool beside; /* the last place is before an instruction that makes turns */
	uint32_t place_count, turn_count;
	uint64_t places
		[CHECK_PLACES_MAX]; /* the next instruction's address; of a repeated one once */
	uint16_t turns[CHECK_TURNS_MAX]; /* in places */
};

struct check_stop {
	struct check_trace *trace;
	/* Called once, in a signal handler of the thread, at the place. */
	void (*reached)(struct check_stop *stop);
	bool was_reached; /* out */
	/* Inside. */
	int mode;
	int fd;
	uint64_t place; /* where to stop */
	uint32_t passed; /* how often it is to be passed yet */
	uint32_t steps;
	uint64_t before; /* the place passed last */
	bool goes_on; /* is followed from there */
	uint64_t budget_ns, until_ns;
};

/* The handler of SIGTRAP; before any engine is opened. */
void check_stop_install(void);
/* From here to check_stop_end the calling thread is followed, from where its trace ends, and for at
 * most so long. */
void check_stop_follow(struct check_stop *stop, uint64_t budget_ns);
/* From here to check_stop_end the calling thread is stopped at that place of its trace, if there
 * is one and it comes there again. */
void check_stop_begin(struct check_stop *stop, uint32_t place);
void check_stop_end(struct check_stop *stop);
/* Whether stopping costs a few system calls only. */
bool check_stop_is_cheap(void);
