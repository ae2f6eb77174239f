/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refcache.h - sharded reference counts: changes are gathered per CPU, so that CPUs that count on
 * one page share no line. After Refcache (Clements, Kaashoek, Zeldovich: RadixVM, EuroSys 2013).
 *
 * Mappables' pages only, and of those the ones that are allocated singly; the bit
 * MEMORY_PAGE_SHARDED in the count word says so, from before anybody else knows the page until it
 * is free. A private page's count must be certain (who alone has it does not copy), that of 2 MiB
 * is one word already, and a foreign file's pages may be counted up from zero: all those stay
 * atomic.
 *
 * Each CPU has a table of REFCACHE_SLOTS pairs (page, delta). The true count of a page is its word
 * plus its deltas, which nobody knows at once; that it is zero is found by passes (refcache.c). A
 * pass is made when a CPU takes a fresh block to allocate from, when many pages wait to be looked
 * at, and three in a row when memory is short or somebody asks what is in use. No thread, no
 * timer: an idle engine does nothing. Memory: a link per page that reached zero, a table per CPU;
 * pages dead but not yet free: at most about a table and REFCACHE_WAITING for each CPU.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/lock_order.h"
#include "engine/memory_types.h"
#include "engine/os_rseq.h"
#include "engine/percpu.h"

#define REFCACHE_SLOT_BITS 10
#define REFCACHE_SLOTS (1u << REFCACHE_SLOT_BITS)
#define REFCACHE_WAITING 256 /* pages that wait for a look, for each CPU, before one is taken */

struct memory_file;

struct refcache_cpu {
	_Atomic uint32_t lock; /* park word, leaf; sequences of this CPU read it */
	uint32_t filled; /* slots with a page; under the lock */
	union os_rseq_pair slots[REFCACHE_SLOTS] __attribute__((aligned(64)));
} __attribute__((aligned(128)));

struct refcache {
	struct memory_file *mf; /* this and the next four: immutable */
	struct refcache_cpu *cpus;
	unsigned cpu_count;
	bool sequences; /* or each change takes its CPU's lock */
	_Atomic uint32_t *links; /* by page: the next in a list */

	_Atomic uint32_t lock __attribute__((aligned(128))); /* of who makes a pass; rank arena */
	uint32_t touched, clean; /* lists of pages under review, 0 = end; under the lock */
	_Atomic uint64_t passes; /* made so far; written under the lock */
	_Atomic uint32_t head; /* pages that reached zero since the last pass */
	_Atomic uint32_t waiting; /* their number */
};

/* Makes mf->refcache. 0 or -ENOMEM. */
MM_MUST_CHECK int refcache_create(struct memory_file *mf);
/* mf->refcache may be NULL, here and below where it is said. */
void refcache_destroy(struct memory_file *mf);
uint64_t refcache_bytes(const struct refcache *rc); /* but for the links */

/* The page, which has one reference and is nobody else's to see yet, is counted in shards from now
 * on. NULL: it is not. */
void refcache_adopt(struct memory_file *mf, uint32_t page);
/* +1 and -1 of a page that is sharded; out of line, so that those who count atomically do not carry
 * them. dec may make a pass. */
void refcache_inc_sharded(struct refcache *rc, uint32_t page) MAY_LOCK_LEAF;
void refcache_dec_sharded(struct refcache *rc, uint32_t page) MAY_LOCK_ARENA;
/* The same in the table of a certain CPU, below cpu_count. */
void refcache_add_at(struct refcache *rc, unsigned cpu, uint32_t page, uint32_t delta)
	MAY_LOCK_LEAF;
/* +1 as long as the page is not free; true even if its last reference is gone but that was not
 * seen yet: it then stays. False: it is free, or not sharded (any more). */
bool refcache_revive(struct refcache *rc, uint32_t page);
/* Word and deltas; exact if nobody changes them. */
uint32_t refcache_count(struct refcache *rc, uint32_t page);

/* One pass; three free every page that had no reference when the first began. */
void refcache_pass(struct refcache *rc) MAY_LOCK_ARENA;
/* One pass, unless there is nothing to look at or somebody is at it. */
void refcache_step(struct refcache *rc) MAY_LOCK_ARENA;
/* Three passes, if counts are sharded at all. */
void refcache_reconcile(struct memory_file *mf) MAY_LOCK_ARENA;

static inline bool refcache_counts(const struct refcache *rc, const _Atomic uint32_t *count)
{
	return __builtin_expect(rc != NULL, 0) &&
	       atomic_load_explicit(count, memory_order_relaxed) & MEMORY_PAGE_SHARDED;
}

/* Fibonacci hashing: neighbours, and pages 2 MiB apart, come to different slots. */
static inline unsigned refcache_slot(uint32_t page)
{
	return (page * UINT32_C(0x9e3779b1)) >> (32 - REFCACHE_SLOT_BITS);
}

/* +1 and -1; false: the page is not sharded, and nothing has changed. */
static inline bool refcache_inc(struct refcache *rc, const _Atomic uint32_t *count, uint32_t page)
	MAY_LOCK_LEAF
{
	if (!refcache_counts(rc, count))
		return false;
	refcache_inc_sharded(rc, page);
	return true;
}

static inline bool refcache_dec(struct refcache *rc, const _Atomic uint32_t *count, uint32_t page)
	MAY_LOCK_ARENA
{
	if (!refcache_counts(rc, count))
		return false;
	refcache_dec_sharded(rc, page);
	return true;
}
