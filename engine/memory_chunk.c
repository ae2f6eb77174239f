/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_chunk.c - chunks, arenas, and what the host holds for them.
 *
 * A search looks at two bitmaps of 512 bits per chunk and passes over chunks with too few free
 * blocks. First fit from the lowest block keeps memory that is there already (and what prefault
 * has made ready) in use; trimming punches the highest.
 *
 * Growing maps the new gigabyte, sets its policy before anybody can touch it, and publishes it by
 * the release store of its kind; no reader takes a lock.
 */
#include "engine/memory_chunk.h"

#include <errno.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/inject.h"
#include "engine/memory_background.h"
#include "engine/memory_block.h"
#include "engine/memory_foreign.h"
#include "engine/memory_pool.h"
#include "engine/node_choice.h"
#include "engine/os_memory.h"
#include "engine/test_points.h"

#define CHUNK_BYTES ((uint64_t)MEMORY_CHUNK_PAGES * MM_PAGE_SIZE)
#define TRIM_STEP 64 /* blocks in one step: 128 MiB */

/* ---- bits ---- */

/* The first index >= from whose bit is `value`; 512 if there is none. */
static unsigned bits_next(const struct memory_bits *bits, unsigned from, bool value)
{
	while (from < 512) {
		uint64_t w = bits->word[from / 64];

		if (!value)
			w = ~w;
		w >>= from % 64;
		if (w)
			return from + (unsigned)__builtin_ctzll(w);
		from = (from / 64 + 1) * 64;
	}
	return 512;
}

int memory_bits_find_run(const struct memory_bits *bits, unsigned count)
{
	for (unsigned at = bits_next(bits, 0, true); at + count <= 512;) {
		unsigned end = bits_next(bits, at, false);

		if (end - at >= count)
			return (int)at;
		at = bits_next(bits, end, true);
	}
	return -1;
}

void memory_bits_set_run(struct memory_bits *bits, unsigned first, unsigned count)
{
	for (unsigned end = first + count; first < end;) {
		unsigned here = 64 - first % 64;

		if (here > end - first)
			here = end - first;
		bits->word[first / 64] |= (here == 64 ? ~UINT64_C(0) : (UINT64_C(1) << here) - 1)
					  << first % 64;
		first += here;
	}
}

bool memory_bits_empty(const struct memory_bits *bits)
{
	uint64_t any = 0;

	for (int i = 0; i < 8; i++)
		any |= bits->word[i];
	return !any;
}

unsigned memory_bits_count(const struct memory_bits *bits)
{
	unsigned n = 0;

	for (int i = 0; i < 8; i++)
		n += (unsigned)__builtin_popcountll(bits->word[i]);
	return n;
}

/* ---- arena lock ---- */

static struct lock_key arena_key(const struct memory_arena *a)
{
	return (struct lock_key){ 1 + (uint64_t)a->node, (uint64_t)a->cls };
}

static void arena_lock(struct memory_arena *a) ACQUIRES(arena_class)
	MAY_LOCK_BLOCK NO_TSA /* the lock is a word, the class a phantom */
{
	lock_rank_push(RANK_ARENA, arena_key(a), LOCK_SITE);
	park_lock_raw(&a->lock);
}

static void arena_unlock(struct memory_arena *a) RELEASES(arena_class) NO_TSA /* as above */
{
	park_unlock_raw(&a->lock);
	lock_rank_pop(RANK_ARENA, arena_key(a), LOCK_SITE);
}

/* Before every arena: the new chunk is linked with both held. */
static const struct lock_key grow_key = { 0, 0 };

void memory_chunk_grow_lock(struct memory_file_private *p) NO_TSA /* as above */
{
	lock_rank_push(RANK_ARENA, grow_key, LOCK_SITE);
	park_lock_raw(&p->grow_lock);
}

void memory_chunk_grow_unlock(struct memory_file_private *p) NO_TSA /* as above */
{
	park_unlock_raw(&p->grow_lock);
	lock_rank_pop(RANK_ARENA, grow_key, LOCK_SITE);
}

/* ---- growing ---- */

/* Apart, so that machines of one node do not pay for it. */
static __attribute__((noinline)) int node_of_caller(const struct memory_file *mf)
{
	unsigned nodes = (unsigned)mf->private->nodes;
	unsigned here = (unsigned)os_memory_current_node();

	return (int)node_choice_next(&mf->private->place, here < nodes ? here : 0, nodes);
}

