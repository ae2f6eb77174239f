/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_chunk.h - inside the memory files: 1 GiB chunks and the arenas that hand out their
 * 2 MiB blocks.
 *
 * A chunk belongs to one file, node and class for good. Two bits per block say everything:
 *   free      the arena may hand it out                      changed under the arena's lock
 *   resident  the host may hold memory for it                set by who first touches the block,
 *                                                            cleared by who punches it
 * free and resident = retained. Invariants: retained_blocks = sum of popcount(free & resident);
 * host_blocks = sum of popcount(resident); a block that is free is in state BLOCK_IDLE, its pages
 * have no reference. A chunk of class 1g is one page of the host: it is handed out and punched as
 * a whole, and retained when all of it is free (memory_gigantic.h).
 *
 * Locks: one per arena (node, class), one for growing. Neither is held with another lock of the
 * rank arena, and blocks are given back with no block lock held.
 */
#pragma once

#include "engine/memory_file.h"

#define CHUNK_BLOCKS 512
#define CHUNK_WORDS (CHUNK_BLOCKS / 64)

enum memory_kind_id { KIND_SHMEM, KIND_2M, KIND_1G, KIND_COUNT };

/* One host file: a memfd of ours, or a foreign one (memory_foreign.h). */
struct memory_kind {
	struct file file; /* what translations and host mappings name */
	struct memory_file *mf;
	_Atomic int fd; /* -1 until the first chunk */
	uint64_t size; /* bytes; under the grow lock */
	_Atomic uint32_t *chunk_at; /* by offset / 1 GiB: chunk index, 0 = none */
	uint32_t chunk_slots; /* of chunk_at; this and the next two: immutable */
	bool foreign;
	bool read_only;
};

struct memory_chunk {
	_Atomic(struct memory_kind *) kind; /* published last; the next three are immutable then */
	uint64_t file_offset;
	int node;
	enum page_class cls;
	bool foreign; /* no arena has it; all its bits stay 0 */
	_Atomic uint32_t attached_blocks; /* foreign: those that may have references */
	_Alignas(64) _Atomic uint64_t resident[CHUNK_WORDS];
	_Alignas(64) _Atomic uint64_t free[CHUNK_WORDS];
	uint32_t next; /* the arena's list of chunks, 0 = end; under its lock */
	uint32_t free_count; /* popcount(free); under the arena's lock */
	uint64_t dirty[CHUNK_WORDS]; /* free, and for the zeroer to clear; under the arena's lock */
} __attribute__((aligned(64)));

struct memory_arena {
	_Atomic uint32_t lock;
	int node;
	enum page_class cls;
	uint32_t head, tail; /* chunk indices, oldest first */
	uint32_t chunk_count;
} __attribute__((aligned(64)));

extern const struct file_ops memory_kind_ops;

struct memory_pool; /* memory_pool.h */
struct memory_background; /* memory_background.h */

struct memory_file_private {
	bool allow_fallback;
	int nodes; /* nodes 0 .. nodes - 1 may be asked for */
	struct numa_place place; /* changed only while nobody allocates */
	unsigned cpus;
	uint64_t span; /* bytes of the window */
	uint32_t chunk_limit;
	uint64_t max_blocks; /* 0: no limit */
	struct memory_chunk *chunks; /* index = page / MEMORY_CHUNK_PAGES; 0 is never used */
	struct memory_kind kinds[KIND_COUNT];
	struct memory_arena arenas[MEMORY_MAX_NODES][PAGE_CLASS_COUNT];
	struct memory_pool *pools; /* [cpu * nodes + node] */
	struct memory_background *background; /* or NULL; immutable */
	/* What is written while memory is handed out and taken back, apart from the above. */
	_Alignas(64) _Atomic uint32_t
		gigantic_lock; /* memory_gigantic.h; guards nothing by itself */
	_Atomic uint32_t grow_lock; /* over the files' sizes, next_chunk and detached */
	_Atomic uint32_t next_chunk;
	uint32_t detached; /* list of chunks for foreign files through `next`, 0 = end */
	_Atomic uint32_t foreign_files; /* that exist */
	_Atomic uint32_t foreign_chunks; /* that are attached */
	_Atomic int64_t retained_blocks;
	_Atomic int64_t retain_limit; /* blocks */
	int64_t retain_base; /* blocks: the limit that was asked for */
	_Atomic int64_t host_blocks;
	_Atomic uint64_t punched_bytes;
	_Atomic uint64_t fallbacks;
};

/* 512 bits, in plain words. */
struct memory_bits {
	uint64_t word[8];
};

static inline enum memory_kind_id memory_kind_of_class(enum page_class cls)
{
	return cls == PAGE_1G ? KIND_1G : cls == PAGE_2M ? KIND_2M : KIND_SHMEM;
}

