/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_gigantic.h - pages of 1 GiB: a chunk of class 1g is one page of the host.
 *
 * It is counted like any other memory, as 512 blocks of 2 MiB in whole mode, so that a part of it
 * that is named alone (after a split) is nothing special. What is special is that the kernel, and
 * we if it comes back dirty, take tens of milliseconds to clear it: far too long to hold an entry.
 * So it is made ready with no entry held, and stays with the arena; claiming a ready one costs 512
 * words. Who finds none ready lets his entry go, makes one ready, and looks again.
 *
 * Locks: `gigantic` (rank platform), one a family, is held by whoever makes a page ready, so that
 * of two who want the last page of the pool the second finds it ready, rather than gone.
 */
#pragma once

#include "engine/memory_chunk.h"

/* Makes one free 1 GiB page of the node's present and zero. 0; -ENOMEM: no memory for it. */
MM_MUST_CHECK int memory_gigantic_make_ready(struct memory_file *mf, int node) MAY_LOCK_PLATFORM;
/* A ready page: 512 whole blocks with a count of one, zero. -EAGAIN: none is ready; -EINVAL: no
 * such node. */
MM_MUST_CHECK int memory_gigantic_claim(struct memory_file *mf, int node, uint32_t *first_page)
	MAY_LOCK_ARENA;
/* As memory_file_prefault. */
uint64_t memory_gigantic_prefault(struct memory_file *mf, int node, uint64_t bytes)
	MAY_LOCK_PLATFORM;
/* As memory_file_probe. Takes no page: to clear one is no price for a question. */
int memory_gigantic_probe(const char **why);
