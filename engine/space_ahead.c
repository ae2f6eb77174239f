/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_ahead.c - faults that bring neighbours along (mm_opts.ahead_bytes).
 *
 * Of the aligned unit around the page, the entries beside its own that nobody holds, that are
 * absent and of the same vma, are taken by try-lock (lock_order rule 1: a fault waits for no entry
 * but its own) and held together. So one translate and one call of the host serve all of them,
 * between the same two moments as for one page: whoever invalidates finds each entry locked, or
 * with what was installed. The same vma means: with the permissions that are the neighbour's own.
 *
 * Three units: translated is what is held (ahead); of this, what has no memory yet gets it
 * inside the allocation unit only; and the host is shown, in one call, the pages around the
 * fault's that lie one behind the other in a file and inside the map unit. What is left
 * unshown is present, and its first touch shows it. A neighbour that cannot be had stays absent: it
 * never makes a fault fail.
 *
 * Copies before writes have a unit of their own (space_cow.c): their neighbours are present, each
 * with a page of its own.
 *
 * NO_TSA: bodies that keep the entries in one of several outcomes are not followed by Clang.
 */
#include "engine/address_map.h"
#include "engine/fault.h"
#include "engine/test_points.h"

/* What the entries of the held unit are to become; [i] is that of entry u.first + i. */
struct ahead {
	struct fault *f;
	unsigned count, at; /* entries; the one of the fault's page */
	unsigned alloc_first, alloc_end; /* those that may get memory */
	uint64_t words[MAP_FANOUT];
};

/* The part of the held unit in the aligned unit of so many pages around the fault's. */
static void clip(const struct fault *f, unsigned pages, unsigned *first, unsigned *end)
{
	uint64_t start = f->page & ~(uint64_t)(pages - 1);
	uint64_t stop = start + pages;
	uint64_t held = map_unit_end(&f->u);

	*first = start > f->u.page ? (unsigned)(start - f->u.page) : 0;
	*end = (unsigned)((stop < held ? stop : held) - f->u.page);
}

static bool is_filled(const struct ahead *a, unsigned i)
{
	return a->words[i] & ENTRY_PRESENT;
}

/* ---- private anonymous memory ---- */

static int claim(struct ahead *a, unsigned i) MAY_LOCK_ARENA
{
	struct fault *f = a->f;
	struct mm *mm = f->s->mm;
	uint64_t at = f->u.page + i;
	unsigned node = space_node(mm, f->v, at);
	struct reservation *r = vma_reservation(f->v, mm->memory, mm->nodes);
	uint32_t page;
	int rc = r ? reservation_page(r, at, node, PAGE_4K, &page) : -ENOMEM;

	if (!rc)
		rc = memory_file_claim(mm->memory, page);
	if (rc == -EBUSY && i == a->at) /* as in a fault of one page */
		rc = memory_file_alloc(mm->memory, (int)node, &page);
	if (!rc)
		a->words[i] |= entry_of_page(page) | ENTRY_PRESENT | ENTRY_PRIVATE |
			       entry_of_access(f->v->effective);
	return rc;
}

static int fill_anonymous(struct ahead *a) MAY_LOCK_ARENA
{
	int rc = claim(a, a->at);

	if (rc)
		return rc;
	for (unsigned i = a->alloc_first; i < a->alloc_end; i++)
		if (i != a->at && claim(a, i) == -ENOMEM)
			break;
	return 0;
}

/* ---- mappables ---- */

/* Asks for entry i, and for what is there from `first` to `end`; fills in the answer. */
static int translate(struct ahead *a, unsigned i, unsigned first, unsigned end) MAY_LOCK_DATA
{
	struct fault *f = a->f;
	struct memory_file *mf = f->s->mm->memory;
	uint64_t base = vma_offset(f->v, f->u.page);
	struct mappable_range required = { base + i * MM_PAGE_SIZE, base + (i + 1) * MM_PAGE_SIZE };
	struct mappable_range optional = { base + first * MM_PAGE_SIZE, base + end * MM_PAGE_SIZE };
	struct translation t;
	int rc = fault_translate(f, required, optional, access_effective(f->at), &t);

	if (rc)
		return rc;
	for (unsigned k = (unsigned)((t.source.start - base) >> MM_PAGE_SHIFT);
	     k < (t.source.end - base) >> MM_PAGE_SHIFT; k++) {
		uint64_t in_piece = base + k * MM_PAGE_SIZE - t.source.start;
		uint32_t page = memory_file_page_at(mf, t.file, t.offset + in_piece);

		if (is_filled(a, k))
			continue;
		memory_file_inc(mf, page);
		a->words[k] |= entry_of_page(page) | ENTRY_PRESENT |
			       (f->v->is_private ? ENTRY_COPY : 0);
		a->words[k] |= entry_of_access(unit_access(a->words[k], t.perms & f->v->effective));
	}
	return 0;
}

