/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address_map.c - see address_map.h for the rules. Here: descent, lock, wait, expand, remove.
 *
 * Why removal is safe: the remover holds all 512 entries, so nobody else holds one, and nobody can
 * be waiting while pinning the node. It (1) replaces the parent word by a held, folded entry, so
 * that a new descent waits there instead of meeting a dead child again and again, (2) marks every
 * child DEAD, waking those who wait, who start again at the root, (3) releases the parent. Whoever
 * still reads the node is in an RCU section; the node is reused after a grace period.
 *
 * NO_TSA: bodies that lock in loops, or on some paths only, are not followed by Clang; their
 * contracts stand on the declarations.
 */
#include "engine/address_map.h"

#include <errno.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/park.h"

#define BACKLOG_MAX 256 /* leaves (1 MiB) that one CPU removed and that wait for a grace period */
#define SPINS 100 /* about 1 us: longer than a fault holds an entry, shorter than a park */

struct node *node_alloc(struct pool *nodes)
{
	uint32_t index = pool_alloc(nodes);

	if (!index)
		return NULL;
	struct node *n = pool_at(nodes, index);

	n->pool = nodes;
	return n;
}

void node_free(struct node *n)
{
	pool_free(n->pool, pool_index(n->pool, n));
}

static void node_reclaim(struct mm_rcu_item *item) NO_TSA /* in liburcu's thread, holds nothing */
{
	node_free((struct node *)((char *)item - offsetof(struct node, rcu)));
}

uint64_t address_map_leaves_waiting(void)
{
	return mm_rcu_waiting();
}

void address_map_bound_backlog(void)
{
	if (mm_rcu_waiting_here() > BACKLOG_MAX)
		mm_rcu_barrier();
}

int address_map_init(struct address_map *m, struct pool *nodes, struct pool *vmas,
		     uint64_t space_id, void (*vma_add)(struct pool *, uint32_t, int64_t)) NO_TSA
{
	/* NO_TSA: runs before the map is published; takes only the pool's leaf lock. */
	struct node *root = node_alloc(nodes);

	if (!root)
		return -ENOMEM;
	for (unsigned i = 0; i < MAP_FANOUT; i++)
		atomic_init(&root->entry[i], 0);
	*m = (struct address_map){ .root = root,
				   .near_slot = MAP_NO_SLOT,
				   .nodes = nodes,
				   .vmas = vmas,
				   .space_id = space_id,
				   .vma_add = vma_add };
	return 0;
}

static void release_node(struct node *n) MAY_LOCK_LEAF
{
	for (unsigned i = 0; i < MAP_FANOUT; i++) {
		uint64_t word = atomic_load_explicit(&n->entry[i], memory_order_relaxed);

		MM_CHECK(!(word & (ENTRY_LOCK | ENTRY_WAITER | ENTRY_DEAD)));
		if (word & ENTRY_CHILD)
			release_node(entry_node(word));
		else
			MM_CHECK(!word);
	}
	node_free(n);
}

void address_map_release(struct address_map *m)
{
	release_node(m->root);
	m->root = NULL;
}

/* ---- one entry ---- */

/* LOCK was seen. Returns true when it may be worth another look at once. */
static bool entry_spin(entry_t *e)
{
	for (int i = 0; i < SPINS; i++) {
		__builtin_ia32_pause();
		if (!(atomic_load_explicit(e, memory_order_relaxed) & ENTRY_LOCK))
			return true;
	}
	return false;
}

/*
 * Sleeps until e may have been unlocked. In an RCU section if in_rcu, which is left for the sleep
 * (and stays left): e must not be touched afterwards.
 */
