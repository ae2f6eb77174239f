/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_cow.c - pages that are copied before they are written.
 *
 * ENTRY_COPY without ENTRY_PRIVATE: the page belongs to the mappable of a private mapping. Both:
 * a fork shares it with another space. An entry with ENTRY_COPY never permits writing.
 *
 * Sole owner: a private page whose count is one is named by this entry alone. Every way to another
 * reference (fork, pin, kernel-side I/O) leads through the entry's lock, which we hold, so the one
 * is certain and the page is taken back without a copy.
 *
 * Neighbours: after the page itself, present pages of the same aligned copy unit that a fork
 * shares are copied as well, each under its own entry's lock, taken by trying (lock_order rule 1),
 * and with the permissions of its own vma: two neighbours may differ in them. A failure there is no
 * failure of the fault. Code and stacks are written in few places and get one page only. A
 * mappable's page is left alone: a private mapping shows what others store to it until it is stored
 * to itself, page by page, as in Linux.
 *
 * NO_TSA: functions that keep the entry in one of several outcomes, or try locks in a loop, are not
 * followed by Clang; their contracts stand on the declarations.
 */
#include <string.h>

#include "engine/fault.h"
#include "engine/inject.h"
#include "engine/park.h"
#include "engine/safe_copy.h"
#include "engine/test_points.h"

#define PAGE_MASK (~UINT64_C(0) << ENTRY_PAGE_SHIFT)

bool fault_waits_for_fork(struct fault *f) NO_TSA
{
	/* NO_TSA: releases in one of two outcomes. */
	struct mm_space *s = f->s;

	if (__builtin_expect(!atomic_load_explicit(&s->forking, memory_order_seq_cst), 1))
		return false;
	map_unit_install(&s->map, &f->u, f->word);
	MM_TEST_POINT(fault_waits_for_fork);
	for (;;) {
		struct park_ticket ticket = park_prepare(&s->forking);

		if (!atomic_load_explicit(&s->forking, memory_order_seq_cst))
			return true;
		park_wait(ticket);
	}
}

/* The word of a private page that is ours alone. HOSTED goes: the host shows less, or another. */
static uint64_t owned(const struct fault *f, uint32_t page)
{
	uint64_t rest = f->word & ~(PAGE_MASK | ENTRY_ACCESS_MASK | ENTRY_COPY | ENTRY_HOSTED);

	return rest | entry_of_page(page) | ENTRY_PRESENT | ENTRY_PRIVATE |
	       entry_of_access(f->v->effective);
}

static bool is_sole_owner(struct fault *f)
{
	uint32_t page = entry_page(f->word);
	uint32_t end = page + (uint32_t)map_span(f->u.level);

	if (!(f->word & ENTRY_PRIVATE))
		return false;
	for (; page < end; page++)
		if (memory_file_count(f->s->mm->memory, page) != 1)
			return false;
	return true;
}

/* A page of our own with the bytes of `from`. 0, -ENOMEM, or why `from` cannot be read. */
static int copy_page(struct fault *f, uint32_t from, uint32_t *page) MAY_LOCK_ARENA
{
	struct mm *mm = f->s->mm;
	int rc = memory_file_alloc(mm->memory, (int)space_node(mm, f->v, f->page), page);

	if (rc)
		return rc;
	MM_TEST_POINT(fault_copying); /* the entry held */
	struct safe_copied c = safe_copy(memory_file_memory(mm->memory, *page),
					 memory_file_memory(mm->memory, from), MM_PAGE_SIZE);

	memory_file_mark_dirty(mm->memory, *page);
	if (__builtin_expect(c.left || MM_INJECT(INJECT_FILL), 0)) {
		memory_file_dec(mm->memory, *page);
		return bus_error(EIO); /* a file that was cut under us, or a disk that failed */
	}
	atomic_fetch_add_explicit(&mm_here(mm)->copied_pages, 1, memory_order_relaxed);
	return 0;
}

int fault_copy_from(struct fault *f, uint32_t from)
{
	uint32_t page;
	int rc = copy_page(f, from, &page);

	if (rc) {
		map_unit_install(&f->s->map, &f->u, f->word);
		return rc;
	}
	rc = fault_finish(f, owned(f, page));
	if (rc)
		memory_file_dec(f->s->mm->memory, page);
	return rc;
}

/* One page, or a whole 2 MiB page of which we are the sole owner; never a copy of 2 MiB. */
static int copy_or_take(struct fault *f) RELEASES(entry_class) MAY_LOCK_DATA
{
	uint32_t old = entry_page(f->word);

	if (is_sole_owner(f) && !fault_is_part(f))
		return fault_finish(f, owned(f, old));
	int rc = fault_copy_from(f, old);

	if (!rc)
		memory_file_dec(f->s->mm->memory, old);
	return rc;
}

static bool is_pinned(const struct fault *f)
{
	for (uint32_t i = 0; i < MM_HUGE_PAGES; i++)
		if (memory_file_pins(f->s->mm->memory, entry_page(f->word) + i))
			return true;
	return false;
}

