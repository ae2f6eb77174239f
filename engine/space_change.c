/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_change.c - see space_change.h; and mprotect, which is one of the changes.
 *
 * An entry gets its new vma, and loses what access the new one denies, under its own lock, so that
 * a fault sees the old permissions or the new, and the host shows no page with more access than
 * its vma gives once the unit is unlocked.
 *
 * Locks: `mapping` of the range is held; units of entries one after another.
 *
 * NO_TSA: a body that releases by two calls in a loop is not followed by Clang.
 */
#include "engine/space_change.h"

#include <errno.h>

#include "engine/space_populate.h"
#include "engine/space_range.h"

/* The vma that the walk is in, and its copy. */
struct walk {
	struct mm_space *s;
	struct space_change *c;
	uint64_t end; /* of the range */
	uint32_t kept; /* looked at, and as wanted; 0: none */
	uint32_t from, to; /* looked at, and its copy; 0: none */
	uint64_t charged; /* data is charged up to this page */
	uint32_t *dead;
};

static void drop_copy(struct walk *w)
{
	if (w->to)
		vma_drop(&w->s->mm->vma_pool, w->to, VMA_BUILDING, w->dead);
	w->from = w->to = 0;
}

/* Charges what becomes data from `page` to the end of the run of w->from. */
static int charge_data(struct walk *w, uint64_t page) REQUIRES(mapping_class)
{
	struct pool *vmas = &w->s->mm->vma_pool;
	uint32_t vma;

	if (!w->s->usage.counting || page < w->charged || vma_is_data(vma_at(vmas, w->from)) ||
	    !vma_is_data(vma_at(vmas, w->to)))
		return 0;
	uint64_t end = space_run_end(w->s, page, w->end, &vma);
	struct space_pages more = { .data = end - page };
	int rc = space_charge(w->s, more, (struct space_pages){ 0 });

	if (rc)
		return rc;
	w->c->reserved.data += more.data;
	w->charged = end;
	return 0;
}

/* Makes w->to the changed copy of `from`. 0, 1: it is as wanted; or an error. */
static int copy_vma(struct walk *w, uint32_t from) REQUIRES(mapping_class) MAY_LOCK_ARENA
{
	struct mm *mm = w->s->mm;
	struct vma *v = vma_at(&mm->vma_pool, from);
	int rc;

	if (from == w->kept)
		return 1;
	if (from == w->from)
		return 0;
	rc = w->c->look(w->c, v);
	if (rc > 0)
		w->kept = from;
	if (rc)
		return rc;
	drop_copy(w);
	/* One reservation for both, so that their pages stay neighbours. */
	if (!v->mappable && !vma_reservation(v, mm->memory, mm->nodes))
		return -ENOMEM;
	rc = vma_clone(&mm->vma_pool, from, &w->to);
	if (rc) {
		w->to = 0;
		return rc;
	}
	w->from = from;
	return w->c->edit(w->c, vma_at(&mm->vma_pool, w->to));
}

/* `pages` pages have changed from w->from to w->to. */
static void account(struct walk *w, uint64_t pages) REQUIRES(mapping_class)
{
	struct pool *vmas = &w->s->mm->vma_pool;
	struct space_pages old = space_pages_of(vma_at(vmas, w->from), pages);
	struct space_pages now = space_pages_of(vma_at(vmas, w->to), pages);
	struct space_pages less = { 0 };

	if (now.data > old.data)
		w->c->reserved.data -= pages;
	else
		less.data = old.data - now.data;
	if (now.locked > old.locked)
		w->c->reserved.locked -= pages;
	else
		less.locked = old.locked - now.locked;
	space_uncharge(w->s, less);
}

/*
 * The word of an entry whose vma becomes w->to. An entry never permits what its vma does not, nor
 * writing to a page that must be copied first; a page of a mappable gets no new permission: the
 * mappable is asked for it by the next fault.
 */
static uint64_t changed_word(const struct walk *w, uint64_t word)
{
	mm_access now = unit_access(word, vma_at(&w->s->mm->vma_pool, w->to)->effective);

	if (!(word & ENTRY_PRIVATE))
		now &= entry_access(word);
	word = (word & ~(ENTRY_VMA_MASK | ENTRY_ACCESS_MASK)) | entry_of_vma(w->to);
	return word & ENTRY_PRESENT ? word | entry_of_access(now) : word;
}

/* Gives an entry of u the vma w->to; hides the page if it loses access. */
static void change_entry(struct walk *w, struct map_unit *u, unsigned i, struct unit_hide *hide)
	REQUIRES(mapping_class, entry_class) MAY_LOCK_PLATFORM
{
	struct pool *vmas = &w->s->mm->vma_pool;
	uint64_t span = map_span(u->level);
	uint64_t page = u->page + (i - u->first) * span;
	uint64_t word = map_unit_word(u, i);
	uint64_t now = changed_word(w, word);

	if ((word & ENTRY_HOSTED) && (entry_access(word) & ~entry_access(now))) {
		unit_hide_add(hide, page, page + span);
		now &= ~ENTRY_HOSTED;
	} else if (word & ENTRY_HOSTED) {
		unit_hide_flush(w->s, hide);
	}
	if (w->s->usage.counting)
		account(w, span);
	vma_add(vmas, w->to, 1);
	vma_drop(vmas, w->from, 1, w->dead);
	map_unit_set(u, i, now);
}

