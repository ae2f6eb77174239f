/* SPDX-License-Identifier: Apache-2.0 */
/*
 * background.c - see background.h.
 *
 * NO_TSA: a lock here is a word and its class a phantom, so the bodies cannot be analysed.
 */
#include "engine/background.h"

#include <errno.h>
#include <signal.h>

#include "engine/inject.h"
#include "engine/os_memory.h"
#include "engine/park.h"

static struct lock_key key_of(const struct background *b)
{
	return (struct lock_key){ 0, (uintptr_t)b };
}

void background_pause(struct background *b) NO_TSA
{
	lock_rank_push(RANK_ARENA, key_of(b), LOCK_SITE);
	park_lock_raw(&b->step);
}

void background_resume(struct background *b) NO_TSA
{
	park_unlock_raw(&b->step);
	lock_rank_pop(RANK_ARENA, key_of(b), LOCK_SITE);
}

static bool is_stopping(const struct background *b)
{
	return atomic_load_explicit(&b->stopping, memory_order_acquire);
}

static void *background_main(void *arg) NO_TSA
{
	struct background *b = arg;

	if (b->node >= 0)
		os_memory_run_on_node(b->node);
	while (!is_stopping(b)) {
		bool more = true;

		if (sem_wait(&b->wake))
			continue;
		atomic_store_explicit(&b->wanted, false, memory_order_seq_cst);
		while (more && !is_stopping(b)) {
			background_pause(b);
			more = b->do_step(b->arg, b->node < 0 ? 0 : b->node);
			background_resume(b);
		}
	}
	return NULL;
}

int background_start(struct background *b, const char *name, int node,
		     bool (*do_step)(void *arg, int node), void *arg)
{
	sigset_t all, before;

	atomic_init(&b->wanted, false);
	atomic_init(&b->stopping, false);
	atomic_init(&b->step, 0);
	b->do_step = do_step;
	b->arg = arg;
	b->node = node;
	if (MM_INJECT(INJECT_HOST))
		return -EAGAIN;
	sem_init(&b->wake, 0, 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&b->thread, NULL, background_main, b);

	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		sem_destroy(&b->wake);
		return -rc;
	}
	pthread_setname_np(b->thread, name);
	return 0;
}

void background_stop(struct background *b)
{
	atomic_store_explicit(&b->stopping, true, memory_order_release);
	sem_post(&b->wake);
	pthread_join(b->thread, NULL);
	sem_destroy(&b->wake);
}