static int fill_mappable(struct ahead *a) MAY_LOCK_DATA
{
	int rc = translate(a, a->at, 0, a->count);

	if (rc)
		return rc;
	/* Upwards first: who goes through an object gets pages that follow one another. */
	for (unsigned i = a->at + 1; i < a->alloc_end; i++)
		if (!is_filled(a, i) && translate(a, i, i, a->alloc_end))
			break;
	for (unsigned i = a->alloc_first; i < a->at; i++)
		if (!is_filled(a, i) && translate(a, i, i, a->at))
			break;
	return 0;
}

/* ---- the host ---- */

/* Does entry i + 1 show what follows, with the same permissions? */
static bool goes_on(const struct ahead *a, unsigned i)
{
	const uint64_t step = UINT64_C(1) << ENTRY_PAGE_SHIFT;

	/* Page numbers follow each other in a file inside of a chunk. */
	return is_filled(a, i) && is_filled(a, i + 1) && a->words[i + 1] - a->words[i] == step &&
	       entry_page(a->words[i + 1]) % MEMORY_CHUNK_PAGES != 0;
}

static int show(struct ahead *a) REQUIRES(entry_class) MAY_LOCK_PLATFORM
{
	struct fault *f = a->f;
	unsigned first, end, low = a->at, high = a->at + 1;
	int rc;

	if (!f->s->host)
		return 0;
	clip(f, f->s->mm->map_pages, &first, &end);
	while (low > first && goes_on(a, low - 1))
		low--;
	while (high < end && goes_on(a, high - 1))
		high++;
	rc = fault_show(f->s, f->u.page + low, f->u.page + high, a->words[low]);
	if (rc && high - low > 1) { /* a neighbour may be to blame */
		low = a->at;
		high = low + 1;
		rc = fault_show(f->s, f->page, f->page + 1, a->words[low]);
	}
	for (unsigned i = low; !rc && i < high; i++)
		a->words[i] |= ENTRY_HOSTED;
	return rc;
}

/* ---- all of it ---- */

static void give_back(struct ahead *a) MAY_LOCK_ARENA
{
	for (unsigned i = 0; i < a->count; i++)
		if (is_filled(a, i))
			memory_file_dec(a->f->s->mm->memory, entry_page(a->words[i]));
}

bool fault_widen(struct fault *f)
{
	struct mm *mm = f->s->mm;
	uint64_t first = f->page & ~(uint64_t)(mm->ahead_pages - 1);

	if (f->opts.force || f->opts.own || (f->v->mappable && fault_needs_own(f)))
		return false;
	address_map_widen(&f->s->map, &f->u, first, first + mm->ahead_pages, f->word);
	return f->u.first != f->u.last;
}

int fault_ahead(struct fault *f) NO_TSA
{
	/* NO_TSA: keeps the entry of its page in one outcome. */
	struct mm *mm = f->s->mm;
	struct ahead a;
	unsigned filled = 0;
	int rc;

	MM_TEST_POINT(fault_ahead_held); /* the entries of the unit */
	/* Read with all of them held, as fault_waits_for_fork() wants it, which is for one page. */
	if (atomic_load_explicit(&f->s->forking, memory_order_seq_cst)) {
		map_unit_unlock_as(&f->s->map, &f->u, f->word);
		return FAULT_ALONE;
	}
	a.f = f;
	a.count = f->u.last - f->u.first + 1;
	a.at = (unsigned)(f->page - f->u.page);
	clip(f, mm->alloc_pages, &a.alloc_first, &a.alloc_end);
	for (unsigned i = 0; i < a.count; i++)
		a.words[i] = f->word;
	rc = f->v->mappable ? fill_mappable(&a) : fill_anonymous(&a);
	if (!rc)
		rc = show(&a);
	if (rc) {
		map_unit_unlock_as(&f->s->map, &f->u, f->word);
		give_back(&a);
		fault_complain(f);
		return rc;
	}
	for (unsigned i = 0; i < a.count; i++)
		filled += is_filled(&a, i);
	map_unit_unlock_words(&f->s->map, &f->u, a.words);
	atomic_fetch_add_explicit(&mm_here(mm)->ahead_faulted, filled - 1, memory_order_relaxed);
	fault_complain(f);
	return 0;
}
