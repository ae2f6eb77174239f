/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_check_pages.c - P8: every reference of every page is explained, and every explanation has its
 * reference.
 *
 * Who names a page is counted in a table of its own, block by block, made where something names a
 * page of the block; then each block that is in use or named is compared with the counts of the
 * memory file. The same table tells whether private pages are private: an entry that may be written
 * without a copy is the only one of its page, and no mappable has the page of a private entry.
 *
 * No locks but a block's own, for its deposits: the caller has seen to it that nothing else runs.
 */
#include <inttypes.h>

#include "engine/memory_chunk.h"
#include "engine/memory_foreign.h"
#include "engine/os_memory.h"
#include "engine/space_check.h"

/* Who names a page. */
struct page_use {
	uint32_t entries, held; /* references of entries, of mappables */
	uint32_t privates; /* entries whose private page it is */
	uint32_t owners; /* of those, that need no copy before a write */
	uint64_t address; /* of one entry */
	uint64_t space; /* id of its space */
};

struct block_use {
	uint32_t deposits; /* folded private translations */
	struct page_use page[MM_HUGE_PAGES];
};

struct pages_check {
	struct memory_file *mf;
	uint32_t block_count;
	struct block_use **blocks; /* by block index; NULL: nothing names a page of it */
};

static struct block_use *block_of(struct pages_check *c, uint32_t page)
{
	uint32_t index = page / (uint32_t)MM_HUGE_PAGES;

	if (index < CHUNK_BLOCKS || index >= c->block_count)
		mm_fail("page %u is named, but no chunk of the family has it", page);
	if (!c->blocks[index]) {
		c->blocks[index] = calloc(1, sizeof(*c->blocks[index]));
		MM_CHECK(c->blocks[index]);
	}
	return c->blocks[index];
}

/* ---- counting ---- */

static void count_entry(struct pages_check *c, const struct check_space *s,
			const struct check_entry *e)
{
	uint32_t first = entry_page(e->word);
	bool is_private = e->word & ENTRY_PRIVATE;
	bool deposits = is_private && (e->word & ENTRY_HUGE);
	struct block_use *b = block_of(c, first);

	b->deposits += deposits && e->level > 1;
	for (uint32_t i = 0; i < map_span(e->level); i++) {
		if (!i || (first + i) % MM_HUGE_PAGES == 0) {
			b = block_of(c, first + i);
			b->deposits += deposits;
		}
		struct page_use *use = &b->page[(first + i) % MM_HUGE_PAGES];

		use->entries++;
		use->privates += is_private;
		use->owners += is_private && !(e->word & ENTRY_COPY);
		use->address = (e->page + i) << MM_PAGE_SHIFT;
		use->space = s->s->ms.id;
	}
}

static void count_held(struct mappable_range mr, uint32_t first_page, void *arg)
{
	uint32_t pages = (uint32_t)((mr.end - mr.start) >> MM_PAGE_SHIFT);

	for (uint32_t page = first_page; page < first_page + pages; page++)
		block_of(arg, page)->page[page % MM_HUGE_PAGES].held++;
}

static void count_all(struct pages_check *c, const struct check_space *spaces, size_t count)
	MAY_LOCK_RMAP
{
	struct mappable_list *list = &c->mf->mappables;

	for (size_t k = 0; k < count; k++)
		for (size_t i = 0; i < spaces[k].count; i++)
			if (spaces[k].entries[i].word & ENTRY_PRESENT)
				count_entry(c, &spaces[k], &spaces[k].entries[i]);
	for (struct mappable *m = mappable_list_next(list, NULL); m;
	     m = mappable_list_next(list, m))
		mappable_visit_pages(m, count_held, c);
}

/* ---- comparing ---- */

static void check_page(struct memory_file *mf, uint32_t page, const struct page_use *use)
{
	uint32_t references = memory_file_count(mf, page);

	uint32_t pins = memory_file_pins(mf, page);

	if (references != use->entries + use->held + pins)
		mm_fail("page %u has %u references, of which are known: %u entries (one at address "
			"%#" PRIx64 " of space %" PRIu64 "), %u of mappables, %u pins",
			page, references, use->entries, use->address, use->space, use->held, pins);
	if (use->owners && use->entries > 1)
		mm_fail("page %u is named by %u entries, and the one at address %#" PRIx64
			" of space %" PRIu64 " or another may be written without a copy",
			page, use->entries, use->address, use->space);
	if (use->privates && use->held)
		mm_fail("page %u is private at address %#" PRIx64 " of space %" PRIu64
			", and a mappable has it",
			page, use->address, use->space);
}

static void check_deposits(struct memory_file *mf, uint32_t index, uint32_t expected) MAY_LOCK_BLOCK
{
	struct memory_block *b = &mf->blocks[index];
	uint32_t deposits = 0;

	memory_block_lock(b);
	for (const struct node *n = b->deposits; n && deposits <= expected; n = n->next)
		deposits++;
	memory_block_unlock(b);
	if (deposits != expected)
		mm_fail("block of page %u: %u%s nodes are deposited, %u folded private entries",
			index * (uint32_t)MM_HUGE_PAGES, deposits,
			deposits > expected ? " or more" : "", expected);
}

/* May a page of the block have references at all? All blocks of a foreign file are in use, but the
 * counts of those that nobody asked for are not backed, and are left so. */
static bool is_in_use(struct memory_file *mf, uint32_t index)
{
	const struct memory_block *b = &mf->blocks[index];
	uint32_t first = index * (uint32_t)MM_HUGE_PAGES;

	if (memory_file_is_foreign(mf, first)) {
		uint64_t counts = page_round_down((uintptr_t)&mf->counts[first]);

		return os_memory_resident((void *)(uintptr_t)counts, MM_PAGE_SIZE) != 0;
	}
	return memory_chunk_is_resident(mf, index) &&
	       (atomic_load_explicit(&b->state, memory_order_acquire) != BLOCK_IDLE ||
		atomic_load_explicit(&b->whole, memory_order_acquire));
}

void check_pages(struct mm *mm, const struct check_space *spaces, size_t count)
{
	static const struct page_use nobody;
	struct memory_file *mf = mm->memory;
	struct pages_check c = { .mf = mf };

	c.block_count =
		atomic_load_explicit(&mf->private->next_chunk, memory_order_acquire) * CHUNK_BLOCKS;
	c.blocks = calloc(c.block_count, sizeof(c.blocks[0]));
	MM_CHECK(c.blocks);
	count_all(&c, spaces, count);
	for (uint32_t index = CHUNK_BLOCKS; index < c.block_count; index++) {
		const struct block_use *b = c.blocks[index];
		uint32_t first = index * (uint32_t)MM_HUGE_PAGES;

		if (!b && !is_in_use(mf, index))
			continue;
		for (uint32_t i = 0; i < MM_HUGE_PAGES; i++)
			check_page(mf, first + i, b ? &b->page[i] : &nobody);
		check_deposits(mf, index, b ? b->deposits : 0);
		free(c.blocks[index]);
	}
	free(c.blocks);
}
