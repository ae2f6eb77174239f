/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_block.c - references, whole blocks, and the end of a reservation.
 *
 * Who frees the pages of a block whose reservation ends? Unreserve stores ORPHAN, then reads the
 * 512 counts; a dec subtracts from a count, then reads the state. All four are sequentially
 * consistent, so at least one of the two sees the other (Dekker): either the dec sees ORPHAN and
 * looks at the block itself, or unreserve sees the zero that the dec has left. Both may; the
 * change ORPHAN -> IDLE under the block lock is made by one of them. In an orphan no count goes
 * from zero to more, so the cursor over pages that are zero only rises and 512 decs cost 512
 * steps in all. A dec that comes late, into the block's next life, finds it referenced, or
 * frees what is free to be freed: it judges by what is there under the lock.
 *
 * Pages of CPU-owned blocks carry MEMORY_PAGE_SINGLE in the word that the dec changes, so
 * whether the page is the dec's to free is decided in the same atomic step.
 *
 * A block that was split counts its pages by compare-and-swap, so that they can be frozen, one by
 * one, when all have the same count: then it is whole again. Frozen words stay frozen: somebody who
 * saw the block in pages mode may come as late as he likes, finds his page frozen, waits for the
 * lock and looks again. Splitting thaws them, or the end of the last reference, when nobody can be
 * on his way any more. Who counts on all 512 tries to join them before; whoever counts on a part
 * does not. A block that never was whole counts by additions, and is never frozen.
 *
 * Locks: block. The mode changes by compare-and-swap; setting it, splitting, joining and taking
 * the last reference away happen under the block lock.
 */
#include "engine/memory_block.h"

#include <errno.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/memory_pool.h"
#include "engine/os_memory.h"
#include "engine/percpu.h"
#include "engine/test_points.h"

/* Threads that clear page after page find the next one in the cache: it comes while the host shows
 * this one. Who jumps about fetches nothing. A hint: who else clears on this CPU but spoils it. */
static void fetch_next(struct memory_file *mf, struct memory_pool *pool, uint32_t page)
{
	uint32_t last = atomic_load_explicit(&pool->zeroed_last, memory_order_relaxed);
	uint32_t next = page + 1;
	const unsigned char *at;

	atomic_store_explicit(&pool->zeroed_last, page, memory_order_relaxed);
	if (last + 1 != page || next % MM_HUGE_PAGES == 0 ||
	    atomic_load_explicit(&mf->counts[next], memory_order_relaxed) != MEMORY_PAGE_DIRTY)
		return;
	at = memory_file_memory(mf, next);
	for (unsigned i = 0; i < MM_PAGE_SIZE; i += 64)
		__builtin_prefetch(at + i, 1);
}

/*
 * By memset. Beside one UFFDIO_CONTINUE, pages of a cold 64 MiB one after another, to clear and
 * show took 1.15 to 1.4 of showing alone; streaming stores 1.2 to 1.3, rep stos 1.35 to 1.45,
 * ordinary 16-byte stores 1.2 to 1.35; with the next page fetched ahead 1.08 to 1.2. A whole fault
 * took 1.42 of it, and with that 1.25.
 */
void memory_block_zero_page(struct memory_file *mf, uint32_t page)
{
	struct memory_file_private *p = mf->private;
	struct memory_pool *pool = &p->pools[percpu_id() % p->cpus * (unsigned)p->nodes];

	memset(memory_file_memory(mf, page), 0, MM_PAGE_SIZE);
	fetch_next(mf, pool, page);
	atomic_fetch_add_explicit(&pool->zeroed_pages, 1, memory_order_relaxed);
}

void memory_block_reset(struct memory_file *mf, struct memory_block *b)
{
	_Atomic uint32_t *counts = mf->counts + memory_block_first(mf, b);

	if (b->counted)
		for (unsigned i = 0; i < MM_HUGE_PAGES; i++)
			atomic_store_explicit(&counts[i], 0, memory_order_relaxed);
	b->counted = 0;
	b->dirty = 0;
	b->populated = 0;
}

