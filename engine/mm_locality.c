/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_locality.c - see mm_numa.h: counting what is on the node of its user.
 *
 * The walk is of mm_check()'s kind: all entries of all spaces, ascending, so that those of one leaf
 * follow each other. A leaf's memory is that of its first entry.
 *
 * Locks: none; a quiescent point.
 */
#include "engine/memory_chunk.h"
#include "engine/mm_numa.h"
#include "engine/os_memory.h"
#include "engine/space.h"
#include "engine/space_check.h"
#include "engine/memory_readback.h"

struct audit {
	struct memory_file *mf;
	struct mm_locality *out;
	const struct node *leaf; /* whose entries are being counted; NULL: none */
	uint32_t named[MEMORY_MAX_NODES]; /* pages of each node that it names */
};

/* Counts a page of memory that ought to be on the node, unless it is not backed. */
static void count(struct mm_local *l, void *address, int node, uint64_t weight)
{
	int got = os_memory_node_of(address);

	if (got < 0)
		return;
	l->count += weight;
	l->local += got == node ? weight : 0;
}

static void finish_leaf(struct audit *a)
{
	int most = 0;

	for (int node = 1; node < MEMORY_MAX_NODES; node++)
		if (a->named[node] > a->named[most])
			most = node;
	if (a->leaf && a->named[most])
		count(&a->out->tree_nodes, (void *)(uintptr_t)a->leaf, most, 1);
	for (int node = 0; node < MEMORY_MAX_NODES; node++)
		a->named[node] = 0;
	a->leaf = NULL;
}

static void count_entry(struct audit *a, const struct address_map *m, const struct check_entry *e)
{
	uint32_t page = entry_page(e->word);
	int got = memory_file_node_of(a->mf, page);

	if (got < 0 || got >= MEMORY_MAX_NODES)
		return;
	a->out->pages.count += map_span(e->level);
	a->out->pages.local += got == memory_file_node(a->mf, page) ? map_span(e->level) : 0;
	if (e->level)
		return;
	const struct node *leaf = address_map_node_at(m, e->page);

	if (leaf != a->leaf)
		finish_leaf(a);
	a->leaf = leaf;
	a->named[got]++;
}

static void count_tables(struct audit *a)
{
	struct memory_file *mf = a->mf;
	uint32_t end = atomic_load_explicit(&mf->private->next_chunk, memory_order_acquire);

	for (uint32_t block = CHUNK_BLOCKS; block < end * CHUNK_BLOCKS; block++) {
		uint32_t page = block * (uint32_t)MM_HUGE_PAGES;

		if (!memory_chunk_is_resident(mf, block))
			continue;
		count(&a->out->tables, (void *)&mf->counts[page], memory_file_node(mf, page), 1);
		count(&a->out->tables, &mf->blocks[block], memory_file_node(mf, page), 1);
	}
}

void mm_locality(struct mm *mm, struct mm_locality *out)
{
	struct audit a = { .mf = mm->memory, .out = out };

	*out = (struct mm_locality){ .pages = { 0 } };
	for (struct mm_space *s = mm_first_space(mm); s; s = mm_next_space(s)) {
		struct check_space c;

		check_collect(s, &c);
		for (size_t i = 0; i < c.count; i++)
			if (c.entries[i].word & ENTRY_PRESENT)
				count_entry(&a, &s->map, &c.entries[i]);
		finish_leaf(&a);
		check_forget(&c);
	}
	count_tables(&a);
}
