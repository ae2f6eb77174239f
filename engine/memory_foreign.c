/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_foreign.c - attaching and detaching chunks of host files that are not ours.
 *
 * A block of a foreign chunk is like one of a reservation in which pages were claimed: TOUCHED, so
 * a count that falls to zero means nothing. Detaching makes it an ORPHAN, as unreserve does, and
 * the last reference gives the block back by the same proof (memory_block.c). What is given back
 * comes here instead of to an arena: the chunk counts its blocks down, and the last one unmaps it.
 *
 * A chunk is published by the release store of its kind, then of chunk_at. Its index is used again
 * for foreign files only, whose node and class are the same: so whoever walks all chunks may
 * read those at any time.
 *
 * Locks: the grow lock over attaching and the end of chunks.
 */
#include "engine/memory_foreign.h"

#include <errno.h>

#include "engine/fail.h"
#include "engine/memory_block.h"
#include "engine/os_file.h"
#include "engine/os_memory.h"

#define CHUNK_BYTES ((uint64_t)MEMORY_CHUNK_PAGES * MM_PAGE_SIZE)
#define SLOTS ((uint32_t)(MEMORY_FOREIGN_MAX_BYTES / CHUNK_BYTES))

struct memory_foreign {
	struct memory_kind kind; /* first: it is what chunks name */
	uint32_t uses; /* chunks, and one until detached; under the grow lock */
	uint32_t slot_end; /* slots in use are below; under the grow lock */
};

int memory_foreign_create(struct memory_file *mf, int fd, bool read_only,
			  struct memory_foreign **out)
{
	struct memory_foreign *f = mm_calloc(sizeof(*f));
	int own = f ? os_file_duplicate(fd) : -ENOMEM;

	if (own < 0) {
		free(f);
		return own;
	}
	f->kind.chunk_at =
		os_memory_reserve(SLOTS * sizeof(f->kind.chunk_at[0]), MM_PAGE_SIZE, true);
	if (!f->kind.chunk_at) {
		os_file_close(own);
		free(f);
		return -ENOMEM;
	}
	f->kind.file.ops = &memory_kind_ops;
	f->kind.mf = mf;
	f->kind.chunk_slots = SLOTS;
	f->kind.foreign = true;
	f->kind.read_only = read_only;
	atomic_init(&f->kind.fd, own);
	f->uses = 1;
	atomic_fetch_add_explicit(&mf->private->foreign_files, 1, memory_order_relaxed);
	*out = f;
	return 0;
}

int memory_foreign_fd(struct memory_foreign *f)
{
	return atomic_load_explicit(&f->kind.fd, memory_order_relaxed);
}

bool memory_file_is_foreign(struct memory_file *mf, uint32_t page)
{
	return memory_chunk_of(mf, page)->foreign;
}

/* ---- attaching ---- */

/* A chunk index for a foreign file, or 0. */
static uint32_t take_index(struct memory_file_private *p) REQUIRES(arena_class)
{
	uint32_t index = p->detached;

	if (index) {
		p->detached = p->chunks[index].next;
		return index;
	}
	index = atomic_load_explicit(&p->next_chunk, memory_order_relaxed);
	if (index >= p->chunk_limit)
		return 0;
	p->chunks[index].foreign = true;
	p->chunks[index].node = 0;
	p->chunks[index].cls = PAGE_4K;
	atomic_store_explicit(&p->next_chunk, index + 1, memory_order_release);
	return index;
}

static void put_index(struct memory_file_private *p, uint32_t index) REQUIRES(arena_class)
{
	p->chunks[index].next = p->detached;
	p->detached = index;
}

static int attach(struct memory_file *mf, struct memory_foreign *f, uint32_t slot)
	REQUIRES(arena_class)
{
	struct memory_file_private *p = mf->private;
	uint32_t index = take_index(p);
	struct memory_chunk *c = &p->chunks[index];
	int rc;

	if (!index)
		return -ENOMEM;
	rc = os_memory_map(memory_file_memory(mf, index * MEMORY_CHUNK_PAGES), CHUNK_BYTES,
			   memory_foreign_fd(f), slot * CHUNK_BYTES, !f->kind.read_only);
	if (rc) {
		put_index(p, index);
		return rc;
	}
	for (uint32_t i = 0; i < CHUNK_BLOCKS; i++) {
		struct memory_block *b = &mf->blocks[index * CHUNK_BLOCKS + i];

		b->counted = 1;
		atomic_store_explicit(&b->state, BLOCK_TOUCHED, memory_order_release);
	}
	c->file_offset = slot * CHUNK_BYTES;
	atomic_store_explicit(&c->attached_blocks, CHUNK_BLOCKS, memory_order_relaxed);
	atomic_store_explicit(&c->kind, &f->kind, memory_order_release);
	atomic_store_explicit(&f->kind.chunk_at[slot], index, memory_order_release);
	atomic_fetch_add_explicit(&p->foreign_chunks, 1, memory_order_relaxed);
	f->uses++;
	if (slot >= f->slot_end)
		f->slot_end = slot + 1;
	return 0;
}