void memory_block_count_pages(struct memory_file *mf, struct memory_block *b)
{
	_Atomic uint32_t *counts = mf->counts + memory_block_first(mf, b);

	if (b->dirty)
		for (unsigned i = 0; i < MM_HUGE_PAGES; i++)
			atomic_store_explicit(&counts[i], MEMORY_PAGE_DIRTY, memory_order_relaxed);
	b->dirty = 0;
	b->counted = 1;
}

void memory_block_clean(struct memory_file *mf, struct memory_block *b)
{
	struct memory_file_private *p = mf->private;
	uint32_t first = memory_block_first(mf, b);

	if (b->dirty) {
		unsigned slot = percpu_id() % p->cpus * (unsigned)p->nodes;

		os_memory_clear_huge(memory_file_memory(mf, first));
		atomic_fetch_add_explicit(&p->pools[slot].zeroed_pages, MM_HUGE_PAGES,
					  memory_order_relaxed);
	}
	for (uint32_t i = 0; b->counted && i < MM_HUGE_PAGES; i++) {
		uint32_t word = atomic_load_explicit(&mf->counts[first + i], memory_order_acquire);

		if (!word)
			continue;
		if (!b->dirty)
			memory_block_zero_page(mf, first + i);
		atomic_store_explicit(&mf->counts[first + i], 0, memory_order_relaxed);
	}
	b->dirty = 0;
	b->counted = 0;
}

/* ---- claiming ---- */

int memory_block_populate(struct memory_file *mf, struct memory_block *b)
{
	struct memory_file_private *p = mf->private;
	uint32_t first = memory_block_first(mf, b);
	unsigned char *at = memory_file_memory(mf, first);

	if (b->populated)
		return 0;
	if (memory_file_class(mf, first) == PAGE_THP) {
		/* One page is enough to collapse around; 512 would only be copied. */
		if (os_memory_populate(at, MM_PAGE_SIZE, true))
			return -ENOMEM;
		if (os_memory_collapse(at, MM_HUGE_SIZE))
			atomic_fetch_add_explicit(&p->fallbacks, 1, memory_order_relaxed);
	}
	if (os_memory_populate(at, MM_HUGE_SIZE, true)) {
		if (p->allow_fallback)
			atomic_fetch_add_explicit(&p->fallbacks, 1, memory_order_relaxed);
		return -ENOMEM;
	}
	b->populated = 1;
	return 0;
}

int memory_block_make_whole(struct memory_file *mf, struct memory_block *b)
{
	uint32_t first = memory_block_first(mf, b);
	int rc;

	if (atomic_load_explicit(&b->whole, memory_order_acquire) & BLOCK_WHOLE)
		return -EBUSY;
	for (uint32_t i = 0; b->counted && i < MM_HUGE_PAGES; i++)
		if (atomic_load_explicit(&mf->counts[first + i], memory_order_acquire) &
		    MEMORY_PAGE_COUNT_MASK)
			return -EBUSY;
	rc = memory_block_populate(mf, b);
	if (rc)
		return rc;
	memory_block_clean(mf, b);
	atomic_store_explicit(&b->whole, BLOCK_WHOLE | 1, memory_order_release);
	return 0;
}

int memory_file_claim_huge(struct memory_file *mf, uint32_t first_page)
{
	struct memory_block *b = memory_file_block(mf, first_page);
	int rc;

	MM_CHECK(first_page % MM_HUGE_PAGES == 0);
	MM_CHECK(memory_file_class(mf, first_page) != PAGE_4K);
	rc = memory_chunk_charge(mf, memory_block_index(mf, b));
	if (rc)
		return rc;
	memory_block_lock(b);
	rc = memory_block_make_whole(mf, b);
	if (!rc)
		atomic_store_explicit(&b->state, BLOCK_IDLE, memory_order_release);
	memory_block_unlock(b);
	return rc;
}

