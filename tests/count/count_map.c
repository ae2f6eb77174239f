/* SPDX-License-Identifier: Apache-2.0 */
/*
 * count_map.c - instructions of what changes mappings, or takes pages out of them.
 *
 * One thread, no lock but the engine's own.
 */
#include "engine/mm_fork.h"
#include "engine/mm_remap.h"
#include "tests/count/count.h"

#define SMALL (16 * MM_PAGE_SIZE)
#define WARM_UP 64u

static void nothing_mapped(struct count_scene *c)
{
	struct mm_stat stat;

	lock_assert_none();
	mm_get_stat(c->mm, &stat);
	REQUIRE(stat.vmas == 0);
}

/* ---- map and unmap ---- */

/* Where the engine chooses: the search for a place is part of it. */
static void map_unmap(struct count_scene *c, unsigned times, uint64_t length)
{
	struct mmap_opts o = { .length = length,
			       .perms = MM_READ | MM_WRITE,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = true };

	lock_assert_none();
	for (unsigned i = 0; i < times; i++) {
		uint64_t address = 0;

		c->error |= mm_mmap(c->space, &o, &address);
		c->error |= mm_munmap(c->space, address, length);
	}
}

static void map_unmap_4k(struct count_scene *c, unsigned times)
{
	map_unmap(c, times, MM_PAGE_SIZE);
}

static void map_unmap_64k(struct count_scene *c, unsigned times)
{
	map_unmap(c, times, SMALL);
}

static void prepare_nothing(struct count_scene *c)
{
	map_unmap_4k(c, WARM_UP);
	map_unmap_64k(c, WARM_UP);
}

/* ---- protect, move, discard ---- */

static void protect(struct count_scene *c, unsigned times)
{
	lock_assert_none();
	for (unsigned i = 0; i < times; i++)
		c->error |= mm_mprotect(c->space, COUNT_BASE, SMALL,
					i & 1 ? MM_READ | MM_WRITE : MM_READ);
}

static void prepare_small(struct count_scene *c)
{
	count_map_anon(c, COUNT_BASE, SMALL);
	count_touch(c, 0, 16, MM_WRITE);
	protect(c, WARM_UP);
}

static void is_protected(struct count_scene *c)
{
	REQUIRE(count_present(c, MM_WRITE) == 16);
}

static void remap(struct count_scene *c, unsigned times)
{
	uint64_t here = COUNT_BASE, there = COUNT_BASE + COUNT_BYTES, got;

	lock_assert_none();
	for (unsigned i = 0; i < times; i++) {
		uint64_t to = i & 1 ? here : there, from = i & 1 ? there : here;

		c->error |= mm_mremap(c->space, from, MM_PAGE_SIZE, MM_PAGE_SIZE, MREMAP_FIXED_MOVE,
				      to, &got);
	}
}

static void prepare_page(struct count_scene *c)
{
	count_map_anon(c, COUNT_BASE, MM_PAGE_SIZE);
	count_touch(c, 0, 1, MM_WRITE);
	remap(c, WARM_UP);
}

static void moved_back(struct count_scene *c)
{
	REQUIRE(count_present(c, MM_READ) == 1);
}

static void prepare_present(struct count_scene *c)
{
	count_map_anon(c, COUNT_BASE, 2 * COUNT_BYTES);
	count_touch(c, 0, COUNT_PAGES + WARM_UP, MM_WRITE);
}

static void discard(struct count_scene *c, unsigned first, unsigned end)
{
	lock_assert_none();
	for (unsigned i = first; i < end; i++)
		c->error |= mm_discard(c->space, count_address(i), MM_PAGE_SIZE);
}

static void prepare_discard(struct count_scene *c)
{
	prepare_present(c);
	discard(c, COUNT_PAGES, COUNT_PAGES + WARM_UP);
}

static void discard_pages(struct count_scene *c, unsigned times)
{
	discard(c, 0, times);
}

static void none_present(struct count_scene *c)
{
	REQUIRE(count_present(c, MM_READ) == 0);
}

/* ---- what mappables do ---- */

static void invalidate(struct count_scene *c, unsigned first, unsigned end)
{
	lock_assert_none();
	for (unsigned i = first; i < end; i++) {
		uint64_t offset = i * MM_PAGE_SIZE;

		shared_memory_invalidate(c->shared,
					 (struct mappable_range){ offset, offset + MM_PAGE_SIZE },
					 (struct invalidate_opts){ false });
	}
}

static void prepare_shared(struct count_scene *c)
{
	count_make_shared(c, 2 * COUNT_BYTES);
	count_map_object(c, COUNT_BASE, 2 * COUNT_BYTES, false);
	count_touch(c, 0, COUNT_PAGES + WARM_UP, MM_WRITE);
}

static void prepare_invalidate(struct count_scene *c)
{
	prepare_shared(c);
	invalidate(c, COUNT_PAGES, COUNT_PAGES + WARM_UP);
}

static void invalidate_pages(struct count_scene *c, unsigned times)
{
	invalidate(c, 0, times);
}

/* Cuts one page after another off, from `from` pages on. */
static void truncate(struct count_scene *c, unsigned from, unsigned to)
{
	lock_assert_none();
	while (from-- > to)
		c->error |= shared_memory_truncate(c->shared, from * MM_PAGE_SIZE);
}

static void prepare_truncate(struct count_scene *c)
{
	prepare_shared(c);
	truncate(c, COUNT_PAGES + WARM_UP, COUNT_PAGES);
}

static void truncate_pages(struct count_scene *c, unsigned times)
{
	truncate(c, times, 0);
}

static void all_cut(struct count_scene *c)
{
	none_present(c);
	REQUIRE(shared_memory_resident_pages(c->shared) == 0);
}

/* ---- fork ---- */

static void fork_once(struct count_scene *c, unsigned times)
{
	(void)times; /* pages: one fork has all of them */
	lock_assert_none();
	c->error |= mm_fork(c->space, &c->child);
}

static void prepare_fork(struct count_scene *c)
{
	lock_assert_none();
	count_map_anon(c, COUNT_BASE, COUNT_BYTES);
	fork_once(c, 0);
	mm_space_destroy(c->child);
	count_touch(c, 0, COUNT_PAGES, MM_WRITE);
}

static void is_forked(struct count_scene *c)
{
	REQUIRE(count_present(c, MM_READ) == COUNT_PAGES);
	REQUIRE(count_present(c, MM_WRITE) == 0);
}

const struct count_op count_map_ops[] = {
	{ "map_unmap_4k", COUNT_PAGES, prepare_nothing, map_unmap_4k, nothing_mapped },
	{ "map_unmap_64k", COUNT_PAGES, prepare_nothing, map_unmap_64k, nothing_mapped },
	{ "protect_64k", COUNT_PAGES, prepare_small, protect, is_protected },
	{ "discard_4k", COUNT_PAGES, prepare_discard, discard_pages, none_present },
	{ "remap_4k", COUNT_PAGES, prepare_page, remap, moved_back },
	{ "invalidate_4k", COUNT_PAGES, prepare_invalidate, invalidate_pages, none_present },
	{ "truncate_4k", COUNT_PAGES, prepare_truncate, truncate_pages, all_cut },
	{ "fork_per_page", COUNT_PAGES, prepare_fork, fork_once, is_forked },
	{ .name = NULL },
};
