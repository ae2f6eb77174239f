/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address_map.h - the one structure of a space: address -> vma and page, a four-level, 512-way
 * radix tree over 4 KiB pages with folded entries and a lock bit in every entry.
 *
 * After RadixVM (EuroSys'13) and CortenMM (SOSP'25): what other designs keep in two trees under
 * two locks is kept per entry, so that operations on different pages share nothing.
 *
 * Reading a word needs RCU only: address_map_peek. Changing one needs its lock:
 *   - address_map_lock_page locks the entry of one page (a fault);
 *   - address_map_next locks the next unit of a range: one folded entry, or a run of entries of
 *     one leaf, at most 2 MiB of leaf entries per hold. Units come in ascending order and locks
 *     inside a unit are taken in ascending order, so that two range operations cannot deadlock.
 * A locked entry pins its node: a node is removed only by whoever holds all of its 512 entries.
 *
 * Waiting: a short spin, then park.h. Whoever holds no entry of the node sleeps outside RCU and
 * starts again at the root; whoever does, waits at the same entry, which is pinned.
 *
 * Expanding: a folded entry that a range covers in part is replaced, under its lock, by a node
 * whose children are unlocked copies of it; the caller then starts again. Nothing is decided
 * under the parent's lock, so the children need not be born locked.
 *
 * Only leaves are removed (address_map_remove_leaf); interior nodes stay until release: they cost
 * 4 KiB per GiB at most.
 */
#pragma once

#include <stddef.h>

#include "engine/map_descent.h"

/* 0 or -ENOMEM. */
MM_MUST_CHECK int address_map_init(struct address_map *m, struct pool *nodes, struct pool *vmas,
				   uint64_t space_id,
				   void (*vma_add)(struct pool *, uint32_t, int64_t));
/* Nothing is mapped and nobody uses the map any more. Frees the nodes. */
void address_map_release(struct address_map *m) MAY_LOCK_LEAF;

/*
 * Locks the entry of `page`, expanding folded ones down to min_level (0: 4 KiB, 1: 2 MiB; an
 * entry that is finer already is locked as it is). True with the unit filled and *word = the word
 * without LOCK; false with *error = -EFAULT (no vma), -ENOMEM, or 0: the word has all bits of
 * `enough` (0: never), so that no lock is needed. A folded *translation* at a level above
 * min_level is locked as it is: unit_split() is for splitting it.
 */
bool address_map_lock_page(struct address_map *m, uint64_t page, unsigned min_level,
			   uint64_t enough, struct map_unit *u, uint64_t *word, int *error)
	TRY_ACQUIRES(true, entry_class) MAY_LOCK_ENTRY;

/*
 * The first try of a fault, without waiting or expanding: one descent; if it ends at a free, absent
 * leaf entry that has a vma, locks it. True with *entry and *word; else *enough_found says whether
 * the word has all bits of `enough` (0: never), in which case nothing needs to be done.
 */
static inline bool address_map_try_leaf(const struct address_map *m, uint64_t page, uint64_t enough,
					entry_t **entry, uint64_t *word, bool *enough_found)
	TRY_ACQUIRES(true, entry_class) NO_TSA /* the class is a phantom, the lock a bit */
{
	unsigned level;
	struct node *top = map_top(m, page, &level);
	bool locked = false;
	entry_t *e;
	uint64_t w;

	mm_rcu_read_lock();
	e = map_descend(top, page, &level, &w);
	*enough_found = enough && (w & (enough | ENTRY_LOCK | ENTRY_DEAD)) == enough;
	/* A word of a vma index alone: absent, unlocked, mapped. seq_cst: space_invalidate(). */
	if (!level && w && !(w & ~ENTRY_VMA_MASK))
		locked = atomic_compare_exchange_strong_explicit(
			e, &w, w | ENTRY_LOCK, memory_order_seq_cst, memory_order_relaxed);
	mm_rcu_read_unlock(); /* the lock pins the node from here */
	if (locked)
		lock_rank_push_tried(RANK_ENTRY, entry_key(m, page), LOCK_SITE);
	*entry = e;
	*word = w;
	return locked;
}

/*
 * Locks the leaf entry of `page` without waiting or expanding if (word & mask) == want and nobody
 * holds it. For neighbours, in any order.
 */
bool address_map_try_page(struct address_map *m, uint64_t page, uint64_t mask, uint64_t want,
			  struct map_unit *u, uint64_t *word) TRY_ACQUIRES(true, entry_class);

/*
 * Widens a unit of one held leaf entry, whose word is `word`, by the entries of the same leaf
 * beside it, between pages first and end, that nobody holds and that have just that word; without
 * waiting.
 */
void address_map_widen(struct address_map *m, struct map_unit *u, uint64_t first, uint64_t end,
		       uint64_t word) REQUIRES(entry_class);

static inline void address_map_unlock_leaf(const struct address_map *m, uint64_t page,
					   entry_t *entry, uint64_t word) RELEASES(entry_class)
	NO_TSA /* the class is a phantom, the lock a bit */
{
	(void)m, (void)page;
	lock_rank_pop(RANK_ENTRY, entry_key(m, page), LOCK_SITE);
	entry_unlock(entry, word);
}

/* How address_map_next treats entries. */
enum map_walk {
	MAP_WALK_ALL, /* every entry; folded ones that are covered in part are expanded */
	MAP_WALK_PRESENT, /* only what is present or locked by somebody; nothing is expanded:
			     a unit may then reach beyond the range */
};

/*
 * Locks the next unit at or after *cursor and before `end` (page numbers) and moves *cursor behind
 * it. True with a unit; false with *error = 0 at the end, or -ENOMEM (*cursor says where). A
 * folded translation that is covered in part is returned whole: the caller splits it first.
 */