/* The first claim of a single page in an idle block. */
static int block_touch(struct memory_file *mf, struct memory_block *b) MAY_LOCK_ARENA
{
	uint32_t state;
	int rc = memory_chunk_charge(mf, memory_block_index(mf, b));

	if (rc)
		return rc;
	memory_block_lock(b);
	state = atomic_load_explicit(&b->state, memory_order_relaxed);
	if (atomic_load_explicit(&b->whole, memory_order_acquire) & BLOCK_WHOLE) {
		rc = -EBUSY;
	} else if (state == BLOCK_IDLE) {
		if (memory_file_class(mf, memory_block_first(mf, b)) == PAGE_2M)
			rc = memory_block_populate(mf, b);
		if (!rc) {
			memory_block_count_pages(mf, b);
			atomic_store_explicit(&b->state, BLOCK_TOUCHED, memory_order_release);
		}
	}
	memory_block_unlock(b);
	if (state == BLOCK_ORPHAN)
		mm_fail("claim of a page in block %u, whose reservation was given back",
			(unsigned)memory_block_index(mf, b));
	return rc;
}

int memory_file_claim_slow(struct memory_file *mf, uint32_t page, uint32_t initial)
{
	struct memory_block *b = memory_file_block(mf, page);
	uint32_t old;

	if (!(atomic_load_explicit(&b->state, memory_order_acquire) & BLOCK_CLAIMS)) {
		int rc = block_touch(mf, b);

		if (rc)
			return rc;
	}
	old = atomic_load_explicit(&mf->counts[page], memory_order_acquire);
	if (old & (MEMORY_PAGE_COUNT_MASK | MEMORY_PAGE_FROZEN))
		return -EBUSY;
	if (old & MEMORY_PAGE_DIRTY)
		memory_block_zero_page(mf, page);
	atomic_store_explicit(&mf->counts[page], initial, memory_order_relaxed);
	return 0;
}

/* ---- whole and pages ---- */

void memory_file_split_block(struct memory_file *mf, struct memory_block *b)
{
	_Atomic uint32_t *counts = mf->counts + memory_block_first(mf, b);
	uint32_t word;

	memory_block_lock(b);
	/* Frozen: everybody who would change the word waits for the lock from here on. */
	word = atomic_load_explicit(&b->whole, memory_order_acquire);
	while (word & BLOCK_WHOLE &&
	       !atomic_compare_exchange_weak_explicit(&b->whole, &word, word | BLOCK_CONVERTING,
						      memory_order_acq_rel, memory_order_acquire))
		;
	if (word & BLOCK_WHOLE) {
		uint32_t each = word & BLOCK_COUNT_MASK;

		MM_TEST_POINT(memory_block_converting); /* the block held */
		if (word & BLOCK_DIRTY)
			each |= MEMORY_PAGE_DIRTY;
		for (unsigned i = 0; i < MM_HUGE_PAGES; i++) {
			uint32_t old = atomic_load_explicit(&counts[i], memory_order_relaxed);

			/* Not a store: somebody may be marking a page dirty. */
			while (!atomic_compare_exchange_weak_explicit(
				&counts[i], &old, (old & MEMORY_PAGE_DIRTY) | each,
				memory_order_release, memory_order_relaxed))
				;
		}
		b->counted = 1;
		if (atomic_load_explicit(&b->state, memory_order_relaxed) == BLOCK_IDLE)
			atomic_store_explicit(&b->state, BLOCK_TOUCHED, memory_order_release);
		atomic_store_explicit(&b->whole, BLOCK_PAGES, memory_order_release);
	}
	memory_block_unlock(b);
}

static uint32_t count_in(uint32_t word)
{
	return word & MEMORY_PAGE_COUNT_MASK;
}

/* Freezes the words of all pages, if each has the same count, above 0; that count, or 0. */
static uint32_t pages_freeze(_Atomic uint32_t *counts)
{
	uint32_t count = count_in(atomic_load_explicit(counts, memory_order_relaxed));

	/* Nothing is written before it is likely to be of use. */
	for (unsigned i = 0; i < MM_HUGE_PAGES; i++)
		if (count_in(atomic_load_explicit(&counts[i], memory_order_relaxed)) != count)
			return 0;
	for (unsigned i = 0; count && i < MM_HUGE_PAGES; i++) {
		uint32_t old = atomic_load_explicit(&counts[i], memory_order_relaxed);

		while (count_in(old) == count &&
		       !atomic_compare_exchange_weak_explicit(
			       &counts[i], &old, old | MEMORY_PAGE_FROZEN, memory_order_acquire,
			       memory_order_relaxed))
			;
		if (count_in(old) == count)
			continue;
		while (i-- > 0)
			atomic_fetch_and_explicit(&counts[i], ~MEMORY_PAGE_FROZEN,
						  memory_order_release);
		return 0;
	}
	return count;
}