int memory_chunk_node(struct memory_file *mf, int node)
{
	if (node == MEMORY_NODE_ANY)
		return mf->private->nodes == 1 ? 0 : node_of_caller(mf);
	return node < 0 || node >= mf->private->nodes ? -EINVAL : node;
}

/* Counts, pins and blocks of a chunk are where its pages are; they fill whole pages each. */
static void chunk_place_tables(struct memory_file *mf, uint32_t index, int node)
{
	const struct {
		void *start;
		size_t size;
	} tables[] = {
		{ (void *)&mf->counts[index * MEMORY_CHUNK_PAGES],
		  MEMORY_CHUNK_PAGES * sizeof(mf->counts[0]) },
		{ (void *)&mf->pins[index * MEMORY_CHUNK_PAGES],
		  MEMORY_CHUNK_PAGES * sizeof(mf->pins[0]) },
		{ &mf->blocks[index * CHUNK_BLOCKS], CHUNK_BLOCKS * sizeof(mf->blocks[0]) },
	};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		(void)!os_memory_bind(tables[i].start, tables[i].size, node, false);
}

/* Makes the memfd longer by one chunk and shows it at its place in the window. */
static int chunk_map(struct memory_file *mf, const struct memory_arena *arena, uint32_t index,
		     struct memory_kind *kind)
{
	static const struct {
		const char *name;
		unsigned huge_shift;
	} files[KIND_COUNT] = { [KIND_SHMEM] = { "faultline", 0 },
				[KIND_2M] = { "faultline-2m", MM_HUGE_SHIFT },
				[KIND_1G] = { "faultline-1g", 30 } };
	struct memory_file_private *p = mf->private;
	size_t id = (size_t)(kind - p->kinds);
	unsigned char *at = memory_file_memory(mf, index * MEMORY_CHUNK_PAGES);
	int fd = atomic_load_explicit(&kind->fd, memory_order_relaxed);
	int rc;

	if (fd < 0) {
		fd = os_memory_memfd(files[id].name, files[id].huge_shift);
		if (fd < 0)
			return fd;
		atomic_store_explicit(&kind->fd, fd, memory_order_release);
	}
	rc = os_memory_resize(fd, kind->size + CHUNK_BYTES);
	if (rc)
		return rc;
	rc = os_memory_map(at, CHUNK_BYTES, fd, kind->size, true);
	if (rc)
		return rc;
	if (id == KIND_SHMEM)
		os_memory_advise_huge(at, CHUNK_BYTES, arena->cls == PAGE_THP);
	if (p->nodes == 1)
		return 0;
	chunk_place_tables(mf, index, arena->node);
	/* Another node's memory is better than none, unless somebody said otherwise. */
	return os_memory_bind(at, CHUNK_BYTES, arena->node, p->place.policy == NUMA_BIND);
}

/* Makes one more chunk, not yet of any arena's list; its index or -errno. */
static int64_t chunk_create(struct memory_file *mf, struct memory_arena *arena)
	REQUIRES(arena_class)
{
	struct memory_file_private *p = mf->private;
	struct memory_kind *kind = &p->kinds[memory_kind_of_class(arena->cls)];
	uint32_t index = atomic_load_explicit(&p->next_chunk, memory_order_relaxed);
	struct memory_chunk *c = &p->chunks[index];

	if (index >= p->chunk_limit)
		return -ENOMEM;
	int rc = chunk_map(mf, arena, index, kind);

	if (rc)
		return rc;
	c->file_offset = kind->size;
	c->node = arena->node;
	c->cls = arena->cls;
	c->free_count = CHUNK_BLOCKS;
	for (int i = 0; i < CHUNK_WORDS; i++)
		atomic_store_explicit(&c->free[i], ~UINT64_C(0), memory_order_relaxed);
	atomic_store_explicit(&c->kind, kind, memory_order_release);
	atomic_store_explicit(&kind->chunk_at[kind->size / CHUNK_BYTES], index,
			      memory_order_release);
	kind->size += CHUNK_BYTES;
	atomic_store_explicit(&p->next_chunk, index + 1, memory_order_release);
	return index;
}

