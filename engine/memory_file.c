/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_file.c - making and ending a family of memory files, its files as others see them,
 * statistics and invariants.
 *
 * All tables are reserved for the whole span at once and backed as they are used. If the limit of
 * address space is too low for the span, half of it is tried, down to 4 GiB.
 *
 * Locks: none held here; check and statistics want quiet (check) or accept a blur (statistics).
 */
#include "engine/memory_file.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/fail.h"
#include "engine/inject.h"
#include "engine/memory_background.h"
#include "engine/memory_block.h"
#include "engine/memory_chunk.h"
#include "engine/memory_pool.h"
#include "engine/os_memory.h"
#include "engine/percpu.h"

#define CHUNK_BYTES ((uint64_t)MEMORY_CHUNK_PAGES * MM_PAGE_SIZE)
#define SPAN_MIN (UINT64_C(4) << 30)
#define SPAN_MAX (UINT64_C(8) << 40)
#define RETAIN_DEFAULT (UINT64_C(256) << 20)

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SPAN_DEFAULT (UINT64_C(64) << 30) /* its shadow is several times as large */
#endif
#endif
#if !defined(SPAN_DEFAULT) && defined(__SANITIZE_THREAD__)
#define SPAN_DEFAULT (UINT64_C(64) << 30)
#endif
#ifndef SPAN_DEFAULT
#define SPAN_DEFAULT (UINT64_C(1) << 40)
#endif

/* ---- the files ---- */

static uint32_t kind_page(struct file *f, struct file_range fr)
{
	struct memory_kind *kind = (struct memory_kind *)f;

	MM_CHECK(fr.start < fr.end);
	return memory_file_page_at(kind->mf, f, fr.start);
}

/* inc_ref and dec_ref may cross chunks, whose page numbers need not follow each other. */
static void kind_inc_ref(struct file *f, struct file_range fr) MAY_LOCK_BLOCK
{
	while (fr.start < fr.end) {
		uint64_t stop = (fr.start / CHUNK_BYTES + 1) * CHUNK_BYTES;

		if (stop > fr.end)
			stop = fr.end;
		memory_file_inc_range(((struct memory_kind *)f)->mf, kind_page(f, fr),
				      (uint32_t)((stop - fr.start) / MM_PAGE_SIZE));
		fr.start = stop;
	}
}

static void kind_dec_ref(struct file *f, struct file_range fr) MAY_LOCK_ARENA
{
	while (fr.start < fr.end) {
		uint64_t stop = (fr.start / CHUNK_BYTES + 1) * CHUNK_BYTES;

		if (stop > fr.end)
			stop = fr.end;
		memory_file_dec_range(((struct memory_kind *)f)->mf, kind_page(f, fr),
				      (uint32_t)((stop - fr.start) / MM_PAGE_SIZE));
		fr.start = stop;
	}
}

static int kind_map_internal(struct file *f, struct file_range fr, mm_access at,
			     struct block_seq *out)
{
	struct memory_file *mf = ((struct memory_kind *)f)->mf;
	uint32_t page = kind_page(f, fr);
	uint32_t last;

	if (at & MM_EXEC || (at & MM_WRITE && ((struct memory_kind *)f)->read_only))
		return -EACCES;
	last = memory_file_page_at(mf, f, fr.end - 1);
	if (last / MEMORY_CHUNK_PAGES != page / MEMORY_CHUNK_PAGES)
		return -EINVAL; /* not one block: chunks do not follow each other */
	if (at & MM_WRITE)
		memory_file_mark_dirty_range(mf, page, last - page + 1);
	*out = (struct block_seq){ 0 };
	out->single.address = memory_file_memory(mf, page) + fr.start % MM_PAGE_SIZE;
	out->single.length = fr.end - fr.start;
	out->single.need_safe_copy = ((struct memory_kind *)f)->foreign;
	out->count = 1;
	out->limit = out->single.length;
	return 0;
}

static int kind_data_fd(struct file *f)
{
	return atomic_load_explicit(&((struct memory_kind *)f)->fd, memory_order_acquire);
}

const struct file_ops memory_kind_ops = {
	.inc_ref = kind_inc_ref,
	.dec_ref = kind_dec_ref,
	.map_internal = kind_map_internal,
	.data_fd = kind_data_fd,
};

struct file *memory_file_of(struct memory_file *mf, uint32_t page, uint64_t *offset)
{
	struct memory_chunk *c = memory_chunk_of(mf, page);
	struct memory_kind *kind = atomic_load_explicit(&c->kind, memory_order_acquire);

