/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address_map_test.c - the address map against a flat model, and many threads in one map.
 *
 * All ranges begin and end at one of a few hundred points near the edges of entries of every
 * level, so the pages between two neighbouring points (a cell) always have equal words, and an
 * array of cells says what each of 2^36 pages must be. The vmas are made up: a fake counts them.
 */
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
#define CELLS_MAX 512
#define STEPS 120000
#define READ_WRITE (MM_READ | MM_WRITE)

struct cell {
	uint64_t start; /* page; the cell ends where the next one starts */
	uint32_t vma; /* 0: nothing mapped */
	bool present;
	uint32_t delta; /* page number of a present page minus its address page */
};

static struct pool nodes, vmas;
static struct address_map map;
static _Atomic int64_t named[VMAS]; /* by the fake vma_add, and by what the tests change */
static struct cell cells[CELLS_MAX];
static unsigned cell_count; /* cells[cell_count].start is the end of the map */
static uint64_t seed;

static uint64_t rnd_of(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 11;
}

static unsigned rnd(uint64_t below)
{
	return (unsigned)(rnd_of(&seed) % below);
}

static void count_entries(struct pool *pool, uint32_t vma, int64_t entries)
{
	if (pool != &vmas || !vma || vma >= VMAS)
		abort();
	atomic_fetch_add(&named[vma], entries);
}

/* What a test does to an entry, counted as unit.c counts it. */
static void recount(uint64_t old, uint64_t word)
{
	if (entry_vma(old))
		count_entries(&vmas, entry_vma(old), -1);
	if (entry_vma(word))
		count_entries(&vmas, entry_vma(word), 1);
}

static int set_up(void **state)
{
	(void)state;
	alarm(60); /* whoever waits for ever is killed */
	memset(&named, 0, sizeof(named));
	seed = 0x9e3779b97f4a7c15;
	assert_int_equal(mm_thread_enter(), 0);
	assert_int_equal(pool_init(&nodes, sizeof(struct node), 1 << 16), 0);
	assert_int_equal(pool_init(&vmas, 64, 64), 0);
	return address_map_init(&map, &nodes, &vmas, 3, count_entries);
}

