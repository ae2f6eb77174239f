/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_check_mappables.c - P9 and P5: what mappables know of us, and we of them.
 *
 * P9: the reverse map of each mappable names exactly the (space, addresses, offsets, writable) that
 * entries name. Both sides are brought into one form, sorted runs as long as possible, and compared
 * one by one. P5: a page of a mappable that an entry names is the one that the mappable has at that
 * offset now; another one would have been invalidated.
 *
 * Only mappables of the family's list are looked at, and only spaces of this mm: objects of tests
 * that do neither tell nor keep are passed over. No locks but each mappable's rmap, one at a time.
 */
#include <inttypes.h>

#include "engine/memory_foreign.h"
#include "engine/space_check.h"

/* A mapping of a mappable. */
struct mapping {
	const struct mappable *mappable;
	const struct mapping_space *space;
	struct addr_range range;
	uint64_t offset; /* at range.start */
	bool writable;
};

/* Pages that a mappable has. */
struct holding {
	const struct mappable *mappable;
	struct mappable_range range;
	uint32_t first_page;
};

struct mappables_check {
	struct mm *mm;
	const struct check_space *spaces;
	size_t space_count;
	const struct mappable *current; /* who is asked now */
	struct mapping *told, *seen; /* by mappables; in entries */
	size_t told_count, seen_count;
	struct holding *holdings; /* sorted by mappable and offset */
	size_t holding_count;
};

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_mappings(const void *a, const void *b)
{
	const struct mapping *x = a;
	const struct mapping *y = b;
	int c = compare_u64((uintptr_t)x->mappable, (uintptr_t)y->mappable);

	if (!c)
		c = compare_u64(x->space->id, y->space->id);
	if (!c)
		c = compare_u64(x->range.start, y->range.start);
	return c ? c : compare_u64(x->offset, y->offset);
}

/* Are the two one mapping? */
static bool is_followed_by(const struct mapping *a, const struct mapping *b)
{
	return a->mappable == b->mappable && a->space == b->space &&
	       a->range.end == b->range.start && a->writable == b->writable &&
	       a->offset + addr_range_length(a->range) == b->offset;
}

static int compare_holdings(const void *a, const void *b)
{
	const struct holding *x = a;
	const struct holding *y = b;
	int c = compare_u64((uintptr_t)x->mappable, (uintptr_t)y->mappable);

	return c ? c : compare_u64(x->range.start, y->range.start);
}

/* ---- what mappables tell ---- */

static bool is_ours(const struct mappables_check *c, const struct mapping_space *ms)
{
	for (size_t k = 0; k < c->space_count; k++)
		if (&c->spaces[k].s->ms == ms)
			return true;
	return false;
}

static void note_mapping(struct mappable_range mr, struct mapping_space *ms, struct addr_range ar,
			 bool writable, void *arg)
{
	struct mappables_check *c = arg;

	if (!is_ours(c, ms))
		return;
	c->told = check_room(c->told, c->told_count, sizeof(c->told[0]));
	c->told[c->told_count++] = (struct mapping){ c->current, ms, ar, mr.start, writable };
}

static void note_pages(struct mappable_range mr, uint32_t first_page, void *arg)
{
	struct mappables_check *c = arg;

	c->holdings = check_room(c->holdings, c->holding_count, sizeof(c->holdings[0]));
	c->holdings[c->holding_count++] = (struct holding){ c->current, mr, first_page };
}

static void ask_mappables(struct mappables_check *c) MAY_LOCK_RMAP
{
	struct mappable_list *list = &c->mm->memory->mappables;

	for (struct mappable *m = mappable_list_next(list, NULL); m;
	     m = mappable_list_next(list, m)) {
		c->current = m;
		mappable_visit_mappings(m, note_mapping, c);
		mappable_visit_pages(m, note_pages, c);
	}
	if (c->holding_count)
		qsort(c->holdings, c->holding_count, sizeof(c->holdings[0]), compare_holdings);
}

static bool is_listed(const struct mappables_check *c, const struct mappable *wanted) MAY_LOCK_LEAF
{
	struct mappable_list *list = &c->mm->memory->mappables;
	struct mappable *m = mappable_list_next(list, NULL);

	while (m && m != wanted)
		m = mappable_list_next(list, m);
	return m;
}

/* ---- what entries name ---- */

/* Adds a mapping behind those seen, or to the last one if they are one: entries are many. */
static void see_mapping(struct mappables_check *c, struct mapping m)
{
	struct mapping *last = c->seen_count ? &c->seen[c->seen_count - 1] : NULL;

	if (last && is_followed_by(last, &m)) {
		last->range.end = m.range.end;
		return;
	}
	c->seen = check_room(c->seen, c->seen_count, sizeof(c->seen[0]));
	c->seen[c->seen_count++] = m;
}