/* Changes the entries of u; ends at the first that cannot be. */
static int change_unit(struct walk *w, struct map_unit *u) REQUIRES(mapping_class, entry_class)
	MAY_LOCK_PLATFORM
{
	struct unit_hide hide = { 0 };
	int rc = 0;

	for (unsigned i = u->first; i <= u->last; i++) {
		uint32_t from = entry_vma(map_unit_word(u, i));

		if (!from && w->c->over_holes)
			continue;
		rc = from ? copy_vma(w, from) : w->c->hole_error;
		if (rc > 0) {
			rc = 0;
			unit_hide_flush(w->s, &hide); /* it may be shown, and stays */
			continue;
		}
		if (!rc)
			rc = charge_data(w, u->page + (i - u->first) * map_span(u->level));
		if (rc)
			break;
		change_entry(w, u, i, &hide);
	}
	unit_hide_flush(w->s, &hide);
	return rc;
}

/* Is the vma of a folded translation, of which the range covers a part, as it is wanted? */
static bool is_wanted(struct walk *w, const struct map_unit *u)
{
	const struct vma *v = vma_at(&w->s->mm->vma_pool, entry_vma(map_unit_word(u, u->first)));

	return w->c->look(w->c, v) != 0; /* an error is change_unit's to tell */
}

int space_change(struct mm_space *s, uint64_t start, uint64_t end, struct space_change *c,
		 uint32_t *dead) NO_TSA
{
	struct walk w = { .s = s, .c = c, .end = end, .dead = dead };
	struct map_unit u;
	uint64_t cursor = start;
	bool hole = false;
	int rc = 0;

	while (!rc && cursor < end) {
		uint64_t before = cursor;

		cursor = space_next_mapped(s, cursor, end);
		if (cursor != before) {
			hole = true;
			if (!c->over_holes)
				break;
		}
		before = cursor;
		if (!address_map_next(&s->map, &cursor, end, MAP_WALK_ALL, &u, &rc))
			break;
		if (unit_is_partial(&u, start, end) && !is_wanted(&w, &u)) {
			unit_split(s, &u, 0, 0);
			cursor = before;
			continue;
		}
		rc = change_unit(&w, &u);
		map_unit_unlock(&s->map, &u);
	}
	drop_copy(&w);
	space_uncharge(s, c->reserved);
	if (!rc && !hole && c->over_holes)
		hole = space_has_hole(s, start, end);
	return rc ? rc : hole ? c->hole_error : 0;
}

/* ---- mprotect ---- */

static int look_perms(const struct space_change *c, const struct vma *v)
{
	if (!access_superset_of(v->max_perms, access_effective(c->perms)))
		return -EACCES;
	return v->perms == c->perms;
}

static int edit_perms(const struct space_change *c, struct vma *v)
{
	if (v->is_private && v->mlock_mode == MLOCK_EAGER && !(v->perms & MM_WRITE) &&
	    (c->perms & MM_WRITE))
		*c->locked_writable = true;
	vma_set_perms(v, c->perms);
	return 0;
}

/* Where the mapping begins that is at *start, or the next before end. Holds all of `mapping`. */
static int find_bottom(const struct mm_space *s, uint64_t *start, uint64_t end)
	REQUIRES(mapping_class)
{
	struct pool *vmas = &s->mm->vma_pool;
	const struct vma *v = NULL;
	uint64_t bottom = 0;
	uint64_t after = 0;

	while (after <= *start) {
		uint64_t first = space_next_mapped(s, after, s->end_page);
		uint32_t vma;

		if (first >= end)
			return -ENOMEM;
		const struct vma *last = first == after ? v : NULL;

		after = space_run_end(s, first, s->end_page, &vma);
		v = vma_at(vmas, vma);
		if (!last || !vma_continues(last, v))
			bottom = first;
	}
	*start = bottom;
	return v->grows_down ? 0 : -EINVAL;
}

static int protect(struct mm_space *s, uint64_t address, uint64_t length, mm_access perms,
		   bool down) MAY_LOCK_ANY
{
	bool copy_now = false;
	struct space_change c = { .look = look_perms,
				  .edit = edit_perms,
				  .perms = perms,
				  .locked_writable = &copy_now,
				  .hole_error = -ENOMEM };
	struct range_held held;
	uint64_t start;
	uint64_t end;
	uint32_t dead = 0;
	int rc = 0;

	if (!page_aligned(address) || (perms & ~MM_ANY_ACCESS))
		return -EINVAL;
	if (!length)
		return 0;
	if (space_range_pages(address, length, &start, &end))
		return -ENOMEM;
	bool cut = space_range_cut(s, &start, &end);

	if (start == end)
		return -ENOMEM;
	range_lock_lock(&s->mapping,
			down ? (struct addr_range){ 0, UINT64_MAX }
			     : pages_to_addresses(start, end),
			&held);
	if (down)
		rc = find_bottom(s, &start, end);
	if (!rc)
		rc = space_change(s, start, end, &c, &dead);
	range_lock_unlock(&held);
	vma_free_dead(&s->mm->vma_pool, dead);
	if (copy_now) /* locked memory is written without a fault, as in Linux */
		space_populate_private_locked(s, start, end);
	return rc ? rc : cut ? -ENOMEM : 0;
}

int mm_mprotect(struct mm_space *s, uint64_t address, uint64_t length, mm_access perms)
{
	return protect(s, address, length, perms, false);
}

int mm_mprotect_down(struct mm_space *s, uint64_t address, uint64_t length, mm_access perms)
{
	return protect(s, address, length, perms, true);
}
