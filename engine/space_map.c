/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_map.c - mmap and munmap.
 *
 * Adding (lock_order rule 2): the range is held in `mapping`, what is there is removed, the
 * mappable is told, and only then are entries published: a truncate in between finds the space in
 * the mapping_set and nothing in the entries. Removing (rule 3): see unit.c.
 *
 * Entries that nobody has touched are mapped and unmapped by one exchange each, which is their lock
 * and its release in one (address_map_replace_absent): they name a vma and have no translation, so
 * nothing is hidden or dropped under their locks. `mapping`, which is held, keeps the vmas. With
 * the count that is then settled once, and the object that pool.h keeps in front of its list,
 * mapping and unmapping a page take 7 atomic operations instead of 15, and half the time.
 *
 * NO_TSA: bodies that lock in loops, or on some paths only, are not followed by Clang; their
 * contracts stand on the declarations.
 */
#include "engine/space_map.h"

#include <errno.h>

#include "engine/fail.h"
#include "engine/space_populate.h"
#include "engine/space_range.h"
#include "engine/test_points.h"

#define SEARCH_START (UINT64_C(1) << 8) /* first page that is chosen for mappings: 1 MiB */
#define SEARCH_32BIT_END (UINT64_C(1) << 20)

/* Gives back what the runs of d stood for. */
static void unaccount(struct mm_space *s, const struct unit_drop *d) REQUIRES(mapping_class)
{
	for (unsigned i = 0; i < d->run_count; i++)
		space_unreserve(s, vma_at(&s->mm->vma_pool, d->runs[i].vma),
				d->runs[i].end - d->runs[i].first);
}

/*
 * The quick way for what nobody has touched: nothing to hide and no page to drop, so the entries
 * need not be held together. Returns how many have become `to`.
 */
static unsigned replace_absent(struct mm_space *s, uint64_t *cursor, uint64_t end, uint64_t to,
			       struct unit_drop *d) REQUIRES(mapping_class)
{
	uint64_t first = *cursor;
	uint32_t vma;
	unsigned count = address_map_replace_absent(&s->map, cursor, end, to, &vma);

	d->page_count = d->huge = 0;
	d->run_count = count && vma;
	d->runs[0] = (struct unit_run){ vma, count, first, *cursor };
	return count;
}

/* Lets go of what was there and gives all entries of the unit the word `to`. Returns how many. */
static unsigned replace_unit(struct mm_space *s, struct map_unit *u, uint64_t to,
			     struct unit_drop *d) RELEASES(entry_class) NO_TSA
{
	/* NO_TSA: releases by two different calls. */
	unit_take(s, u, true, true, d);
	if (map_unit_is_leaf(u)) {
		address_map_remove_leaf(&s->map, u, to);
		return 1;
	}
	map_unit_unlock_as(&s->map, u, to);
	return u->last - u->first + 1;
}

/*
 * Gives every entry of the range the word `to` instead of what is there; account: what goes is
 * given back. *named: how many entries have it. 0, or -ENOMEM: what is behind *stopped is as it
 * was.
 */
static int replace_pages(struct mm_space *s, uint64_t start, uint64_t end, uint64_t to,
			 bool account, uint32_t *dead, uint64_t *stopped, uint64_t *named) NO_TSA
{
	/* NO_TSA: Clang does not follow the release through the branches of a loop. */
	struct map_unit u;
	struct unit_drop d;
	uint64_t cursor = start;
	int error = 0;

	*named = 0;
	*stopped = cursor;
	while (cursor < end) {
		unsigned count = replace_absent(s, &cursor, end, to, &d);

		if (!count) {
			if (!address_map_next(&s->map, &cursor, end, MAP_WALK_ALL, &u, &error))
				return error;
			if (unit_is_partial(&u, start, end)) {
				unit_split(s, &u, start, end);
				cursor = *stopped;
				continue;
			}
			count = replace_unit(s, &u, to, &d);
		}
		*stopped = cursor;
		*named += count;
		MM_TEST_POINT(space_unmap_taken); /* mapping held */
		unit_drop_pages(s, &d);
		MM_TEST_POINT(space_unmap_dropped); /* mapping held */
		if (account && s->usage.counting)
			unaccount(s, &d);
		unit_drop_vmas(s, &d, dead);
	}
	return 0;
}

/* space_unmap; account: what goes is given back. */
static int unmap_pages(struct mm_space *s, uint64_t start, uint64_t end, bool account,
		       uint32_t *dead, uint64_t *stopped) REQUIRES(mapping_class) MAY_LOCK_RMAP
{
	uint64_t named;

	return replace_pages(s, start, end, 0, account, dead, stopped, &named);
}

