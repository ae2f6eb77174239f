/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapping_set.c - a reverse map: two treaps over the same elements.
 *
 *   by_offset   (start, owner): each node also knows the greatest end of its subtree, so that
 *               "what overlaps mr" costs O(log n + k) and "how far is everything covered from
 *               here" O(log n), however many elements lie on top of each other.
 *   by_owner    (owner, start): an owner is (space, address - offset, writable). Elements of one
 *               owner never overlap or touch (they are merged), so the element that an add or a
 *               remove means is found in O(log n) without looking at other owners' elements.
 *
 * Removal must not fail, but one that cuts an element in two needs a node. Every add therefore
 * leaves at least one spare node per element behind, and every cut refills them if it can; only
 * a host that refuses small allocations for as many cuts in a row as there are elements can use
 * them up, which is reported. Surplus spares are kept within a constant factor, so that an add
 * and remove in a loop allocates nothing.
 *
 * Invalidate links the elements it meets into a list through them and sorts that, because it may
 * not allocate. A set that others read at the same time may not be written, so of its elements
 * copies are linked, on the stack, if they are few.
 *
 * Elements have cache lines of their own: the same thread may make those of sets that different
 * threads use. Locks: the caller's rmap.
 */
#include "engine/mapping_set.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "engine/fail.h"
#include "engine/inject.h"

enum tree { BY_OFFSET, BY_OWNER, TREE_COUNT }; /* index of mapping_set.root */

/* Spares kept beyond twice the elements. */
#define SPARE_SLACK 8
#define LINE_BYTES UINT64_C(64)

struct mapping_element {
	uint64_t start; /* offsets [start, end) */
	uint64_t end;
	uint64_t max_end; /* of the subtree in BY_OFFSET */
	uint64_t delta; /* address - offset, modulo 2^64 */
	uint64_t space_id; /* of space: other threads write beside the one there */
	uint32_t priority;
	bool writable;
	struct link { /* who goes by offset needs no second cache line */
		struct mapping_element *left;
		struct mapping_element *right;
	} link[TREE_COUNT];
	struct mapping_space *space;
	struct mapping_element *next; /* list of spares, or of what invalidate met */
};

/* ---- order ---- */

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_space(const struct mapping_element *a, const struct mapping_element *b)
{
	return compare_u64(a->space_id, b->space_id);
}

static int compare_owner(const struct mapping_element *a, const struct mapping_element *b)
{
	int c = compare_space(a, b);

	if (!c)
		c = compare_u64(a->delta, b->delta);
	return c ? c : (int)a->writable - (int)b->writable;
}

static bool element_less(enum tree t, const struct mapping_element *a,
			 const struct mapping_element *b)
{
	int start = compare_u64(a->start, b->start);
	int owner;

	if (t == BY_OFFSET && start)
		return start < 0;
	owner = compare_owner(a, b);
	return owner ? owner < 0 : start < 0;
}

/* ---- treap ---- */

static uint64_t max_end_of(const struct mapping_element *e)
{
	return e ? e->max_end : 0;
}

static void update_max_end(struct mapping_element *e)
{
	uint64_t left = max_end_of(e->link[BY_OFFSET].left);
	uint64_t right = max_end_of(e->link[BY_OFFSET].right);

	e->max_end = e->end;
	if (left > e->max_end)
		e->max_end = left;
	if (right > e->max_end)
		e->max_end = right;
}

/* Cuts the tree at root into the elements below key and the rest. */
static void treap_split(enum tree t, struct mapping_element *root,
			const struct mapping_element *key, struct mapping_element **below,
			struct mapping_element **rest)
{
	if (!root) {
		*below = *rest = NULL;
		return;
	}
	if (element_less(t, root, key)) {
		treap_split(t, root->link[t].right, key, &root->link[t].right, rest);
		*below = root;
	} else {
		treap_split(t, root->link[t].left, key, below, &root->link[t].left);
		*rest = root;
	}
	if (t == BY_OFFSET)
		update_max_end(root);
}