static void entry_sleep(entry_t *e, bool in_rcu)
{
	struct park_ticket ticket = park_prepare(e);
	uint64_t word = atomic_load_explicit(e, memory_order_relaxed);

	for (;;) {
		if (!(word & ENTRY_LOCK)) {
			if (in_rcu)
				mm_rcu_read_unlock();
			return;
		}
		if (word & ENTRY_WAITER)
			break;
		if (atomic_compare_exchange_weak_explicit(e, &word, word | ENTRY_WAITER,
							  memory_order_relaxed,
							  memory_order_relaxed))
			break;
	}
	if (in_rcu)
		mm_rcu_read_unlock();
	park_wait(ticket);
}

/* Locks the pinned entry e (its node cannot be removed). Returns its word, or CHILD set: e got
 * a child meanwhile and is not locked. */
static uint64_t entry_lock_pinned(entry_t *e)
{
	uint64_t word = atomic_load_explicit(e, memory_order_acquire);

	for (;;) {
		if (word & ENTRY_CHILD)
			return word;
		if (word & ENTRY_LOCK) {
			if (!entry_spin(e))
				entry_sleep(e, false);
			word = atomic_load_explicit(e, memory_order_acquire);
			continue;
		}
		if (atomic_compare_exchange_weak_explicit(e, &word, word | ENTRY_LOCK,
							  memory_order_acquire,
							  memory_order_acquire))
			return word;
	}
}

/* ---- descent ---- */

struct place {
	entry_t *entry;
	entry_t *parent; /* entry of the node that `entry` is in; NULL in the root */
	struct node *node;
	unsigned level;
	uint64_t word;
};

/* map_descend with the way there. Within an RCU section. */
static inline void descend(const struct address_map *m, uint64_t page, struct place *p)
{
	unsigned level;
	struct node *n = map_top(m, page, &level);
	entry_t *parent = NULL; /* matters for leaves only, which are further down */

	for (;;) {
		entry_t *e = &n->entry[map_slot(page, level)];
		uint64_t word = atomic_load_explicit(e, memory_order_acquire);

		if (!(word & ENTRY_CHILD)) {
			*p = (struct place){ e, parent, n, level, word };
			return;
		}
		parent = e;
		n = entry_node(word);
		level--;
	}
}

/* Which entries find_and_lock is to lock, by their words. */
struct wish {
	uint64_t any; /* at least one of these bits; 0: every word */
	uint64_t enough; /* but not if it has all of these; 0: no such case */
};

/*
 * Finds and locks the finest entry of page. False, with p filled and nothing locked, if a look at
 * its word says that it is not wanted. Leaves RCU.
 */
static inline bool find_and_lock(const struct address_map *m, uint64_t page, struct wish wish,
				 struct place *p)
{
	for (;;) {
		mm_rcu_read_lock();
		descend(m, page, p);
		while (!(p->word & (ENTRY_DEAD | ENTRY_CHILD))) {
			if (p->word & ENTRY_LOCK) {
				if (entry_spin(p->entry)) {
					p->word = atomic_load_explicit(p->entry,
								       memory_order_acquire);
					continue;
				}
				entry_sleep(p->entry, true);
				goto again;
			}
			if ((wish.any && !(p->word & wish.any)) ||
			    (wish.enough && (p->word & wish.enough) == wish.enough)) {
				mm_rcu_read_unlock();
				return false;
			}
			/* seq_cst: the other half of the fence in space_invalidate() */
			if (atomic_compare_exchange_weak_explicit(
				    p->entry, &p->word, p->word | ENTRY_LOCK, memory_order_seq_cst,
				    memory_order_acquire)) {
				mm_rcu_read_unlock(); /* the lock pins the node from here */
				return true;
			}
		}
		mm_rcu_read_unlock();
again:;
	}
}

/* ---- expand ---- */

/* n becomes a child of the root: from the first one, a short cut is made. */
static void note_near(struct address_map *m, const entry_t *e, struct node *n)
{
	struct node *none = NULL;

	if (!mm_rcu_is_quick() || e < m->root->entry || e >= m->root->entry + MAP_FANOUT ||
	    !atomic_compare_exchange_strong_explicit(&m->near, &none, n, memory_order_relaxed,
						     memory_order_relaxed))
		return;
	atomic_store_explicit(&m->near_slot, (uint64_t)(e - m->root->entry), memory_order_release);
}

