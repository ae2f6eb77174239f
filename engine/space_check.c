/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_check.c - the invariants of one space, and mm_check() over all of them.
 *
 * Checked here, entry by entry: it lies in the space (P1), under a vma that permits what it permits
 * (P2, P4: the vma over that very page, since the entry names it), private pages under private
 * mappings and pages of a mappable under mappings of one (P6), nothing writable that must be
 * copied first (P4), each vma named exactly as often as it counts, the listing whole and joined
 * (P10). What needs the host, the pages or the mappables is in the files next to this one.
 *
 * No locks: the caller has seen to it that nothing else runs (a quiescent point).
 */
#include "engine/space_check.h"

#include <string.h>

#include "engine/memory_foreign.h"
#include "engine/mm_listing.h"

static bool collect_entry(uint64_t page, unsigned level, uint64_t word, void *arg)
{
	struct check_space *c = arg;

	c->entries = check_room(c->entries, c->count, sizeof(c->entries[0]));
	c->entries[c->count++] = (struct check_entry){ page, word, level };
	return true;
}

void check_collect(struct mm_space *s, struct check_space *out)
{
	*out = (struct check_space){ .s = s };
	address_map_visit(&s->map, collect_entry, out);
}

void check_forget(struct check_space *c)
{
	free(c->entries);
	c->entries = NULL;
	c->count = 0;
}

const struct check_entry *check_find(const struct check_space *c, uint64_t page)
{
	size_t low = 0;
	size_t high = c->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (check_entry_end(&c->entries[middle]) <= page)
			low = middle + 1;
		else
			high = middle;
	}
	return low < c->count && c->entries[low].page <= page ? &c->entries[low] : NULL;
}

/* ---- one entry ---- */

static void check_vma_of(const struct check_space *c, const struct check_entry *e)
{
	uint32_t vma = entry_vma(e->word);
	const struct vma *v = check_vma(c, e);

	if (vma >= atomic_load_explicit(&c->s->mm->vma_pool.fresh, memory_order_relaxed))
		mm_fail("address %#llx: vma %u was never made", check_address(e), vma);
	const struct reservation *r = atomic_load_explicit(&v->reservation, memory_order_acquire);

	if (v->effective != access_effective(v->perms) ||
	    !access_superset_of(v->max_perms, v->effective))
		mm_fail("address %#llx: vma %u has perms %u, effective %u, at most %u",
			check_address(e), vma, v->perms, v->effective, v->max_perms);
	if (!v->mappable && !v->is_private)
		mm_fail("address %#llx: vma %u is shared and has no mappable", check_address(e),
			vma);
	if (v->mappable && !page_aligned(v->offset))
		mm_fail("address %#llx: vma %u begins at offset %#llx, not a page",
			check_address(e), vma, (unsigned long long)v->offset);
	if (r && (r->origin > e->page || r->end < check_entry_end(e)))
		mm_fail("address %#llx: the reservation of vma %u is for [%#llx, %#llx)",
			check_address(e), vma, (unsigned long long)r->origin << MM_PAGE_SHIFT,
			(unsigned long long)r->end << MM_PAGE_SHIFT);
}

/* P4, P6: what a present entry may permit, by its vma and by whom its page belongs to. */
static void check_translation(const struct check_space *c, const struct check_entry *e)
{
	const struct vma *v = check_vma(c, e);
	uint64_t word = e->word;
	mm_access access = entry_access(word);

	if (!access_superset_of(v->effective, access) || access != access_effective(access))
		mm_fail("address %#llx: the entry permits %u, its vma %u", check_address(e), access,
			v->effective);
	if ((word & ENTRY_COPY) && (access & MM_WRITE))
		mm_fail("address %#llx: writable before it is copied (entry %#llx)",
			check_address(e), (unsigned long long)word);
	if ((word & ENTRY_COPY) && !v->is_private)
		mm_fail("address %#llx: a shared mapping wants a copy (entry %#llx)",
			check_address(e), (unsigned long long)word);
	if ((word & ENTRY_PRIVATE) && memory_file_is_foreign(c->s->mm->memory, entry_page(word)))
		mm_fail("address %#llx: private page %u is a host file's (entry %#llx)",
			check_address(e), entry_page(word), (unsigned long long)word);
	if ((word & ENTRY_PRIVATE) && !v->is_private)
		mm_fail("address %#llx: a private page under a shared mapping (entry %#llx)",
			check_address(e), (unsigned long long)word);
	if (!(word & ENTRY_PRIVATE) && !v->mappable)
		mm_fail("address %#llx: a page of a mappable where none is mapped (entry %#llx)",
			check_address(e), (unsigned long long)word);
	if (!(word & ENTRY_PRIVATE) && v->is_private && !(word & ENTRY_COPY))
		mm_fail("address %#llx: a private mapping does not copy (entry %#llx)",
			check_address(e), (unsigned long long)word);
}

