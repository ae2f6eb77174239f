/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_migrate.c - moving private pages to a node, see mm_numa.h.
 *
 * Under one hold of a unit (2 MiB at most): the host stops showing what is to move, so that no
 * store goes to the old page after it was copied; the bytes are copied; the words name the new
 * pages. Then the unit is released, and only then are the old references dropped (lock_order rule
 * 3). A page with one reference, of an entry without ENTRY_COPY, is this entry's alone: every way
 * to another reference leads through the entry, which we hold. A fork that comes later shares the
 * new page, and one that came before has set ENTRY_COPY. No vma is looked at, so `mapping` is not
 * needed.
 *
 * NO_TSA: bodies that lock in loops are not followed by Clang.
 */
#include <errno.h>
#include <string.h>

#include "engine/mm_numa.h"
#include "engine/space_range.h"
#include "engine/test_points.h"

struct migration {
	struct mm_space *s;
	int node;
	bool even_there;
	struct mm_moved *out;
};

/* Why the pages of a private word stay, as the count that says so; NULL: they move. */
static uint64_t *reason_to_stay(const struct migration *m, uint64_t word, unsigned level)
{
	struct memory_file *mf = m->s->mm->memory;
	uint32_t page = entry_page(word), end = page + (uint32_t)map_span(level);

	if (!(word & ENTRY_PRIVATE) || (word & ENTRY_COPY))
		return &m->out->shared;
	if (level > 1)
		return memory_file_node(mf, page) == m->node ? &m->out->there : &m->out->failed;
	if (memory_file_node(mf, page) == m->node && !m->even_there)
		return &m->out->there;
	for (; page < end; page++)
		if (memory_file_count(mf, page) != 1)
			return &m->out->shared;
	return NULL;
}

/* A page of the level with the bytes of `from`, on the node; 0: there is none. */
static uint32_t copy_there(const struct migration *m, uint32_t from, unsigned level) MAY_LOCK_ARENA
{
	struct memory_file *mf = m->s->mm->memory;
	enum page_class cls = memory_file_class(mf, from);
	uint32_t page, pages = (uint32_t)map_span(level);
	int rc = level ? memory_file_alloc_huge(mf, m->node, cls == PAGE_1G ? PAGE_2M : cls, &page)
		       : memory_file_alloc(mf, m->node, &page);

	if (rc)
		return 0;
	memcpy(memory_file_memory(mf, page), memory_file_memory(mf, from), pages * MM_PAGE_SIZE);
	memory_file_mark_dirty_range(mf, page, pages);
	return page;
}

/* Moves what can be of a held unit; what it no longer names is noted in d. */
static void move_unit(const struct migration *m, struct map_unit *u, struct unit_drop *d)
	REQUIRES(entry_class) MAY_LOCK_PLATFORM
{
	uint64_t span = map_span(u->level), moving[MAP_FANOUT / 64] = { 0 };
	struct unit_hide hide = { 0 };

	d->page_count = d->run_count = 0;
	d->huge = 0;
	for (unsigned i = u->first; i <= u->last; i++) {
		uint64_t word = map_unit_word(u, i), page = u->page + (i - u->first) * span;
		uint64_t *stays = word & ENTRY_PRESENT ? reason_to_stay(m, word, u->level) : NULL;

		if (stays)
			*stays += span;
		if (stays || !(word & ENTRY_PRESENT)) {
			unit_hide_flush(m->s, &hide);
			continue;
		}
		moving[i / 64] |= UINT64_C(1) << (i % 64);
		if (word & ENTRY_HOSTED)
			unit_hide_add(&hide, page, page + span);
		map_unit_set(u, i, word & ~ENTRY_HOSTED);
	}
	unit_hide_flush(m->s, &hide);
	for (unsigned i = u->first; i <= u->last; i++) {
		uint64_t word = map_unit_word(u, i);
		uint32_t from = entry_page(word), to;

		if (!(moving[i / 64] >> (i % 64) & 1))
			continue;
		to = copy_there(m, from, u->level);
		*(to ? &m->out->moved : &m->out->failed) += span;
		if (!to)
			continue;
		map_unit_set(u, i,
			     (word & ~(~UINT64_C(0) << ENTRY_PAGE_SHIFT)) | entry_of_page(to));
		if (!u->level) {
			d->pages[d->page_count++] = from;
			continue;
		}
		d->huge = from;
		d->huge_pages = (uint32_t)span;
		unit_deposit(m->s, to, unit_take_deposit(m->s, from));
	}
	MM_TEST_POINT(space_migrate_copied); /* entries held */
}

int mm_move(struct mm_space *s, uint64_t address, uint64_t length, int node, bool even_there,
	    struct mm_moved *out) NO_TSA
{
	/* NO_TSA: locks in a loop. */
	struct migration m = { s, node, even_there, out };
	uint64_t cursor, end;
	struct map_unit u;
	struct unit_drop d;
	int error, rc = space_range_pages(address, length, &cursor, &end);

	*out = (struct mm_moved){ 0 };
	if (rc || node < 0 || (unsigned)node >= s->mm->nodes)
		return -EINVAL;
	if (end > s->end_page)
		end = s->end_page;
	/* Never fails: what is not present is not expanded. A folded page that reaches beyond the
	 * range goes along. */
	while (cursor < end &&
	       address_map_next(&s->map, &cursor, end, MAP_WALK_PRESENT, &u, &error)) {
		move_unit(&m, &u, &d);
		map_unit_unlock(&s->map, &u);
		unit_drop_pages(s, &d);
	}
	return 0;
}