/* The held, folded, absent entry becomes a node of 512 copies of it. Unlocks. 0 or -ENOMEM. */
static int expand_absent(struct address_map *m, entry_t *e, uint64_t word) MAY_LOCK_LEAF
{
	struct node *n = node_alloc(m->nodes);

	if (!n) {
		entry_unlock(e, word);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < MAP_FANOUT; i++)
		atomic_store_explicit(&n->entry[i], word, memory_order_relaxed);
	if (entry_vma(word))
		m->vma_add(m->vmas, entry_vma(word), MAP_FANOUT - 1);
	note_near(m, e, n);
	entry_unlock(e, (uint64_t)(uintptr_t)n | ENTRY_CHILD);
	return 0;
}

void map_unit_expand(struct address_map *m, struct map_unit *u, struct node *spare,
		     const uint64_t words[MAP_FANOUT]) NO_TSA
{
	unsigned level = u->level - 1;

	for (unsigned i = 0; i < MAP_FANOUT; i++)
		atomic_store_explicit(&spare->entry[map_slot(u->page + i * map_span(level), level)],
				      words[i], memory_order_relaxed);
	lock_rank_pop(RANK_ENTRY, entry_key(m, u->page), LOCK_SITE);
	entry_unlock(&u->node->entry[u->first], (uint64_t)(uintptr_t)spare | ENTRY_CHILD);
}

int address_map_expand(struct address_map *m, uint64_t page, unsigned level) NO_TSA
{
	/* NO_TSA: Clang cannot follow a lock that is taken or not, in a loop. */
	const struct wish wish = { 0, 0 };
	struct place p;
	unsigned now;
	int rc = 0;

	address_map_peek(m, page, &now);
	while (now > level && !rc) {
		lock_rank_push(RANK_ENTRY, entry_key(m, page), LOCK_SITE);
		MM_CHECK(find_and_lock(m, page, wish, &p));
		if (p.level > level && !(p.word & ENTRY_PRESENT)) {
			rc = expand_absent(m, p.entry, p.word & ~ENTRY_WAITER);
		} else {
			rc = p.level > level ? -EAGAIN : 0;
			entry_unlock(p.entry, p.word & ~ENTRY_WAITER);
		}
		lock_rank_pop(RANK_ENTRY, entry_key(m, page), LOCK_SITE);
		address_map_peek(m, page, &now);
	}
	return rc;
}

/* ---- lock one page ---- */

bool address_map_lock_page(struct address_map *m, uint64_t page, unsigned min_level,
			   uint64_t enough, struct map_unit *u, uint64_t *word, int *error) NO_TSA
{
	/* NO_TSA: Clang cannot follow a lock that is taken or not, in a loop. */
	const struct wish wish = { ENTRY_VMA_MASK, enough };
	struct place p;

	lock_rank_push(RANK_ENTRY, entry_key(m, page), LOCK_SITE);
	for (;;) {
		if (!find_and_lock(m, page, wish, &p)) {
			*error = entry_vma(p.word) ? 0 : -EFAULT;
			break;
		}
		if (p.level <= min_level || (p.word & ENTRY_PRESENT)) {
			u->node = p.node;
			u->parent = p.parent;
			u->level = p.level;
			u->first = u->last = map_slot(page, p.level);
			u->page = page & ~(map_span(p.level) - 1);
			*word = p.word & ~ENTRY_WAITER;
#if LOCK_CHECKED
			lock_rank_pop(RANK_ENTRY, entry_key(m, page), LOCK_SITE);
			lock_rank_push(RANK_ENTRY, entry_key(m, u->page), LOCK_SITE);
#endif
			return true;
		}
		*error = expand_absent(m, p.entry, p.word & ~ENTRY_WAITER);
		if (*error)
			break;
	}
	lock_rank_pop(RANK_ENTRY, entry_key(m, page), LOCK_SITE);
	return false;
}

