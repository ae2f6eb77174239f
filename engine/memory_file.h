/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_file.h - the family of memory files: reference-counted pages of memfds.
 *
 * Page size belongs to a memfd, so there is one shmem memfd (classes 4k and thp) and one hugetlb
 * memfd for each of 2m and 1g, made on first use. Together they are numbered as one sequence of 4
 * KiB pages: a page number names a page of one of them. Page 0 is never handed out (0 = no page).
 *
 * Everything about page n is found by arithmetic, without a lock and without a table walk:
 *   counts[n]          its reference count and its dirty bit
 *   pins[n]            how many of the references are pins
 *   blocks[n / 512]    its 2 MiB block
 *   window + n * 4096  its memory in this process (shared, readable and writable)
 *   chunks[n / 2^18]   file, file offset, node and class of its 1 GiB chunk
 * The arrays are reserved once, unbacked, for the whole span; what is not used costs nothing.
 *
 * Pages come in two ways:
 *   alloc     one page from a 2 MiB block that the calling CPU owns (mappables' pages, copies)
 *   reserve   a run of page numbers whose pages are claimed one by one (or 2 MiB at a time), in
 *             any order, at the place that an address decides (private anonymous memory)
 * Both give a page with one reference whose bytes are zero. A third way names the pages of a host
 * file that is not ours: memory_foreign.h.
 *
 * Locks: arena (per node) over chunks and free blocks; block (per 2 MiB block) over its mode and
 * its bitmap. inc/dec/claim of pages in page mode are single atomic operations.
 */
#pragma once

#include <stdatomic.h>

#include "engine/inject.h"
#include "engine/interfaces.h"
#include "engine/mappable_list.h"
#include "engine/memory_types.h"
#include "engine/numa_policy.h"
#include "engine/refcache.h"

#define MEMORY_CHUNK_PAGES (UINT32_C(1) << 18) /* 1 GiB */
#define MEMORY_NODE_ANY (-1)

struct memory_file_opts {
	uint64_t span_bytes; /* page numbers to reserve: multiple of 1 GiB, 0 = default (1 TiB) */
	uint64_t max_bytes; /* host memory in use or retained at most; 0 = no limit */
	uint64_t retain_bytes; /* freed memory kept for reuse; 0 = default (256 MiB) */
	bool allow_fallback; /* a missing huge page may become 4 KiB pages (flagged) */
	bool sharded; /* mappables' 4 KiB pages are counted per CPU: refcache.h */
	/* Threads of each node that clear, and release, what was freed: memory_background.h */
	bool zeroer, releaser;
	struct numa_place place; /* where memory comes from that nobody else decides about */
};

struct memory_file_stat {
	uint64_t live_pages; /* pages with a reference (exact at quiescent points) */
	uint64_t metadata_bytes; /* counts, blocks, tables that are backed */
	uint64_t host_bytes[PAGE_CLASS_COUNT]; /* st_blocks of the memfds (thp within 4k) */
	uint64_t zeroed_pages; /* cleared by hand before reuse */
	uint64_t punched_bytes; /* given back to the host */
	uint64_t fallbacks; /* huge pages that became small ones */
	uint64_t demotions; /* huge pages split by copying (counted by the caller) */
	uint64_t foreign_chunks; /* attached: memory_foreign.h; no page of them is counted above */
};

/* One writer per field as noted; the fast paths below read the bases. */
struct memory_file {
	_Atomic uint32_t *counts; /* immutable base */
	struct memory_block *blocks; /* immutable base */
	unsigned char *window; /* immutable base */
	_Atomic uint32_t *pins; /* immutable base */
	uint32_t page_limit; /* immutable: page numbers are below this */
	struct refcache *refcache; /* immutable; NULL: all counts are atomic */
	struct mappable_list mappables; /* that hold references to pages: for mm_check() */
	struct memory_file_private *private; /* the rest: memory_file.c */
};

/* 0, -ENOMEM, -errno of memfd_create. opts NULL: defaults. */
MM_MUST_CHECK int memory_file_create(const struct memory_file_opts *opts, struct memory_file **out);
/* All references must be gone (leaks are reported through mm_fail with their number). */
void memory_file_destroy(struct memory_file *mf) MAY_LOCK_ARENA;

/* ---- allocate one page ---- */
/* From now on memory of this family that nobody else decides about comes from there; what is there
 * stays. -EINVAL: a node that this machine lacks. Not while others allocate. */
MM_MUST_CHECK int memory_file_set_place(struct memory_file *mf, const struct numa_place *place);
const struct numa_place *memory_file_place(const struct memory_file *mf);
/* node: preferred node or MEMORY_NODE_ANY (of the family's place, or by the caller's policy:
 * node_choice.h). *page gets one reference, reads zero. 0 or -ENOMEM. */
MM_MUST_CHECK int memory_file_alloc(struct memory_file *mf, int node, uint32_t *page)
	MAY_LOCK_ARENA;
/* A whole 2 MiB block of class thp or 2m, in whole mode with count 1, populated and zero.
 * -ENOMEM when the host has no huge page (2m) or no memory. */
MM_MUST_CHECK int memory_file_alloc_huge(struct memory_file *mf, int node, enum page_class cls,
					 uint32_t *first_page) MAY_LOCK_ARENA;

/* ---- reservations ---- */
/*
 * Reserves `pages` consecutive page numbers (1 .. 2^18) of one chunk of that class (not 1g) on
 * `node`. With pages >= 512, or any but 4k pages, the run is cut from whole blocks and first ≡
 * congruent (mod 512). Nothing is backed or counted yet. 0, -ENOMEM, or -EINVAL: no such node, or
 * the run cannot fit one chunk.
 */
MM_MUST_CHECK int memory_file_reserve(struct memory_file *mf, int node, enum page_class cls,
				      uint32_t pages, uint32_t congruent, uint32_t *first)
	MAY_LOCK_ARENA;
/* Gives the run back, as it was reserved. Pages that still have references keep their block (a
 * small run: themselves) until the last one. No claim in the run may be under way. */
void memory_file_unreserve(struct memory_file *mf, uint32_t first, uint32_t pages) MAY_LOCK_ARENA;
/* Slow part of claim: first touch of a block, whole mode, dirty page. */
MM_MUST_CHECK int memory_file_claim_slow(struct memory_file *mf, uint32_t page, uint32_t initial)
	MAY_LOCK_ARENA;
/* claim, with the count word to start from: 1, or 1 | MEMORY_PAGE_DIRTY. */
static inline MM_MUST_CHECK int memory_file_claim_as(struct memory_file *mf, uint32_t page,
						     uint32_t initial) MAY_LOCK_ARENA
{
	uint32_t state =
		atomic_load_explicit(&mf->blocks[page / MM_HUGE_PAGES].state, memory_order_acquire);
	uint32_t old = atomic_load_explicit(&mf->counts[page], memory_order_acquire);

	if (MM_INJECT(INJECT_PAGE))
		return -ENOMEM;
	if (__builtin_expect(old != 0 || !(state & BLOCK_CLAIMS), 0))
		return memory_file_claim_slow(mf, page, initial);
	atomic_store_explicit(&mf->counts[page], initial, memory_order_relaxed);
	return 0;
}
/*
 * Claims an unreferenced page of the caller's reservation; the caller makes sure (by the entry
 * lock of the one address that decides the page) that nobody else claims it or its block.
 * 0; -EBUSY if it still has references (someone else holds the old content: take another page);
 * -ENOMEM: no memory for the first page of a block (limit, huge page).
 */
static inline MM_MUST_CHECK int memory_file_claim(struct memory_file *mf, uint32_t page)
	MAY_LOCK_ARENA
{
	return memory_file_claim_as(mf, page, 1);
}
/* claim and mark_dirty in one plain store: for a page that is about to be mapped writable. */
static inline MM_MUST_CHECK int memory_file_claim_writable(struct memory_file *mf, uint32_t page)
	MAY_LOCK_ARENA
{
	return memory_file_claim_as(mf, page, 1 | MEMORY_PAGE_DIRTY);
}
/* Claims a whole aligned block of a reservation of class thp or 2m: whole mode, count 1,
 * populated through our own mapping, zero. -ENOMEM: no huge page; -EBUSY: pages in use. */
MM_MUST_CHECK int memory_file_claim_huge(struct memory_file *mf, uint32_t first_page)
	MAY_LOCK_ARENA;

/* ---- references ---- */
/* Converts a block in whole mode to counting its pages (each gets the whole count). */
void memory_file_split_block(struct memory_file *mf, struct memory_block *b) MAY_LOCK_BLOCK;
/* Adds delta, 1 or -1, to the count of a page of a block that is whole, or was; its word before. */
uint32_t memory_file_add(struct memory_file *mf, uint32_t page, uint32_t delta) MAY_LOCK_BLOCK;
/* The last reference of a page went away; old is its word before that (for dec only: who frees
 * the page is decided by the word itself, not by what it is now). */
void memory_file_page_free(struct memory_file *mf, uint32_t page, uint32_t old) MAY_LOCK_ARENA;

static inline struct memory_block *memory_file_block(struct memory_file *mf, uint32_t page)
{
	return &mf->blocks[page / MM_HUGE_PAGES];
}
static inline uint32_t memory_file_block_mode(struct memory_file *mf, uint32_t page)
{
	return atomic_load_explicit(&memory_file_block(mf, page)->whole, memory_order_acquire);
}

/* +1. The page has a reference already. */
static inline void memory_file_inc(struct memory_file *mf, uint32_t page) MAY_LOCK_BLOCK
{
	if (refcache_inc(mf->refcache, &mf->counts[page], page))
		return;
	if (__builtin_expect(memory_file_block_mode(mf, page) != 0, 0))
		(void)memory_file_add(mf, page, 1);
	else
		atomic_fetch_add_explicit(&mf->counts[page], 1, memory_order_relaxed);
}
/* -1; the last one frees the page (sharded: the third pass after it does). */
static inline void memory_file_dec(struct memory_file *mf, uint32_t page) MAY_LOCK_ARENA
{
	uint32_t old;

	if (refcache_dec(mf->refcache, &mf->counts[page], page))
		return;
	if (__builtin_expect(memory_file_block_mode(mf, page) != 0, 0))
		old = memory_file_add(mf, page, UINT32_MAX);
	else /* seq_cst: pairs with unreserve, see memory_block.c. */
		old = atomic_fetch_sub_explicit(&mf->counts[page], 1, memory_order_seq_cst);
	if (__builtin_expect((old & MEMORY_PAGE_COUNT_MASK) <= 1, 0))
		memory_file_page_free(mf, page, old); /* checks for underflow */
}

/* The same for `pages` pages from first; an aligned 512 in whole mode is one operation. */
void memory_file_inc_range(struct memory_file *mf, uint32_t first, uint32_t pages) MAY_LOCK_BLOCK;
void memory_file_dec_range(struct memory_file *mf, uint32_t first, uint32_t pages) MAY_LOCK_ARENA;
/* +1 unless the page has no reference (sharded: is free); then false. For who has but a hint. */
bool memory_file_inc_not_zero(struct memory_file *mf, uint32_t page) MAY_LOCK_BLOCK;
/* The references of a page now; exact only if nobody changes them. */
uint32_t memory_file_count(struct memory_file *mf, uint32_t page);

/* Referenced pages may be written through a mapping from now on: they are dirty when freed. In
 * whole mode all 512 are. Takes no lock. */
void memory_file_mark_dirty_range(struct memory_file *mf, uint32_t first, uint32_t pages);
static inline void memory_file_mark_dirty(struct memory_file *mf, uint32_t page)
{
	if (!(atomic_load_explicit(&mf->counts[page], memory_order_relaxed) & MEMORY_PAGE_DIRTY))
		memory_file_mark_dirty_range(mf, page, 1);
}

/* ---- pins ---- */
/*
 * A pin is a reference whose holder counts on the page being, and staying, the one that its space
 * maps (a device writes to it). So whoever would leave the mapping another page (fork) asks for
 * pins first. Pins of a page are made under the entry lock of a mapping of it, and seen by
 * whoever has that lock later; they go without any lock, so a number above zero is a hint.
 */
static inline void memory_file_pin(struct memory_file *mf, uint32_t page) MAY_LOCK_BLOCK
{
	memory_file_inc(mf, page);
	atomic_fetch_add_explicit(&mf->pins[page], 1, memory_order_relaxed);
}
static inline void memory_file_unpin(struct memory_file *mf, uint32_t page) MAY_LOCK_ARENA
{
	atomic_fetch_sub_explicit(&mf->pins[page], 1, memory_order_relaxed);
	memory_file_dec(mf, page);
}
static inline uint32_t memory_file_pins(const struct memory_file *mf, uint32_t page)
{
	return atomic_load_explicit(&mf->pins[page], memory_order_relaxed);
}

/* ---- where a page is ---- */
static inline unsigned char *memory_file_memory(struct memory_file *mf, uint32_t page)
{
	return mf->window + ((uint64_t)page << MM_PAGE_SHIFT);
}
/* The host file that holds the page and the offset in it. The struct file lives as long as the
 * memory_file (that of a foreign file: as long as the page has references); its ops count these
 * pages. */
struct file *memory_file_of(struct memory_file *mf, uint32_t page, uint64_t *offset);
/* The page number of an offset of one of those files. */
uint32_t memory_file_page_at(struct memory_file *mf, const struct file *f, uint64_t offset);
enum page_class memory_file_class(struct memory_file *mf, uint32_t page);
int memory_file_node(struct memory_file *mf, uint32_t page); /* asked: the chunk's node */

/* ---- all of it ---- */
/* Makes `bytes` of class memory resident and retained ahead of use; returns bytes done. */
uint64_t memory_file_prefault(struct memory_file *mf, int node, enum page_class cls, uint64_t bytes)
	MAY_LOCK_PLATFORM;
void memory_file_get_stat(struct memory_file *mf, struct memory_file_stat *out) MAY_LOCK_ARENA;
/* Invariants of counts, blocks and free lists at a quiescent point; mm_fail on a breach. */
void memory_file_check(struct memory_file *mf) MAY_LOCK_ARENA;