/* Appends a new chunk to the arena's list; the caller holds the grow lock. */
static void chunk_link(struct memory_file *mf, struct memory_arena *arena, uint32_t index)
	REQUIRES(arena_class) NO_TSA /* a second lock of the class, inside the first */
{
	struct memory_chunk *chunks = mf->private->chunks;

	arena_lock(arena);
	if (arena->tail)
		chunks[arena->tail].next = index;
	else
		arena->head = index;
	arena->tail = index;
	arena->chunk_count++;
	arena_unlock(arena);
}

int memory_chunk_grow(struct memory_file *mf, struct memory_arena *arena, uint32_t seen)
{
	int64_t index = 0;

	memory_chunk_grow_lock(mf->private);
	if (arena->chunk_count == seen) {
		index = chunk_create(mf, arena);
		if (index > 0)
			chunk_link(mf, arena, (uint32_t)index);
	}
	memory_chunk_grow_unlock(mf->private);
	return index < 0 ? (int)index : 0;
}

uint32_t memory_chunk_after(struct memory_file *mf, struct memory_arena *arena, uint32_t chunk)
{
	for (;;) {
		uint32_t next, seen;

		arena_lock(arena);
		next = chunk ? mf->private->chunks[chunk].next : arena->head;
		seen = arena->chunk_count;
		arena_unlock(arena);
		if (next || memory_chunk_grow(mf, arena, seen))
			return next;
	}
}

uint32_t memory_chunk_first(struct memory_file *mf, struct memory_arena *arena)
{
	return memory_chunk_after(mf, arena, 0);
}

/* ---- handing out and taking back ---- */

/* What a search is content with. */
enum chunk_wish { WISH_CLEAN, WISH_RESIDENT, WISH_ANY, WISHES };

/* A run of free blocks of the chunk as wished; -1. */
static int chunk_find(const struct memory_chunk *c, unsigned count, enum chunk_wish wish)
{
	struct memory_bits bits;

	if (c->free_count < count)
		return -1;
	for (int i = 0; i < CHUNK_WORDS; i++) {
		bits.word[i] = atomic_load_explicit(&c->free[i], memory_order_relaxed);
		if (wish != WISH_ANY)
			bits.word[i] &= atomic_load_explicit(&c->resident[i], memory_order_relaxed);
		if (wish == WISH_CLEAN)
			bits.word[i] &= ~c->dirty[i];
	}
	return memory_bits_find_run(&bits, count);
}

/* Clears the free bits; returns how many of the blocks are resident. Under the arena's lock. */
static unsigned chunk_remove(struct memory_chunk *c, const struct memory_bits *bits)
{
	unsigned resident = 0;

	for (int i = 0; i < CHUNK_WORDS; i++) {
		uint64_t w = bits->word[i];
		uint64_t old = atomic_load_explicit(&c->free[i], memory_order_relaxed);

		if (!w)
			continue;
		MM_CHECK((old & w) == w);
		atomic_store_explicit(&c->free[i], old & ~w, memory_order_relaxed);
		c->dirty[i] &= ~w;
		c->free_count -= (uint32_t)__builtin_popcountll(w);
		resident += (unsigned)__builtin_popcountll(
			w & atomic_load_explicit(&c->resident[i], memory_order_relaxed));
	}
	return resident;
}

static unsigned chunk_insert(struct memory_chunk *c, const struct memory_bits *bits)
{
	unsigned resident = 0;

	for (int i = 0; i < CHUNK_WORDS; i++) {
		uint64_t w = bits->word[i];
		uint64_t old = atomic_load_explicit(&c->free[i], memory_order_relaxed);

		if (!w)
			continue;
		MM_CHECK(!(old & w)); /* a block that is freed twice */
		atomic_store_explicit(&c->free[i], old | w, memory_order_relaxed);
		c->free_count += (uint32_t)__builtin_popcountll(w);
		resident += (unsigned)__builtin_popcountll(
			w & atomic_load_explicit(&c->resident[i], memory_order_relaxed));
	}
	return resident;
}

