/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address_map_test.c - the address map against a flat model.
 *
 * All ranges begin and end at one of a few hundred points near the edges of entries of every
 * level, so the pages between two neighbouring points (a cell) always have equal words, and an
 * array of cells says what each of 2^36 pages must be.
 */
#include "tests/unit/address_map_fixture.h"

#define CELLS_MAX 512
#ifdef MM_RCU_TSAN
#define STEPS 8000 /* one thread, many times slower */
#else
#define STEPS 120000
#endif
struct cell {
	uint64_t start; /* page; the cell ends where the next one starts */
	uint32_t vma; /* 0: nothing mapped */
	bool present;
	uint32_t delta; /* page number of a present page minus its address page */
};

static struct cell cells[CELLS_MAX];
static unsigned cell_count; /* cells[cell_count].start is the end of the map */
static uint64_t seed = 0x9e3779b97f4a7c15;

static unsigned rnd(uint64_t below)
{
	return (unsigned)(rnd_of(&seed) % below);
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
	static const uint64_t edges[] = { LEAF,		 8 * LEAF,
					  GIB_PAGES,	 GIB_PAGES + 3 * LEAF,
					  TOP_PAGES,	 TOP_PAGES + GIB_PAGES,
					  5 * TOP_PAGES, MAP_PAGES - LEAF };
	static const int64_t offsets[] = { -512, -511, -257, -3, -2, -1, 0, 1, 2, 3, 64, 65, 511 };
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

static unsigned quick_peeks;

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

	unsigned quick_level;
	uint64_t quick;

	if (address_map_peek_quick(&map, page, &quick_level, &quick)) {
		assert_int_equal(quick, word);
		assert_int_equal(quick_level, level);
		quick_peeks++;
	}
	mm_rcu_read_lock();
	assert_false(
		address_map_peek_quick(&map, page, &quick_level, &quick)); /* it cannot be nested */
	mm_rcu_read_unlock();
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
	map_unit_install(&map, u, present_word(entry_vma(word), frame, u->level ? ENTRY_HUGE : 0));
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
		/* Between far edges lie a thousand entries: seldom. */
		bool wide = cell_end(last) - cells[first].start > GIB_PAGES;

		switch (wide && rnd(16) ? 15 : rnd(16)) {
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
	assert_true(quick_peeks > 0 || !mm_rcu_is_quick());
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
	mm_rcu_barrier();
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

/* From page on and before end; what became vma, of which one, and where it stopped. */
static void replaced(uint64_t page, uint64_t end, uint32_t vma, unsigned want, uint32_t was)
{
	uint64_t cursor = page;
	uint32_t old;
	unsigned level,
		got = address_map_replace_absent(&map, &cursor, end, entry_of_vma(vma), &old);

	assert_int_equal(got, want);
	assert_int_equal(cursor, page + want);
	if (got)
		assert_int_equal(old, was);
	for (uint64_t i = page; i < cursor; i++)
		assert_int_equal(address_map_peek(&map, i, &level), entry_of_vma(vma));
	count_entries(&vmas, vma ? vma : 1, vma ? got : 0);
	count_entries(&vmas, was ? was : 1, was ? -(int64_t)got : 0);
}

static void test_untouched_entries_are_replaced_one_by_one(void **state)
{
	const uint64_t page = GIB_PAGES - 2 * LEAF;
	struct map_unit u;
	uint64_t word;
	int error;

	(void)state;
	replaced(page, page + 4, 1, 0, 0); /* folded: to be expanded by the other way */
	map_pages(page + 5, page + 9, 2);
	map_pages(page + 9, page + 12, 3);
	map_pages(page + LEAF - 2, page + LEAF + 2, 2);
	replaced(page, page + 4, 1, 4, 0);
	replaced(page + 5, page + 12, 1, 4, 2); /* the next is another's */
	replaced(page + 9, page + 12, 0, 3, 3);
	replaced(page + LEAF - 2, page + LEAF + 2, 0, 2, 2); /* and not into another leaf */
	replaced(page + 7, page + 7, 0, 0, 0);
	replaced(page, page + LEAF, 0, 0, 0); /* a whole leaf is to be removed */

	assert_true(address_map_lock_page(&map, page + 7, 0, 0, &u, &word, &error));
	replaced(page + 5, page + 9, 0, 2, 1); /* the next is held */
	replaced(page + 7, page + 9, 0, 0, 1);
	map_unit_install(&map, &u, word | ENTRY_PRESENT);
	replaced(page + 7, page + 9, 0, 0, 1); /* and now present */
	assert_true(address_map_lock_page(&map, page + 7, 0, 0, &u, &word, &error));
	map_unit_install(&map, &u, word & ~ENTRY_PRESENT);
	replaced(page + 7, page + 9, 0, 2, 1);
	counts_agree();
	map_pages(page, page + 2 * LEAF, 0);
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

/* Which entries of a node of 2 MiB entries are in one cache line. */
static void test_what_shares_a_line_is_far_apart(void **state)
{
	unsigned block_at[MAP_FANOUT];
	bool seen[MAP_FANOUT] = { false };

	(void)state;
	for (unsigned block = 0; block < MAP_FANOUT; block++) {
		unsigned slot = map_slot(7 * GIB_PAGES + block * (uint64_t)LEAF + block, 1);

		assert_true(slot < MAP_FANOUT);
		assert_false(seen[slot]);
		seen[slot] = true;
		block_at[slot] = block;
	}
	for (unsigned a = 0; a < MAP_FANOUT; a++)
		for (unsigned b = a + 1; b < (a / 8 + 1) * 8; b++) {
			unsigned apart = block_at[a] > block_at[b] ? block_at[a] - block_at[b]
								   : block_at[b] - block_at[a];

			assert_true(apart >= 63 && apart <= MAP_FANOUT - 63);
			assert_true(apart & (apart - 1)); /* no power of two */
		}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_random_operations_agree_with_the_model),
		TEST(test_removed_leaf_is_one_entry_again),
		TEST(test_untouched_entries_are_replaced_one_by_one),
		TEST(test_expanded_translation_has_the_words_given),
		TEST(test_what_shares_a_line_is_far_apart),
		TEST(test_no_node_left_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