int space_unmap(struct mm_space *s, uint64_t start, uint64_t end, uint32_t *dead, uint64_t *stopped)
{
	return unmap_pages(s, start, end, true, dead, stopped);
}

bool space_range_is_free(const struct mm_space *s, uint64_t start, uint64_t end)
{
	return space_next_mapped(s, start, end) == end;
}

int space_publish(struct mm_space *s, uint64_t start, uint64_t end, uint32_t vma, uint64_t *stopped)
{
	struct map_unit u;
	uint64_t cursor = start;
	int error = 0;

	for (;;) {
		*stopped = cursor;
		if (!address_map_next(&s->map, &cursor, end, MAP_WALK_ALL, &u, &error))
			return error;
		for (unsigned i = u.first; i <= u.last; i++)
			map_unit_set(&u, i, entry_of_vma(vma));
		vma_add(&s->mm->vma_pool, vma, u.last - u.first + 1);
		map_unit_unlock(&s->map, &u);
	}
}

/* Do the arguments make sense, before it is known where the mapping goes? In Linux's order. */
static int check_opts(const struct mm_space *s, const struct mmap_opts *o, uint64_t *length)
{
	uint64_t end = s->end_page << MM_PAGE_SHIFT;

	if ((o->mappable && !page_aligned(o->offset)) || !o->length)
		return -EINVAL;
	if (!page_round_up(o->length, length))
		return -ENOMEM;
	if (o->mappable && o->offset + *length < o->offset)
		return -EOVERFLOW;
	if (*length > end || (o->fixed && o->address > end - *length))
		return -ENOMEM;
	if (o->fixed && !page_aligned(o->address))
		return -EINVAL;
	if (o->mappable && o->offset + *length > INT64_MAX)
		return -EOVERFLOW;
	if ((o->unmap || o->no_replace) && !o->fixed)
		return -EINVAL;
	if ((o->unmap && o->no_replace) || (o->force && !o->unmap))
		return -EINVAL;
	if (o->grows_down && o->mappable)
		return -EINVAL;
	if (!o->mappable && !o->is_private)
		return -EINVAL;
	return 0;
}

/* As address_map_find_gap, and clear of the guard gap below what grows down. */
static bool find_gap(const struct mm_space *s, uint64_t from, uint64_t to, uint64_t pages,
		     uint64_t align, uint64_t *start) REQUIRES(mapping_class)
{
	while (address_map_find_gap(&s->map, from, to, pages, align, start)) {
		if (space_guard_is_free(s, *start + pages))
			return true;
		/* the gap ends with it: the next one is behind */
		from = space_next_mapped(s, *start + pages, to);
	}
	return false;
}

bool space_find_gap(const struct mm_space *s, uint64_t pages, uint64_t place, uint64_t *start)
{
	uint64_t from = SEARCH_START < s->end_page / 2 ? SEARCH_START : 1;
	uint64_t skew = place % MM_HUGE_PAGES;

	if (pages >= MM_HUGE_PAGES &&
	    find_gap(s, from, s->end_page, pages + skew, MM_HUGE_PAGES, start)) {
		*start += skew;
		return true;
	}
	return find_gap(s, from, s->end_page, pages, 1, start);
}

/* What a mapping that the caller may place is aligned to, so that huge pages fit. */
static uint64_t alignment(const struct mm_space *s, const struct mmap_opts *o, uint64_t pages)
{
	if (!o->is_private || o->stack || o->grows_down || pages % MM_HUGE_PAGES)
		return 1;
	if (s->mm->page_class == PAGE_1G && pages % MEMORY_CHUNK_PAGES == 0)
		return MEMORY_CHUNK_PAGES;
	return MM_HUGE_PAGES;
}

/* Chooses a place: the hint if it is free, else the lowest that fits; multiples of a huge page
 * of private memory are aligned if they can be. */
static bool choose(const struct mm_space *s, const struct mmap_opts *o, uint64_t pages,
		   uint64_t *start) REQUIRES(mapping_class)
{
	uint64_t hint = o->address >> MM_PAGE_SHIFT;
	uint64_t end = o->map_32bit && s->end_page > SEARCH_32BIT_END ? SEARCH_32BIT_END
								      : s->end_page;
	uint64_t from = SEARCH_START < end / 2 ? SEARCH_START : 1;
	uint64_t align = alignment(s, o, pages);

	if (hint && hint <= end && pages <= end - hint &&
	    space_range_is_free(s, hint, hint + pages) && space_guard_is_free(s, hint + pages)) {
		*start = hint;
		return true;
	}
	if (align > 1 && find_gap(s, from, end, pages, align, start))
		return true;
	return find_gap(s, from, end, pages, 1, start);
}