/* First index of `count` consecutive set bits, or -1. */
int memory_bits_find_run(const struct memory_bits *bits, unsigned count);
void memory_bits_set_run(struct memory_bits *bits, unsigned first, unsigned count);
bool memory_bits_empty(const struct memory_bits *bits);
unsigned memory_bits_count(const struct memory_bits *bits);

static inline bool memory_bits_test(const struct memory_bits *bits, unsigned i)
{
	return bits->word[i / 64] >> (i % 64) & 1;
}

static inline struct memory_chunk *memory_chunk_of(struct memory_file *mf, uint32_t page)
{
	return &mf->private->chunks[page / MEMORY_CHUNK_PAGES];
}

static inline uint32_t memory_block_index(struct memory_file *mf, const struct memory_block *b)
{
	return (uint32_t)(b - mf->blocks);
}

static inline uint32_t memory_block_first(struct memory_file *mf, const struct memory_block *b)
{
	return memory_block_index(mf, b) * (uint32_t)MM_HUGE_PAGES;
}

static inline bool memory_chunk_is_resident(struct memory_file *mf, uint32_t block)
{
	const struct memory_chunk *c = &mf->private->chunks[block / CHUNK_BLOCKS];

	return atomic_load_explicit(&c->resident[block % CHUNK_BLOCKS / 64],
				    memory_order_acquire) >>
		       (block % 64) &
	       1;
}

/* Over what makes chunks: before every arena. */
void memory_chunk_grow_lock(struct memory_file_private *p) ACQUIRES(arena_class) MAY_LOCK_BLOCK;
void memory_chunk_grow_unlock(struct memory_file_private *p) RELEASES(arena_class);
/* Node asked for, as a number below nodes; -EINVAL. */
int memory_chunk_node(struct memory_file *mf, int node);
/* Takes `count` (1 .. 512) adjacent free blocks of one chunk, resident ones first, then lowest
 * first, growing the file if need be. *block: index of the first. 0, -ENOMEM, -errno. */
MM_MUST_CHECK int memory_chunk_take(struct memory_file *mf, struct memory_arena *arena,
				    unsigned count, uint32_t *block) MAY_LOCK_ARENA;
/* Gives blocks of one chunk back: idle, unreferenced. Beyond retain_limit memory is punched. */
void memory_chunk_give(struct memory_file *mf, uint32_t chunk, const struct memory_bits *bits)
	MAY_LOCK_ARENA;
void memory_chunk_give_one(struct memory_file *mf, uint32_t block) MAY_LOCK_ARENA;
/* Counts a taken block as backed by the host before its first touch. -ENOMEM: max_bytes. */
MM_MUST_CHECK int memory_chunk_charge(struct memory_file *mf, uint32_t block) MAY_LOCK_ARENA;
/* What was asked for ahead of use is not to be punched again: `blocks` more than the limit may be
 * retained from now on; the limit follows the largest wish. */
void memory_chunk_retain(struct memory_file_private *p, int64_t blocks);
/* Punches blocks that the caller took, of a chunk of class 1g all; what the host will not take
 * stays resident. */
void memory_chunk_punch(struct memory_file *mf, uint32_t chunk, const struct memory_bits *bits);
/* Gives blocks back that are wanted again: as memory_chunk_give, but none are punched. */
void memory_chunk_keep(struct memory_file *mf, uint32_t chunk, const struct memory_bits *bits)
	MAY_LOCK_ARENA;
void memory_chunk_keep_one(struct memory_file *mf, uint32_t block) MAY_LOCK_ARENA;
/* Takes a free block of the node's that may hold bytes other than zero (none of class 1g). False:
 * there is none. */
bool memory_chunk_take_dirty(struct memory_file *mf, int node, uint32_t *block) MAY_LOCK_ARENA;
/* Punches some of what the node retains if that is above the limit. False: nothing to do. */
bool memory_chunk_trim_node(struct memory_file *mf, int node) MAY_LOCK_ARENA;
/* Takes one named block if it is free: for prefault. */
bool memory_chunk_take_this(struct memory_file *mf, uint32_t block) MAY_LOCK_ARENA;
/* The arena's chunks, oldest first; makes one where there is none (more). 0: it cannot. */
uint32_t memory_chunk_first(struct memory_file *mf, struct memory_arena *arena) MAY_LOCK_ARENA;
uint32_t memory_chunk_after(struct memory_file *mf, struct memory_arena *arena, uint32_t chunk)
	MAY_LOCK_ARENA;
/* Adds a chunk to the arena unless others have since it had `seen` chunks. 0, -ENOMEM, -errno. */
MM_MUST_CHECK int memory_chunk_grow(struct memory_file *mf, struct memory_arena *arena,
				    uint32_t seen) MAY_LOCK_ARENA;
