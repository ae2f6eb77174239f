/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit.c - dropping and splitting what a held unit of the address map maps.
 *
 * Order (lock_order rule 3): under one hold the words are cleared and the host is unmapped; then
 * the locks go; then page references, then the mappables' mappings, then identities. So no fault
 * can re-install what is going, no page is freed while the host still shows it, and a truncate
 * finds every mapping that may still have a translation.
 *
 * NO_TSA: bodies that lock in loops, or on some paths only, are not followed by Clang; their
 * contracts stand on the declarations.
 */
#include <errno.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/space.h"

static void add_run(struct unit_drop *d, uint32_t vma, uint64_t first, uint64_t end)
{
	struct unit_run *r = d->run_count ? &d->runs[d->run_count - 1] : NULL;

	if (r && r->vma == vma && r->end == first) {
		r->end = end;
		r->entries++;
		return;
	}
	d->runs[d->run_count++] = (struct unit_run){ vma, 1, first, end };
}

void unit_deposit(struct mm_space *s, uint32_t page, struct node *spare)
{
	struct memory_block *b = memory_file_block(s->mm->memory, page);

	memory_block_lock(b);
	spare->next = b->deposits;
	b->deposits = spare;
	memory_block_unlock(b);
}

struct node *unit_take_deposit(struct mm_space *s, uint32_t page)
{
	struct memory_block *b = memory_file_block(s->mm->memory, page);

	memory_block_lock(b);
	struct node *spare = b->deposits;

	MM_CHECK(spare);
	b->deposits = spare->next;
	memory_block_unlock(b);
	return spare;
}

void unit_withdraw(struct mm_space *s, uint32_t page, unsigned level)
{
	if (level > 1)
		node_free(unit_take_deposit(s, page));
	for (uint32_t end = page + (uint32_t)map_span(level); page < end; page += MM_HUGE_PAGES)
		node_free(unit_take_deposit(s, page));
}

int unit_deposit_gigantic(struct mm_space *s, uint32_t page)
{
	struct node *spares = NULL;
	unsigned count = 0;

	for (struct node *n; count <= MAP_FANOUT; count++) {
		n = node_alloc(&s->mm->node_pool);
		if (!n)
			break;
		n->next = spares;
		spares = n;
	}
	for (unsigned i = 0; spares; i++) {
		struct node *n = spares;

		spares = n->next;
		if (count > MAP_FANOUT)
			unit_deposit(s, page + i % MAP_FANOUT * (uint32_t)MM_HUGE_PAGES, n);
		else
			node_free(n);
	}
	return count > MAP_FANOUT ? 0 : -ENOMEM;
}

void unit_take(struct mm_space *s, struct map_unit *u, bool drop_private, bool drop_vmas,
	       struct unit_drop *d)
{
	uint64_t span = map_span(u->level);
	uint64_t page = u->page;
	struct unit_hide hide = { 0 };

	d->page_count = d->run_count = 0;
	d->huge = 0;
	for (unsigned i = u->first; i <= u->last; i++, page += span) {
		uint64_t word = map_unit_word(u, i);
		uint64_t rest = word;

		if ((word & ENTRY_PRESENT) && (drop_private || !(word & ENTRY_PRIVATE))) {
			rest &= ~ENTRY_TRANSLATION_MASK;
			if (word & ENTRY_HUGE) {
				d->huge = entry_page(word);
				d->huge_pages = (uint32_t)span;
			} else {
				d->pages[d->page_count++] = entry_page(word);
			}
			if (word & ENTRY_HOSTED)
				unit_hide_add(&hide, page, page + span);
			if ((word & ENTRY_HUGE) && (word & ENTRY_PRIVATE))
				unit_withdraw(s, d->huge, u->level);
		} else if (word & ENTRY_HOSTED) {
			unit_hide_flush(s, &hide);
		}
		if (drop_vmas) { /* the caller unlocks with new words */
			if (entry_vma(word))
				add_run(d, entry_vma(word), page, page + span);
		} else if (rest != word) {
			map_unit_set(u, i, rest);
		}
	}
	unit_hide_flush(s, &hide);
}

void unit_drop_pages(struct mm_space *s, const struct unit_drop *d)
{
	for (unsigned i = 0; i < d->page_count; i++)
		memory_file_dec(s->mm->memory, d->pages[i]);
	if (d->huge)
		memory_file_dec_range(s->mm->memory, d->huge, d->huge_pages);
}

void unit_drop_vmas(struct mm_space *s, const struct unit_drop *d, uint32_t *dead)
{
	struct pool *vmas = &s->mm->vma_pool;

	for (unsigned i = 0; i < d->run_count; i++) {
		const struct unit_run *r = &d->runs[i];
		const struct vma *v = vma_at(vmas, r->vma);

		if (v->mappable)
			mappable_remove_mapping(v->mappable, &s->ms,
						pages_to_addresses(r->first, r->end),
						vma_offset(v, r->first), vma_writable(v));
		vma_drop(vmas, r->vma, r->entries, dead);
	}
}