/* Joins two trees; everything in a is below everything in b. */
static struct mapping_element *treap_join(enum tree t, struct mapping_element *a,
					  struct mapping_element *b)
{
	if (!a || !b)
		return a ? a : b;
	if (a->priority > b->priority) {
		a->link[t].right = treap_join(t, a->link[t].right, b);
		b = a;
	} else {
		b->link[t].left = treap_join(t, a, b->link[t].left);
	}
	if (t == BY_OFFSET)
		update_max_end(b);
	return b;
}

static void treap_insert(enum tree t, struct mapping_element **root, struct mapping_element *e)
{
	while (*root && (*root)->priority > e->priority) {
		if (t == BY_OFFSET && (*root)->max_end < e->end)
			(*root)->max_end = e->end;
		root = element_less(t, e, *root) ? &(*root)->link[t].left : &(*root)->link[t].right;
	}
	treap_split(t, *root, e, &e->link[t].left, &e->link[t].right);
	if (t == BY_OFFSET)
		update_max_end(e);
	*root = e;
}

static void treap_remove(enum tree t, struct mapping_element **root, struct mapping_element *e)
{
	if (*root == e)
		*root = treap_join(t, e->link[t].left, e->link[t].right);
	else
		treap_remove(t,
			     element_less(t, e, *root) ? &(*root)->link[t].left
						       : &(*root)->link[t].right,
			     e);
	if (t == BY_OFFSET && *root)
		update_max_end(*root);
}

static void set_insert(struct mapping_set *set, struct mapping_element *e)
{
	/* xorshift64, which never comes to zero: heights depend on it, nothing else does. */
	uint64_t random = set->random ? set->random : UINT64_C(0x9e3779b97f4a7c15);

	random ^= random << 13;
	random ^= random >> 7;
	random ^= random << 17;
	set->random = random;
	e->priority = (uint32_t)(random >> 32);
	for (enum tree t = BY_OFFSET; t < TREE_COUNT; t++)
		treap_insert(t, &set->root[t], e);
	set->element_count++;
	set->writable_count += e->writable;
}

static void set_remove(struct mapping_set *set, struct mapping_element *e)
{
	for (enum tree t = BY_OFFSET; t < TREE_COUNT; t++)
		treap_remove(t, &set->root[t], e);
	set->element_count--;
	set->writable_count -= e->writable;
}

/* ---- spare nodes ---- */

static void spare_put(struct mapping_set *set, struct mapping_element *e)
{
	e->next = set->spares;
	set->spares = e;
	set->spare_count++;
}

static struct mapping_element *spare_take(struct mapping_set *set)
{
	struct mapping_element *e = set->spares;

	if (!e)
		mm_fail("mapping_set: no memory to cut one of %u elements in two",
			set->element_count);
	set->spares = e->next;
	set->spare_count--;
	return e;
}

/* At least `wanted` spares; false if the host has no memory. */
static bool spares_fill(struct mapping_set *set, size_t wanted)
{
	while (set->spare_count < wanted) {
		struct mapping_element *e = mm_aligned_alloc(
			LINE_BYTES, (sizeof(*e) + LINE_BYTES - 1) & ~(LINE_BYTES - 1));

		if (!e)
			return false;
		spare_put(set, e);
	}
	return true;
}

static void spares_trim(struct mapping_set *set)
{
	while (set->spare_count > 2 * set->element_count + SPARE_SLACK)
		free(spare_take(set));
}

/* ---- searches ---- */

static struct addr_range element_addresses(const struct mapping_element *e,
					   struct mappable_range mr)
{
	return (struct addr_range){ mr.start + e->delta, mr.end + e->delta };
}

static struct mappable_range element_clip(const struct mapping_element *e, struct mappable_range mr)
{
	return mappable_range_intersect((struct mappable_range){ e->start, e->end }, mr);
}