	MM_CHECK(kind);
	*offset = c->file_offset + (uint64_t)(page % MEMORY_CHUNK_PAGES) * MM_PAGE_SIZE;
	return &kind->file;
}

uint32_t memory_file_page_at(struct memory_file *mf, const struct file *f, uint64_t offset)
{
	const struct memory_kind *kind = (const struct memory_kind *)f;
	uint64_t at = offset / CHUNK_BYTES;
	uint32_t chunk = 0;

	MM_CHECK(f->ops == &memory_kind_ops && kind->mf == mf);
	if (at < kind->chunk_slots)
		chunk = atomic_load_explicit(&kind->chunk_at[at], memory_order_acquire);
	if (!chunk)
		mm_fail("offset %#llx lies beyond the end of the memory file",
			(unsigned long long)offset);
	return chunk * MEMORY_CHUNK_PAGES + (uint32_t)(offset % CHUNK_BYTES / MM_PAGE_SIZE);
}

enum page_class memory_file_class(struct memory_file *mf, uint32_t page)
{
	return memory_chunk_of(mf, page)->cls;
}

int memory_file_node(struct memory_file *mf, uint32_t page)
{
	return memory_chunk_of(mf, page)->node;
}

/* ---- create and destroy ---- */

static void tables_release(struct memory_file *mf)
{
	struct memory_file_private *p = mf->private;
	uint64_t pages = p->span / MM_PAGE_SIZE, blocks = p->span / MM_HUGE_SIZE;

	os_memory_release((void *)mf->counts, pages * sizeof(mf->counts[0]));
	os_memory_release(mf->blocks, blocks * sizeof(mf->blocks[0]));
	os_memory_release((void *)mf->pins, pages * sizeof(mf->pins[0]));
	os_memory_release(mf->window, p->span);
	os_memory_release(p->chunks, p->chunk_limit * sizeof(p->chunks[0]));
	for (int i = 0; i < KIND_COUNT; i++) {
		os_memory_release((void *)p->kinds[i].chunk_at,
				  p->chunk_limit * sizeof(p->kinds[i].chunk_at[0]));
		p->kinds[i].chunk_at = NULL;
	}
	mf->counts = NULL;
	mf->pins = NULL;
	mf->blocks = NULL;
	mf->window = NULL;
	p->chunks = NULL;
}

/* Reserves everything for p->span; false: not enough address space, nothing is reserved. */
static bool tables_reserve(struct memory_file *mf)
{
	struct memory_file_private *p = mf->private;
	uint64_t pages = p->span / MM_PAGE_SIZE, blocks = p->span / MM_HUGE_SIZE;
	bool ok;

	p->chunk_limit = (uint32_t)(p->span / CHUNK_BYTES);
	mf->window = os_memory_reserve(p->span, CHUNK_BYTES, false);
	mf->counts = os_memory_reserve(pages * sizeof(mf->counts[0]), MM_PAGE_SIZE, true);
	mf->pins = os_memory_reserve(pages * sizeof(mf->pins[0]), MM_PAGE_SIZE, true);
	mf->blocks = os_memory_reserve(blocks * sizeof(mf->blocks[0]), MM_PAGE_SIZE, true);
	p->chunks = os_memory_reserve(p->chunk_limit * sizeof(p->chunks[0]), MM_PAGE_SIZE, true);
	ok = mf->window && mf->counts && mf->pins && mf->blocks && p->chunks;
	for (int i = 0; i < KIND_COUNT; i++) {
		p->kinds[i].chunk_at = os_memory_reserve(
			p->chunk_limit * sizeof(p->kinds[i].chunk_at[0]), MM_PAGE_SIZE, true);
		p->kinds[i].chunk_slots = p->chunk_limit;
		ok = ok && p->kinds[i].chunk_at;
	}
	if (!ok)
		tables_release(mf);
	mf->page_limit = (uint32_t)pages;
	return ok;
}