bool address_map_next(struct address_map *m, uint64_t *cursor, uint64_t end, enum map_walk walk,
		      struct map_unit *u, int *error) TRY_ACQUIRES(true, entry_class)
	MAY_LOCK_ENTRY;

/*
 * What needs no unit, because nothing is dropped under its locks: gives leaf entries from *cursor
 * on, one by one, the word `to`, while each is free, absent and names the same vma as the first
 * (*vma; 0: none). One exchange each, nothing is held, nobody is waited for, nothing is expanded.
 * Moves *cursor behind them, and returns how many: 0 means that the next is address_map_next's,
 * as is every range that holds a whole leaf.
 */
unsigned address_map_replace_absent(struct address_map *m, uint64_t *cursor, uint64_t end,
				    uint64_t to, uint32_t *vma);

/* The word of entry i of a held unit, without its lock bits. */
static inline uint64_t map_unit_word(const struct map_unit *u, unsigned i)
{
	return atomic_load_explicit(&u->node->entry[i], memory_order_relaxed) &
	       ~(ENTRY_LOCK | ENTRY_WAITER);
}

/* Changes entry i of a held unit; it stays locked. */
static inline void map_unit_set(const struct map_unit *u, unsigned i, uint64_t word)
{
	entry_t *e = &u->node->entry[i];
	uint64_t old = atomic_load_explicit(e, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(e, &old,
						      word | ENTRY_LOCK | (old & ENTRY_WAITER),
						      memory_order_release, memory_order_relaxed))
		;
}

/* Installs word in the single entry of a unit and unlocks it, in one exchange. */
static inline void map_unit_install(struct address_map *m, struct map_unit *u, uint64_t word)
	RELEASES(entry_class) NO_TSA /* the class is a phantom, the lock a bit */
{
	lock_rank_pop(RANK_ENTRY, entry_key(m, u->page), LOCK_SITE);
	(void)m;
	entry_unlock(&u->node->entry[u->first], word);
}

/* Unlocks all entries with the words that map_unit_set gave them. */
void map_unit_unlock(struct address_map *m, struct map_unit *u) RELEASES(entry_class);
/* Unlocks all entries, each with `word`. */
void map_unit_unlock_as(struct address_map *m, struct map_unit *u, uint64_t word)
	RELEASES(entry_class);
/* Unlocks all entries; entry u->first + i gets words[i]. One exchange an entry. */
void map_unit_unlock_words(struct address_map *m, struct map_unit *u, const uint64_t *words)
	RELEASES(entry_class);

/*
 * The unit is a whole leaf (512 entries): removes the node, and its parent entry becomes `word`
 * (unlocked). The leaf is freed after a grace period.
 */
void address_map_remove_leaf(struct address_map *m, struct map_unit *u, uint64_t word)
	RELEASES(entry_class);

/* Waits until removed leaves are reclaimed if this CPU removed many: whoever removes calls it after
 * its work, holding no lock and in no RCU section. Bounds memory, and keeps leaves warm for
 * reuse. */
void address_map_bound_backlog(void) MAY_LOCK_ANY;

static inline bool map_unit_is_leaf(const struct map_unit *u)
{
	return u->level == 0 && u->first == 0 && u->last == MAP_FANOUT - 1;
}

/*
 * The unit is one folded entry: it becomes a child node whose i-th part is words[i] (all unlocked);
 * `spare` is the node to use. Vma counts are the caller's.
 */
void map_unit_expand(struct address_map *m, struct map_unit *u, struct node *spare,
		     const uint64_t words[MAP_FANOUT]) RELEASES(entry_class);

/*
 * Expands what is folded and holds no translation, mapped or not, until the entry of page is of
 * `level` or finer. 0, -ENOMEM, or -EAGAIN: a folded translation of a higher level is in the way.
 */
MM_MUST_CHECK int address_map_expand(struct address_map *m, uint64_t page, unsigned level)
	MAY_LOCK_ENTRY;

struct node *node_alloc(struct pool *nodes) MAY_LOCK_LEAF; /* NULL: none left */
void node_free(struct node *n) MAY_LOCK_LEAF; /* never published, or after a grace period */

/*
 * Walks all entries that are mapped, ascending, without locks: for listings and checks at
 * quiescent points. visit returns false to stop.
 */
typedef bool (*map_visit_fn)(uint64_t page, unsigned level, uint64_t word, void *arg);
void address_map_visit(const struct address_map *m, map_visit_fn visit, void *arg);
/* The same from the entry that covers page `from` on; while the range's mapping lock is held, what
 * vma each page has is exact. */
void address_map_visit_from(const struct address_map *m, uint64_t from, map_visit_fn visit,
			    void *arg);
/* The node whose entry covers `page`, at a quiescent point. */
const struct node *address_map_node_at(const struct address_map *m, uint64_t page);
/* Nodes of a map at a quiescent point, for checks. */
uint64_t address_map_count_nodes(const struct address_map *m);
/* Leaves of any map that were removed and not reclaimed yet. */
uint64_t address_map_leaves_waiting(void);
/*
 * The vma index (0: none) at `page`, and *end, the page up to which it goes on, as far as the node
 * of that entry tells. A hint unless the caller holds `mapping`. Lock-free.
 */
uint32_t address_map_peek_run(const struct address_map *m, uint64_t page, uint64_t *end);
/* First gap of `pages` unmapped pages in [from, to), aligned; false: none. A hint unless the
 * caller holds `mapping` of [from, to). */
bool address_map_find_gap(const struct address_map *m, uint64_t from, uint64_t to, uint64_t pages,
			  uint64_t align, uint64_t *found);