/* The first element of key's owner that ends at or after key->start; NULL if there is none. */
static struct mapping_element *owner_first(const struct mapping_set *set,
					   const struct mapping_element *key)
{
	struct mapping_element *e = set->root[BY_OWNER];
	struct mapping_element *found = NULL;

	/* Elements of one owner are disjoint: their ends ascend as their starts do. */
	while (e) {
		int c = compare_owner(e, key);

		if (c < 0 || (!c && e->end < key->start)) {
			e = e->link[BY_OWNER].right;
		} else {
			if (!c)
				found = e;
			e = e->link[BY_OWNER].left;
		}
	}
	return found;
}

bool mapping_set_find(const struct mapping_set *set, struct mapping_space *ms, uint64_t delta,
		      bool writable, struct mappable_range mr, struct mappable_range *found)
{
	struct mapping_element key = {
		.start = mr.start + 1, /* as in mapping_set_remove */
		.delta = delta,
		.space_id = ms->id,
		.writable = writable,
	};
	const struct mapping_element *e = owner_first(set, &key);

	if (!e || e->start >= mr.end)
		return false;
	*found = element_clip(e, mr);
	return true;
}

/* How far offsets from `at` on are covered by elements that start at or before it; <= at: not. */
static uint64_t covered_to(const struct mapping_set *set, uint64_t at)
{
	const struct mapping_element *e = set->root[BY_OFFSET];
	uint64_t to = 0;

	while (e) {
		if (e->start > at) {
			e = e->link[BY_OFFSET].left;
			continue;
		}
		uint64_t left = max_end_of(e->link[BY_OFFSET].left);

		if (e->end > to)
			to = e->end;
		if (left > to)
			to = left;
		e = e->link[BY_OFFSET].right;
	}
	return to;
}

/* The least start above `at`, or limit if that is less. */
static uint64_t next_start(const struct mapping_set *set, uint64_t at, uint64_t limit)
{
	const struct mapping_element *e = set->root[BY_OFFSET];

	while (e) {
		if (e->start > at) {
			if (e->start < limit)
				limit = e->start;
			e = e->link[BY_OFFSET].left;
		} else {
			e = e->link[BY_OFFSET].right;
		}
	}
	return limit;
}

/* Tells fn the maximal sub-ranges of mr that no element covers. */
static void tell_gaps(const struct mapping_set *set, struct mappable_range mr,
		      mapping_set_range_fn fn, void *arg)
{
	uint64_t at = mr.start;

	if (!fn)
		return;
	while (at < mr.end) {
		uint64_t to = covered_to(set, at);

		if (to <= at) {
			to = next_start(set, at, mr.end);
			fn((struct mappable_range){ at, to }, arg);
		}
		at = to;
	}
}

/* ---- the interface ---- */

static void free_tree(struct mapping_element *e)
{
	if (!e)
		return;
	free_tree(e->link[BY_OFFSET].left);
	free_tree(e->link[BY_OFFSET].right);
	free(e);
}

void mapping_set_release(struct mapping_set *set)
{
	free_tree(set->root[BY_OFFSET]);
	while (set->spares)
		free(spare_take(set));
	*set = (struct mapping_set){ 0 };
}

static struct mapping_element make_key(struct mapping_space *ms, struct addr_range ar,
				       uint64_t offset, bool writable, const char *who)
{
	uint64_t end;

	if (ar.start >= ar.end || !addr_range_page_aligned(ar) || !page_aligned(offset) ||
	    __builtin_add_overflow(offset, ar.end - ar.start, &end))
		mm_fail("%s: bad mapping [%#" PRIx64 ", %#" PRIx64 ") at offset %#" PRIx64, who,
			ar.start, ar.end, offset);
	return (struct mapping_element){ .start = offset,
					 .end = end,
					 .delta = ar.start - offset,
					 .space = ms,
					 .space_id = ms->id,
					 .writable = writable };
}