static void private_init(struct memory_file *mf, const struct memory_file_opts *opts)
{
	struct memory_file_private *p = mf->private;
	uint64_t retain = opts->retain_bytes ? opts->retain_bytes : RETAIN_DEFAULT;

	p->allow_fallback = opts->allow_fallback;
	p->span = opts->span_bytes ? opts->span_bytes : SPAN_DEFAULT;
	p->max_blocks = opts->max_bytes / MM_HUGE_SIZE;
	if (opts->max_bytes && !p->max_blocks)
		p->max_blocks = 1;
	p->retain_base = (int64_t)(retain / MM_HUGE_SIZE);
	atomic_init(&p->retain_limit, p->retain_base);
	atomic_init(&p->next_chunk, 1); /* page 0 lies in chunk 0 */
	p->nodes = os_memory_node_count(MEMORY_MAX_NODES);
	p->place = opts->place;
	p->cpus = percpu_count();
	if (p->cpus > PERCPU_MAX)
		p->cpus = PERCPU_MAX;
	for (int i = 0; i < KIND_COUNT; i++) {
		p->kinds[i].file.ops = &memory_kind_ops;
		p->kinds[i].file.own_page_bytes = i == KIND_SHMEM ? MM_PAGE_SIZE : MM_HUGE_SIZE;
		p->kinds[i].mf = mf;
		atomic_init(&p->kinds[i].fd, -1);
	}
	for (int node = 0; node < MEMORY_MAX_NODES; node++)
		for (int cls = 0; cls < PAGE_CLASS_COUNT; cls++) {
			p->arenas[node][cls].node = node;
			p->arenas[node][cls].cls = (enum page_class)cls;
		}
}

static uint64_t pools_bytes(const struct memory_file_private *p)
{
	uint64_t bytes = (uint64_t)p->cpus * (uint64_t)p->nodes * sizeof(struct memory_pool);

	return (bytes + MM_PAGE_SIZE - 1) / MM_PAGE_SIZE * MM_PAGE_SIZE;
}

static void memory_file_release(struct memory_file *mf)
{
	struct memory_file_private *p = mf->private;

	for (int i = 0; i < KIND_COUNT; i++) {
		int fd = atomic_load_explicit(&p->kinds[i].fd, memory_order_relaxed);

		if (fd >= 0)
			os_memory_close(fd);
	}
	refcache_destroy(mf);
	tables_release(mf);
	os_memory_release(p->pools, pools_bytes(p));
	free(p);
	free(mf);
}

int memory_file_create(const struct memory_file_opts *opts, struct memory_file **out)
{
	static const struct memory_file_opts defaults;
	struct memory_file *mf = mm_calloc(sizeof(*mf));
	struct memory_file_private *p = mm_aligned_alloc(64, sizeof(*p));
	int fd;

	if (!opts)
		opts = &defaults;
	if (opts->span_bytes % CHUNK_BYTES || opts->span_bytes > SPAN_MAX || !mf || !p) {
		free(p);
		free(mf);
		return mf && p ? -EINVAL : -ENOMEM;
	}
	*p = (struct memory_file_private){ 0 };
	mf->private = p;
	private_init(mf, opts);
	p->pools = os_memory_reserve(pools_bytes(p), MM_PAGE_SIZE, true);
	while (!tables_reserve(mf)) {
		if (p->span / 2 < SPAN_MIN || !p->pools) {
			memory_file_release(mf);
			return -ENOMEM;
		}
		p->span = p->span / 2 / CHUNK_BYTES * CHUNK_BYTES;
	}
	if (!p->pools || (opts->sharded && refcache_create(mf))) {
		memory_file_release(mf);
		return -ENOMEM;
	}
	fd = os_memory_memfd("faultline", false);
	if (fd < 0) {
		memory_file_release(mf);
		return fd;
	}
	atomic_store_explicit(&p->kinds[KIND_SHMEM].fd, fd, memory_order_release);
	fd = memory_background_start(mf, opts);
	if (fd) {
		memory_file_release(mf);
		return fd;
	}
	*out = mf;
	return 0;
}

int memory_file_set_place(struct memory_file *mf, const struct numa_place *place)
{
	int nodes = mf->private->nodes;

	if ((unsigned)place->policy > NUMA_WEIGHTED ||
	    (nodes < MEMORY_MAX_NODES && place->nodes >> nodes))
		return -EINVAL;
	mf->private->place = *place;
	return 0;
}

const struct numa_place *memory_file_place(const struct memory_file *mf)
{
	return &mf->private->place;
}

/* ---- statistics and invariants ---- */

