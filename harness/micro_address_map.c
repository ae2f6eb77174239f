/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_address_map.c - the tree of a space, without anything around it: look-up, lock and unlock
 * of random present pages, and of a whole leaf at once.
 *
 * One map of 64 K pages serves all benchmarks and threads; it is made by the first and stays.
 */
#include <pthread.h>

#include "engine/address_map.h"
#include "engine/mm.h"
#include "harness/micro.h"

#define PAGES (UINT64_C(1) << 16)
#define FIRST_PAGE (UINT64_C(1) << 18) /* 1 GiB */
#define VMA 1

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct address_map map;
static struct pool nodes, vmas;
static bool made;

/* The map counts the entries of a vma; nobody asks here. */
static void ignore_count(struct pool *pool, uint32_t vma, int64_t entries)
{
	(void)pool, (void)vma, (void)entries;
}

static uint64_t present(uint64_t page)
{
	return entry_of_vma(VMA) | ENTRY_PRESENT | entry_of_access(MM_READ | MM_WRITE) |
	       entry_of_page((uint32_t)page + 1);
}

/* Gives every entry of [first, end) this word; folded where it may be. */
static bool fill(uint64_t first, uint64_t end, uint64_t word) MAY_LOCK_ENTRY
{
	struct map_unit u;
	int error = 0;

	while (address_map_next(&map, &first, end, MAP_WALK_ALL, &u, &error)) {
		for (unsigned i = u.first; i <= u.last; i++)
			map_unit_set(&u, i, word);
		map_unit_unlock(&map, &u);
	}
	return !error;
}

static bool make_present(void) MAY_LOCK_ENTRY
{
	for (uint64_t page = FIRST_PAGE; page < FIRST_PAGE + PAGES; page++) {
		struct map_unit u;
		uint64_t word;
		int error;

		if (!address_map_lock_page(&map, page, 0, 0, &u, &word, &error))
			return false;
		map_unit_install(&map, &u, present(page));
	}
	return true;
}

static void make_map(void)
{
	lock_assert_none();
	if (pool_init(&nodes, sizeof(struct node), 4096) || pool_init(&vmas, 64, 64) ||
	    address_map_init(&map, &nodes, &vmas, 1, ignore_count))
		return;
	made = fill(FIRST_PAGE, FIRST_PAGE + PAGES, entry_of_vma(VMA)) && make_present();
}

/* Registers the thread and sees that there is a map; end() afterwards if so. */
static bool begin(struct gbench_state *s)
{
	if (mm_thread_enter()) {
		gbench_state_skip(s, "thread not registered");
		return false;
	}
	pthread_once(&once, make_map);
	if (made)
		return true;
	mm_thread_leave();
	gbench_state_skip(s, "no address map");
	return false;
}

static uint64_t seed(const struct gbench_state *s)
{
	return 88172645463325252u + (uint64_t)gbench_state_thread(s);
}

static void peek(struct gbench_state *s)
{
	uint64_t state = seed(s);

	if (!begin(s))
		return;
	while (gbench_state_keep_running_batch(s, MICRO_BATCH)) {
		for (int i = 0; i < MICRO_BATCH; i++) {
			unsigned level;
			uint64_t page = FIRST_PAGE + micro_random(&state) % PAGES;
			uint64_t word = address_map_peek(&map, page, &level);

			gbench_use(word);
		}
	}
	mm_thread_leave();
}

/* Threads lock pages of their own half, as faults of different places do. */
static void lock_unlock(struct gbench_state *s)
{
	uint64_t state = seed(s), part = PAGES / (uint64_t)gbench_state_thread_count(s);
	uint64_t first = FIRST_PAGE + part * (uint64_t)gbench_state_thread(s);

	lock_assert_none();
	if (!begin(s))
		return;
	while (gbench_state_keep_running_batch(s, MICRO_BATCH)) {
		for (int i = 0; i < MICRO_BATCH; i++) {
			struct map_unit u;
			uint64_t word, page = first + micro_random(&state) % part;
			int error;

			if (!address_map_lock_page(&map, page, 0, 0, &u, &word, &error))
				gbench_state_skip(s, "page not mapped");
			else
				map_unit_install(&map, &u, word & ~ENTRY_WAITER);
		}
	}
	mm_thread_leave();
}

/* Locks and unlocks all entries of a leaf, as what changes 2 MiB does. */
static void lock_leaf(struct gbench_state *s)
{
	uint64_t state = seed(s);

	lock_assert_none();
	if (!begin(s))
		return;
	while (gbench_state_keep_running(s)) {
		uint64_t first = FIRST_PAGE + micro_random(&state) % (PAGES / 512) * 512;
		struct map_unit u;
		int error = 0;

		if (address_map_next(&map, &first, first + 512, MAP_WALK_ALL, &u, &error))
			map_unit_unlock(&map, &u);
		else
			gbench_state_skip(s, "leaf not locked");
	}
	mm_thread_leave();
}

void micro_address_map(void)
{
	struct gbench *b = gbench_register("address_map/peek", peek);

	gbench_threads(b, 1);
	gbench_threads(b, 2);
	b = gbench_register("address_map/lock_unlock", lock_unlock);
	gbench_threads(b, 1);
	gbench_threads(b, 2);
	gbench_register("address_map/lock_leaf", lock_leaf);
}
