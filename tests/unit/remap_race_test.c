/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remap_race_test.c - mremap against those that it does not exclude: invalidations, faults, and
 * faults that change the structure of what is being moved. The orders are forced at test points;
 * each test says what breaks without its rule. At the end a storm without a script, for
 * ThreadSanitizer and the rank checker.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "engine/inject.h"
#include "engine/mm_fork.h"
#include "engine/test_points.h"
#include "tests/unit/gate.h"
#include "tests/unit/remap_fixture.h"

#define LOW (UINT64_C(64) << 20)
#define HIGH (UINT64_C(512) << 20)

/* ---- calls by other threads ---- */

static struct call {
	bool truncates; /* the object, to nothing; else moves */
	uint64_t from, to, pages;
	int rc;
	sem_t done;
	pthread_t thread;
	bool live;
} mover, truncater;

static void *call_run(void *arg)
{
	struct call *c = arg;
	uint64_t got;

	c->rc = mm_thread_enter();
	if (!c->rc) {
		c->rc = c->truncates ? shared_memory_truncate(fx.sm, 0)
				     : mm_mremap(fx.space, c->from, c->pages * PAGE,
						 c->pages * PAGE, MREMAP_FIXED_MOVE, c->to, &got);
		mm_thread_leave();
	}
	sem_post(&c->done);
	return NULL;
}

static void call_start(struct call *c)
{
	sem_init(&c->done, 0, 0);
	assert_int_equal(pthread_create(&c->thread, NULL, call_run, c), 0);
	c->live = true;
}

static int call_finish(struct call *c)
{
	if (!wait_for(&c->done))
		fail_msg("the %s does not return", c->truncates ? "truncation" : "move");
	pthread_join(c->thread, NULL);
	c->live = false;
	return c->rc;
}

static void start_move(uint64_t from, uint64_t pages, uint64_t to)
{
	mover = (struct call){ .from = from, .to = to, .pages = pages };
	call_start(&mover);
}

static void start_truncate(void)
{
	truncater = (struct call){ .truncates = true };
	call_start(&truncater);
}

static int setup(void **state)
{
	gates_init();
	open_remap(*state, PAGE_4K);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gates_open_all();
	mm_inject_disarm(INJECT_MEMORY, NULL);
	if (mover.live)
		call_finish(&mover);
	if (truncater.live)
		call_finish(&truncater);
	close_remap();
	return 0;
}

/* ---- rule 4 ---- */

/*
 * The words move under the mappable's rmap lock. An invalidation visits the new place, which is
 * lower and still empty, and then the old one; if the pages moved between these two visits, it
 * would find neither, and after the truncation both the page would be freed and still be mapped.
 */
static void nothing_moves_past_an_invalidation(void **state)
{
	(void)state;
	gates_needed();
	map_pages(HIGH, 4, RW, true, 0);
	stamp(HIGH, 1);
	stamp(HIGH + 3 * PAGE, 4);
	gate_arm("space_move_registered");
	start_move(HIGH, 4, LOW);
	gate_await("space_move_registered");
	gate_arm("space_invalidated");
	start_truncate();
	gate_await("space_invalidated"); /* it has visited LOW, and holds rmap */
	assert_int_not_equal(page_at(HIGH), 0);

	uint64_t parks = stat_now().parks;

	gate_open("space_move_registered");
	/* The move waits for rmap. (Without the rule it is done instead, which is caught below.) */
	while (stat_now().parks == parks && !page_at(LOW))
		sched_yield();
	assert_int_equal(page_at(LOW), 0);
	gate_open("space_invalidated");
	assert_int_equal(call_finish(&truncater), 0);
	assert_int_equal(call_finish(&mover), 0);
	assert_int_equal(page_at(LOW), 0);
	assert_int_equal(page_at(LOW + 3 * PAGE), 0);
	assert_int_equal(page_at(HIGH), 0);
	assert_int_equal(stat_now().memory.live_pages, 0);
	assert_true(is_bus_error(mm_fault(fx.space, LOW, MM_READ)));
	mm_check(fx.mm);
}

/*
 * copy_mapping comes before the first word moves, remove_mapping after the last: a truncation
 * between two pieces reaches what has moved and what has not. With either at the other end, the
 * part on the wrong side would stay mapped after its pages are freed.
 */