static uint64_t block_live_pages(struct memory_file *mf, uint32_t index)
{
	struct memory_block *b = &mf->blocks[index];
	uint32_t first = index * (uint32_t)MM_HUGE_PAGES;
	uint64_t live = 0;

	if (atomic_load_explicit(&b->whole, memory_order_acquire) & BLOCK_WHOLE)
		return MM_HUGE_PAGES;
	if (atomic_load_explicit(&b->state, memory_order_acquire) == BLOCK_IDLE)
		return 0;
	for (uint32_t i = 0; i < MM_HUGE_PAGES; i++)
		live += (atomic_load_explicit(&mf->counts[first + i], memory_order_relaxed) &
			 MEMORY_PAGE_COUNT_MASK) != 0;
	return live;
}

static uint64_t live_pages(struct memory_file *mf)
{
	uint32_t end = atomic_load_explicit(&mf->private->next_chunk, memory_order_acquire);
	uint64_t live = 0;

	for (uint32_t block = CHUNK_BLOCKS; block < end * CHUNK_BLOCKS; block++)
		if (memory_chunk_is_resident(mf, block))
			live += block_live_pages(mf, block);
	return live;
}

void memory_file_destroy(struct memory_file *mf)
{
	memory_background_stop(mf);

	uint32_t foreign = atomic_load_explicit(&mf->private->foreign_files, memory_order_acquire);
	uint64_t live;

	refcache_reconcile(mf);
	live = live_pages(mf);

	if (foreign)
		mm_fail("a memory file ends with %u foreign files, not detached or referenced",
			foreign);
	if (live)
		mm_fail("a memory file ends with %llu pages that are still referenced",
			(unsigned long long)live);
	memory_file_release(mf);
}

static uint64_t backed_bytes(void *address, uint64_t size)
{
	uint64_t start = (uintptr_t)address & ~(MM_PAGE_SIZE - 1);
	uint64_t end = ((uintptr_t)address + size + MM_PAGE_SIZE - 1) & ~(MM_PAGE_SIZE - 1);
	int64_t pages = os_memory_resident((void *)(uintptr_t)start, end - start);

	return pages < 0 ? 0 : (uint64_t)pages * MM_PAGE_SIZE;
}

void memory_file_get_stat(struct memory_file *mf, struct memory_file_stat *out)
{
	struct memory_file_private *p = mf->private;
	uint32_t end = atomic_load_explicit(&p->next_chunk, memory_order_acquire);

	*out = (struct memory_file_stat){ 0 };
	refcache_reconcile(mf);
	out->live_pages = live_pages(mf);
	out->metadata_bytes = sizeof(*mf) + sizeof(*p) + backed_bytes(p->pools, pools_bytes(p)) +
			      backed_bytes(p->chunks, end * sizeof(p->chunks[0]));
	/* The chunks in use follow each other, and so do their tables. */
	if (end > 1) {
		uint64_t pages = (uint64_t)(end - 1) * MEMORY_CHUNK_PAGES;
		uint64_t blocks = (uint64_t)(end - 1) * CHUNK_BLOCKS;

		out->metadata_bytes +=
			backed_bytes((void *)(mf->counts + MEMORY_CHUNK_PAGES),
				     pages * sizeof(mf->counts[0])) +
			backed_bytes((void *)(mf->pins + MEMORY_CHUNK_PAGES),
				     pages * sizeof(mf->pins[0])) +
			backed_bytes(mf->blocks + CHUNK_BLOCKS, blocks * sizeof(mf->blocks[0]));
	}
	if (mf->refcache)
		out->metadata_bytes +=
			refcache_bytes(mf->refcache) +
			backed_bytes((void *)mf->refcache->links,
				     (uint64_t)end * MEMORY_CHUNK_PAGES * sizeof(uint32_t));
	for (int i = 0; i < KIND_COUNT; i++) {
		int fd = atomic_load_explicit(&p->kinds[i].fd, memory_order_acquire);

		if (p->kinds[i].chunk_at)
			out->metadata_bytes +=
				backed_bytes((void *)p->kinds[i].chunk_at,
					     p->chunk_limit * sizeof(p->kinds[i].chunk_at[0]));
		if (fd >= 0)
			out->host_bytes[i == KIND_SHMEM ? PAGE_4K
					: i == KIND_2M	? PAGE_2M
							: PAGE_1G] = os_memory_file_bytes(fd);
	}
	for (unsigned i = 0; i < p->cpus * (unsigned)p->nodes; i++)
		out->zeroed_pages +=
			atomic_load_explicit(&p->pools[i].zeroed_pages, memory_order_relaxed);
	out->punched_bytes = atomic_load_explicit(&p->punched_bytes, memory_order_relaxed);
	out->fallbacks = atomic_load_explicit(&p->fallbacks, memory_order_relaxed);
	out->foreign_chunks = atomic_load_explicit(&p->foreign_chunks, memory_order_relaxed);
}