/* P5 for a page of a mappable that has told its pages. */
static void check_current(const struct mappables_check *c, const struct check_entry *e,
			  const struct vma *v)
{
	uint64_t offset = vma_offset(v, e->page);
	size_t low = 0;
	size_t high = c->holding_count;

	while (low < high) { /* the first that begins behind the offset */
		size_t middle = low + (high - low) / 2;
		const struct holding *h = &c->holdings[middle];

		if (h->mappable < v->mappable ||
		    (h->mappable == v->mappable && h->range.start <= offset))
			low = middle + 1;
		else
			high = middle;
	}
	const struct holding *h = low ? &c->holdings[low - 1] : NULL;

	if (!h || h->mappable != v->mappable || offset >= h->range.end)
		mm_fail("address %#llx: page %u of offset %#" PRIx64
			" is mapped, but the mappable has no page there",
			check_address(e), entry_page(e->word), offset);
	uint32_t page = h->first_page + (uint32_t)((offset - h->range.start) >> MM_PAGE_SHIFT);

	if (page != entry_page(e->word))
		mm_fail("address %#llx: page %u of offset %#" PRIx64
			" is mapped, but the mappable has page %u there",
			check_address(e), entry_page(e->word), offset, page);
}

/* P5 for a host file's page, which stands at the same offset in the file and in the mappable. */
static void check_foreign(struct memory_file *mf, const struct check_entry *e, const struct vma *v)
{
	uint64_t offset;

	(void)memory_file_of(mf, entry_page(e->word), &offset);
	if (offset != vma_offset(v, e->page))
		mm_fail("address %#llx: offset %#" PRIx64
			" of a host file is mapped, not %#" PRIx64,
			check_address(e), offset, vma_offset(v, e->page));
}

/* P5 for a present entry of a listed mappable. */
static void check_translation_of(const struct mappables_check *c, const struct check_entry *e,
				 const struct vma *v)
{
	if (v->mappable->ops->visit_pages)
		check_current(c, e, v);
	else if (memory_file_is_foreign(c->mm->memory, entry_page(e->word)))
		check_foreign(c->mm->memory, e, v);
}

static void look_at_entries(struct mappables_check *c, const struct check_space *s) MAY_LOCK_LEAF
{
	const struct mappable *last = NULL;
	bool listed = false;

	for (size_t i = 0; i < s->count; i++) {
		const struct check_entry *e = &s->entries[i];
		const struct vma *v = check_vma(s, e);

		if (!v->mappable)
			continue;
		if (v->mappable != last) {
			last = v->mappable;
			listed = is_listed(c, last);
		}
		if (!listed)
			continue;
		if (v->mappable->ops->visit_mappings)
			see_mapping(c, (struct mapping){
					       v->mappable, &s->s->ms,
					       pages_to_addresses(e->page, check_entry_end(e)),
					       vma_offset(v, e->page), vma_writable(v) });
		if ((e->word & (ENTRY_PRESENT | ENTRY_PRIVATE)) == ENTRY_PRESENT)
			check_translation_of(c, e, v);
	}
}

/* ---- comparing ---- */

static _Noreturn void fail_mapping(const char *what, const struct mapping *m)
{
	mm_fail("space %" PRIu64 ": [%#" PRIx64 ", %#" PRIx64 ") at offset %#" PRIx64
		" of a mappable, %s, %s",
		m->space->id, m->range.start, m->range.end, m->offset,
		m->writable ? "writable" : "not writable", what);
}

static void sort_mappings(struct mapping *m, size_t *count)
{
	size_t kept = 0;

	if (*count)
		qsort(m, *count, sizeof(m[0]), compare_mappings);
	for (size_t i = 0; i < *count; i++)
		if (!kept || !is_followed_by(&m[kept - 1], &m[i]))
			m[kept++] = m[i];
		else
			m[kept - 1].range.end = m[i].range.end;
	*count = kept;
}

static void compare_reverse_maps(struct mappables_check *c)
{
	size_t common;
	size_t i = 0;

	sort_mappings(c->told, &c->told_count);
	sort_mappings(c->seen, &c->seen_count);
	common = c->told_count < c->seen_count ? c->told_count : c->seen_count;
	while (i < common && !compare_mappings(&c->told[i], &c->seen[i]) &&
	       c->told[i].range.end == c->seen[i].range.end &&
	       c->told[i].writable == c->seen[i].writable)
		i++;
	if (i < c->seen_count &&
	    (i == c->told_count || compare_mappings(&c->seen[i], &c->told[i]) <= 0))
		fail_mapping("is mapped, but its reverse map says otherwise", &c->seen[i]);
	if (i < c->told_count)
		fail_mapping("is in its reverse map, but not mapped", &c->told[i]);
}

void check_mappables(struct mm *mm, const struct check_space *spaces, size_t count)
{
	struct mappables_check c = { .mm = mm, .spaces = spaces, .space_count = count };

	ask_mappables(&c);
	for (size_t k = 0; k < count; k++)
		look_at_entries(&c, &spaces[k]);
	compare_reverse_maps(&c);
	free(c.told);
	free(c.seen);
	free(c.holdings);
}