void space_unpublish(struct mm_space *s, uint32_t vma, uint64_t start, uint64_t stopped,
		     uint64_t end, uint32_t *dead)
{
	const struct vma *v = vma_at(&s->mm->vma_pool, vma);
	uint64_t at;
	int rc = unmap_pages(s, start, stopped, false, dead, &at);

	MM_CHECK(!rc); /* what was published as units is removed as the same units */
	if (v->mappable && stopped < end)
		mappable_remove_mapping(v->mappable, &s->ms, pages_to_addresses(stopped, end),
					vma_offset(v, stopped), vma_writable(v));
}

/*
 * Anonymous memory instead of what is there: removing and adding in one go, since no mappable has
 * to be told in between. On -ENOMEM the new vma is gone again, and what is behind *stopped is as
 * it was. Entries are counted when all have the vma: until then VMA_BUILDING keeps it.
 */
static int replace_range(struct mm_space *s, uint32_t vma, uint64_t start, uint64_t end,
			 uint32_t *dead, uint64_t *stopped, uint64_t *named) REQUIRES(mapping_class)
	MAY_LOCK_RMAP
{
	int rc = replace_pages(s, start, end, entry_of_vma(vma), false, dead, stopped, named);

	if (rc)
		space_unpublish(s, vma, start, *stopped, end, dead);
	return rc;
}

/* The free range is held and charged. */
static int add_range(struct mm_space *s, uint32_t vma, uint64_t start, uint64_t end, uint32_t *dead)
	REQUIRES(mapping_class) MAY_LOCK_RMAP
{
	const struct vma *v = vma_at(&s->mm->vma_pool, vma);
	uint64_t stopped;
	int rc = 0;

	if (v->mappable)
		rc = mappable_add_mapping(v->mappable, &s->ms, pages_to_addresses(start, end),
					  v->offset, vma_writable(v));
	MM_TEST_POINT(space_map_added); /* mapping held */
	if (rc)
		return rc;
	rc = space_publish(s, start, end, vma, &stopped);
	if (rc)
		space_unpublish(s, vma, start, stopped, end, dead);
	return rc;
}

/*
 * `less`, what is replaced, is taken off the account together with the charge for the new mapping,
 * not before it: so nobody else can take the room between the two.
 */
int space_map_range(struct mm_space *s, const struct mmap_opts *o, uint64_t start, uint64_t end,
		    enum mlock_mode *mode, uint32_t *dead)
{
	struct pool *vmas = &s->mm->vma_pool;
	struct space_pages less = { 0 };
	uint64_t stopped, named = 0;
	uint32_t vma;
	int rc;

	if (o->fixed && !o->unmap && !space_range_is_free(s, start, end))
		return o->no_replace ? -EEXIST : -ENOMEM;
	if (o->mlock_mode != MLOCK_NONE && !space_may_lock(s))
		return -EPERM;
	if (!access_superset_of(o->max_perms, access_effective(o->perms)))
		return -EACCES;
	*mode = o->mlock_mode > s->mlock_default ? o->mlock_mode : s->mlock_default;
	rc = vma_create(vmas, o, start, end, (uint8_t)s->mm->page_class, &vma);
	if (rc)
		return rc;
	struct vma *v = vma_at(vmas, vma);

	v->mlock_mode = (uint8_t)*mode;
	if (*mode != MLOCK_NONE)
		atomic_store_explicit(&s->locks_memory, true, memory_order_release);
	if (v->grows_down) {
		v->start = start > SPACE_STACK_ROOM ? start - SPACE_STACK_ROOM : 0;
		atomic_store_explicit(&s->has_stacks, true, memory_order_release);
	}
	if (s->usage.counting) {
		if (o->unmap)
			less = space_count(s, start, end);
		rc = space_charge(s, space_pages_of(v, end - start), less);
		if (rc)
			goto out;
	}
	bool at_once = !o->mappable;

	if (at_once)
		rc = replace_range(s, vma, start, end, dead, &stopped, &named);
	else if (o->unmap)
		rc = unmap_pages(s, start, end, false, dead, &stopped);
	if (rc && o->unmap && s->usage.counting)
		space_recharge(s, space_count(s, stopped, end));
	if (!rc && !at_once)
		rc = add_range(s, vma, start, end, dead);
	if (rc)
		space_uncharge(s, space_pages_of(v, end - start));
out:
	if (named == end - start)
		vma_installed(v, (int64_t)named);
	else
		vma_drop(vmas, vma, VMA_BUILDING - (int64_t)named, dead);
	return rc;
}