static bool arena_take(struct memory_file *mf, struct memory_arena *arena, unsigned count,
		       uint32_t *block, uint32_t *seen) MAY_LOCK_ARENA
{
	struct memory_file_private *p = mf->private;
	bool any_retained = atomic_load_explicit(&p->retained_blocks, memory_order_relaxed) > 0;
	int at = -1;

	arena_lock(arena);
	*seen = arena->chunk_count;
	/* Clean ones first where somebody sees to it that there are some. */
	for (int pass = !any_retained	? WISH_ANY
			: p->background ? WISH_CLEAN
					: WISH_RESIDENT;
	     pass < WISHES && at < 0; pass++) {
		for (uint32_t i = arena->head; i && at < 0; i = p->chunks[i].next) {
			struct memory_bits run = { { 0 } };

			at = chunk_find(&p->chunks[i], count, (enum chunk_wish)pass);
			if (at < 0)
				continue;
			memory_bits_set_run(&run, (unsigned)at, count);
			atomic_fetch_sub_explicit(&p->retained_blocks,
						  chunk_remove(&p->chunks[i], &run),
						  memory_order_relaxed);
			*block = i * CHUNK_BLOCKS + (uint32_t)at;
		}
	}
	arena_unlock(arena);
	return at >= 0;
}

int memory_chunk_take(struct memory_file *mf, struct memory_arena *arena, unsigned count,
		      uint32_t *block)
{
	uint32_t seen = 0;
	int rc = 0;

	while (!rc && !arena_take(mf, arena, count, block, &seen))
		rc = memory_chunk_grow(mf, arena, seen);
	return rc;
}

bool memory_chunk_take_this(struct memory_file *mf, uint32_t block)
{
	struct memory_file_private *p = mf->private;
	struct memory_chunk *c = &p->chunks[block / CHUNK_BLOCKS];
	struct memory_arena *arena = &p->arenas[c->node][c->cls];
	unsigned i = block % CHUNK_BLOCKS;
	struct memory_bits one = { { 0 } };
	bool got;

	memory_bits_set_run(&one, i, 1);
	arena_lock(arena);
	got = atomic_load_explicit(&c->free[i / 64], memory_order_relaxed) >> (i % 64) & 1;
	if (got)
		atomic_fetch_sub_explicit(&p->retained_blocks, chunk_remove(c, &one),
					  memory_order_relaxed);
	arena_unlock(arena);
	return got;
}

/* Notes which of the blocks that come back the zeroer should clear. */
static void note_dirty(struct memory_file *mf, struct memory_chunk *c,
		       const struct memory_bits *bits)
{
	uint32_t first = (uint32_t)(c - mf->private->chunks) * CHUNK_BLOCKS;

	for (unsigned i = 0; i < CHUNK_BLOCKS; i++)
		if (memory_bits_test(bits, i) && memory_chunk_is_resident(mf, first + i) &&
		    (mf->blocks[first + i].dirty || mf->blocks[first + i].counted))
			c->dirty[i / 64] |= UINT64_C(1) << (i % 64);
}

static void arena_put(struct memory_file *mf, struct memory_chunk *c,
		      const struct memory_bits *bits) MAY_LOCK_ARENA
{
	struct memory_file_private *p = mf->private;
	struct memory_arena *arena = &p->arenas[c->node][c->cls];

	arena_lock(arena);
	unsigned resident = chunk_insert(c, bits);

	if (p->background && c->cls != PAGE_1G)
		note_dirty(mf, c, bits);

	if (c->cls == PAGE_1G) /* nothing of it is to be had before the last block is back */
		resident = resident && c->free_count == CHUNK_BLOCKS ? CHUNK_BLOCKS : 0;
	atomic_fetch_add_explicit(&p->retained_blocks, resident, memory_order_relaxed);
	arena_unlock(arena);
}

/* ---- giving memory back to the host ---- */

/* Takes up to `most` retained blocks of one chunk out, the highest ones. */
static unsigned trim_take(struct memory_file *mf, struct memory_chunk *c, unsigned most,
			  struct memory_bits *taken) MAY_LOCK_ARENA
{
	struct memory_file_private *p = mf->private;
	struct memory_arena *arena = &p->arenas[c->node][c->cls];
	unsigned n = 0;

	*taken = (struct memory_bits){ { 0 } };
	arena_lock(arena);
	if (c->cls == PAGE_1G && c->free_count < CHUNK_BLOCKS)
		most = 0;
	for (int i = CHUNK_WORDS - 1; i >= 0 && n < most; i--) {
		uint64_t w = atomic_load_explicit(&c->free[i], memory_order_relaxed) &
			     atomic_load_explicit(&c->resident[i], memory_order_relaxed);

		for (; w && n < most; n++) {
			uint64_t top = UINT64_C(1) << (63 - __builtin_clzll(w));

			taken->word[i] |= top;
			w &= ~top;
		}
	}
	if (n)
		atomic_fetch_sub_explicit(&p->retained_blocks, chunk_remove(c, taken),
					  memory_order_relaxed);
	arena_unlock(arena);
	return n;
}

