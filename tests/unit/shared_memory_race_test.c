/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared_memory_race_test.c - truncate and punch of the shared anonymous mappable against translate
 * and faults: first each order that matters, forced at the test points or by the entry lock, then
 * free-running threads.
 */
#include "tests/unit/shared_memory_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "engine/test_points.h"

/* ---- forced races ---- */

static struct race {
	struct shared_memory *sm;
	struct toy_space *space;
	bool shrinking;
	unsigned detached;
	unsigned invalidated;
	uint32_t stale; /* the page that is being taken away */
} race;

/* What translate must say between (i) and the end: the new state, never the old page. */
static void expect_new_state(void)
{
	uint32_t page;
	int rc = look(race.sm, 5 * PAGE, &page);

	if (race.shrinking)
		assert_int_equal(rc, bus_error(ENXIO));
	else
		assert_int_equal(rc, 0);
	assert_int_not_equal(page, race.stale);
	/* the old page still belongs to the object: nobody else can have got it */
	assert_true(memory_file_count(mf, race.stale) >= 1);
}

static void at_point(const char *name) NO_TSA
{
	if (!strcmp(name, "shared_memory_detached")) {
		/* (i) is done, (iii) is not: a translate from before it is still installed */
		race.detached++;
		assert_int_equal(race.space->present[5], race.stale);
		expect_new_state();
	} else if (!strcmp(name, "shared_memory_invalidated")) {
		race.invalidated++;
		assert_int_equal(race.space->present[5], 0);
		assert_int_equal(memory_file_count(mf, race.stale), 1);
		expect_new_state();
		/* a fault now installs only what is new */
		int rc = toy_fault(race.space, race.sm, 5 * PAGE);

		assert_int_equal(rc, race.shrinking ? bus_error(ENXIO) : 0);
		assert_int_not_equal(race.space->present[5], race.stale);
	}
}

static void run_at_points(bool shrinking) NO_TSA
{
	struct shared_memory *sm = make(8 * PAGE);
	struct toy_space *s = toy_create(1);

	if (!mm_test_points_enabled()) {
		drop(sm);
		free(s);
		skip();
	}
	map_all(s, sm, true);
	assert_int_equal(toy_fault(s, sm, 5 * PAGE), 0);
	race = (struct race){ sm, s, shrinking, 0, 0, s->present[5] };
	mm_test_point_set_hook(at_point);
	if (shrinking)
		assert_int_equal(shared_memory_truncate(sm, 2 * PAGE), 0);
	else
		assert_int_equal(
			shared_memory_punch(sm, (struct mappable_range){ 4 * PAGE, 7 * PAGE }), 0);
	mm_test_point_set_hook(NULL);
	assert_int_equal(race.detached, 1);
	assert_int_equal(race.invalidated, 1);
	assert_int_equal(live_pages(), shrinking ? 0 : 1);
	unmap_all(s, sm, true);
	drop(sm);
	free(s);
}

static void test_translate_at_each_point_of_truncate(void **state)
{
	(void)state;
	run_at_points(true);
}

static void test_translate_at_each_point_of_punch(void **state)
{
	(void)state;
	run_at_points(false);
}

/* The offset is cut off, or filled by another thread, between allocating and publishing. */
static void at_filled(const char *name) NO_TSA
{
	if (strcmp(name, "shared_memory_filled") != 0)
		return;
	mm_test_point_set_hook(NULL);
	if (race.shrinking)
		assert_int_equal(shared_memory_truncate(race.sm, 2 * PAGE), 0);
	else
		assert_int_equal(look(race.sm, 5 * PAGE, &race.stale), 0);
}

static void test_publish_looks_again(void **state) NO_TSA
{
	struct shared_memory *sm = make(8 * PAGE);
	uint32_t page;

	(void)state;
	if (!mm_test_points_enabled()) {
		drop(sm);
		skip();
	}
	race = (struct race){ .sm = sm, .shrinking = false };
	mm_test_point_set_hook(at_filled);
	assert_int_equal(look(sm, 5 * PAGE, &page), 0);
	assert_int_equal(page, race.stale); /* the first to publish wins */
	assert_int_equal(live_pages(), 1);
	assert_int_equal(shared_memory_truncate(sm, 0), 0);

	assert_int_equal(shared_memory_truncate(sm, 8 * PAGE), 0);
	race.shrinking = true;
	mm_test_point_set_hook(at_filled);
	assert_int_equal(look(sm, 5 * PAGE, &page), bus_error(ENXIO));
	assert_int_equal(shared_memory_resident_pages(sm), 0);
	assert_int_equal(live_pages(), 0);
	drop(sm);
}

/* The unit goes right after it was looked up. */
static void at_found(const char *name) NO_TSA
{
	const struct mappable_range all = { 0, MM_HUGE_SIZE };

	if (strcmp(name, "shared_memory_found") != 0)
		return;
	mm_test_point_set_hook(NULL);
	assert_int_equal(shared_memory_punch(race.sm, all), 0);
}

/* An answer from before the punch, which its invalidation finds, but all of it. */
static void test_a_unit_is_of_one_look(void **state) NO_TSA
{
	const struct mappable_range one = { 5 * PAGE, 6 * PAGE }, all = { PAGE, MM_HUGE_SIZE };
	struct shared_memory *sm;
	struct translation t;
	size_t count;

	(void)state;
	if (!mm_test_points_enabled())
		skip();
	assert_int_equal(shared_memory_create(mf, MM_HUGE_SIZE, PAGE_THP, "test", &sm), 0);
	race = (struct race){ .sm = sm };
	mm_test_point_set_hook(at_found);
	assert_int_equal(mappable_translate(shared_memory_mappable(sm), one, all, MM_READ, &t, 1,
					    &count),
			 0);
	assert_int_equal(count, 1);
	assert_int_equal(t.source.start, all.start);
	assert_int_equal(t.source.end, all.end);
	assert_int_equal(memory_file_page_at(mf, t.file, t.offset) % MM_HUGE_PAGES, 1);
	assert_int_equal(shared_memory_resident_pages(sm), 0);
	drop(sm);
}