/* The words of a block's pages agree with its state and its bitmap. */
static void check_block(struct memory_file *mf, uint32_t index)
{
	struct memory_block *b = &mf->blocks[index];
	uint32_t state = atomic_load_explicit(&b->state, memory_order_acquire);
	uint32_t mode = atomic_load_explicit(&b->whole, memory_order_acquire);
	bool whole = mode & BLOCK_WHOLE;
	uint32_t referenced = 0;

	MM_CHECK(!(mode & BLOCK_CONVERTING));
	MM_CHECK(whole ? mode & BLOCK_COUNT_MASK : mode == BLOCK_PAGES || !mode);
	MM_CHECK(!whole || state == BLOCK_IDLE || state == BLOCK_ORPHAN);
	MM_CHECK(mode != BLOCK_PAGES || state == BLOCK_TOUCHED || state == BLOCK_ORPHAN);
	MM_CHECK(b->counted || !(state & BLOCK_CLAIMS));
	for (uint32_t i = 0; i < MM_HUGE_PAGES; i++) {
		uint64_t bit = UINT64_C(1) << (i % 64);
		uint32_t word = atomic_load_explicit(&mf->counts[index * MM_HUGE_PAGES + i],
						     memory_order_acquire);
		uint64_t remote =
			atomic_load_explicit(&b->free_remote[i / 64], memory_order_acquire);
		uint64_t both = b->free_local[i / 64] & remote;

		referenced += (word & MEMORY_PAGE_COUNT_MASK) != 0;
		MM_CHECK(!whole || !(word & MEMORY_PAGE_COUNT_MASK));
		MM_CHECK(whole || !(word & MEMORY_PAGE_FROZEN));
		MM_CHECK(state == BLOCK_CPU || !(word & MEMORY_PAGE_SINGLE));
		MM_CHECK(!(word & MEMORY_PAGE_SINGLE) || word & MEMORY_PAGE_COUNT_MASK);
		MM_CHECK(b->counted || !word);
		MM_CHECK(!(word & MEMORY_PAGE_SHARDED) || word & MEMORY_PAGE_SINGLE);
		if (state == BLOCK_CPU) {
			MM_CHECK(!(both & bit));
			MM_CHECK(!((b->free_local[i / 64] | remote) & bit) ||
				 !(word & MEMORY_PAGE_COUNT_MASK));
		}
	}
	MM_CHECK(state != BLOCK_IDLE || !referenced);
	MM_CHECK(state != BLOCK_ORPHAN || whole || referenced);
}

static void check_chunks(struct memory_file *mf)
{
	struct memory_file_private *p = mf->private;
	uint32_t end = atomic_load_explicit(&p->next_chunk, memory_order_acquire);
	int64_t resident_blocks = 0, retained = 0;

	for (uint32_t chunk = 1; chunk < end; chunk++) {
		struct memory_chunk *c = &p->chunks[chunk];
		uint32_t free_count = 0, retained_here = 0;

		for (uint32_t i = 0; i < CHUNK_BLOCKS; i++) {
			uint32_t index = chunk * CHUNK_BLOCKS + i;
			bool resident = memory_chunk_is_resident(mf, index);
			bool is_free =
				atomic_load_explicit(&c->free[i / 64], memory_order_acquire) >>
					(i % 64) &
				1;

			free_count += is_free;
			resident_blocks += resident;
			retained_here += resident && is_free;
			if (!resident)
				continue; /* never touched, its tables neither */
			check_block(mf, index);
			MM_CHECK(!is_free ||
				 (atomic_load_explicit(&mf->blocks[index].state,
						       memory_order_acquire) == BLOCK_IDLE &&
				  !atomic_load_explicit(&mf->blocks[index].whole,
							memory_order_acquire)));
		}
		MM_CHECK(free_count == c->free_count);
		if (c->cls != PAGE_1G || free_count == CHUNK_BLOCKS)
			retained += retained_here;
	}
	MM_CHECK(resident_blocks == atomic_load_explicit(&p->host_blocks, memory_order_acquire));
	MM_CHECK(retained == atomic_load_explicit(&p->retained_blocks, memory_order_acquire));
}

void memory_file_check(struct memory_file *mf)
{
	refcache_reconcile(mf);
	memory_background_pause(mf); /* its threads are never at a quiescent point else */
	check_chunks(mf);
	memory_background_resume(mf);
}