void memory_chunk_punch(struct memory_file *mf, uint32_t chunk, const struct memory_bits *bits)
{
	struct memory_file_private *p = mf->private;
	struct memory_chunk *c = &p->chunks[chunk];
	struct memory_kind *kind = atomic_load_explicit(&c->kind, memory_order_relaxed);

	for (unsigned at = bits_next(bits, 0, true); at < CHUNK_BLOCKS;) {
		unsigned end = bits_next(bits, at, false);
		uint64_t size = (uint64_t)(end - at) * MM_HUGE_SIZE;

		if (!os_memory_punch(atomic_load_explicit(&kind->fd, memory_order_relaxed),
				     c->file_offset + at * MM_HUGE_SIZE, size)) {
			for (unsigned i = at; i < end; i++) {
				memory_block_reset(mf, &mf->blocks[chunk * CHUNK_BLOCKS + i]);
				atomic_fetch_and_explicit(&c->resident[i / 64],
							  ~(UINT64_C(1) << (i % 64)),
							  memory_order_release);
			}
			atomic_fetch_sub_explicit(&p->host_blocks, end - at, memory_order_relaxed);
			atomic_fetch_add_explicit(&p->punched_bytes, size, memory_order_relaxed);
		}
		at = bits_next(bits, end, true);
	}
}

/* Punches some of what one chunk retains, unless at most `keep` blocks are retained in all: a 1 GiB
 * page goes as a whole. False: nothing was to be done. */
static bool trim_chunk(struct memory_file *mf, uint32_t chunk, int64_t keep) MAY_LOCK_ARENA
{
	struct memory_file_private *p = mf->private;
	struct memory_chunk *c = &p->chunks[chunk];
	int64_t step = c->cls == PAGE_1G ? CHUNK_BLOCKS : TRIM_STEP;
	int64_t excess = atomic_load_explicit(&p->retained_blocks, memory_order_relaxed) - keep;
	struct memory_bits taken;

	if (excess <= 0)
		return false;
	if (excess > step || c->cls == PAGE_1G)
		excess = step;
	if (!trim_take(mf, c, (unsigned)excess, &taken))
		return false;
	memory_chunk_punch(mf, chunk, &taken);
	arena_put(mf, c, &taken);
	return true;
}

/* Punches retained memory until at most `keep` blocks are retained; false: nothing was there. */
static bool trim(struct memory_file *mf, int64_t keep) MAY_LOCK_ARENA
{
	struct memory_file_private *p = mf->private;
	uint32_t end = atomic_load_explicit(&p->next_chunk, memory_order_acquire);
	bool any = false;

	for (uint32_t i = end - 1;
	     i > 0 && atomic_load_explicit(&p->retained_blocks, memory_order_relaxed) > keep; i--)
		while (trim_chunk(mf, i, keep))
			any = true;
	return any;
}

bool memory_chunk_trim_node(struct memory_file *mf, int node)
{
	struct memory_file_private *p = mf->private;
	int64_t limit = atomic_load_explicit(&p->retain_limit, memory_order_relaxed);
	uint32_t end = atomic_load_explicit(&p->next_chunk, memory_order_acquire);

	for (uint32_t i = end - 1; i > 0; i--)
		if (!p->chunks[i].foreign && p->chunks[i].node == node && trim_chunk(mf, i, limit))
			return true;
	return false;
}

bool memory_chunk_take_dirty(struct memory_file *mf, int node, uint32_t *block)
{
	struct memory_file_private *p = mf->private;
	bool got = false;

	for (int cls = 0; cls < PAGE_1G && !got; cls++) {
		struct memory_arena *arena = &p->arenas[node][cls];

		arena_lock(arena);
		for (uint32_t i = arena->head; i && !got; i = p->chunks[i].next) {
			struct memory_bits dirty, one = { { 0 } };
			unsigned at;

			memcpy(&dirty, p->chunks[i].dirty, sizeof(dirty));
			at = bits_next(&dirty, 0, true);
			if (at == CHUNK_BLOCKS)
				continue;
			memory_bits_set_run(&one, at, 1);
			atomic_fetch_sub_explicit(&p->retained_blocks,
						  chunk_remove(&p->chunks[i], &one),
						  memory_order_relaxed);
			*block = i * CHUNK_BLOCKS + at;
			got = true;
		}
		arena_unlock(arena);
	}
	return got;
}