/* ---- splitting ---- */

/* Copies the live pages of a hugetlb page to 4 KiB pages; a pinned one stays what it is, with one
 * more reference. False, with nothing left behind, when memory runs out. copies[i] is 0 for pages
 * that are gone. */
static bool copy_live(struct mm_space *s, uint32_t huge, uint64_t base, uint64_t gone,
		      uint64_t gone_end, uint32_t copies[MAP_FANOUT]) MAY_LOCK_ARENA
{
	struct memory_file *mf = s->mm->memory;
	int node = memory_file_node(mf, huge);

	for (unsigned i = 0; i < MAP_FANOUT; i++) {
		copies[i] = 0;
		if (base + i >= gone && base + i < gone_end)
			continue;
		if (memory_file_pins(mf, huge + i)) { /* pinned under the entry, which we hold */
			copies[i] = huge + i;
			memory_file_inc(mf, copies[i]);
			continue;
		}
		if (memory_file_alloc(mf, node, &copies[i])) {
			while (i-- > 0)
				if (copies[i])
					memory_file_dec(mf, copies[i]);
			return false;
		}
		memcpy(memory_file_memory(mf, copies[i]), memory_file_memory(mf, huge + i),
		       MM_PAGE_SIZE);
		memory_file_mark_dirty(mf, copies[i]);
	}
	return true;
}

/* A private 1 GiB page becomes 512 entries that name its 2 MiB parts. */
static void split_gigantic(struct mm_space *s, struct map_unit *u) RELEASES(entry_class)
	MAY_LOCK_PLATFORM
{
	uint64_t word = map_unit_word(u, u->first);
	uint32_t first = entry_page(word);
	uint64_t words[MAP_FANOUT];

	if (word & ENTRY_HOSTED)
		s->host->ops->unmap(s->host, pages_to_addresses(u->page, map_unit_end(u)));
	word &= ~(ENTRY_HOSTED | ~UINT64_C(0) << ENTRY_PAGE_SHIFT);
	for (unsigned i = 0; i < MAP_FANOUT; i++)
		words[i] = word | entry_of_page(first + i * (uint32_t)MM_HUGE_PAGES);
	vma_add(&s->mm->vma_pool, entry_vma(word), MAP_FANOUT - 1);
	map_unit_expand(&s->map, u, unit_take_deposit(s, first), words);
	atomic_fetch_add_explicit(&mm_here(s->mm)->demotions, 1, memory_order_relaxed);
}

void unit_split(struct mm_space *s, struct map_unit *u, uint64_t gone, uint64_t gone_end) NO_TSA
{
	/* NO_TSA: releases by two different calls, depending on the word. */
	struct memory_file *mf = s->mm->memory;
	uint64_t word = map_unit_word(u, u->first);
	uint32_t huge = entry_page(word);
	uint64_t words[MAP_FANOUT];
	uint32_t copies[MAP_FANOUT];

	MM_CHECK(u->level && (word & ENTRY_HUGE));
	if (!(word & ENTRY_PRIVATE)) {
		struct unit_drop d;

		unit_take(s, u, false, false, &d);
		map_unit_unlock(&s->map, u);
		unit_drop_pages(s, &d);
		return;
	}
	if (u->level > 1) {
		split_gigantic(s, u);
		return;
	}
	bool hugetlb = page_class_is_hugetlb(memory_file_class(mf, huge));
	bool copied = hugetlb && copy_live(s, huge, u->page, gone, gone_end, copies);

	if (hugetlb && (word & ENTRY_HOSTED)) {
		/* The host can show only the whole of it. */
		s->host->ops->unmap(s->host, pages_to_addresses(u->page, map_unit_end(u)));
		word &= ~ENTRY_HOSTED;
	}
	word &= ~ENTRY_HUGE;
	if (copied)
		word &= ~ENTRY_COPY; /* ours alone from now on */
	for (unsigned i = 0; i < MAP_FANOUT; i++) {
		uint32_t page = copied ? copies[i] : huge + i;
		uint64_t rest = word & ~(~UINT64_C(0) << ENTRY_PAGE_SHIFT);

		words[i] = page ? rest | entry_of_page(page) : word & ~ENTRY_TRANSLATION_MASK;
	}
	if (!copied)
		memory_file_split_block(mf, memory_file_block(mf, huge));
	vma_add(&s->mm->vma_pool, entry_vma(word), MAP_FANOUT - 1);
	map_unit_expand(&s->map, u, unit_take_deposit(s, huge), words);
	if (copied) {
		atomic_fetch_add_explicit(&mm_here(s->mm)->demotions, 1, memory_order_relaxed);
		memory_file_dec_range(mf, huge, MM_HUGE_PAGES);
	}
}
