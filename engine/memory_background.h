/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_background.h - inside the memory files: what threads of each node do ahead of need.
 *
 *   zeroer     clears free blocks that may hold bytes other than zero, past the caches, so that
 *              who takes one next need not. A page of 1 GiB is cleared by who makes it ready
 *   releaser   gives back to the host what is retained above the limit, so that who frees need
 *              not; up to RELEASE_SLACK blocks more are retained meanwhile
 *
 * Both are off unless asked for (memory_file_opts): they take CPU time and memory bandwidth beside
 * whatever is measured. Both hold blocks back for a step, so who finds no memory pauses them, and
 * looks again.
 */
#pragma once

#include "engine/background.h"
#include "engine/memory_chunk.h"

#define RELEASE_SLACK 64 /* blocks: 128 MiB */

struct memory_background {
	int count; /* nodes */
	bool zeroes, releases; /* which there are; immutable */
	struct background zeroer[MEMORY_MAX_NODES];
	struct background releaser[MEMORY_MAX_NODES];
};

/* Starts what opts ask for. 0 or -errno: nothing runs. */
MM_MUST_CHECK int memory_background_start(struct memory_file *mf,
					  const struct memory_file_opts *opts);
void memory_background_stop(struct memory_file *mf);
/* Blocks of a chunk came back, and `excess` more than the limit are retained. True: somebody sees
 * to the excess. */
bool memory_background_given(struct memory_file *mf, const struct memory_chunk *c, int64_t excess);
/* Waits until no thread is in a step, and keeps it so, for a check or a second look. */
void memory_background_pause(struct memory_file *mf) MAY_LOCK_ARENA;
void memory_background_resume(struct memory_file *mf);