int mapping_set_reserve(struct mapping_set *set)
{
	/* One node for the element itself, then one spare for each element. */
	return spares_fill(set, set->element_count + 2) ? 0 : -ENOMEM;
}

int mapping_set_add(struct mapping_set *set, struct mapping_space *ms, struct addr_range ar,
		    uint64_t offset, bool writable, mapping_set_range_fn newly, void *arg)
{
	struct mapping_element key = make_key(ms, ar, offset, writable, "mapping_set_add");
	struct mapping_element *e = owner_first(set, &key);
	int rc;

	if (e && e->start <= key.start && key.end <= e->end)
		return 0;
	rc = mapping_set_reserve(set);
	if (rc)
		return rc;
	tell_gaps(set, (struct mappable_range){ key.start, key.end }, newly, arg);

	/* Swallow what the same owner has inside the range or touching it. */
	while (e && e->start <= key.end) {
		set_remove(set, e);
		if (e->start < key.start)
			key.start = e->start;
		if (e->end > key.end)
			key.end = e->end;
		spare_put(set, e);
		e = owner_first(set, &key);
	}
	e = spare_take(set);
	*e = key;
	set_insert(set, e);
	spares_trim(set);
	return 0;
}

void mapping_set_remove(struct mapping_set *set, struct mapping_space *ms, struct addr_range ar,
			uint64_t offset, bool writable, mapping_set_range_fn gone, void *arg)
{
	struct mapping_element key = make_key(ms, ar, offset, writable, "mapping_set_remove");
	uint64_t end = key.end;
	struct mapping_element *e;

	/* An element that only touches the range stays: hence the end above start. */
	for (key.start++; (e = owner_first(set, &key)) && e->start < end; key.start++) {
		struct mapping_element was = *e;
		struct mappable_range cut = { offset > was.start ? offset : was.start,
					      end < was.end ? end : was.end };

		set_remove(set, e);
		spare_put(set, e);
		if (was.start < cut.start) {
			e = spare_take(set);
			*e = was;
			e->end = cut.start;
			set_insert(set, e);
		}
		if (cut.end < was.end) {
			e = spare_take(set);
			*e = was;
			e->start = cut.end;
			set_insert(set, e);
		}
		tell_gaps(set, cut, gone, arg);
		key.start = cut.end;
	}
	/* Best effort: a shortage now only uses up what earlier adds set aside. */
	(void)spares_fill(set, set->element_count);
	spares_trim(set);
}

/* ---- walks ---- */

/* Appends the elements of the tree at e that overlap mr to the list that ends at *tail. */
static struct mapping_element **collect(struct mapping_element *e, struct mappable_range mr,
					struct mapping_element **tail)
{
	if (max_end_of(e) <= mr.start)
		return tail;
	tail = collect(e->link[BY_OFFSET].left, mr, tail);
	if (e->start >= mr.end)
		return tail;
	if (e->end > mr.start) {
		*tail = e;
		tail = &e->next;
	}
	return collect(e->link[BY_OFFSET].right, mr, tail);
}

/* (space id, address inside mr): the order in which entry locks may be taken. */
static bool invalidated_before(const struct mapping_element *a, const struct mapping_element *b,
			       struct mappable_range mr)
{
	int c = compare_space(a, b);

	if (!c)
		c = compare_u64(element_clip(a, mr).start + a->delta,
				element_clip(b, mr).start + b->delta);
	return c ? c < 0 : a->writable < b->writable;
}

static struct mapping_element *merge_lists(struct mapping_element *a, struct mapping_element *b,
					   struct mappable_range mr)
{
	struct mapping_element *head;
	struct mapping_element **tail = &head;

	while (a && b) {
		struct mapping_element **from = invalidated_before(b, a, mr) ? &b : &a;

		*tail = *from;
		tail = &(*from)->next;
		*from = *tail;
	}
	*tail = a ? a : b;
	return head;
}

