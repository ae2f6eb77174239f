/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_fork.c - a copy of a space.
 *
 * All of both spaces' `mapping` is held: vmas stand still, and forks of one space take turns. Three
 * steps: (1) for each run of addresses of one vma the child gets a clone of the vma, and mappables
 * are told of the child; (2) entries are copied, each unit of the parent held together with the
 * unit of the child that mirrors it, in that order (the child's id is higher); private pages get
 * one more reference and are marked ENTRY_COPY on both sides; (3) whoever waited goes on.
 *
 * Why no invalidation is lost (lock_order rule 6): mappables know the child before anything is
 * copied and invalidate spaces in ascending id. If the parent is invalidated before its entry is
 * copied, there is nothing to copy; if after, the child comes next and its copy is found there.
 *
 * Why the child sees a prefix of each parent thread's writes: see fault_waits_for_fork(). Pinned
 * pages stay the parent's alone, writable: whoever pinned one writes to it at any time.
 *
 * NO_TSA: bodies that hold entries of two spaces are not followed by Clang; their contracts stand
 * on the declarations.
 */
#include "engine/mm_fork.h"

#include <errno.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/fault.h"
#include "engine/park.h"
#include "engine/test_points.h"

struct fork {
	struct mm_space *parent, *child;
	uint32_t clones; /* vmas of the child, counted VMA_BUILDING; list by next_dead */
	uint64_t registered; /* mappables know the child's runs before this page */
	uint64_t published; /* the child's entries name vmas before this page */
};

/* ---- step 1: vmas ---- */

/* The next run of pages at or after *cursor that one vma covers; false at the end. */
static bool next_run(const struct mm_space *s, uint64_t *cursor, struct unit_run *run)
{
	run->vma = 0;
	while (*cursor < MAP_PAGES) {
		uint64_t end;
		uint32_t vma = address_map_peek_run(&s->map, *cursor, &end);

		if (run->vma && vma != run->vma)
			break;
		if (vma && !run->vma) {
			run->vma = vma;
			run->first = *cursor;
		}
		*cursor = run->end = end;
	}
	return run->vma != 0;
}

/* The child's clone of a vma of the parent: one, however many runs it has. */
static int clone_vma(struct fork *f, uint32_t from) REQUIRES(mapping_class) MAY_LOCK_ARENA
{
	struct pool *vmas = &f->parent->mm->vma_pool;
	struct vma *v = vma_at(vmas, from);
	uint32_t clone;

	if (v->forked_into == f->child->ms.id)
		return 0;
	int rc = vma_clone(vmas, from, &clone);

	if (rc)
		return rc;
	struct vma *c = vma_at(vmas, clone);

	vma_forget_reservation(c); /* its own pages are to be elsewhere */
	c->mlock_mode = MLOCK_NONE;
	c->next_dead = f->clones;
	f->clones = clone;
	v->forked_as = clone;
	v->forked_into = f->child->ms.id;
	return 0;
}

static int register_runs(struct fork *f) REQUIRES(mapping_class) MAY_LOCK_RMAP
{
	struct mm_space *s = f->parent;
	struct unit_run run;
	uint64_t cursor = 0;

	while (next_run(s, &cursor, &run)) {
		const struct vma *v = vma_at(&s->mm->vma_pool, run.vma);

		if (!v->dontfork) {
			int rc = clone_vma(f, run.vma);

			if (!rc && v->mappable)
				rc = mappable_add_mapping(v->mappable, &f->child->ms,
							  pages_to_addresses(run.first, run.end),
							  vma_offset(v, run.first),
							  vma_writable(v));
			if (rc)
				return rc;
		}
		f->registered = run.end;
	}
	return 0;
}

/* Takes back what mappables were told of runs whose entries the child did not get. */
static void unregister_runs(struct fork *f) REQUIRES(mapping_class) MAY_LOCK_RMAP
{
	struct mm_space *s = f->parent;
	struct unit_run run;
	uint64_t cursor = f->published;

	while (cursor < f->registered && next_run(s, &cursor, &run)) {
		const struct vma *v = vma_at(&s->mm->vma_pool, run.vma);

		if (run.end > f->registered)
			run.end = f->registered;
		if (run.first < run.end && v->mappable && !v->dontfork)
			mappable_remove_mapping(v->mappable, &f->child->ms,
						pages_to_addresses(run.first, run.end),
						vma_offset(v, run.first), vma_writable(v));
	}
}

/* ---- step 2: entries ---- */

/* What copying one unit of the parent changes. */
struct unit_copy {
	struct mm_space *parent, *child;
	uint32_t vma, clone; /* of the entries just copied */
	int64_t entries; /* that name the clone, not yet counted */
	struct unit_hide hide; /* of the parent: to be shown again without W */
};

static void count_clones(struct unit_copy *c)
{
	if (c->entries)
		vma_add(&c->child->mm->vma_pool, c->clone, c->entries);
	c->entries = 0;
}

/* Enters the vma of an entry: false if the child does not get it. */
static inline bool enter_vma(struct unit_copy *c, uint32_t vma)
{
	const struct vma *v;

	if (vma != c->vma) {
		count_clones(c);
		v = vma_at(&c->parent->mm->vma_pool, vma);
		c->vma = vma;
		c->clone = v->dontfork ? 0 : v->forked_as;
	}
	if (c->clone)
		c->entries++;
	return c->clone != 0;
}

/* Marks a private translation as shared: *word for both; its page gets a reference. */
static inline void share(struct unit_copy *c, uint64_t *word, uint64_t page, unsigned level)
	MAY_LOCK_BLOCK
{
	struct memory_file *mf = c->parent->mm->memory;

	if (level)
		memory_file_inc_range(mf, entry_page(*word), MM_HUGE_PAGES);
	else
		memory_file_inc(mf, entry_page(*word));
	if ((*word & ENTRY_HOSTED) && (entry_access(*word) & MM_WRITE)) {
		unit_hide_add(&c->hide, page, page + map_span(level));
		*word &= ~ENTRY_HOSTED;
	}
	*word = (*word | ENTRY_COPY) & ~entry_of_access(MM_WRITE);
}

/* Is any page of a present private word pinned? Pins are made under the entry's lock, which we
 * hold; those that go meanwhile cost a copy too many. */
static inline bool is_pinned(const struct fork *f, uint64_t word, unsigned level)
{
	if (!atomic_load_explicit(&f->parent->has_pinned, memory_order_relaxed))
		return false;
	for (uint32_t i = 0; i < map_span(level); i++)
		if (memory_file_pins(f->parent->mm->memory, entry_page(word) + i))
			return true;
	return false;
}

/* The child gets a page of its own; the parent's entry stays as it is. *word: the child's. */
static int copy_pinned(const struct fork *f, uint64_t *word, unsigned level) MAY_LOCK_ARENA
{
	struct memory_file *mf = f->parent->mm->memory;
	uint32_t from = entry_page(*word);
	int node = memory_file_node(mf, from);
	uint32_t pages = (uint32_t)map_span(level);
	uint32_t to;
	int rc = level ? memory_file_alloc_huge(mf, node, memory_file_class(mf, from), &to)
		       : memory_file_alloc(mf, node, &to);

	if (rc)
		return rc;
	memcpy(memory_file_memory(mf, to), memory_file_memory(mf, from), pages * MM_PAGE_SIZE);
	memory_file_mark_dirty_range(mf, to, pages);
	*word = (*word & ~(~UINT64_C(0) << ENTRY_PAGE_SHIFT)) | entry_of_page(to);
	return 0;
}

/* The child's word for a translation that is shared now. */
static uint64_t child_word(uint64_t word, uint32_t clone)
{
	return (word & ~(ENTRY_VMA_MASK | ENTRY_HOSTED)) | entry_of_vma(clone);
}

/* All 512 entries of a leaf of the parent are held, and the 2 MiB of the child that mirror it. */
static int copy_leaf(struct fork *f, struct map_unit *u, struct map_unit *cu, struct node *spare)
	NO_TSA
{
	/* NO_TSA: releases what its caller locked, by two different calls. */
	struct unit_copy c = { .parent = f->parent, .child = f->child };
	uint64_t ours[MAP_FANOUT];
	uint64_t theirs[MAP_FANOUT];
	int rc = 0;

	for (unsigned i = 0; i < MAP_FANOUT; i++) {
		uint64_t word = map_unit_word(u, i);

		if (c.hide.end && (ours[i - 1] & ENTRY_HOSTED)) /* that one stays shown */
			unit_hide_flush(f->parent, &c.hide);
		ours[i] = word;
		theirs[i] = 0;
		if (!entry_vma(word) || !enter_vma(&c, entry_vma(word)))
			continue;
		theirs[i] = entry_of_vma(c.clone);
		if (rc || !(word & ENTRY_PRESENT) || !(word & ENTRY_PRIVATE))
			continue; /* after a failure the child only learns what it has to unmap */
		if (is_pinned(f, word, 0)) {
			rc = copy_pinned(f, &word, 0);
			if (!rc)
				theirs[i] = child_word(word, c.clone);
			continue;
		}
		share(&c, &ours[i], u->page + i, 0);
		theirs[i] = child_word(ours[i], c.clone);
	}
	count_clones(&c);
	unit_hide_flush(f->parent, &c.hide);
	map_unit_expand(&f->child->map, cu, spare, theirs);
	map_unit_unlock_words(&f->parent->map, u, ours);
	return rc;
}

/* One folded entry of the parent is held, and its mirror. spare: for a 2 MiB page, else NULL. */
static int copy_folded(struct fork *f, struct map_unit *u, struct map_unit *cu, struct node *spare)
	NO_TSA
{
	/* NO_TSA: releases what its caller locked. */
	struct unit_copy c = { .parent = f->parent, .child = f->child };
	uint64_t word = map_unit_word(u, u->first);
	uint64_t child = 0;
	int rc = 0;

	if (enter_vma(&c, entry_vma(word))) {
		child = entry_of_vma(c.clone);
		uint64_t theirs = word;

		if (spare && is_pinned(f, word, u->level)) {
			rc = copy_pinned(f, &theirs, u->level);
		} else if (spare) {
			share(&c, &word, u->page, u->level);
			theirs = word;
		}
		if (spare && !rc) {
			unit_deposit(f->child, entry_page(theirs), spare);
			child = child_word(theirs, c.clone);
			spare = NULL;
		}
	}
	count_clones(&c);
	unit_hide_flush(f->parent, &c.hide);
	if (spare)
		node_free(spare);
	map_unit_install(&f->child->map, cu, child);
	map_unit_install(&f->parent->map, u, word);
	return rc;
}

static bool unit_is_empty(const struct map_unit *u)
{
	for (unsigned i = u->first; i <= u->last; i++)
		if (entry_vma(map_unit_word(u, i)))
			return false;
	return true;
}

/* Copies one held unit of the parent, and releases it. */
static int copy_unit(struct fork *f, struct map_unit *u) NO_TSA
{
	/* NO_TSA: holds units of two spaces. */
	const uint64_t huge = ENTRY_PRESENT | ENTRY_PRIVATE | ENTRY_HUGE;
	bool leaf = !u->level;
	uint64_t end = map_unit_end(u);
	uint64_t cursor = u->page;
	struct node *spare = NULL;
	struct map_unit cu;
	int rc = 0;

	if (unit_is_empty(u)) {
		map_unit_unlock(&f->parent->map, u);
		return 0;
	}
	MM_CHECK(!leaf || map_unit_is_leaf(u)); /* the walk covers everything */
	if (leaf || (map_unit_word(u, u->first) & huge) == huge) {
		spare = node_alloc(&f->parent->mm->node_pool);
		rc = spare ? 0 : -ENOMEM;
	}
	if (rc || !address_map_next(&f->child->map, &cursor, end, MAP_WALK_ALL, &cu, &rc)) {
		map_unit_unlock(&f->parent->map, u);
		if (spare)
			node_free(spare);
		return rc;
	}
	/* Empty so far, so what mirrors the unit is one entry. */
	MM_CHECK(cu.level == (leaf ? 1 : u->level) && cursor == end);
	f->published = end;
	rc = leaf ? copy_leaf(f, u, &cu, spare) : copy_folded(f, u, &cu, spare);
	MM_TEST_POINT(fork_copied_unit); /* mapping of both held */
	return rc;
}

static int copy_entries(struct fork *f) NO_TSA
{
	/* NO_TSA: releases in copy_unit(). */
	struct map_unit u;
	uint64_t cursor = 0;
	int rc;

	while (address_map_next(&f->parent->map, &cursor, MAP_PAGES, MAP_WALK_ALL, &u, &rc)) {
		if (u.level > 1 && (map_unit_word(&u, u.first) & ENTRY_PRESENT)) {
			/* Shared 2 MiB at a time, and copied so. */
			cursor = u.page;
			unit_split(f->parent, &u, 0, 0);
			continue;
		}
		rc = copy_unit(f, &u);
		if (rc)
			return rc;
	}
	return rc;
}

/* ---- all of it ---- */

static int copy_space(struct fork *f) NO_TSA
{
	/* NO_TSA: holds `mapping` of two spaces. */
	struct mm_space *s = f->parent;
	struct range_held parent_held;
	struct range_held child_held;
	uint32_t dead = 0;
	int rc;

	range_lock_all(&s->mapping, &parent_held);
	range_lock_all(&f->child->mapping, &child_held);
	rc = register_runs(f);
	MM_TEST_POINT(fork_registered); /* mapping of both held */
	if (!rc) {
		atomic_store_explicit(&s->forking, 1, memory_order_seq_cst);
		rc = copy_entries(f);
		atomic_store_explicit(&s->forking, 0, memory_order_seq_cst);
		park_wake(&s->forking);
	}
	if (rc)
		unregister_runs(f);
	else
		space_inherit(f->child, s);
	while (f->clones) {
		uint32_t clone = f->clones;

		f->clones = vma_at(&s->mm->vma_pool, clone)->next_dead;
		vma_drop(&s->mm->vma_pool, clone, VMA_BUILDING, &dead);
	}
	range_lock_unlock(&child_held);
	range_lock_unlock(&parent_held);
	vma_free_dead(&s->mm->vma_pool, dead);
	return rc;
}

int mm_fork(struct mm_space *parent, struct mm_space **child)
{
	struct fork f = { .parent = parent };
	int rc = space_create_above(parent->mm, parent->host ? parent->host->ops : &host_space_none,
				    parent->end_page << MM_PAGE_SHIFT, parent->ms.id, &f.child);

	if (rc)
		return rc;
	mm_space_set_end(f.child, parent->end_page << MM_PAGE_SHIFT);
	rc = copy_space(&f);
	if (rc) {
		mm_space_destroy(f.child);
		return rc;
	}
	*child = f.child;
	return 0;
}