static void a_truncation_between_pieces_reaches_both_places(void **state)
{
	(void)state;
	gates_needed();
	for (int up = 0; up < 2; up++) {
		uint64_t from = up ? LOW : HIGH;
		uint64_t to = up ? HIGH + PAGE : LOW;

		map_pages(from, 1200, RW, true, 0);
		for (uint64_t i = 0; i < 1200; i += 100)
			stamp(from + i * PAGE, i);
		gate_arm("space_move_piece");
		start_move(from, 1200, to);
		gate_await("space_move_piece");
		assert_int_not_equal(page_at(to), 0);
		assert_int_not_equal(page_at(from + 1100 * PAGE), 0);
		start_truncate();
		assert_int_equal(call_finish(&truncater), 0);
		assert_int_equal(page_at(to), 0);
		assert_int_equal(page_at(from + 1100 * PAGE), 0);
		assert_int_equal(stat_now().memory.live_pages, 0);
		gate_open("space_move_piece");
		assert_int_equal(call_finish(&mover), 0);
		assert_int_equal(mm_fault(fx.space, from, MM_READ), -EFAULT);
		assert_true(is_bus_error(mm_fault(fx.space, to + 1100 * PAGE, MM_READ)));
		mm_check(fx.mm);
		assert_int_equal(mm_munmap(fx.space, to, 1200 * PAGE), 0);
		assert_int_equal(shared_memory_truncate(fx.sm, OBJECT_PAGES * PAGE), 0);
	}
}

/*
 * Vma and translation move in one step, under both entries: each address is always in exactly one
 * of the two places. If the new place had the vma first, a fault there would give a fresh page,
 * to be overwritten; if the old one kept it, a store there would be lost.
 */
static void every_page_is_in_one_place_at_a_time(void **state)
{
	const uint64_t from = HIGH;
	const uint64_t to = LOW + PAGE;

	(void)state;
	gates_needed();
	map_pages(from, 1200, RW, false, 0);
	stamp(from, 1);
	stamp(from + 1100 * PAGE, 2);
	gate_arm("space_move_piece");
	start_move(from, 1200, to);
	gate_await("space_move_piece");
	expect_stamp(to, 1);
	expect_stamp(from + 1100 * PAGE, 2);
	assert_int_equal(mm_fault(fx.space, from, MM_WRITE), -EFAULT);
	assert_int_equal(mm_fault(fx.space, to + 1100 * PAGE, MM_WRITE), -EFAULT);
	/* What is filled meanwhile goes along. */
	stamp(to + PAGE, 3);
	stamp(from + 1101 * PAGE, 4);
	gate_open("space_move_piece");
	assert_int_equal(call_finish(&mover), 0);
	expect_stamp(to, 1);
	expect_stamp(to + PAGE, 3);
	expect_stamp(to + 1100 * PAGE, 2);
	expect_stamp(to + 1101 * PAGE, 4);
	assert_int_equal(mm_fault(fx.space, from + 1101 * PAGE, MM_READ), -EFAULT);
	mm_check(fx.mm);
}

/* ---- structure that changes on the way ---- */

/* What the next move finds after its first piece. */
static struct surprise {
	uint64_t touch[2]; /* filled with 11, 12; 0: not */
	uint64_t failures; /* requests for memory that then fail */
	bool done;
} surprise;

/* In the moving thread, which holds `mapping` only. */
static void spring(const char *name)
{
	if (strcmp(name, "space_move_piece") || surprise.done)
		return;
	surprise.done = true;
	for (unsigned i = 0; i < 2; i++)
		if (surprise.touch[i])
			stamp(surprise.touch[i], 11 + i);
	mm_inject_arm(INJECT_MEMORY, 1, surprise.failures);
}

/* Moves three 2 MiB of which the first is a leaf and the others are folded. */
static int move_surprised(uint64_t touch, uint64_t touch2, uint64_t failures)
{
	uint64_t got;

	surprise = (struct surprise){ { touch, touch2 }, failures, false };
	map_pages(HIGH, 3 * 512, RW, false, 0);
	stamp(HIGH + 5 * PAGE, 5);
	mm_test_point_set_hook(spring);
	int rc = mm_mremap(fx.space, HIGH, 3 * HUGE, 3 * HUGE, MREMAP_FIXED_MOVE, LOW, &got);

	mm_test_point_set_hook(NULL);
	mm_inject_disarm(INJECT_MEMORY, NULL);
	assert_true(surprise.done);
	mm_check(fx.mm);
	return rc;
}

/*
 * A fault into a folded part that has not moved yet expands it: the new place must be expanded too,
 * after the first words have moved.
 */
static void a_fault_may_expand_what_is_to_move(void **state)
{
	(void)state;
	gates_needed();
	assert_int_equal(move_surprised(HIGH + 600 * PAGE, LOW + 6 * PAGE, 0), 0);
	expect_stamp(LOW + 5 * PAGE, 5);
	expect_stamp(LOW + 600 * PAGE, 11);
	expect_stamp(LOW + 6 * PAGE, 12);
	assert_false(is_mapped(HIGH + 600 * PAGE));
}