bool address_map_try_page(struct address_map *m, uint64_t page, uint64_t mask, uint64_t want,
			  struct map_unit *u, uint64_t *word) NO_TSA
{
	/* NO_TSA: the class is a phantom, the lock a bit. */
	const uint64_t free_mask = mask | ENTRY_LOCK | ENTRY_DEAD;
	bool locked = false;
	struct place p;

	mm_rcu_read_lock();
	descend(m, page, &p);
	if (!p.level && (p.word & free_mask) == want)
		locked = atomic_compare_exchange_strong_explicit(p.entry, &p.word,
								 p.word | ENTRY_LOCK,
								 memory_order_seq_cst,
								 memory_order_relaxed);
	mm_rcu_read_unlock(); /* the lock pins the node from here */
	if (!locked)
		return false;
	lock_rank_push_tried(RANK_ENTRY, entry_key(m, page), LOCK_SITE);
	*u = (struct map_unit){ p.node, p.parent, 0, map_slot(page, 0), map_slot(page, 0), page };
	*word = p.word & ~ENTRY_WAITER;
	return true;
}

static bool try_lock_word(const struct address_map *m, struct map_unit *u, unsigned slot,
			  uint64_t page, uint64_t word)
{
	if (!atomic_compare_exchange_strong_explicit(&u->node->entry[slot], &word,
						     word | ENTRY_LOCK, memory_order_seq_cst,
						     memory_order_relaxed))
		return false;
	lock_rank_push_tried(RANK_ENTRY, entry_key(m, page), LOCK_SITE);
	return true;
}

void address_map_widen(struct address_map *m, struct map_unit *u, uint64_t first, uint64_t end,
		       uint64_t word)
{
	while (u->page > first && u->first > 0 &&
	       try_lock_word(m, u, u->first - 1, u->page - 1, word)) {
		u->first--;
		u->page--;
	}
	while (map_unit_end(u) < end && u->last + 1 < MAP_FANOUT &&
	       try_lock_word(m, u, u->last + 1, map_unit_end(u), word))
		u->last++;
}

/* ---- lock the next unit of a range ---- */

/* The entry at p is locked; locks the rest of the run of its leaf that lies before end. */
static void lock_run(struct address_map *m, struct place *p, uint64_t page, uint64_t end,
		     enum map_walk walk, struct map_unit *u)
{
	unsigned first = map_slot(page, 0);
	unsigned last = first;
	uint64_t next = page + 1;

	while (next < end && last + 1 < MAP_FANOUT) {
		entry_t *e = &p->node->entry[last + 1];

		if (walk == MAP_WALK_PRESENT &&
		    !(atomic_load_explicit(e, memory_order_acquire) & (ENTRY_PRESENT | ENTRY_LOCK)))
			break;
		lock_rank_push(RANK_ENTRY, entry_key(m, next), LOCK_SITE);
		entry_lock_pinned(e); /* entries of a leaf have no children */
		last++;
		next++;
	}
	*u = (struct map_unit){ p->node, p->parent, 0, first, last, page };
}

bool address_map_next(struct address_map *m, uint64_t *cursor, uint64_t end, enum map_walk walk,
		      struct map_unit *u, int *error) NO_TSA
{
	/* NO_TSA: locks in a loop. Held on success: the entries of *u, ascending. */
	const struct wish wish = { walk == MAP_WALK_ALL ? 0 : ENTRY_PRESENT, 0 };
	struct place p;

