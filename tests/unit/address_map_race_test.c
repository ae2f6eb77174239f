/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address_map_race_test.c - many threads in one address map: who holds an entry is alone in its
 * pages, whoever waits is woken by every way in which an entry can change, and leaves go while
 * others fault in them. The model is an array with the owner of each page.
 */
#include "tests/unit/address_map_fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_threads_exclude_each_other),
		TEST(test_unlock_wakes_who_is_parked),
		TEST(test_removal_wakes_who_is_parked),
		TEST(test_expansion_wakes_who_is_parked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