static int tear_down(void **state)
{
	(void)state;
	urcu_memb_barrier();
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

/* ---- the model ---- */

static int by_page(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void make_cells(void)
{
	static const uint64_t edges[] = { LEAF,
					  8 * LEAF,
					  GIB_PAGES,
					  GIB_PAGES + 3 * LEAF,
					  TOP_PAGES,
					  TOP_PAGES + GIB_PAGES,
					  5 * TOP_PAGES,
					  MAP_PAGES - LEAF };
	static const int64_t offsets[] = { -512, -511, -257, -3, -2, -1, 0,
					   1,	 2,    3,    64, 65, 511 };
	uint64_t points[CELLS_MAX] = { 0, MAP_PAGES };
	unsigned count = 2;

	for (unsigned e = 0; e < sizeof(edges) / sizeof(*edges); e++)
		for (unsigned o = 0; o < sizeof(offsets) / sizeof(*offsets); o++)
			points[count++] = edges[e] + (uint64_t)offsets[o];
	qsort(points, count, sizeof(*points), by_page);
	memset(cells, 0, sizeof(cells));
	cell_count = 0;
	for (unsigned i = 0; i < count; i++)
		if (!i || points[i] != points[i - 1])
			cells[cell_count++].start = points[i];
	cell_count--; /* the last point ends the last cell */
}

static uint64_t cell_end(unsigned i)
{
	return cells[i + 1].start;
}

static unsigned cell_of(uint64_t page)
{
	unsigned low = 0;
	unsigned high = cell_count;

	while (high - low > 1) {
		unsigned middle = (low + high) / 2;

		if (cells[middle].start <= page)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static uint64_t random_page(void)
{
	unsigned i = rnd(cell_count);

	return cells[i].start + rnd_of(&seed) % (cell_end(i) - cells[i].start);
}

/* The word of an entry (without lock bits) says what the model knows of the page. */
static void same(uint64_t word, unsigned level, uint64_t page)
{
	const struct cell *c = &cells[cell_of(page)];

	assert_false(word & (ENTRY_LOCK | ENTRY_WAITER | ENTRY_CHILD | ENTRY_DEAD));
	assert_int_equal(entry_vma(word), c->vma);
	assert_int_equal((word & ENTRY_PRESENT) != 0, c->present);
	if (!c->present)
		return;
	uint32_t within = (uint32_t)(page & (map_span(level) - 1));

	assert_true(level <= 1);
	assert_int_equal((word & ENTRY_HUGE) != 0, level == 1);
	assert_int_equal(entry_page(word) + within, (uint32_t)page + c->delta);
}

static void peek_agrees(uint64_t page)
{
	unsigned level = MAP_LEVELS;
	uint64_t word = address_map_peek(&map, page, &level);

	assert_true(level < MAP_LEVELS);
	same(word, level, page);
}

static bool count_visited(uint64_t page, unsigned level, uint64_t word, void *arg)
{
	int64_t *seen = arg;

	(void)page, (void)level;
	seen[entry_vma(word)]++;
	return true;
}

static void counts_agree(void)
{
	int64_t seen[VMAS] = { 0 };

	address_map_visit(&map, count_visited, seen);
	for (int i = 1; i < VMAS; i++)
		assert_int_equal(seen[i], named[i]);
}

static void all_agrees(void)
{
	for (unsigned i = 0; i < cell_count; i++) {
		peek_agrees(cells[i].start);
		peek_agrees(cell_end(i) - 1);
		peek_agrees(cells[i].start + rnd_of(&seed) % (cell_end(i) - cells[i].start));
	}
	counts_agree();
}

/* ---- operations ---- */

static uint64_t mapped_word(uint32_t vma)
{
	return entry_of_vma(vma);
}

static uint64_t present_word(uint32_t vma, uint32_t page, uint64_t flags)
{
	return entry_of_vma(vma) | entry_of_page(page) | ENTRY_PRESENT | ENTRY_PRIVATE |
	       entry_of_access(READ_WRITE) | flags;
}

/* A folded translation of 2 MiB becomes 512 small ones. The model does not change. */
static void split(struct map_unit *u)
{
	uint64_t words[MAP_FANOUT];
	uint64_t word = map_unit_word(u, u->first);
	struct node *spare = node_alloc(&nodes);

	assert_non_null(spare);
	assert_int_equal(u->level, 1);
	for (uint32_t i = 0; i < MAP_FANOUT; i++)
		words[i] = (word & ~ENTRY_HUGE) + entry_of_page(i);
	count_entries(&vmas, entry_vma(word), MAP_FANOUT - 1);
	map_unit_expand(&map, u, spare, words);
}

/* All entries of a unit get vma (0: none) and no page; a whole leaf is removed if told so. */
static void rewrite(struct map_unit *u, uint32_t vma, bool remove)
{
	uint64_t word = mapped_word(vma);

	for (unsigned i = u->first; i <= u->last; i++) {
		uint64_t old = map_unit_word(u, i);

		same(old, u->level, u->page + (i - u->first) * map_span(u->level));
		remove = remove && map_unit_is_leaf(u);
		recount(old, remove ? 0 : word);
		if (!remove)
			map_unit_set(u, i, word);
	}
	if (remove) {
		recount(0, word);
		address_map_remove_leaf(&map, u, word);
	} else {
		map_unit_unlock(&map, u);
	}
}

static void map_range(unsigned first, unsigned last, uint32_t vma, bool remove)
{
	uint64_t start = cells[first].start;
	uint64_t end = cell_end(last);
	uint64_t cursor = start;
	uint64_t done = start;
	struct map_unit u;
	int error = -1;

	while (address_map_next(&map, &cursor, end, MAP_WALK_ALL, &u, &error)) {
		assert_int_equal(cursor, map_unit_end(&u));
		if (u.page < start || cursor > end) {
			assert_true(map_unit_word(&u, u.first) & ENTRY_PRESENT);
			assert_true(u.page <= done && cursor > done);
			split(&u);
			cursor = done;
			continue;
		}
		assert_int_equal(u.page, done);
		assert_true(u.level == 0 || u.first == u.last);
		assert_true(u.last < MAP_FANOUT);
		done = cursor;
		rewrite(&u, vma, remove);
	}
	assert_int_equal(error, 0);
	assert_int_equal(done, end);
	for (unsigned i = first; i <= last; i++) {
		cells[i].vma = vma;
		cells[i].present = false;
	}
}

/* Only what is present is returned, all of it, and nothing is expanded on the way. */
static void drop_present(unsigned first, unsigned last, bool drop)
{
	uint64_t start = cells[first].start;
	uint64_t end = cell_end(last);
	uint64_t live = pool_live(&nodes);
	uint64_t cursor = start;
	uint64_t before = 0; /* end of the last unit */
	uint64_t want = 0;
	uint64_t got = 0;
	struct map_unit u;
	int error = -1;

	for (unsigned i = first; i <= last; i++)
		want += cells[i].present ? cell_end(i) - cells[i].start : 0;
	while (address_map_next(&map, &cursor, end, MAP_WALK_PRESENT, &u, &error)) {
		uint64_t from = u.page > start ? u.page : start;
		uint64_t to = cursor < end ? cursor : end;

		assert_int_equal(cursor, map_unit_end(&u));
		assert_true(u.page >= before);
		before = cursor;
		got += to - from;
		for (unsigned i = u.first; i <= u.last; i++) {
			uint64_t word = map_unit_word(&u, i);

			assert_true(word & ENTRY_PRESENT);
			same(word, u.level, u.page + (i - u.first) * map_span(u.level));
			if (drop)
				map_unit_set(&u, i, word & ~ENTRY_TRANSLATION_MASK);
		}
		/* a folded translation goes whole: the cells around the range as well */
		for (unsigned i = cell_of(u.page); drop && cells[i].start < cursor; i++)
			cells[i].present = false;
		map_unit_unlock(&map, &u);
	}
	assert_int_equal(error, 0);
	assert_int_equal(got, want);
	assert_true(pool_live(&nodes) <= live); /* less: removed leaves are reclaimed meanwhile */
}

/* Puts a page, or 2 MiB of them, where a unit of one entry is absent. */
static void fill(struct map_unit *u, uint64_t word, uint64_t page)
{
	uint32_t frame = 512 * (1 + rnd(1 << 20)) + (u->level ? 0 : rnd(512));

	assert_int_equal(u->first, u->last);
	assert_true(u->page <= page && page < map_unit_end(u));
	same(word, u->level, page);
	unsigned c = cell_of(u->page);

	if (u->level == 0 && cell_end(c) - cells[c].start > 1) {
		map_unit_unlock(&map, u); /* the model knows no page inside a cell */
		return;
	}
	for (uint64_t end = map_unit_end(u); c < cell_count && cells[c].start < end; c++) {
		if (u->level && cell_end(c) > end) {
			map_unit_unlock(&map, u); /* nor half a cell */
			return;
		}
	}
	for (c = cell_of(u->page); c < cell_count && cells[c].start < map_unit_end(u); c++) {
		cells[c].present = true;
		cells[c].delta = frame - (uint32_t)u->page;
	}
	map_unit_install(&map, u,
			 present_word(entry_vma(word), frame, u->level ? ENTRY_HUGE : 0));
}

static void fault(uint64_t page, unsigned min_level, uint64_t enough)
{
	const struct cell *c = &cells[cell_of(page)];
	struct map_unit u = { 0 };
	uint64_t word = 0;
	int error = 1;

	if (!address_map_lock_page(&map, page, min_level, enough, &u, &word, &error)) {
		if (!c->vma)
			assert_int_equal(error, -EFAULT);
		else
			assert_true(error == 0 && enough && c->present);
		return;
	}
	assert_true(c->vma && !(enough && c->present));
	assert_true(word & ENTRY_LOCK || !(word & ENTRY_WAITER));
	word &= ~ENTRY_LOCK;
	if (word & ENTRY_PRESENT) {
		same(word, u.level, page);
		if (u.level > min_level && rnd(2))
			split(&u);
		else
			map_unit_unlock(&map, &u);
		return;
	}
	assert_true(u.level <= min_level);
	/* Half a cell below: an edge of the cells may lie before the unit. */
	if (u.level && cells[cell_of(u.page)].start < u.page)
		map_unit_unlock(&map, &u);
	else
		fill(&u, word, page);
}

/* ---- find_gap ---- */

static uint64_t round_up(uint64_t n, uint64_t align)
{
	return (n + align - 1) / align * align;
}

static bool linear_gap(uint64_t from, uint64_t to, uint64_t pages, uint64_t align, uint64_t *found)
{
	uint64_t start = round_up(from, align);

	for (unsigned c = cell_of(start); start < to && to - start >= pages; c++) {
		if (c >= cell_count || cells[c].start >= start + pages) {
			*found = start;
			return true;
		}
		if (cells[c].vma && cell_end(c) > start)
			start = round_up(cell_end(c), align);
	}
	return false;
}

static void gaps_agree(void)
{
	static const uint64_t aligns[] = { 1, 1, 2, 512, GIB_PAGES };
	unsigned a = rnd(cell_count);
	uint64_t from = cells[a].start + rnd(3);
	uint64_t to = rnd(2) ? MAP_PAGES : cell_end(a + rnd(cell_count - a));
	uint64_t pages = rnd(3) ? 1 + rnd(1200) : 1 + rnd(2 * TOP_PAGES);
	uint64_t align = aligns[rnd(5)];
	uint64_t got = 0;
	uint64_t want = 0;
	bool there = address_map_find_gap(&map, from, to, pages, align, &got);

	assert_int_equal(there, linear_gap(from, to, pages, align, &want));
	assert_int_equal(got, want);
}

/* ---- tests of one thread ---- */

static void test_random_operations_agree_with_the_model(void **state)
{
	(void)state;
	make_cells();
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned first = rnd(cell_count);
		unsigned last = first + rnd(rnd(64) ? 6 : cell_count);

		last = last < cell_count ? last : cell_count - 1;
		switch (rnd(16)) {
		case 0:
			map_range(first, last, rnd(VMAS), rnd(2));
			break;
		case 1:
			map_range(first, last, 1 + rnd(VMAS - 1), rnd(4) == 0);
			break;
		case 2:
			drop_present(first, last, rnd(2));
			break;
		case 3:
			gaps_agree();
			break;
		case 4:
		case 5:
			fault(random_page(), 1, 0);
			break;
		case 6:
			fault(random_page(), 0, ENTRY_PRESENT | entry_of_access(MM_READ));
			break;
		case 7:
		case 8:
		case 9:
			fault(cells[first].start, rnd(2),
			      rnd(2) ? ENTRY_PRESENT | entry_of_access(MM_READ) : 0);
			break;
		default:
			peek_agrees(random_page());
		}
		peek_agrees(cells[first].start);
		peek_agrees(cell_end(last) - 1);
		if (step % 2000 == 0)
			all_agrees();
	}
	all_agrees();
	map_range(0, cell_count - 1, 0, true);
	all_agrees();
	for (int i = 1; i < VMAS; i++)
		assert_int_equal(named[i], 0);
}

static void lock_leaf(uint64_t page, struct map_unit *u)
{
	uint64_t cursor = page;
	int error = -1;

	assert_true(address_map_next(&map, &cursor, page + LEAF, MAP_WALK_ALL, u, &error));
	assert_int_equal(cursor, page + LEAF);
	assert_true(map_unit_is_leaf(u));
}

/* Maps a range in whole: one vma, nothing removed. */
static void map_pages(uint64_t start, uint64_t end, uint32_t vma)
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

static void test_removed_leaf_is_one_entry_again(void **state)
{
	const uint64_t page = GIB_PAGES - LEAF;
	struct map_unit u;
	uint64_t word = 0;
	unsigned level = 9;
	int error = 0;

	(void)state;
	map_pages(page + 5, page + 9, 2); /* expands down to 4 KiB */
	uint64_t live = pool_live(&nodes);

	assert_int_equal(named[2], 4);
	lock_leaf(page, &u);
	count_entries(&vmas, 2, -4 + 1);
	address_map_remove_leaf(&map, &u, mapped_word(2));
	assert_int_equal(address_map_peek(&map, page + 7, &level), mapped_word(2));
	assert_int_equal(level, 1);
	urcu_memb_barrier();
	assert_int_equal(pool_live(&nodes), live - 1);

	assert_true(address_map_lock_page(&map, page + 100, 0, 0, &u, &word, &error));
	assert_int_equal(u.level, 0);
	assert_int_equal(u.page, page + 100);
	assert_int_equal(named[2], 512);
	map_unit_unlock(&map, &u);
	assert_int_equal(pool_live(&nodes), live);

	lock_leaf(page, &u);
	count_entries(&vmas, 2, -512);
	address_map_remove_leaf(&map, &u, 0);
	assert_false(address_map_lock_page(&map, page + 100, 0, 0, &u, &word, &error));
	assert_int_equal(error, -EFAULT);
	counts_agree();
}

static void test_expanded_translation_has_the_words_given(void **state)
{
	const uint64_t page = TOP_PAGES;
	uint64_t words[MAP_FANOUT];
	struct map_unit u;
	uint64_t word = 0;
	unsigned level = 9;
	int error = 0;

	(void)state;
	map_pages(page, page + LEAF, 1);
	assert_true(address_map_lock_page(&map, page + 3, 1, 0, &u, &word, &error));
	assert_int_equal(u.level, 1);
	assert_int_equal(u.page, page);
	map_unit_install(&map, &u, present_word(1, 1024, ENTRY_HUGE));
	/* Finer was asked, but a translation is locked as it is. */
	assert_true(address_map_lock_page(&map, page + 3, 0, 0, &u, &word, &error));
	assert_int_equal(u.level, 1);

	struct node *spare = node_alloc(&nodes);

	assert_non_null(spare);
	for (uint32_t i = 0; i < MAP_FANOUT; i++)
		words[i] = i % 2 ? present_word(1, 1024 + i, 0) : mapped_word(1 + i % 4);
	for (uint32_t i = 0; i < MAP_FANOUT; i++)
		recount(i ? 0 : mapped_word(1), words[i]);
	map_unit_expand(&map, &u, spare, words);
	for (uint32_t i = 0; i < MAP_FANOUT; i++) {
		assert_int_equal(address_map_peek(&map, page + i, &level), words[i]);
		assert_int_equal(level, 0);
	}
	counts_agree();
	map_pages(page, page + LEAF, 0);
}

static void test_no_node_left_changes_nothing(void **state)
{
	struct pool few;
	struct address_map m;
	struct map_unit u;
	uint64_t word = 0;
	uint64_t cursor = 7;
	unsigned level = 0;
	int error = 0;

	(void)state;
	assert_int_equal(pool_init(&few, sizeof(struct node), 3), 0);
	assert_int_equal(address_map_init(&m, &few, &vmas, 4, count_entries), 0);
	/* The root took one of two nodes: the range needs three more. */
	assert_false(address_map_next(&m, &cursor, 8, MAP_WALK_ALL, &u, &error));
	assert_int_equal(error, -ENOMEM);
	assert_int_equal(cursor, 7);
	assert_int_equal(address_map_peek(&m, 7, &level), 0);
	assert_int_equal(level, 2);
	/* What is there can still be locked, whole, and is not held by whoever failed. */
	cursor = 0;
	assert_true(address_map_next(&m, &cursor, GIB_PAGES, MAP_WALK_ALL, &u, &error));
	assert_int_equal(u.level, 2);
	map_unit_install(&m, &u, mapped_word(3));
	assert_false(address_map_lock_page(&m, 7, 0, 0, &u, &word, &error));
	assert_int_equal(error, -ENOMEM);
	assert_int_equal(address_map_peek(&m, 7, &level), mapped_word(3));
	cursor = 0;
	assert_true(address_map_next(&m, &cursor, GIB_PAGES, MAP_WALK_ALL, &u, &error));
	map_unit_install(&m, &u, 0);
	address_map_release(&m);
	pool_release(&few);
}

/* ---- threads ---- */

#define THREADS 4
#define ROUNDS 6000
#define SHARED_BASE (GIB_PAGES - 2 * LEAF)
#define SHARED_PAGES (4 * LEAF)

static int owner[SHARED_PAGES]; /* plain on purpose: the entry of each page protects it */
static _Atomic int intrusions, failures, removals;

/* Holds the unit for a moment; whoever is inside as well is seen. */
static void occupy(const struct map_unit *u, int me, bool sleep)
{
	uint64_t first = u->page - SHARED_BASE;
	uint64_t end = map_unit_end(u) - SHARED_BASE;

	for (uint64_t p = first; p < end; p++) {
		if (owner[p])
			atomic_fetch_add(&intrusions, 1);
		owner[p] = me;
	}
	if (sleep)
		usleep(200);
	for (uint64_t p = first; p < end; p++) {
		if (owner[p] != me)
			atomic_fetch_add(&intrusions, 1);
		owner[p] = 0;
	}
}

static void fault_some(uint64_t *rng, int me)
{
	uint64_t page = SHARED_BASE + rnd_of(rng) % SHARED_PAGES;
	uint64_t enough = rnd_of(rng) % 2 ? ENTRY_PRESENT | entry_of_access(MM_READ) : 0;
	unsigned min_level = rnd_of(rng) % 8 == 0;
	struct map_unit u;
	uint64_t word = 0;
	int error = 0;

	if (!address_map_lock_page(&map, page, min_level, enough, &u, &word, &error)) {
		if (error || !enough)
			atomic_fetch_add(&failures, 1);
		return;
	}
	occupy(&u, me, rnd_of(rng) % 64 == 0);
	uint64_t vma = word & ENTRY_VMA_MASK;

	if (u.level == 0 && !(word & ENTRY_PRESENT))
		vma |= present_word(0, (uint32_t)page, 0);
	map_unit_install(&map, &u, vma);
}

static void sweep_some(uint64_t *rng, int me)
{
	uint64_t start = rnd_of(rng) % SHARED_PAGES;
	uint64_t end = start + 1 + rnd_of(rng) % (rnd_of(rng) % 4 ? 40 : SHARED_PAGES - start);
	enum map_walk walk = rnd_of(rng) % 3 ? MAP_WALK_ALL : MAP_WALK_PRESENT;
	uint64_t cursor = SHARED_BASE + start;
	uint64_t before = 0;
	struct map_unit u;
	int error = 0;

	end = end < SHARED_PAGES ? end : SHARED_PAGES;
	if (rnd_of(rng) % 8 == 0) { /* leaves as a whole */
		cursor = SHARED_BASE + start / LEAF * LEAF;
		end = round_up(end, LEAF);
	}
	while (address_map_next(&map, &cursor, SHARED_BASE + end, walk, &u, &error)) {
		if (u.page < before || map_unit_end(&u) != cursor)
			atomic_fetch_add(&failures, 1);
		before = cursor;
		occupy(&u, me, rnd_of(rng) % 256 == 0);
		if (map_unit_is_leaf(&u) && rnd_of(rng) % 2) {
			for (unsigned i = 0; i < MAP_FANOUT; i++)
				recount(map_unit_word(&u, i), 0);
			recount(0, mapped_word((uint32_t)me));
			address_map_remove_leaf(&map, &u, mapped_word((uint32_t)me));
			atomic_fetch_add(&removals, 1);
			continue;
		}
		for (unsigned i = u.first; i <= u.last; i++) {
			recount(map_unit_word(&u, i), mapped_word((uint32_t)me));
			map_unit_set(&u, i, mapped_word((uint32_t)me));
		}
		map_unit_unlock(&map, &u);
	}
	if (error)
		atomic_fetch_add(&failures, 1);
	address_map_bound_backlog();
}

static void *contend(void *arg)
{
	int me = (int)(intptr_t)arg;
	uint64_t rng = UINT64_C(0xd1342543de82ef95) * (uint64_t)me;

	if (mm_thread_enter()) {
		atomic_fetch_add(&failures, 1);
		return NULL;
	}
	for (int i = 0; i < ROUNDS; i++) {
		unsigned level;

		if (rnd_of(&rng) % 8)
			fault_some(&rng, me);
		else
			sweep_some(&rng, me);
		uint64_t page = SHARED_BASE + rnd_of(&rng) % SHARED_PAGES;

		/* Mapped throughout, but for the moment in which its leaf goes. */
		uint64_t word = address_map_peek(&map, page, &level);

		if (!entry_vma(word) && !(word & (ENTRY_DEAD | ENTRY_LOCK)))
			atomic_fetch_add(&failures, 1);
	}
	mm_thread_leave();
	return NULL;
}

static void test_threads_exclude_each_other(void **state)
{
	pthread_t threads[THREADS];
	uint64_t sleeps = atomic_load(&park_sleeps);

	(void)state;
	intrusions = failures = removals = 0;
	memset(owner, 0, sizeof(owner));
	map_pages(SHARED_BASE, SHARED_BASE + SHARED_PAGES, 1);
	for (intptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, contend, (void *)(i + 1)), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(intrusions, 0);
	assert_int_equal(failures, 0);
	assert_true(removals > 0);
	assert_true(atomic_load(&park_sleeps) > sleeps);
	counts_agree();
	map_pages(SHARED_BASE, SHARED_BASE + SHARED_PAGES, 0);
}

struct waiter {
	uint64_t page;
	struct map_unit unit;
	uint64_t word;
	int error;
	bool locked;
	_Atomic bool done;
};

static void *wait_for_page(void *arg)
{
	struct waiter *w = arg;

	w->error = mm_thread_enter();
	if (w->error)
		return NULL;
	w->locked = address_map_lock_page(&map, w->page, 0, 0, &w->unit, &w->word, &w->error);
	w->done = true;
	if (w->locked)
		map_unit_unlock(&map, &w->unit);
	mm_thread_leave();
	return NULL;
}

static void start_and_park(struct waiter *w, pthread_t *thread)
{
	uint64_t sleeps = atomic_load(&park_sleeps);

	assert_int_equal(pthread_create(thread, NULL, wait_for_page, w), 0);
	while (atomic_load(&park_sleeps) == sleeps)
		sched_yield();
	assert_false(w->done);
}

static void test_unlock_wakes_who_is_parked(void **state)
{
	struct waiter w = { .page = LEAF + 3 };
	struct map_unit u;
	uint64_t word = 0;
	pthread_t thread;
	int error = 0;

	(void)state;
	map_pages(LEAF, LEAF + 10, 1);
	assert_true(address_map_lock_page(&map, w.page, 0, 0, &u, &word, &error));
	start_and_park(&w, &thread);
	map_unit_install(&map, &u, present_word(1, 77, 0));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(w.locked);
	assert_int_equal(entry_page(w.word), 77);
	map_pages(LEAF, LEAF + 10, 0);
}

static void test_removal_wakes_who_is_parked(void **state)
{
	struct waiter w = { .page = GIB_PAGES + LEAF + 3 };
	struct map_unit u;
	pthread_t thread;

	(void)state;
	for (uint32_t vma = 0; vma < 3; vma++) {
		map_pages(GIB_PAGES + LEAF, GIB_PAGES + LEAF + 10, 1);
		lock_leaf(GIB_PAGES + LEAF, &u);
		w.done = false;
		start_and_park(&w, &thread);
		count_entries(&vmas, 1, -10);
		recount(0, mapped_word(vma));
		address_map_remove_leaf(&map, &u, mapped_word(vma));
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(w.locked, vma != 0);
		if (vma) {
			assert_int_equal(entry_vma(w.word), vma);
			assert_int_equal(w.unit.page, w.page);
		} else {
			assert_int_equal(w.error, -EFAULT);
		}
		counts_agree();
		map_pages(GIB_PAGES + LEAF, GIB_PAGES + 2 * LEAF, 0);
	}
}

static void test_expansion_wakes_who_is_parked(void **state)
{
	struct waiter w = { .page = 9 * LEAF + 5 };
	uint64_t words[MAP_FANOUT];
	struct map_unit u;
	uint64_t word = 0;
	pthread_t thread;
	int error = 0;

	(void)state;
	map_pages(9 * LEAF, 10 * LEAF, 1);
	assert_true(address_map_lock_page(&map, 9 * LEAF, 1, 0, &u, &word, &error));
	start_and_park(&w, &thread);
	struct node *spare = node_alloc(&nodes);

	assert_non_null(spare);
	for (uint32_t i = 0; i < MAP_FANOUT; i++)
		words[i] = present_word(1, 512 + i, 0);
	count_entries(&vmas, 1, MAP_FANOUT - 1);
	map_unit_expand(&map, &u, spare, words);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(w.locked);
	assert_int_equal(w.unit.level, 0);
	assert_int_equal(entry_page(w.word), 512 + 5);
	map_pages(9 * LEAF, 10 * LEAF, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_random_operations_agree_with_the_model),
		TEST(test_removed_leaf_is_one_entry_again),
		TEST(test_expanded_translation_has_the_words_given),
		TEST(test_no_node_left_changes_nothing),
		TEST(test_threads_exclude_each_other),
		TEST(test_unlock_wakes_who_is_parked),
		TEST(test_removal_wakes_who_is_parked),
		TEST(test_expansion_wakes_who_is_parked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