static void check_page_of(const struct check_space *c, const struct check_entry *e)
{
	struct memory_file *mf = c->s->mm->memory;
	uint32_t page = entry_page(e->word);

	if (!page || page >= mf->page_limit || mf->page_limit - page < map_span(e->level))
		mm_fail("address %#llx: page %u is none", check_address(e), page);
	if (!(e->word & ENTRY_HUGE) != (e->level == 0) || e->level > 2 || page % map_span(e->level))
		mm_fail("address %#llx: page %u at level %u (entry %#llx)", check_address(e), page,
			e->level, (unsigned long long)e->word);
	if ((e->word & ENTRY_HOSTED) && !c->s->host)
		mm_fail("address %#llx: shown by a host space that is not there", check_address(e));
	enum page_class cls = memory_file_class(mf, page);

	if (e->level > 1 && cls != PAGE_1G)
		mm_fail("address %#llx: 1 GiB of page %u, which is none of class 1g",
			check_address(e), page);
	if ((e->word & ENTRY_HOSTED) && page_class_is_hugetlb(cls) &&
	    e->level < page_class_level(cls))
		mm_fail("address %#llx: the host cannot show a part of a huge page",
			check_address(e));
}

static void check_entry(const struct check_space *c, const struct check_entry *e)
{
	if (e->word & (ENTRY_LOCK | ENTRY_WAITER | ENTRY_DEAD))
		mm_fail("address %#llx: entry %#llx is locked, waited for or dead",
			check_address(e), (unsigned long long)e->word);
	if (check_entry_end(e) > c->s->end_page)
		mm_fail("address %#llx: mapped beyond the end of the space, %#llx",
			check_address(e), (unsigned long long)c->s->end_page << MM_PAGE_SHIFT);
	check_vma_of(c, e);
	if (e->word & ENTRY_PRESENT) {
		check_page_of(c, e);
		check_translation(c, e);
	} else if (e->word & ENTRY_TRANSLATION_MASK) {
		mm_fail("address %#llx: absent with a translation (entry %#llx)", check_address(e),
			(unsigned long long)e->word);
	}
}

void check_entries(const struct check_space *c)
{
	for (size_t i = 0; i < c->count; i++)
		check_entry(c, &c->entries[i]);
}

/* ---- the listing ---- */

struct listing_check {
	struct mm_listing_line last;
	uint64_t mapped, resident; /* bytes of all lines */
};

static bool are_mergeable(const struct mm_listing_line *a, const struct mm_listing_line *b)
{
	return a->range.end == b->range.start && a->perms == b->perms &&
	       a->max_perms == b->max_perms && a->is_private == b->is_private &&
	       a->grows_down == b->grows_down && a->locked == b->locked &&
	       a->lock_on_fault == b->lock_on_fault && a->dontfork == b->dontfork &&
	       a->may_be_huge == b->may_be_huge && a->device == b->device && a->inode == b->inode &&
	       a->mappable == b->mappable &&
	       (!a->mappable || a->offset + addr_range_length(a->range) == b->offset) &&
	       strcmp(a->name, b->name) == 0;
}

static bool check_line(const struct mm_listing_line *line, void *arg)
{
	struct listing_check *c = arg;

	if (line->range.start >= line->range.end || line->range.start < c->last.range.end)
		mm_fail("listing: [%#llx, %#llx) follows [%#llx, %#llx)",
			(unsigned long long)line->range.start, (unsigned long long)line->range.end,
			(unsigned long long)c->last.range.start,
			(unsigned long long)c->last.range.end);
	if (are_mergeable(&c->last, line))
		mm_fail("listing: [%#llx, %#llx) and [%#llx, %#llx) are equal in all but range",
			(unsigned long long)c->last.range.start,
			(unsigned long long)c->last.range.end,
			(unsigned long long)line->range.start, (unsigned long long)line->range.end);
	c->last = *line;
	c->mapped += addr_range_length(line->range);
	c->resident += line->memory.resident;
	return true;
}