/* Without memory for that, what has moved moves back: the leaves of the old place were kept. */
static void without_memory_the_move_is_undone(void **state)
{
	(void)state;
	gates_needed();
	uint64_t vmas = stat_now().vmas;

	assert_int_equal(move_surprised(HIGH + 600 * PAGE, LOW + 6 * PAGE, 1), -ENOMEM);
	expect_stamp(HIGH + 5 * PAGE, 5);
	expect_stamp(HIGH + 6 * PAGE, 12);
	expect_stamp(HIGH + 600 * PAGE, 11);
	assert_false(is_mapped(LOW));
	assert_false(is_mapped(LOW + 600 * PAGE));
	assert_int_equal(mm_munmap(fx.space, HIGH, 3 * HUGE), 0);
	assert_int_equal(stat_now().vmas, vmas);
}

/* Nor can it be undone: each page stays where it is, and none is lost. */
static void without_any_memory_a_part_stays_moved(void **state)
{
	(void)state;
	gates_needed();
	assert_int_equal(move_surprised(HIGH + 600 * PAGE, 0, 100), -ENOMEM);
	expect_stamp(LOW + 5 * PAGE, 5);
	expect_stamp(HIGH + 600 * PAGE, 11);
	expect_stamp(LOW + 511 * PAGE, 0);
	expect_stamp(HIGH + 512 * PAGE, 0);
	assert_false(is_mapped(LOW + 512 * PAGE));
	assert_false(is_mapped(HIGH + 511 * PAGE));
}

/* ---- a storm ---- */

#define STORM_PAGES 700
#ifdef __SANITIZE_THREAD__
#define STORM_MOVES 16
#else
#define STORM_MOVES 60
#endif
#define STORM_FOUND 100 /* so many pages, by readers that may get a CPU late */

static struct storm {
	_Atomic bool stop;
	_Atomic uint64_t found;
} storm;

static const uint64_t homes[] = { LOW, HIGH + 3 * PAGE };

/* Reads both places: whatever page is there shows its own number, or nothing yet. */
static void *storm_reader(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	assert_int_equal(mm_thread_enter(), 0);
	while (!atomic_load(&storm.stop)) {
		uint64_t i = (unsigned)rand_r(&seed) % STORM_PAGES;
		uint64_t at = homes[rand_r(&seed) % 2] + i * PAGE;
		int rc = mm_fault(fx.space, at, rand_r(&seed) % 2 ? MM_READ : MM_WRITE);

		assert_true(rc == 0 || rc == -EFAULT || is_bus_error(rc));
		atomic_fetch_add(&storm.found, rc == 0);
	}
	mm_thread_leave();
	return NULL;
}

static void *storm_truncater(void *arg)
{
	assert_int_equal(mm_thread_enter(), 0);
	for (unsigned k = 0; arg && !atomic_load(&storm.stop); k++) {
		uint64_t size = k % 2 ? OBJECT_PAGES : 300;

		assert_int_equal(shared_memory_truncate(fx.sm, size * PAGE), 0);
		shared_memory_invalidate(fx.sm, (struct mappable_range){ 0, 200 * PAGE },
					 (struct invalidate_opts){ 0 });
	}
	mm_thread_leave();
	return NULL;
}

/* One mapping wanders between two places while others fault in both, and its object is cut. */
static void wander(bool shared)
{
	pthread_t threads[3];
	unsigned k = 0;

	atomic_store(&storm.stop, false);
	atomic_store(&storm.found, 0);
	map_pages(homes[0], STORM_PAGES, RW, shared, 0);
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, storm_reader, (void *)(i + 1)),
				 0);
	assert_int_equal(pthread_create(&threads[2], NULL, storm_truncater, shared ? &storm : NULL),
			 0);
	for (; k < STORM_MOVES || atomic_load(&storm.found) < STORM_FOUND; k++) {
		uint64_t got;

		assert_int_equal(mm_mremap(fx.space, homes[k % 2], STORM_PAGES * PAGE,
					   STORM_PAGES * PAGE, MREMAP_FIXED_MOVE,
					   homes[(k + 1) % 2], &got),
				 0);
	}
	atomic_store(&storm.stop, true);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	mm_check(fx.mm);
	assert_int_equal(mm_munmap(fx.space, homes[k % 2], STORM_PAGES * PAGE), 0);
}

static void a_mapping_wanders_through_a_storm(void **state)
{
	(void)state;
	wander(false);
	wander(true);
}

#define ON(host, test)                                                                             \
	{                                                                                          \
#test " (" #host ")", test, setup, teardown, (void *)(uintptr_t)&host_space_##host \
	}
#define ALL(test) ON(none, test), ON(mmap, test), ON(uffd, test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALL(nothing_moves_past_an_invalidation),
		ALL(a_truncation_between_pieces_reaches_both_places),
		ALL(every_page_is_in_one_place_at_a_time),
		ALL(a_fault_may_expand_what_is_to_move),
		ALL(without_memory_the_move_is_undone),
		ALL(without_any_memory_a_part_stays_moved),
		ALL(a_mapping_wanders_through_a_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