static void *truncate_to_two(void *arg) NO_TSA
{
	return (void *)(intptr_t)shared_memory_truncate(arg, 2 * PAGE);
}

static void *punch_middle(void *arg) NO_TSA
{
	return (void *)(intptr_t)shared_memory_punch(arg,
						     (struct mappable_range){ 4 * PAGE, 7 * PAGE });
}

/*
 * Translate read the old page under its entry lock before step (i), and installs it after it: the
 * lock makes step (iii) wait, which then finds and drops it. Forced in every build: the lock
 * is kept until the object no longer has the page.
 */
static void run_install_after_detach(void *(*change)(void *)) NO_TSA
{
	struct shared_memory *sm = make(8 * PAGE);
	struct toy_space *s = toy_create(1);
	pthread_t thread;
	uint32_t page;
	void *rc;

	map_all(s, sm, true);
	toy_lock(s);
	assert_int_equal(look(sm, 5 * PAGE, &page), 0);
	assert_int_equal(pthread_create(&thread, NULL, change, sm), 0);
	while (shared_memory_resident_pages(sm) > 0)
		sched_yield();
	assert_int_equal(memory_file_count(mf, page), 1); /* detached, not freed */
	install(s, 5 * PAGE, page);
	toy_unlock(s);
	pthread_join(thread, &rc);
	assert_ptr_equal(rc, NULL);
	assert_int_equal(s->present[5], 0);
	assert_int_equal(live_pages(), 0);
	unmap_all(s, sm, true);
	drop(sm);
	free(s);
}

static void test_install_after_detach(void **state)
{
	(void)state;
	run_install_after_detach(truncate_to_two);
	run_install_after_detach(punch_middle);
}

/* ---- free-running threads ---- */

struct crowd {
	struct shared_memory *sm;
	struct toy_space *spaces[2];
	_Atomic bool stop;
	_Atomic uint64_t faults;
};

struct crowd_member {
	struct crowd *crowd;
	unsigned index;
};

static void *crowd_fault(void *arg) NO_TSA
{
	struct crowd_member *me = arg;
	struct toy_space *s = me->crowd->spaces[me->index];
	uint64_t random = me->index + 1;

	while (!atomic_load(&me->crowd->stop)) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		int rc = toy_fault(s, me->crowd->sm, (random >> 33) % 1024 * PAGE);

		if (rc && rc != bus_error(ENXIO))
			return (void *)(intptr_t)rc;
		atomic_fetch_add(&me->crowd->faults, 1);
	}
	return NULL;
}

/* What is present is what the object has: pages from before a change would differ. */
static void expect_coherent(struct crowd *c) NO_TSA
{
	for (unsigned k = 0; k < 2; k++)
		for (uint64_t i = 0; i < 1024; i++) {
			uint32_t page;
			int rc;

			if (!c->spaces[k]->present[i])
				continue;
			rc = look(c->sm, i * PAGE, &page);
			assert_int_equal(rc, 0);
			assert_int_equal(page, c->spaces[k]->present[i]);
		}
}

static void test_faults_against_changes(void **state) NO_TSA
{
	struct crowd c = { .sm = make(1024 * PAGE) };
	struct crowd_member members[2] = { { &c, 0 }, { &c, 1 } };
	pthread_t threads[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		c.spaces[i] = toy_create(i + 1);
		map_all(c.spaces[i], c.sm, true);
	}
	for (unsigned round = 0; round < 3; round++) {
		atomic_store(&c.stop, false);
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(
				pthread_create(&threads[i], NULL, crowd_fault, &members[i]), 0);
		for (unsigned i = 0; i < 60; i++) {
			uint64_t before = atomic_load(&c.faults);

			assert_int_equal(shared_memory_truncate(c.sm, i % 5 * 150 * PAGE + 7), 0);
			assert_int_equal(shared_memory_truncate(c.sm, 1024 * PAGE), 0);
			assert_int_equal(
				shared_memory_punch(c.sm,
						    (struct mappable_range){
							    i * 9 * PAGE, (i * 9 + 300) * PAGE }),
				0);
			while (atomic_load(&c.faults) < before + 50)
				sched_yield();
		}
		atomic_store(&c.stop, true);
		for (unsigned i = 0; i < 2; i++) {
			void *rc;

			pthread_join(threads[i], &rc);
			assert_ptr_equal(rc, NULL);
		}
		expect_coherent(&c);
	}
	assert_int_equal(live_pages(), shared_memory_resident_pages(c.sm));
	assert_int_equal(shared_memory_truncate(c.sm, 0), 0);
	assert_int_equal(live_pages(), 0);
	for (unsigned i = 0; i < 2; i++) {
		for (uint64_t p = 0; p < 1024; p++)
			assert_int_equal(c.spaces[i]->present[p], 0);
		unmap_all(c.spaces[i], c.sm, true);
		free(c.spaces[i]);
	}
	drop(c.sm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_translate_at_each_point_of_truncate),
		TEST(test_translate_at_each_point_of_punch),
		TEST(test_publish_looks_again),
		TEST(test_a_unit_is_of_one_look),
		TEST(test_install_after_detach),
		TEST(test_faults_against_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