/* P1, P10: the listing is what the entries say, ascending, with neighbours joined. */
static void check_listing(const struct check_space *c) MAY_LOCK_ANY
{
	struct listing_check listing = { .mapped = 0 };
	uint64_t mapped = 0;
	uint64_t resident = 0;

	for (size_t i = 0; i < c->count; i++) {
		uint64_t bytes = map_span(c->entries[i].level) << MM_PAGE_SHIFT;

		mapped += bytes;
		resident += c->entries[i].word & ENTRY_PRESENT ? bytes : 0;
	}
	mm_listing(c->s, check_line, &listing);
	if (listing.mapped != mapped || listing.resident != resident)
		mm_fail("listing: %llu bytes mapped, %llu resident; entries: %llu and %llu",
			(unsigned long long)listing.mapped, (unsigned long long)listing.resident,
			(unsigned long long)mapped, (unsigned long long)resident);
}

/* ---- vmas ---- */

/* Each vma counts the entries that name it; one that nobody names is dead and gone. */
static void check_vmas(struct mm *mm, const struct check_space *spaces, size_t count, bool all)
	MAY_LOCK_LEAF
{
	uint32_t end = atomic_load_explicit(&mm->vma_pool.fresh, memory_order_relaxed);
	int64_t *named = calloc(end, sizeof(*named));
	uint64_t live = 0;

	MM_CHECK(named);
	for (size_t k = 0; k < count; k++)
		for (size_t i = 0; i < spaces[k].count; i++)
			named[entry_vma(spaces[k].entries[i].word)]++;
	for (uint32_t i = 1; i < end; i++) {
		int64_t counted = atomic_load_explicit(&vma_at(&mm->vma_pool, i)->entries,
						       memory_order_acquire);

		live += named[i] != 0;
		if (named[i] && named[i] != counted)
			mm_fail("vma %u: %lld entries name it, its count is %lld", i,
				(long long)named[i], (long long)counted);
	}
	free(named);
	if (all && live != pool_live(&mm->vma_pool))
		mm_fail("%llu vmas are named by entries, %llu are live", (unsigned long long)live,
			(unsigned long long)pool_live(&mm->vma_pool));
}

/* ---- nodes ---- */

/* Nodes that wait for the day that a folded private translation is split: unit_deposit(). */
static uint64_t deposits_of(const struct check_entry *e)
{
	const uint64_t folded = ENTRY_HUGE | ENTRY_PRIVATE;

	if ((e->word & folded) != folded)
		return 0;
	return e->level > 1 ? MAP_FANOUT + 1 : 1;
}

/* Every node of the pool is in a map, deposited, or waits for its grace period. */
static void check_nodes(struct mm *mm, const struct check_space *spaces, size_t count) MAY_LOCK_LEAF
{
	uint64_t waiting = address_map_leaves_waiting(); /* before `live`: both only fall now */
	uint64_t live = pool_live(&mm->node_pool);
	uint64_t used = 0;

	for (size_t k = 0; k < count; k++) {
		used += address_map_count_nodes(&spaces[k].s->map);
		for (size_t i = 0; i < spaces[k].count; i++)
			used += deposits_of(&spaces[k].entries[i]);
	}
	if (live < used || live > used + waiting)
		mm_fail("%llu nodes are live, %llu are in maps or deposited, %llu are reclaimed",
			(unsigned long long)live, (unsigned long long)used,
			(unsigned long long)waiting);
}

/* ---- the checks ---- */

/* P3 */
static void check_usage(const struct check_space *c) MAY_LOCK_ANY
{
	struct range_held held;

	range_lock_all(&c->s->mapping, &held);
	space_usage_check(c->s);
	range_lock_unlock(&held);
}

static void check_space(struct check_space *c) MAY_LOCK_ANY
{
	check_entries(c);
	check_host(c);
	check_listing(c);
	check_usage(c);
}

void mm_space_check(struct mm_space *s)
{
	struct check_space c;

	check_collect(s, &c);
	check_space(&c);
	check_vmas(s->mm, &c, 1, false);
	check_forget(&c);
}

void mm_check(struct mm *mm)
{
	struct check_space *spaces = NULL;
	size_t count = 0;

	for (struct mm_space *s = mm_first_space(mm); s; s = mm_next_space(s)) {
		spaces = check_room(spaces, count, sizeof(spaces[0]));
		check_collect(s, &spaces[count]);
		check_space(&spaces[count++]);
	}
	check_vmas(mm, spaces, count, true);
	check_nodes(mm, spaces, count);
	check_pages(mm, spaces, count);
	check_mappables(mm, spaces, count);
	memory_file_check(mm->memory);
	for (size_t k = 0; k < count; k++)
		check_forget(&spaces[k]);
	free(spaces);
}