/* Pages that count alike are counted as one again. */
static void block_join(struct memory_file *mf, struct memory_block *b) MAY_LOCK_BLOCK
{
	_Atomic uint32_t *counts = mf->counts + memory_block_first(mf, b);
	uint32_t count = 0;

	memory_block_lock(b);
	if (atomic_load_explicit(&b->whole, memory_order_relaxed) == BLOCK_PAGES)
		count = pages_freeze(counts);
	if (count) {
		MM_TEST_POINT(memory_block_joining); /* the block held */
		if (atomic_load_explicit(&b->state, memory_order_relaxed) == BLOCK_TOUCHED)
			atomic_store_explicit(&b->state, BLOCK_IDLE, memory_order_release);
		atomic_store_explicit(&b->whole, BLOCK_WHOLE | count, memory_order_release);
		/* Frozen they stay: who saw the block in pages mode and comes late looks again. */
		for (unsigned i = 0; i < MM_HUGE_PAGES; i++)
			atomic_fetch_and_explicit(&counts[i],
						  MEMORY_PAGE_FROZEN | MEMORY_PAGE_DIRTY,
						  memory_order_release);
	}
	memory_block_unlock(b);
}

/* Waits for whoever converts the block. */
static void block_await(struct memory_block *b) MAY_LOCK_BLOCK
{
	memory_block_lock(b);
	memory_block_unlock(b);
}

uint32_t memory_file_add(struct memory_file *mf, uint32_t page, uint32_t delta)
{
	struct memory_block *b = memory_file_block(mf, page);

	for (;;) {
		if (atomic_load_explicit(&b->whole, memory_order_acquire) & BLOCK_WHOLE)
			memory_file_split_block(mf, b);
		MM_TEST_POINT(memory_block_part); /* what the caller holds */
		uint32_t old = atomic_load_explicit(&mf->counts[page], memory_order_acquire);

		while (!(old & MEMORY_PAGE_FROZEN)) {
			uint32_t now = (old & ~MEMORY_PAGE_COUNT_MASK) |
				       ((old + delta) & MEMORY_PAGE_COUNT_MASK);

			/* seq_cst: pairs with unreserve, as any dec does. */
			if (atomic_compare_exchange_weak_explicit(&mf->counts[page], &old, now,
								  memory_order_seq_cst,
								  memory_order_acquire))
				return old;
		}
		block_await(b);
	}
}

void memory_file_mark_dirty_range(struct memory_file *mf, uint32_t first, uint32_t pages)
{
	for (uint32_t page = first, end = first + pages; page < end;) {
		struct memory_block *b = memory_file_block(mf, page);
		uint32_t next = (page | (uint32_t)(MM_HUGE_PAGES - 1)) + 1;
		uint32_t word = atomic_load_explicit(&b->whole, memory_order_acquire);

		while (word & BLOCK_WHOLE && !(word & (BLOCK_DIRTY | BLOCK_CONVERTING)))
			if (atomic_compare_exchange_weak_explicit(
				    &b->whole, &word, word | BLOCK_DIRTY, memory_order_acquire,
				    memory_order_acquire))
				word |= BLOCK_DIRTY;
		if (next > end)
			next = end;
		/* Not whole (any more): the pages have words of their own. */
		for (; (!(word & BLOCK_WHOLE) || word & BLOCK_CONVERTING) && page < next; page++)
			atomic_fetch_or_explicit(&mf->counts[page], MEMORY_PAGE_DIRTY,
						 memory_order_relaxed);
		page = next;
	}
}

/* ---- references ---- */

