/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.h - holds threads at the engine's named test points, for tests that force a race.
 *
 * gate_arm() a point; the next thread that comes there stands until gate_open(). gate_await()
 * returns when it has come. Every wait ends after WAIT_SECONDS, so that a broken engine fails a
 * test and does not hang it. The hook is called with the engine's locks held and, below a trap,
 * in a signal handler: it takes none and only uses semaphores.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "engine/test_points.h"

#define WAIT_SECONDS 20

struct gate {
	const char *name;
	_Atomic bool armed; /* the next thread to come is held */
	sem_t arrived, released;
};

static struct gate gates[] = {
	{ .name = "fault_translated" },	      { .name = "memory_chunk_short" },
	{ .name = "memory_releaser_step" },   { .name = "memory_zeroer_took" },
	{ .name = "space_map_added" },	      { .name = "space_unmap_locked" },
	{ .name = "space_unmap_taken" },      { .name = "space_unmap_dropped" },
	{ .name = "shared_memory_detached" }, { .name = "shared_memory_invalidated" },
	{ .name = "fork_registered" },	      { .name = "fork_copied_unit" },
	{ .name = "fault_waits_for_fork" },   { .name = "space_invalidated" },
	{ .name = "space_migrate_copied" },   { .name = "space_move_registered" },
	{ .name = "space_move_piece" },	      { .name = "io_held" },
	{ .name = "space_remove_unlocked" },  { .name = "cached_file_filling" },
	{ .name = "cached_file_filled" },     { .name = "cached_file_waiting" },
	{ .name = "fault_copying" },	      { .name = "memory_block_converting" },
	{ .name = "host_uffd_attached" },     { .name = "memory_block_joining" },
	{ .name = "memory_block_part" },
};

#define GATES (sizeof(gates) / sizeof(gates[0]))

static inline bool wait_for(sem_t *sem)
{
	struct timespec until;
	int rc;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_SECONDS;
	do
		rc = sem_timedwait(sem, &until);
	while (rc && errno == EINTR);
	return !rc;
}

static inline struct gate *gate_named(const char *name)
{
	for (size_t i = 0; i < GATES; i++)
		if (!strcmp(gates[i].name, name))
			return &gates[i];
	return NULL;
}

static inline void gate_hook(const char *name)
{
	struct gate *g = gate_named(name);

	if (!g || !atomic_exchange(&g->armed, false))
		return;
	sem_post(&g->arrived);
	(void)wait_for(&g->released); /* in vain: the test fails by what it sees */
}

static inline void gate_arm(const char *name)
{
	atomic_store(&gate_named(name)->armed, true);
}

/* Waits until a thread stands at the point. */
static inline void gate_await(const char *name)
{
	if (!wait_for(&gate_named(name)->arrived))
		fail_msg("nobody came to %s", name);
}

static inline void gate_open(const char *name)
{
	sem_post(&gate_named(name)->released);
}

/* At the head of a test that holds threads: skips it in builds without test points. */
static inline void gates_needed(void)
{
	if (!mm_test_points_enabled())
		skip();
}

/* Before each test. */
static inline void gates_init(void)
{
	for (size_t i = 0; i < GATES; i++) {
		atomic_store(&gates[i].armed, false);
		sem_init(&gates[i].arrived, 0, 0);
		sem_init(&gates[i].released, 0, 0);
	}
	mm_test_point_set_hook(gate_hook);
}

/* After each test, before its threads are joined: whatever a failed one left standing goes on. */
static inline void gates_open_all(void)
{
	mm_test_point_set_hook(NULL);
	for (size_t i = 0; i < GATES; i++) {
		atomic_store(&gates[i].armed, false);
		sem_post(&gates[i].released);
	}
}
