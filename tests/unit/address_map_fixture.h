/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address_map_fixture.h - a map for the tests of the address map, whose vmas are made up: a fake
 * vma_add counts the entries that name them. A test leaves nothing mapped: the end checks that.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/address_map.h"
#include "engine/mm.h"

#define LEAF UINT64_C(512) /* pages of an entry of level 1 */
#define GIB_PAGES (UINT64_C(1) << 18)
#define TOP_PAGES (UINT64_C(1) << 27) /* 512 GiB */
#define VMAS 5 /* made up: 1..4 */
#define READ_WRITE (MM_READ | MM_WRITE)

static struct pool nodes, vmas;
static struct address_map map;
static _Atomic int64_t named[VMAS]; /* by the fake vma_add, and by what the tests change */
static inline uint64_t rnd_of(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 11;
}

static inline void count_entries(struct pool *pool, uint32_t vma, int64_t entries)
{
	if (pool != &vmas || !vma || vma >= VMAS)
		abort();
	atomic_fetch_add(&named[vma], entries);
}

/* What a test does to an entry, counted as unit.c counts it. */
static inline void recount(uint64_t old, uint64_t word)
{
	if (entry_vma(old))
		count_entries(&vmas, entry_vma(old), -1);
	if (entry_vma(word))
		count_entries(&vmas, entry_vma(word), 1);
}

static inline int set_up(void **state)
{
	(void)state;
	alarm(60); /* whoever waits for ever is killed */
	memset(&named, 0, sizeof(named));
	assert_int_equal(mm_thread_enter(), 0);
	assert_int_equal(pool_init(&nodes, sizeof(struct node), 1 << 16), 0);
	assert_int_equal(pool_init(&vmas, 64, 64), 0);
	return address_map_init(&map, &nodes, &vmas, 3, count_entries);
}

static inline int tear_down(void **state)
{
	(void)state;
	mm_rcu_barrier();
	address_map_release(&map); /* reports what is still mapped, locked or dead */
	assert_int_equal(pool_live(&nodes), 0);
	for (int i = 1; i < VMAS; i++)
		assert_int_equal(named[i], 0);
	pool_release(&nodes);
	pool_release(&vmas);
	mm_thread_leave();
	alarm(0);
	return 0;
}

static inline bool count_visited(uint64_t page, unsigned level, uint64_t word, void *arg)
{
	int64_t *seen = arg;

	(void)page, (void)level;
	seen[entry_vma(word)]++;
	return true;
}

static inline void counts_agree(void)
{
	int64_t seen[VMAS] = { 0 };

	address_map_visit(&map, count_visited, seen);
	for (int i = 1; i < VMAS; i++)
		assert_int_equal(seen[i], named[i]);
}

static inline uint64_t mapped_word(uint32_t vma)
{
	return entry_of_vma(vma);
}

static inline uint64_t present_word(uint32_t vma, uint32_t page, uint64_t flags)
{
	return entry_of_vma(vma) | entry_of_page(page) | ENTRY_PRESENT | ENTRY_PRIVATE |
	       entry_of_access(READ_WRITE) | flags;
}

static inline uint64_t round_up(uint64_t n, uint64_t align)
{
	return (n + align - 1) / align * align;
}

static inline void lock_leaf(uint64_t page, struct map_unit *u)
{
	uint64_t cursor = page;
	int error = -1;

	assert_true(address_map_next(&map, &cursor, page + LEAF, MAP_WALK_ALL, u, &error));
	assert_int_equal(cursor, page + LEAF);
	assert_true(map_unit_is_leaf(u));
}

/* Maps a range in whole: one vma, nothing removed. */
static inline void map_pages(uint64_t start, uint64_t end, uint32_t vma)
{
	uint64_t cursor = start;
	struct map_unit u;
	int error = -1;

	while (address_map_next(&map, &cursor, end, MAP_WALK_ALL, &u, &error)) {
		for (unsigned i = u.first; i <= u.last; i++) {
			recount(map_unit_word(&u, i), mapped_word(vma));
			map_unit_set(&u, i, mapped_word(vma));
		}
		map_unit_unlock(&map, &u);
	}
	assert_int_equal(error, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