void memory_chunk_give(struct memory_file *mf, uint32_t chunk, const struct memory_bits *bits)
{
	struct memory_file_private *p = mf->private;
	int64_t limit = atomic_load_explicit(&p->retain_limit, memory_order_relaxed);

	if (memory_bits_empty(bits))
		return;
	if (p->chunks[chunk].foreign) {
		memory_foreign_give(mf, chunk, memory_bits_count(bits));
		return;
	}
	arena_put(mf, &p->chunks[chunk], bits);
	int64_t excess = atomic_load_explicit(&p->retained_blocks, memory_order_relaxed) - limit;

	if ((p->background && memory_background_given(mf, &p->chunks[chunk], excess)) ||
	    excess <= 0)
		return;
	/* A 1 GiB page that is too much goes itself, rather than all else that is retained. */
	if (p->chunks[chunk].cls == PAGE_1G)
		(void)trim_chunk(mf, chunk, limit);
	(void)trim(mf, limit);
}

void memory_chunk_keep(struct memory_file *mf, uint32_t chunk, const struct memory_bits *bits)
{
	arena_put(mf, &mf->private->chunks[chunk], bits);
}

void memory_chunk_keep_one(struct memory_file *mf, uint32_t block)
{
	struct memory_bits one = { { 0 } };

	memory_bits_set_run(&one, block % CHUNK_BLOCKS, 1);
	memory_chunk_keep(mf, block / CHUNK_BLOCKS, &one);
}

void memory_chunk_give_one(struct memory_file *mf, uint32_t block)
{
	struct memory_bits one = { { 0 } };

	memory_bits_set_run(&one, block % CHUNK_BLOCKS, 1);
	memory_chunk_give(mf, block / CHUNK_BLOCKS, &one);
}

void memory_chunk_retain(struct memory_file_private *p, int64_t blocks)
{
	int64_t limit = atomic_load_explicit(&p->retain_limit, memory_order_relaxed);

	while (limit < p->retain_base + blocks &&
	       !atomic_compare_exchange_weak_explicit(&p->retain_limit, &limit,
						      p->retain_base + blocks, memory_order_relaxed,
						      memory_order_relaxed))
		;
}

/* One more block for the host, if the limit allows. */
static bool charge(struct memory_file_private *p)
{
	int64_t now = atomic_fetch_add_explicit(&p->host_blocks, 1, memory_order_relaxed);

	if (!p->max_blocks || (uint64_t)now < p->max_blocks)
		return true;
	atomic_fetch_sub_explicit(&p->host_blocks, 1, memory_order_relaxed);
	return false;
}

int memory_chunk_charge(struct memory_file *mf, uint32_t block)
{
	struct memory_file_private *p = mf->private;
	struct memory_chunk *c = &p->chunks[block / CHUNK_BLOCKS];
	uint64_t bit = UINT64_C(1) << (block % 64);

	if (MM_INJECT(INJECT_PAGE))
		return -ENOMEM;
	if (memory_chunk_is_resident(mf, block))
		return 0;
	if (!charge(p)) {
		/* Make room: memory that other CPUs freed, then memory that is only retained. */
		memory_pool_reclaim(mf);
		MM_TEST_POINT(memory_chunk_short); /* the caller's locks */
		memory_background_pause(mf); /* and what its threads have in hand */
		int64_t retained = atomic_load_explicit(&p->retained_blocks, memory_order_relaxed);

		(void)trim(mf, retained > 0 ? retained - 1 : 0);
		memory_background_resume(mf);
		if (!charge(p))
			return -ENOMEM;
	}
	if (atomic_fetch_or_explicit(&c->resident[block % CHUNK_BLOCKS / 64], bit,
				     memory_order_acq_rel) &
	    bit)
		atomic_fetch_sub_explicit(&p->host_blocks, 1, memory_order_relaxed);
	return 0;
}