int memory_foreign_page(struct memory_file *mf, struct memory_foreign *f, uint64_t offset,
			uint32_t *page)
{
	uint32_t slot = (uint32_t)(offset / CHUNK_BYTES);
	uint32_t index;
	int rc = 0;

	if (offset >= MEMORY_FOREIGN_MAX_BYTES)
		return -EFBIG;
	index = atomic_load_explicit(&f->kind.chunk_at[slot], memory_order_acquire);
	if (!index) {
		memory_chunk_grow_lock(mf->private);
		if (!atomic_load_explicit(&f->kind.chunk_at[slot], memory_order_relaxed))
			rc = attach(mf, f, slot);
		memory_chunk_grow_unlock(mf->private);
		if (rc)
			return rc;
		index = atomic_load_explicit(&f->kind.chunk_at[slot], memory_order_acquire);
	}
	*page = index * MEMORY_CHUNK_PAGES + (uint32_t)(offset % CHUNK_BYTES / MM_PAGE_SIZE);
	return 0;
}

/* ---- detaching ---- */

/* One use less; the last one ends the file. */
static void foreign_put(struct memory_file *mf, struct memory_foreign *f) MAY_LOCK_ARENA
{
	bool last;

	memory_chunk_grow_lock(mf->private);
	last = --f->uses == 0;
	memory_chunk_grow_unlock(mf->private);
	if (!last)
		return;
	os_file_close(memory_foreign_fd(f));
	os_memory_release((void *)f->kind.chunk_at, SLOTS * sizeof(f->kind.chunk_at[0]));
	free(f);
	atomic_fetch_sub_explicit(&mf->private->foreign_files, 1, memory_order_release);
}

/* What is left of the chunk's pages: marks of writable mappings. */
static void clear_counts(struct memory_file *mf, uint32_t chunk)
{
	_Atomic uint32_t *counts = mf->counts + (uint64_t)chunk * MEMORY_CHUNK_PAGES;

	for (uint32_t i = 0; i < CHUNK_BLOCKS; i++) {
		struct memory_block *b = &mf->blocks[chunk * CHUNK_BLOCKS + i];

		b->counted = 0;
		b->dirty = 0;
	}
	for (uint32_t i = 0; i < MEMORY_CHUNK_PAGES; i++) {
		uint32_t word = atomic_load_explicit(&counts[i], memory_order_relaxed);

		MM_CHECK(!(word & MEMORY_PAGE_COUNT_MASK));
		if (word)
			atomic_store_explicit(&counts[i], 0, memory_order_relaxed);
	}
}

void memory_foreign_give(struct memory_file *mf, uint32_t chunk, unsigned blocks)
{
	struct memory_file_private *p = mf->private;
	struct memory_chunk *c = &p->chunks[chunk];
	struct memory_kind *kind = atomic_load_explicit(&c->kind, memory_order_acquire);

	if (atomic_fetch_sub_explicit(&c->attached_blocks, blocks, memory_order_acq_rel) != blocks)
		return;
	/* Nobody has a page of it or can get one: the index is ours. */
	clear_counts(mf, chunk);
	os_memory_hide(memory_file_memory(mf, chunk * MEMORY_CHUNK_PAGES), CHUNK_BYTES);
	atomic_store_explicit(&c->kind, NULL, memory_order_release);
	atomic_fetch_sub_explicit(&p->foreign_chunks, 1, memory_order_relaxed);
	memory_chunk_grow_lock(p);
	put_index(p, chunk);
	memory_chunk_grow_unlock(p);
	foreign_put(mf, (struct memory_foreign *)kind);
}

void memory_foreign_detach(struct memory_file *mf, struct memory_foreign *f)
{
	/* slot_end rises only while pages are asked for, which is over. */
	for (uint32_t slot = 0; slot < f->slot_end; slot++) {
		uint32_t chunk =
			atomic_load_explicit(&f->kind.chunk_at[slot], memory_order_acquire);
		unsigned idle = 0;

		for (uint32_t i = 0; chunk && i < CHUNK_BLOCKS; i++)
			idle += memory_block_unreserve(mf, &mf->blocks[chunk * CHUNK_BLOCKS + i]);
		if (idle)
			memory_foreign_give(mf, chunk, idle);
	}
	foreign_put(mf, f);
}