	*error = 0;
	while (*cursor < end) {
		uint64_t page = *cursor;

		lock_rank_push(RANK_ENTRY, entry_key(m, page), LOCK_SITE);
		bool locked = find_and_lock(m, page, wish, &p);
		uint64_t base = page & ~(map_span(p.level) - 1);
		uint64_t after = base + map_span(p.level);

		if (locked && p.level == 0) {
			lock_run(m, &p, page, end, walk, u);
			*cursor = map_unit_end(u);
			return true;
		}
		lock_rank_pop(RANK_ENTRY, entry_key(m, page), LOCK_SITE);
		if (!locked) {
			*cursor = after;
			continue;
		}
		bool whole = base >= page && after <= end;

		if (whole || (p.word & ENTRY_PRESENT)) {
			lock_rank_push(RANK_ENTRY, entry_key(m, base), LOCK_SITE);
			*u = (struct map_unit){ p.node,
						p.parent,
						p.level,
						map_slot(page, p.level),
						map_slot(page, p.level),
						base };
			*cursor = after;
			return true;
		}
		*error = expand_absent(m, p.entry, p.word & ~ENTRY_WAITER);
		if (*error)
			return false;
	}
	return false;
}

/*
 * The exchange of a free word by another is a lock and its release in one: whoever holds the entry
 * has changed the word, so that the exchange fails; who comes later finds `to`. A dead entry has
 * its bit, so a leaf that is being removed is left alone.
 */
unsigned address_map_replace_absent(struct address_map *m, uint64_t *cursor, uint64_t end,
				    uint64_t to, uint32_t *vma)
{
	uint64_t page = *cursor;
	unsigned level, count = 0;
	struct node *top = map_top(m, page, &level);
	uint64_t first, word;
	entry_t *e;

	if (page >= end || (page % MAP_FANOUT == 0 && end - page >= MAP_FANOUT))
		return 0;
	mm_rcu_read_lock();
	e = map_descend(top, page, &level, &first);
	if (!level && !(first & ~ENTRY_VMA_MASK)) {
		do {
			word = first;
			/* seq_cst: as every lock of an entry */
			if (!atomic_compare_exchange_strong_explicit(&e[count], &word, to,
								     memory_order_seq_cst,
								     memory_order_relaxed))
				break;
			count++;
			page++;
		} while (page < end && page % MAP_FANOUT != 0);
	}
	mm_rcu_read_unlock();
	*vma = entry_vma(first);
	*cursor = page;
	return count;
}

/* ---- unlock ---- */

void map_unit_unlock(struct address_map *m, struct map_unit *u) NO_TSA
{
	uint64_t page = map_unit_end(u);

	for (unsigned i = u->last + 1; i-- > u->first;) {
		page -= map_span(u->level);
		lock_rank_pop(RANK_ENTRY, entry_key(m, page), LOCK_SITE);
		entry_unlock(&u->node->entry[i], map_unit_word(u, i));
	}
}

void map_unit_unlock_as(struct address_map *m, struct map_unit *u, uint64_t word) NO_TSA
{
	uint64_t page = map_unit_end(u);

	for (unsigned i = u->last + 1; i-- > u->first;) {
		page -= map_span(u->level);
		lock_rank_pop(RANK_ENTRY, entry_key(m, page), LOCK_SITE);
		entry_unlock(&u->node->entry[i], word);
	}
}

void map_unit_unlock_words(struct address_map *m, struct map_unit *u, const uint64_t *words) NO_TSA
{
	uint64_t page = map_unit_end(u);

	for (unsigned i = u->last + 1; i-- > u->first;) {
		page -= map_span(u->level);
		lock_rank_pop(RANK_ENTRY, entry_key(m, page), LOCK_SITE);
		entry_unlock(&u->node->entry[i], words[i - u->first]);
	}
}

void address_map_remove_leaf(struct address_map *m, struct map_unit *u, uint64_t word) NO_TSA
{
	MM_CHECK(map_unit_is_leaf(u) && u->parent);
	/* Nobody else can change a CHILD word: that takes all 512 locks, which we hold. */
	atomic_store_explicit(u->parent, ENTRY_LOCK, memory_order_release);
	for (unsigned i = MAP_FANOUT; i-- > 0;) {
		lock_rank_pop(RANK_ENTRY, entry_key(m, u->page + i), LOCK_SITE);
		entry_unlock(&u->node->entry[i], ENTRY_DEAD);
	}
	entry_unlock(u->parent, word);
	mm_rcu_call(&u->node->rcu, node_reclaim);
}