/* Merge sort of the list's first `count` elements, which are cut off from the rest. */
static struct mapping_element *sort_list(struct mapping_element **list, size_t count,
					 struct mappable_range mr)
{
	if (count == 1) {
		struct mapping_element *only = *list;

		*list = only->next;
		only->next = NULL;
		return only;
	}
	struct mapping_element *first = sort_list(list, count / 2, mr);
	struct mapping_element *second = sort_list(list, count - count / 2, mr);

	return merge_lists(first, second, mr);
}

/* Calls every space of the list, in order. */
static void invalidate_list(struct mapping_element *list, struct mappable_range mr,
			    struct invalidate_opts opts) MAY_LOCK_ENTRY
{
	size_t count = 0;
	bool sorted = true;

	for (struct mapping_element *e = list; e; e = e->next, count++) {
		if (e->next && invalidated_before(e->next, e, mr))
			sorted = false;
	}
	if (!sorted) {
		struct mapping_element *rest = list;

		list = sort_list(&rest, count, mr);
	}
	for (struct mapping_element *e = list; e; e = e->next)
		mapping_space_invalidate(e->space, element_addresses(e, element_clip(e, mr)), opts);
}

void mapping_set_invalidate(struct mapping_set *set, struct mapping_set *second,
			    struct mappable_range mr, struct invalidate_opts opts)
{
	struct mapping_element *list = NULL;
	struct mapping_element **tail = collect(set->root[BY_OFFSET], mr, &list);

	if (second)
		tail = collect(second->root[BY_OFFSET], mr, tail);
	*tail = NULL;
	invalidate_list(list, mr, opts);
}

struct copies {
	size_t count;
	struct mapping_element element[MAPPING_SET_COPIES];
};

/* Copies the elements of the tree at e that overlap mr; false: too many. */
static bool copy(const struct mapping_element *e, struct mappable_range mr, struct copies *c)
{
	if (max_end_of(e) <= mr.start)
		return true;
	if (!copy(e->link[BY_OFFSET].left, mr, c))
		return false;
	if (e->start >= mr.end)
		return true;
	if (e->end > mr.start) {
		if (c->count == MAPPING_SET_COPIES)
			return false;
		c->element[c->count++] = *e;
	}
	return copy(e->link[BY_OFFSET].right, mr, c);
}

bool mapping_set_invalidate_shared(struct mapping_set *set, const struct mapping_set *shared,
				   struct mappable_range mr, struct invalidate_opts opts)
{
	struct mapping_element *list = NULL;
	struct mapping_element **tail;
	struct copies c;

	c.count = 0;
	if (!copy(shared->root[BY_OFFSET], mr, &c))
		return false;
	tail = collect(set->root[BY_OFFSET], mr, &list);
	for (size_t i = 0; i < c.count; i++) {
		*tail = &c.element[i];
		tail = &c.element[i].next;
	}
	*tail = NULL;
	invalidate_list(list, mr, opts);
	return true;
}

size_t mapping_set_count(const struct mapping_set *set)
{
	return set->element_count;
}

size_t mapping_set_writable_count(const struct mapping_set *set)
{
	return set->writable_count;
}

static void visit_tree(const struct mapping_element *e, struct mappable_range mr,
		       mapping_set_element_fn visit, void *arg)
{
	if (max_end_of(e) <= mr.start)
		return;
	visit_tree(e->link[BY_OFFSET].left, mr, visit, arg);
	if (e->start >= mr.end)
		return;
	if (e->end > mr.start) {
		struct mappable_range clipped = element_clip(e, mr);

		visit(clipped, e->space, element_addresses(e, clipped), e->writable, arg);
	}
	visit_tree(e->link[BY_OFFSET].right, mr, visit, arg);
}

void mapping_set_visit(const struct mapping_set *set, struct mappable_range mr,
		       mapping_set_element_fn visit, void *arg)
{
	visit_tree(set->root[BY_OFFSET], mr, visit, arg);
}