/* Under the block lock: nobody refers to the orphan any more, so it is idle. */
static bool orphan_finish(struct memory_file *mf, struct memory_block *b) REQUIRES(block_class)
{
	_Atomic uint32_t *counts = mf->counts + memory_block_first(mf, b);
	unsigned at = atomic_load_explicit(&b->cursor, memory_order_relaxed);

	if (atomic_load_explicit(&b->state, memory_order_relaxed) != BLOCK_ORPHAN ||
	    atomic_load_explicit(&b->whole, memory_order_relaxed) & BLOCK_WHOLE)
		return false;
	while (at < MM_HUGE_PAGES &&
	       !(atomic_load_explicit(&counts[at], memory_order_seq_cst) & MEMORY_PAGE_COUNT_MASK))
		at++;
	if (at < MM_HUGE_PAGES) {
		atomic_store_explicit(&b->cursor, (uint16_t)at, memory_order_relaxed);
		return false;
	}
	atomic_store_explicit(&b->whole, 0, memory_order_relaxed);
	atomic_store_explicit(&b->state, BLOCK_IDLE, memory_order_release);
	return true;
}

bool memory_block_unreserve(struct memory_file *mf, struct memory_block *b)
{
	bool idle;

	memory_block_lock(b);
	idle = atomic_load_explicit(&b->state, memory_order_relaxed) == BLOCK_IDLE &&
	       !atomic_load_explicit(&b->whole, memory_order_acquire);
	if (!idle) {
		atomic_store_explicit(&b->cursor, 0, memory_order_relaxed);
		atomic_store_explicit(&b->state, BLOCK_ORPHAN, memory_order_seq_cst);
		idle = orphan_finish(mf, b);
	}
	memory_block_unlock(b);
	return idle;
}

void memory_file_page_free(struct memory_file *mf, uint32_t page, uint32_t old)
{
	struct memory_block *b = memory_file_block(mf, page);
	bool idle;

	if (!(old & MEMORY_PAGE_COUNT_MASK))
		mm_fail("page %u: a reference was dropped that nobody held", page);
	if (old & MEMORY_PAGE_SINGLE) {
		memory_pool_free(mf, page, old);
		return;
	}
	if (atomic_load_explicit(&b->state, memory_order_seq_cst) != BLOCK_ORPHAN)
		return; /* still reserved: to be claimed again */
	uint32_t witness = page / (uint32_t)MM_HUGE_PAGES * (uint32_t)MM_HUGE_PAGES +
			   atomic_load_explicit(&b->cursor, memory_order_relaxed);

	/* Whoever drops that one looks again. */
	if (atomic_load_explicit(&mf->counts[witness], memory_order_seq_cst) &
	    MEMORY_PAGE_COUNT_MASK)
		return;
	memory_block_lock(b);
	idle = orphan_finish(mf, b);
	memory_block_unlock(b);
	if (idle)
		memory_chunk_give_one(mf, memory_block_index(mf, b));
}

/* The mode word; a block that was split has been made whole again, if that can be. */
static uint32_t block_mode(struct memory_file *mf, struct memory_block *b) MAY_LOCK_BLOCK
{
	if (atomic_load_explicit(&b->whole, memory_order_acquire) == BLOCK_PAGES)
		block_join(mf, b);
	return atomic_load_explicit(&b->whole, memory_order_acquire);
}

/* Adds one to a whole block; false: it counts its pages. */
static bool block_inc_whole(struct memory_file *mf, struct memory_block *b) MAY_LOCK_BLOCK
{
	uint32_t word = block_mode(mf, b);

	while (word & BLOCK_WHOLE) {
		if (word & BLOCK_CONVERTING) {
			block_await(b);
			word = atomic_load_explicit(&b->whole, memory_order_acquire);
		} else if (atomic_compare_exchange_weak_explicit(&b->whole, &word, word + 1,
								 memory_order_acquire,
								 memory_order_acquire)) {
			return true;
		}
	}
	return false;
}