/* A 2 MiB page of our own with the bytes of `from`. 0 or -ENOMEM. */
static int copy_huge_page(struct fault *f, enum page_class cls, uint32_t from, uint32_t *page)
	MAY_LOCK_ARENA
{
	struct mm *mm = f->s->mm;
	struct memory_file *mf = mm->memory;
	int node = (int)space_node(mm, f->v, f->u.page / map_span(1));
	int rc = memory_file_alloc_huge(mf, node, cls, page);

	if (rc)
		return rc;
	memcpy(memory_file_memory(mf, *page), memory_file_memory(mf, from), MM_HUGE_SIZE);
	memory_file_mark_dirty_range(mf, *page, MM_HUGE_PAGES);
	atomic_fetch_add_explicit(&mm_here(mm)->copied_pages, MM_HUGE_PAGES, memory_order_relaxed);
	return 0;
}

int fault_copy_huge_from(struct fault *f, uint32_t from)
{
	struct mm *mm = f->s->mm;
	struct node *spare = node_alloc(&mm->node_pool);
	uint32_t page;
	int rc = spare ? copy_huge_page(f, PAGE_2M, from, &page) : -ENOMEM;

	if (rc) {
		if (spare)
			node_free(spare);
		map_unit_install(&f->s->map, &f->u, f->word);
		return rc;
	}
	unit_deposit(f->s, page, spare);
	rc = fault_finish(f, owned(f, page) | ENTRY_HUGE);
	if (rc) {
		unit_withdraw(f->s, page, 1);
		memory_file_dec_range(mm->memory, page, MM_HUGE_PAGES);
	}
	return rc;
}

/* A 2 MiB page, or part of a larger one, is copied as such; if there is none to be had, or a pin
 * wants a page to stay what it is, it is split. */
int fault_copy_huge(struct fault *f) NO_TSA
{
	/* NO_TSA: keeps the lock for FAULT_SMALL. */
	struct mm *mm = f->s->mm;
	struct memory_file *mf = mm->memory;
	uint32_t old = entry_page(f->word);
	enum page_class cls = memory_file_class(mf, old);
	uint32_t page;

	if (cls == PAGE_1G)
		cls = PAGE_2M;
	if ((cls != PAGE_2M && mm->copy_pages < MM_HUGE_PAGES) || is_pinned(f))
		return FAULT_SMALL;
	if (copy_huge_page(f, cls, old, &page))
		return FAULT_SMALL;
	struct node *spare = unit_take_deposit(f->s, old);

	unit_deposit(f->s, page, spare);
	int rc = fault_finish(f, owned(f, page));

	if (rc) {
		spare = unit_take_deposit(f->s, page);
		unit_deposit(f->s, old, spare);
		memory_file_dec_range(mf, page, MM_HUGE_PAGES);
	} else {
		memory_file_dec_range(mf, old, MM_HUGE_PAGES);
	}
	return rc;
}

/* Copies the neighbours in the copy unit of `page` that a fork shares, if nobody holds them. */
static void copy_neighbours(struct mm_space *s, uint64_t page) NO_TSA
{
	/* NO_TSA: try-locks in a loop. */
	const uint64_t want = ENTRY_PRESENT | ENTRY_COPY | ENTRY_PRIVATE;
	uint64_t first = page & ~(uint64_t)(s->mm->copy_pages - 1);
	struct fault f = { .s = s, .at = MM_WRITE };

	for (f.page = first; f.page < first + s->mm->copy_pages; f.page++) {
		if (f.page == page ||
		    !address_map_try_page(&s->map, f.page, want | ENTRY_HUGE, want, &f.u, &f.word))
			continue;
		f.v = vma_at(&s->mm->vma_pool, entry_vma(f.word));
		if (!(f.v->effective & MM_WRITE) || vma_copies_one_page(f.v) ||
		    atomic_load_explicit(&s->forking, memory_order_seq_cst)) {
			map_unit_install(&s->map, &f.u, f.word);
			continue;
		}
		if (copy_or_take(&f))
			return;
	}
}

/* The unit, 2 MiB, shows a mappable's hugetlb page, all of which is copied. */
static int copy_of_mappable(struct fault *f) RELEASES(entry_class) MAY_LOCK_PLATFORM
{
	uint32_t old = entry_page(f->word);
	int rc = fault_copy_huge_from(f, old);

	if (!rc)
		memory_file_dec_range(f->s->mm->memory, old, MM_HUGE_PAGES);
	return rc;
}

int fault_copy(struct fault *f) NO_TSA
{
	/* NO_TSA: keeps the lock for FAULT_SMALL. */
	struct mm_space *s = f->s;
	bool one_page = vma_copies_one_page(f->v);
	uint32_t old = entry_page(f->word);
	uint64_t page = f->page;
	int rc;

	if (fault_waits_for_fork(f))
		return FAULT_AGAIN;
	if (f->u.level) {
		if (!(f->word & ENTRY_PRIVATE))
			return fault_copies_whole(f, old) ? copy_of_mappable(f) : FAULT_SMALL;
		return is_sole_owner(f) && !fault_is_part(f) ? copy_or_take(f) : fault_copy_huge(f);
	}
	rc = copy_or_take(f);
	if (!rc && !one_page)
		copy_neighbours(s, page);
	return rc;
}
