/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_block.h - inside the memory files: the life of a 2 MiB block.
 *
 *   IDLE --first claim--> TOUCHED --unreserve--> ORPHAN --last page--> IDLE
 *   IDLE --claim_huge (whole)--> IDLE, whole != 0 --split--> TOUCHED
 *   IDLE --a pool takes it--> CPU --all pages free--> IDLE
 *
 * Every change of state is made under the block lock, or by the only one who knows the block.
 * What is idle and not whole has no reference; its pages are dirty as counts[] says (if
 * `counted`), or all of them (if `dirty`).
 */
#pragma once

#include "engine/memory_chunk.h"

/* A block whose memory went back to the host is clean; nobody else knows the block. */
void memory_block_reset(struct memory_file *mf, struct memory_block *b);
/* An idle block's pages are to be counted one by one from now on. Block lock held, or block
 * taken. */
void memory_block_count_pages(struct memory_file *mf, struct memory_block *b);
/* Makes a huge block present, zero, whole with one reference. -EBUSY, -ENOMEM. */
MM_MUST_CHECK int memory_block_make_whole(struct memory_file *mf, struct memory_block *b)
	REQUIRES(block_class);
/* Makes the memory of a block of a huge class present. -ENOMEM. */
MM_MUST_CHECK int memory_block_populate(struct memory_file *mf, struct memory_block *b)
	REQUIRES(block_class);
/* An idle, taken block: clears what may be dirty and says so. */
void memory_block_clean(struct memory_file *mf, struct memory_block *b);
/* Zeroes a page's memory and counts it. */
void memory_block_zero_page(struct memory_file *mf, uint32_t page);
/* The reservation of the block ends. True: it is idle now, the caller gives it to the arena. */
bool memory_block_unreserve(struct memory_file *mf, struct memory_block *b) MAY_LOCK_BLOCK;