/* The last reference of a whole block, unless somebody else takes one meanwhile. */
static bool block_dec_last(struct memory_file *mf, struct memory_block *b) MAY_LOCK_ARENA
{
	_Atomic uint32_t *counts = mf->counts + memory_block_first(mf, b);
	uint32_t word;
	bool idle = false;

	memory_block_lock(b);
	word = atomic_load_explicit(&b->whole, memory_order_acquire);
	while (word & BLOCK_WHOLE) {
		bool last = (word & BLOCK_COUNT_MASK) == 1;
		/* Pages may be frozen: thawed before the block can be seen to be idle. */
		uint32_t less = !last ? word - 1 : b->counted ? word | BLOCK_CONVERTING : 0;

		if (last && word & BLOCK_DIRTY)
			b->dirty = 1; /* before, as well */
		if (!atomic_compare_exchange_weak_explicit(
			    &b->whole, &word, less, memory_order_acq_rel, memory_order_acquire))
			continue;
		for (unsigned i = 0; last && b->counted && i < MM_HUGE_PAGES; i++)
			atomic_fetch_and_explicit(&counts[i], ~MEMORY_PAGE_FROZEN,
						  memory_order_relaxed);
		if (last)
			atomic_store_explicit(&b->whole, 0, memory_order_release);
		idle = last && orphan_finish(mf, b);
		break;
	}
	memory_block_unlock(b);
	if (idle)
		memory_chunk_give_one(mf, memory_block_index(mf, b));
	return word & BLOCK_WHOLE;
}

/* Takes one from a whole block; false: it counts its pages. */
static bool block_dec_whole(struct memory_file *mf, struct memory_block *b) MAY_LOCK_ARENA
{
	uint32_t word = block_mode(mf, b);

	while (word & BLOCK_WHOLE && !(word & BLOCK_CONVERTING) && (word & BLOCK_COUNT_MASK) > 1)
		if (atomic_compare_exchange_weak_explicit(
			    &b->whole, &word, word - 1, memory_order_acq_rel, memory_order_acquire))
			return true;
	return word & BLOCK_WHOLE && block_dec_last(mf, b);
}

/* The end of the part of [page, end) that lies in the block of `page`. */
static uint32_t part_end(uint32_t page, uint32_t end)
{
	uint32_t next = (page | (uint32_t)(MM_HUGE_PAGES - 1)) + 1;

	return next < end ? next : end;
}

void memory_file_inc_range(struct memory_file *mf, uint32_t first, uint32_t pages)
{
	for (uint32_t page = first, end = first + pages; page < end;) {
		uint32_t next = part_end(page, end);

		if (next - page == MM_HUGE_PAGES &&
		    block_inc_whole(mf, memory_file_block(mf, page)))
			page = next;
		for (; page < next; page++)
			memory_file_inc(mf, page);
	}
}

void memory_file_dec_range(struct memory_file *mf, uint32_t first, uint32_t pages)
{
	for (uint32_t page = first, end = first + pages; page < end;) {
		uint32_t next = part_end(page, end);

		if (next - page == MM_HUGE_PAGES &&
		    block_dec_whole(mf, memory_file_block(mf, page)))
			page = next;
		for (; page < next; page++)
			memory_file_dec(mf, page);
	}
}

bool memory_file_inc_not_zero(struct memory_file *mf, uint32_t page)
{
	struct memory_block *b = memory_file_block(mf, page);

	if (refcache_counts(mf->refcache, &mf->counts[page]))
		return refcache_revive(mf->refcache, page);
	for (;;) {
		if (atomic_load_explicit(&b->whole, memory_order_acquire) & BLOCK_WHOLE)
			memory_file_split_block(mf, b);
		uint32_t old = atomic_load_explicit(&mf->counts[page], memory_order_acquire);

		while (!(old & MEMORY_PAGE_FROZEN)) {
			if (!(old & MEMORY_PAGE_COUNT_MASK))
				return false;
			if (atomic_compare_exchange_weak_explicit(&mf->counts[page], &old, old + 1,
								  memory_order_acquire,
								  memory_order_acquire))
				return true;
		}
		block_await(b);
	}
}

uint32_t memory_file_count(struct memory_file *mf, uint32_t page)
{
	struct memory_block *b = memory_file_block(mf, page);

	if (refcache_counts(mf->refcache, &mf->counts[page]))
		return refcache_count(mf->refcache, page);
	for (;;) {
		/* In this order: a count that has been given to the whole is 0, and frozen. */
		uint32_t word = atomic_load_explicit(&mf->counts[page], memory_order_acquire);
		uint32_t mode = atomic_load_explicit(&b->whole, memory_order_acquire);

		if (mode & BLOCK_WHOLE)
			return mode & BLOCK_COUNT_MASK;
		if (word & MEMORY_PAGE_COUNT_MASK || !(word & MEMORY_PAGE_FROZEN))
			return word & MEMORY_PAGE_COUNT_MASK;
	}
}