/* ---- walks without locks ---- */

/* Entries of a node at `page`, from the one that covers page `from` on. */
static bool visit_node(const struct node *n, unsigned level, uint64_t page, uint64_t from,
		       map_visit_fn visit, void *arg)
{
	uint64_t end = page + MAP_FANOUT * map_span(level);

	if (from > page)
		page = from & ~(map_span(level) - 1);
	for (; page < end; page += map_span(level)) {
		uint64_t word = atomic_load_explicit(&n->entry[map_slot(page, level)],
						     memory_order_acquire);

		if (word & ENTRY_CHILD) {
			if (!visit_node(entry_node(word), level - 1, page, from, visit, arg))
				return false;
		} else if (entry_vma(word) && !visit(page, level, word, arg)) {
			return false;
		}
	}
	return true;
}

void address_map_visit_from(const struct address_map *m, uint64_t from, map_visit_fn visit,
			    void *arg)
{
	mm_rcu_read_lock();
	if (from < MAP_PAGES)
		visit_node(m->root, MAP_LEVELS - 1, 0, from, visit, arg);
	mm_rcu_read_unlock();
}

void address_map_visit(const struct address_map *m, map_visit_fn visit, void *arg)
{
	address_map_visit_from(m, 0, visit, arg);
}

static uint64_t count_nodes(const struct node *n)
{
	uint64_t count = 1;

	for (unsigned i = 0; i < MAP_FANOUT; i++) {
		uint64_t word = atomic_load_explicit(&n->entry[i], memory_order_acquire);

		if (word & ENTRY_CHILD)
			count += count_nodes(entry_node(word));
	}
	return count;
}

uint64_t address_map_count_nodes(const struct address_map *m)
{
	uint64_t slot = atomic_load_explicit(&m->near_slot, memory_order_acquire);
	const struct node *near = atomic_load_explicit(&m->near, memory_order_relaxed);

	MM_CHECK(slot == MAP_NO_SLOT
			 ? !near
			 : atomic_load_explicit(&m->root->entry[slot], memory_order_acquire) ==
				   ((uint64_t)(uintptr_t)near | ENTRY_CHILD));
	return count_nodes(m->root);
}

uint32_t address_map_peek_run(const struct address_map *m, uint64_t page, uint64_t *end)
{
	struct place p;

	mm_rcu_read_lock();
	descend(m, page, &p);
	uint32_t vma = entry_vma(p.word);
	uint64_t span = map_span(p.level);
	uint64_t next = (page & ~(span - 1)) + span;

	for (; next & (map_span(p.level + 1) - 1); next += span) {
		uint64_t word = atomic_load_explicit(&p.node->entry[map_slot(next, p.level)],
						     memory_order_relaxed);

		if ((word & ENTRY_CHILD) || entry_vma(word) != vma)
			break;
	}
	mm_rcu_read_unlock();
	*end = next;
	return vma;
}

bool address_map_find_gap(const struct address_map *m, uint64_t from, uint64_t to, uint64_t pages,
			  uint64_t align, uint64_t *found)
{
	uint64_t start = (from + align - 1) / align * align;
	uint64_t cursor = start;

	while (start < to && to - start >= pages) {
		unsigned level;
		uint64_t word = address_map_peek(m, cursor, &level);
		uint64_t after = (cursor & ~(map_span(level) - 1)) + map_span(level);

		if (entry_vma(word)) {
			start = (after + align - 1) / align * align;
			cursor = start;
			continue;
		}
		if (after - start >= pages) {
			*found = start;
			return true;
		}
		cursor = after;
	}
	return false;
}

const struct node *address_map_node_at(const struct address_map *m, uint64_t page)
{
	struct place p;

	mm_rcu_read_lock();
	descend(m, page, &p);
	mm_rcu_read_unlock();
	return p.node;
}
