/* SPDX-License-Identifier: Apache-2.0 */
/*
 * background.h - a thread that does work ahead of need, one bounded step after another, when it is
 * told that there is some.
 *
 * A step may hold back what others look for (a block that is being cleared). Who must not miss it
 * waits for the end of the step: background_pause. Work that is told of while a step runs is not
 * lost: the word is taken back before the first step that follows it.
 *
 * Locks: `step` (rank arena, before every arena's) is held during a step.
 */
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "engine/error.h"
#include "engine/lock_order.h"

struct background {
	pthread_t thread;
	sem_t wake;
	_Atomic bool wanted; /* there may be work, and the semaphore says so */
	_Atomic bool stopping;
	bool (*do_step)(void *arg, int node); /* this and the next two: immutable */
	void *arg;
	int node; /* the NUMA node on whose CPUs it runs; -1: anywhere */
	_Atomic uint32_t step;
};

/* do_step: one piece of work, true if there was any. It may take arenas. All signals are blocked in
 * the thread. name: of the thread, 15 characters at most. 0 or -errno. */
MM_MUST_CHECK int background_start(struct background *b, const char *name, int node,
				   bool (*do_step)(void *arg, int node), void *arg);
/* Ends the thread after the step that it is in. */
void background_stop(struct background *b);
/* There is work. Takes no lock and never waits. */
static inline void background_tell(struct background *b)
{
	if (!atomic_load_explicit(&b->wanted, memory_order_seq_cst) &&
	    !atomic_exchange_explicit(&b->wanted, true, memory_order_seq_cst))
		sem_post(&b->wake);
}
/* Waits for the end of the step under way; none begins before background_resume. */
void background_pause(struct background *b) ACQUIRES(arena_class) MAY_LOCK_BLOCK;
void background_resume(struct background *b) RELEASES(arena_class);
