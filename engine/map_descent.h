/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map_descent.h - the nodes of an address map and the way down to an entry, inlined: every fault
 * and every look-up goes it.
 *
 * Reading needs an RCU section, which peek opens and closes itself; the rules for changing words
 * are those of address_map.h.
 */
#pragma once

#include <stddef.h>

#include "engine/entry.h"
#include "engine/lock_order.h"
#include "engine/park.h"
#include "engine/pool.h"
#include "engine/range.h"
#include "engine/rcu.h"

#define MAP_LEVELS 4
#define MAP_FANOUT 512
#define MAP_PAGES (UINT64_C(1) << 36) /* 48 bits of address */
#define MAP_NO_SLOT UINT64_MAX
/* Where the entries of 2 MiB lie in their node: see map_slot. */
#define MAP_SCATTER 65

struct node {
	entry_t entry[MAP_FANOUT];
	struct mm_rcu_item rcu; /* once removed */
	struct pool *pool; /* immutable while allocated */
	struct node *next; /* list of deposits */
} __attribute__((aligned(64)));

struct address_map {
	struct node *root; /* immutable */
	/* The first child that the root got, a short cut past it for the 512 GiB where a program
	 * begins; interior nodes stay until release, so it never dangles. Taken by those who read
	 * in quick sections as well: there is none where these cannot be. */
	_Atomic(struct node *) near; /* NULL, then immutable */
	_Atomic uint64_t near_slot; /* of the root; MAP_NO_SLOT until near may be read */
	struct pool *nodes; /* immutable */
	struct pool *vmas; /* immutable: for the counts of expanded entries */
	uint64_t space_id; /* immutable: key of the lock rank */
	void (*vma_add)(struct pool *vmas, uint32_t vma, int64_t entries);
};

/* Entries that one call holds. */
struct map_unit {
	struct node *node;
	entry_t *parent; /* entry of node, when node is a leaf */
	unsigned level; /* 0: leaf */
	unsigned first, last; /* entries locked: first..last */
	uint64_t page; /* page number (address / 4096) of entry `first` */
};

/* Pages that an entry of that level stands for. */
static inline uint64_t map_span(unsigned level)
{
	return UINT64_C(1) << (9 * level);
}

/*
 * Which entry of its node answers for a page. Eight entries are a cache line. Those of a leaf lie
 * in the order of their pages: neighbours mostly belong to one thread. Folding and expanding write
 * the entries of 2 MiB, whose neighbours may well be different threads': they are scattered, so
 * that what shares a line is 126 MiB apart at least, and never by a power of two from 16 MiB up.
 */
static inline unsigned map_slot(uint64_t page, unsigned level)
{
	uint64_t i = page >> (9 * level);

	return (unsigned)(level == 1 ? i * MAP_SCATTER : i) % MAP_FANOUT;
}

static inline uint64_t map_unit_end(const struct map_unit *u)
{
	return u->page + (u->last - u->first + 1) * map_span(u->level);
}

/* A word with CHILD is the pointer and that bit, nothing else: a subtraction, which the compiler
 * folds into the address of the entry that is read next. */
static inline struct node *entry_node(uint64_t word)
{
	return (struct node *)(uintptr_t)(word - ENTRY_CHILD);
}

/* Unlocks an entry of a held unit, with a new word. Rank checking is the caller's. */
static inline void entry_unlock(entry_t *e, uint64_t word)
{
	uint64_t old = atomic_exchange_explicit(e, word, memory_order_acq_rel);

	if (__builtin_expect((old & ENTRY_WAITER) != 0, 0))
		park_wake(e);
}

static inline struct lock_key entry_key(const struct address_map *m, uint64_t page)
{
	return (struct lock_key){ m->space_id, page << MM_PAGE_SHIFT };
}

/* The node at which a descent to page may begin, and its level. */
static inline struct node *map_top(const struct address_map *m, uint64_t page, unsigned *level)
{
	if (__builtin_expect(page >> (9 * (MAP_LEVELS - 1)) ==
				     atomic_load_explicit(&m->near_slot, memory_order_acquire),
			     1)) {
		*level = MAP_LEVELS - 2;
		return atomic_load_explicit(&m->near, memory_order_relaxed);
	}
	*level = MAP_LEVELS - 1;
	return m->root;
}

/* From a node that map_top gave, and its level, down to the entry that answers for page, its level
 * and its word; in an RCU section. Step by step, with constant shifts. */
static inline entry_t *map_descend(struct node *top, uint64_t page, unsigned *level, uint64_t *word)
{
	entry_t *e;
	uint64_t w;

	if (__builtin_expect(*level == MAP_LEVELS - 1, 0)) {
		e = &top->entry[map_slot(page, 3)];
		w = atomic_load_explicit(e, memory_order_acquire);
		if (!(w & ENTRY_CHILD))
			goto out;
		top = entry_node(w);
	}
	*level = 2;
	e = &top->entry[map_slot(page, 2)];
	w = atomic_load_explicit(e, memory_order_acquire);
	if (w & ENTRY_CHILD) {
		*level = 1;
		e = &entry_node(w)->entry[map_slot(page, 1)];
		w = atomic_load_explicit(e, memory_order_acquire);
	}
	if (w & ENTRY_CHILD) {
		*level = 0;
		e = &entry_node(w)->entry[map_slot(page, 0)];
		w = atomic_load_explicit(e, memory_order_acquire);
	}
out:
	*word = w;
	return e;
}

/*
 * The same as address_map_peek for a page of the short cut that has an entry of 1 GiB or less, in
 * straight line and without a call. False: nothing was found out.
 */
static inline bool address_map_peek_quick(const struct address_map *m, uint64_t page,
					  unsigned *level, uint64_t *word)
{
	unsigned long ctr;

	*level = MAP_LEVELS - 2;
	if (__builtin_expect(page >> (9 * (MAP_LEVELS - 1)) !=
				     atomic_load_explicit(&m->near_slot, memory_order_acquire),
			     0) ||
	    !mm_rcu_try_read_lock(&ctr))
		return false;
	map_descend(atomic_load_explicit(&m->near, memory_order_relaxed), page, level, word);
	return mm_rcu_quick_read_unlock(ctr);
}

/*
 * The word that answers for a page, and its level: a consistent snapshot, a hint. Whoever goes on
 * to use the page takes a reference with inc-not-zero and reads the word again. Lock-free.
 */
static inline uint64_t address_map_peek(const struct address_map *m, uint64_t page, unsigned *level)
{
	struct node *top = map_top(m, page, level);
	uint64_t word;

	mm_rcu_read_lock();
	map_descend(top, page, level, &word);
	mm_rcu_read_unlock();
	return word;
}