/* As Linux: what is to be locked as it is faulted in waits for its faults, whatever is asked. */
static bool is_populated(const struct mmap_opts *o, enum mlock_mode mode)
{
	return mode == MLOCK_EAGER || o->require_platform_effect ||
	       (o->platform_effect != PLATFORM_EFFECT_DEFAULT && mode == MLOCK_NONE);
}

#define PLACE_TRIES 8

/*
 * A place in this CPU's arena, whose `mapping` alone is held then. Where stacks are about, the
 * guard gap above it is held as well, so that what is looked at there stays.
 */
static bool lock_arena_place(struct mm_space *s, const struct mmap_opts *o, uint64_t pages,
			     uint64_t *start, struct range_held *held) NO_TSA
{
	/* NO_TSA: locks and releases in a loop. */
	uint64_t align = alignment(s, o, pages);

	for (int i = 0; i < PLACE_TRIES; i++) {
		if (!space_arena_pick(s, pages, align, start))
			return false;
		bool stacks = atomic_load_explicit(&s->has_stacks, memory_order_acquire);
		uint64_t end = *start + pages;
		uint64_t next;

		range_lock_lock(&s->mapping,
				pages_to_addresses(*start, stacks ? end + SPACE_GUARD_PAGES : end),
				held);
		next = space_next_mapped(s, *start, end);
		if (next == end &&
		    stacks == atomic_load_explicit(&s->has_stacks, memory_order_acquire) &&
		    (!stacks || space_guard_is_free(s, end))) {
			space_arena_move(s, end);
			return true;
		}
		if (next == end)
			next = end + SPACE_GUARD_PAGES;
		else
			(void)address_map_peek_run(&s->map, next, &next);
		range_lock_unlock(held);
		space_arena_move(s, next); /* behind what is in the way */
	}
	return false;
}

/* Holds the place where the mapping goes, *start, or more. False: there is none. */
static bool lock_place(struct mm_space *s, const struct mmap_opts *o, uint64_t pages,
		       uint64_t *start, struct range_held *held) TRY_ACQUIRES(true, mapping_class)
	MAY_LOCK_MAPPING NO_TSA
{
	/* NO_TSA: locks in one of three ways. */
	bool arena = !o->address && !o->map_32bit && !o->grows_down;

	if (o->fixed && !o->grows_down) {
		range_lock_lock(&s->mapping, pages_to_addresses(*start, *start + pages), held);
		return true;
	}
	if (!o->fixed && arena && lock_arena_place(s, o, pages, start, held))
		return true;
	range_lock_all(&s->mapping, held);
	if (o->fixed)
		return true;
	if (!choose(s, o, pages, start)) {
		range_lock_unlock(held);
		return false;
	}
	if (arena)
		space_arena_choose(s, pages);
	return true;
}

int mm_mmap(struct mm_space *s, const struct mmap_opts *opts, uint64_t *address)
{
	struct range_held held;
	uint64_t length;
	uint64_t start = opts->address >> MM_PAGE_SHIFT;
	enum mlock_mode mode;
	uint32_t dead = 0;
	int rc = check_opts(s, opts, &length);

	if (rc)
		return rc;
	uint64_t pages = length >> MM_PAGE_SHIFT;

	if (!lock_place(s, opts, pages, &start, &held))
		return -ENOMEM;
	rc = space_map_range(s, opts, start, start + pages, &mode, &dead);
	range_lock_unlock(&held);
	vma_free_dead(&s->mm->vma_pool, dead);
	address_map_bound_backlog();
	if (rc)
		return rc;
	if (is_populated(opts, mode)) {
		rc = space_populate(s, opts->perms, opts->is_private, start, start + pages);
		if (rc && opts->require_platform_effect) {
			int unmapped = mm_munmap(s, start << MM_PAGE_SHIFT, length);

			(void)unmapped; /* the population's error is the one to tell */
			return rc;
		}
	}
	*address = start << MM_PAGE_SHIFT;
	return 0;
}

int mm_munmap(struct mm_space *s, uint64_t address, uint64_t length)
{
	struct range_held held;
	uint64_t start;
	uint64_t end;
	uint64_t stopped;
	uint32_t dead = 0;
	int rc = space_range_pages(address, length, &start, &end);

	if (rc || start == end || end > s->end_page)
		return -EINVAL;
	range_lock_lock(&s->mapping, pages_to_addresses(start, end), &held);
	MM_TEST_POINT(space_unmap_locked); /* mapping held */
	rc = space_unmap(s, start, end, &dead, &stopped);
	range_lock_unlock(&held);
	space_arena_gave(s, start, end);
	vma_free_dead(&s->mm->vma_pool, dead);
	address_map_bound_backlog();
	return rc;
}
