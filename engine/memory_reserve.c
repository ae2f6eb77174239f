/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_reserve.c - runs of page numbers for private anonymous memory, whole huge blocks, and
 * memory made ready ahead of use.
 *
 * A long run is cut from whole free blocks and costs its bits in the arena: no block and no count
 * is touched until a page of it is claimed, nor when it is given back. The resident bit
 * tells which blocks a claim may have touched. A short run of 4k pages is bits of one CPU-owned
 * block. How the end of a run meets the last references of its pages: memory_block.c and
 * memory_pool.c.
 *
 * Locks: arena, block, one after the other.
 */
#include <errno.h>

#include "engine/fail.h"
#include "engine/inject.h"
#include "engine/memory_block.h"
#include "engine/memory_chunk.h"
#include "engine/memory_gigantic.h"
#include "engine/memory_pool.h"

static bool run_is_short(enum page_class cls, uint32_t pages)
{
	return cls == PAGE_4K && pages < MM_HUGE_PAGES;
}

int memory_file_reserve(struct memory_file *mf, int node, enum page_class cls, uint32_t pages,
			uint32_t congruent, uint32_t *first)
{
	uint32_t skip = congruent % (uint32_t)MM_HUGE_PAGES;
	uint32_t block;
	int rc;

	node = memory_chunk_node(mf, node);
	if (node < 0)
		return node;
	if (!pages || pages > MEMORY_CHUNK_PAGES || (unsigned)cls > PAGE_2M)
		return -EINVAL;
	if (MM_INJECT(INJECT_PAGE))
		return -ENOMEM;
	if (run_is_short(cls, pages))
		return memory_pool_reserve(mf, node, pages, first);
	if (skip + pages > MEMORY_CHUNK_PAGES)
		return -EINVAL;
	rc = memory_chunk_take(
		mf, &mf->private->arenas[node][cls],
		(skip + pages + (unsigned)MM_HUGE_PAGES - 1) / (unsigned)MM_HUGE_PAGES, &block);
	if (!rc)
		*first = block * (uint32_t)MM_HUGE_PAGES + skip;
	return rc;
}

void memory_file_unreserve(struct memory_file *mf, uint32_t first, uint32_t pages)
{
	struct memory_bits idle = { { 0 } };
	uint32_t block = first / (uint32_t)MM_HUGE_PAGES;
	uint32_t end = (first + pages - 1) / (uint32_t)MM_HUGE_PAGES + 1;

	MM_CHECK(pages && first / MEMORY_CHUNK_PAGES == (first + pages - 1) / MEMORY_CHUNK_PAGES);
	if (run_is_short(memory_file_class(mf, first), pages)) {
		memory_pool_unreserve(mf, first, pages);
		return;
	}
	for (; block < end; block++)
		if (!memory_chunk_is_resident(mf, block) ||
		    memory_block_unreserve(mf, &mf->blocks[block]))
			memory_bits_set_run(&idle, block % CHUNK_BLOCKS, 1);
	memory_chunk_give(mf, first / MEMORY_CHUNK_PAGES, &idle);
}

int memory_file_alloc_huge(struct memory_file *mf, int node, enum page_class cls,
			   uint32_t *first_page)
{
	struct memory_block *b;
	uint32_t block;
	int rc;

	node = memory_chunk_node(mf, node);
	if (node < 0)
		return node;
	if (cls != PAGE_THP && cls != PAGE_2M)
		return -EINVAL;
	if (MM_INJECT(INJECT_PAGE))
		return -ENOMEM;
	rc = memory_chunk_take(mf, &mf->private->arenas[node][cls], 1, &block);
	if (rc)
		return cls == PAGE_2M ? -ENOMEM : rc;
	rc = memory_chunk_charge(mf, block);
	b = &mf->blocks[block];
	if (!rc) {
		memory_block_lock(b);
		rc = memory_block_make_whole(mf, b);
		if (!rc) {
			/* As if its reservation had ended already: the last reference frees it. */
			atomic_store_explicit(&b->cursor, 0, memory_order_relaxed);
			atomic_store_explicit(&b->state, BLOCK_ORPHAN, memory_order_seq_cst);
		}
		memory_block_unlock(b);
	}
	if (rc) {
		memory_chunk_give_one(mf, block);
		return rc;
	}
	*first_page = block * (uint32_t)MM_HUGE_PAGES;
	return 0;
}

/* Makes one taken block present and zero; it goes back to the arena in any case. */
static bool prefault_block(struct memory_file *mf, uint32_t block) MAY_LOCK_ARENA
{
	struct memory_block *b = &mf->blocks[block];
	bool fresh = !memory_chunk_is_resident(mf, block);
	int rc = memory_chunk_charge(mf, block);

	if (!rc) {
		memory_block_lock(b);
		if (fresh || memory_file_class(mf, memory_block_first(mf, b)) == PAGE_4K)
			b->populated = 0;
		rc = memory_block_populate(mf, b);
		if (!rc)
			memory_block_clean(mf, b);
		memory_block_unlock(b);
	}
	memory_chunk_give_one(mf, block);
	return !rc;
}

uint64_t memory_file_prefault(struct memory_file *mf, int node, enum page_class cls, uint64_t bytes)
{
	struct memory_file_private *p = mf->private;
	int64_t wanted = (int64_t)((bytes + MM_HUGE_SIZE - 1) / MM_HUGE_SIZE);
	struct memory_arena *arena;
	int64_t done = 0;

	node = memory_chunk_node(mf, node);
	if (node < 0 || (unsigned)cls >= PAGE_CLASS_COUNT)
		return 0;
	if (cls == PAGE_1G)
		return memory_gigantic_prefault(mf, node, bytes);
	memory_pool_reclaim(mf);
	arena = &p->arenas[node][cls];
	memory_chunk_retain(p, wanted);
	/* The blocks that a search will find first: lowest of the oldest chunk first. */
	for (uint32_t chunk = memory_chunk_first(mf, arena); chunk && done < wanted;) {
		for (uint32_t i = 0; i < CHUNK_BLOCKS && done < wanted; i++) {
			uint32_t block = chunk * CHUNK_BLOCKS + i;

			if (!memory_chunk_take_this(mf, block))
				continue;
			if (!prefault_block(mf, block))
				return (uint64_t)done * MM_HUGE_SIZE;
			done++;
		}
		if (done < wanted)
			chunk = memory_chunk_after(mf, arena, chunk);
	}
	return (uint64_t)done * MM_HUGE_SIZE;
}
