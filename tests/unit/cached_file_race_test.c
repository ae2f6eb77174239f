/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cached_file_race_test.c - the cached host file against itself: each order of fill, truncate,
 * punch, write-back and changes by others that matters, forced at the test points; then threads
 * that run free.
 */
#include "tests/unit/cached_file_fixture.h"

#include <pthread.h>

#include "tests/unit/gate.h"

/* ---- a fill, held in the middle ---- */

struct look {
	pthread_t thread;
	uint64_t page; /* of the file */
	mm_access at;
	uint32_t found;
	int rc;
};

static void *run_look(void *arg)
{
	struct look *l = arg;

	l->rc = toy_look(m, l->page * PAGE, l->at, &l->found);
	return NULL;
}

/* Translates in a thread that holds no entry, so that invalidations need not wait for it. */
static void look_start(struct look *l, uint64_t page, mm_access at)
{
	*l = (struct look){ .page = page, .at = at, .rc = 1 };
	assert_int_equal(pthread_create(&l->thread, NULL, run_look, l), 0);
}

static void look_end(struct look *l)
{
	pthread_join(l->thread, NULL);
}

static int setup_gates(void **state)
{
	if (setup_file(state))
		return -1;
	gates_init();
	return 0;
}

static int teardown_gates(void **state)
{
	gates_open_all();
	return teardown_file(state);
}

/* While one thread reads a unit, others who need it wait and read nothing; everybody else goes on:
 * no lock is held for the read. */
static void test_one_fills_the_others_wait(void **state)
{
	struct look filler, waiter;
	uint32_t page;

	(void)state;
	gates_needed();
	assert_int_equal(toy_look(m, 8 * PAGE, MM_READ, &page), 0);
	gate_arm("cached_file_filling");
	look_start(&filler, 4, MM_READ);
	gate_await("cached_file_filling");
	gate_arm("cached_file_waiting");
	look_start(&waiter, 6, RW);
	gate_await("cached_file_waiting");
	gate_open("cached_file_waiting");
	assert_int_equal(toy_look(m, 9 * PAGE, RW, &page), 0); /* cached; takes data */
	assert_int_equal(toy_look(m, 12 * PAGE, MM_READ, &page), 0); /* another unit */
	assert_int_equal(stat_now().fills, 2);
	assert_int_equal(cached_file_refresh(cf), 0);
	assert_int_equal(waiter.rc, 1);
	gate_open("cached_file_filling");
	look_end(&filler);
	look_end(&waiter);
	assert_int_equal(filler.rc, 0);
	assert_int_equal(waiter.rc, 0);
	assert_int_equal(stat_now().fills, 3);
	assert_int_equal(stat_now().dirty_pages, 2);
	assert_int_equal(memory_file_memory(mf, waiter.found)[0], host_file_byte(6 * PAGE));
}

/* The filler fails: who waited for it tries itself. */
static void test_a_failed_fill_wakes(void **state)
{
	struct look filler, waiter;

	(void)state;
	gates_needed();
	gate_arm("cached_file_filled");
	mm_inject_arm(INJECT_FILL, 1, 100);
	look_start(&filler, 4, MM_READ);
	gate_await("cached_file_filled");
	mm_inject_disarm(INJECT_FILL, NULL);
	gate_arm("cached_file_waiting");
	look_start(&waiter, 6, MM_READ);
	gate_await("cached_file_waiting");
	gate_open("cached_file_waiting");
	gate_open("cached_file_filled");
	look_end(&filler);
	look_end(&waiter);
	assert_int_equal(filler.rc, bus_error(EIO));
	assert_int_equal(waiter.rc, 0);
	assert_int_equal(memory_file_memory(mf, waiter.found)[0], host_file_byte(6 * PAGE));
}

/* What was read before a truncate or a punch is not published after it. Without the generation the
 * old bytes would come back. */
static void run_stale_read(void (*change)(void), bool inside)
{
	struct look filler;

	gate_arm("cached_file_filled");
	look_start(&filler, 5, MM_READ);
	gate_await("cached_file_filled");
	change();
	gate_open("cached_file_filled");
	look_end(&filler);
	assert_int_equal(filler.rc, inside ? 0 : bus_error(ENXIO));
	if (inside) {
		assert_int_equal(memory_file_memory(mf, filler.found)[0], 0);
		assert_int_equal(host_byte(5 * PAGE), 0);
		assert_int_equal(stat_now().fills, 2);
	}
	assert_int_equal(live_pages(), stat_now().cached_pages);
}

static void cut(void)
{
	assert_int_equal(cached_file_truncate(cf, 2 * PAGE), 0);
}

static void cut_and_grow(void)
{
	cut();
	assert_int_equal(cached_file_truncate(cf, 10 * PAGE), 0);
}

static void punch(void) NO_TSA
{
	assert_int_equal(mappable_punch(m, (struct mappable_range){ 4 * PAGE, 8 * PAGE }), 0);
}

static void others_cut_and_grow(void)
{
	uint32_t page;

	assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
	assert_int_equal(toy_look(m, 9 * PAGE, MM_READ, &page), bus_error(ENXIO));
	assert_int_equal(ftruncate(fd, 10 * PAGE), 0);
	assert_int_equal(cached_file_refresh(cf), 0);
}

static void test_truncate_during_fill(void **state)
{
	(void)state;
	gates_needed();
	run_stale_read(cut, false);
}

static void test_truncate_and_grow_during_fill(void **state)
{
	(void)state;
	gates_needed();
	run_stale_read(cut_and_grow, true);
}

static void test_punch_during_fill(void **state)
{
	(void)state;
	gates_needed();
	run_stale_read(punch, true);
}

static void test_others_change_the_size_during_fill(void **state)
{
	(void)state;
	gates_needed();
	run_stale_read(others_cut_and_grow, true);
}

/* ---- truncate: translate at each point of it ---- */

static uint32_t stale;
static unsigned visits;

static void at_truncate(const char *name)
{
	uint32_t page;

	if (!strcmp(name, "cached_file_detached")) {
		visits++;
		/* still mapped, not answered any more, and nobody else has the page */
		assert_int_equal(s->present[5], stale);
		assert_int_equal(toy_look(m, 5 * PAGE, RW, &page), bus_error(ENXIO));
		assert_int_equal(memory_file_count(mf, stale), 2);
	} else if (!strcmp(name, "cached_file_invalidated")) {
		visits++;
		assert_int_equal(s->present[5], 0);
		assert_int_equal(memory_file_count(mf, stale), 1);
		assert_int_equal(fault(5, RW), bus_error(ENXIO));
	}
}

static void test_translate_at_each_point_of_truncate(void **state)
{
	(void)state;
	gates_needed();
	assert_int_equal(fault(5, RW), 0);
	stale = s->present[5];
	visits = 0;
	mm_test_point_set_hook(at_truncate);
	assert_int_equal(cached_file_truncate(cf, 2 * PAGE), 0);
	mm_test_point_set_hook(NULL);
	assert_int_equal(visits, 2);
	assert_int_equal(memory_file_count(mf, stale), 0);
}

static void *truncate_to_two(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)cached_file_truncate(cf, 2 * PAGE);
}

/* Translate found the page before it was detached and installs it after: the invalidation waits for
 * its entry and drops it; the page is freed only then. */
static void test_install_after_detach(void **state) NO_TSA
{
	pthread_t thread;
	uint32_t page;
	void *rc;

	(void)state;
	toy_lock(s);
	assert_int_equal(toy_look(m, 5 * PAGE, RW, &page), 0);
	assert_int_equal(pthread_create(&thread, NULL, truncate_to_two, NULL), 0);
	while (stat_now().cached_pages > 0)
		sched_yield();
	assert_int_equal(memory_file_count(mf, page), 1);
	install(s, 5 * PAGE, page);
	toy_unlock(s);
	pthread_join(thread, &rc);
	assert_ptr_equal(rc, NULL);
	assert_int_equal(s->present[5], 0);
	assert_int_equal(live_pages(), 0);
}

/* Others cut the file once more while a truncate settles an earlier cut, in steps of 2 MiB: the
 * pages that become stale below are not freed before their own mappings are gone. */
static void cut_below(const char *name)
{
	uint32_t page;

	if (strcmp(name, "cached_file_detached") != 0)
		return;
	if (visits++ == 0) {
		assert_int_equal(ftruncate(fd, PAGE), 0);
		assert_int_equal(toy_look(m, 2 * PAGE, MM_READ, &page), bus_error(ENXIO));
	}
	if (visits > 3)
		return;
	/* Two steps of this round, and the first of the next: mapped still, and held for that. */
	assert_int_equal(s->present[2], stale);
	assert_int_equal(memory_file_count(mf, stale), 2);
}

static void test_cut_again_while_settling(void **state)
{
	static const uint64_t some[] = { 0, 1, 2, 5, 700, 1030, 1090 };

	(void)state;
	gates_needed();
	assert_int_equal(cached_file_truncate(cf, 1100 * PAGE), 0);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(fault(some[i], RW), 0);
	stale = s->present[2];
	visits = 0;
	mm_test_point_set_hook(cut_below);
	assert_int_equal(cached_file_truncate(cf, 600 * PAGE), 0);
	mm_test_point_set_hook(NULL);
	assert_int_equal(visits, 2 + 3);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(s->present[some[i]] != 0, i == 0);
	assert_int_equal(live_pages(), 1);
}

/* ---- growth ---- */

/* The size changes again between the read of the tail and putting it in: it is read anew. */
static void change_at_growing(const char *name)
{
	uint32_t page;

	if (strcmp(name, "cached_file_growing") != 0 || visits++)
		return;
	assert_int_equal(ftruncate(fd, FILE_BYTES - 50), 0);
	assert_int_equal(toy_look(m, 0, MM_READ, &page), 0); /* follows */
	assert_int_equal(ftruncate(fd, FILE_BYTES + 20), 0);
}

static void test_size_changes_while_growing(void **state)
{
	(void)state;
	gates_needed();
	assert_int_equal(fault(FILE_PAGES, MM_READ), 0);
	host_file_fill(fd, FILE_BYTES, FILE_BYTES + 200);
	visits = 0;
	mm_test_point_set_hook(change_at_growing);
	assert_int_equal(fault(0, MM_READ), 0);
	mm_test_point_set_hook(NULL);
	assert_true(visits >= 2);
	expect_made(FILE_PAGES, 0, 50);
	expect_zero(FILE_PAGES, 50, PAGE); /* what was cut off and made long again is zero */
}

/* ---- write-back ---- */

/* A page was called clean, and before it is written somebody maps it writable and stores. */
static void store_at_collected(const char *name) NO_TSA
{
	if (strcmp(name, "cached_file_collected") != 0 || visits++)
		return;
	assert_int_equal(stat_now().dirty_pages, 0);
	assert_int_equal(toy_map(s, m, true), 0);
	assert_int_equal(fault(3, RW), 0);
	shown(3)[0] = 77;
}

static void test_store_during_write_back(void **state) NO_TSA
{
	(void)state;
	gates_needed();
	assert_int_equal(fault(3, RW), 0);
	toy_unmap(s, m, true);
	visits = 0;
	mm_test_point_set_hook(store_at_collected);
	assert_int_equal(msync_all(), 0);
	mm_test_point_set_hook(NULL);
	assert_int_equal(visits, 1);
	assert_int_equal(stat_now().dirty_pages, 1); /* the store is not lost */
	shown(3)[1] = 78;
	assert_int_equal(msync_all(), 0);
	assert_int_equal(host_byte(3 * PAGE), 77);
	assert_int_equal(host_byte(3 * PAGE + 1), 78);
}

/* The write fails after somebody else made the page dirty again: it is counted once. */
static void fail_at_collected(const char *name)
{
	if (strcmp(name, "cached_file_collected") != 0)
		return;
	store_at_collected(name);
	mm_inject_arm(INJECT_HOST, 2, 1); /* size, write */
}

static void test_failed_write_back_and_store(void **state) NO_TSA
{
	(void)state;
	gates_needed();
	assert_int_equal(fault(3, RW), 0);
	assert_int_equal(fault(2, RW), 0);
	toy_unmap(s, m, true);
	visits = 0;
	mm_test_point_set_hook(fail_at_collected);
	assert_int_equal(msync_all(), -EIO);
	mm_test_point_set_hook(NULL);
	mm_inject_disarm(INJECT_HOST, NULL);
	assert_int_equal(stat_now().dirty_pages, 2);
	assert_int_equal(msync_all(), 0);
	assert_int_equal(host_byte(3 * PAGE), 77);
}

/* ---- free-running threads ---- */

static struct toy_space *spaces[2];
static _Atomic bool stop;
static _Atomic uint64_t faults;

static void *crowd_fault(void *arg) NO_TSA
{
	struct toy_space *own = arg;
	uint64_t random = own->space.id;

	while (!atomic_load(&stop)) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		uint64_t offset = (random >> 33) % (FILE_PAGES + 1) * PAGE;
		int rc = toy_fault_as(own, m, offset, random >> 60 & 1 ? RW : MM_READ);

		if (rc && rc != bus_error(ENXIO))
			return (void *)(intptr_t)rc;
		atomic_fetch_add(&faults, 1);
	}
	return NULL;
}

/* What is present is what the file has: pages from before a change would differ. */
static void expect_coherent(void)
{
	for (unsigned k = 0; k < 2; k++)
		for (uint64_t i = 0; i <= FILE_PAGES; i++) {
			uint32_t page;

			if (!spaces[k]->present[i])
				continue;
			assert_int_equal(toy_look(m, i * PAGE, MM_READ, &page), 0);
			assert_int_equal(page, spaces[k]->present[i]);
		}
}

static void change_all(uint64_t i) NO_TSA
{
	struct mappable_range some = { i % 30 * PAGE, (i % 30 + 9) * PAGE };

	assert_int_equal(cached_file_truncate(cf, i % 5 * 7 * PAGE + 7), 0);
	assert_int_equal(cached_file_truncate(cf, FILE_BYTES), 0);
	assert_int_equal(mappable_punch(m, some), 0);
	assert_int_equal(msync_all(), 0);
	assert_int_equal(ftruncate(fd, (off_t)((i % 3 + 1) * 10 * PAGE + 50)), 0);
	sched_yield();
	assert_int_equal(ftruncate(fd, FILE_BYTES), 0);
	(void)cached_file_reclaim(cf, 5);
	assert_int_equal(cached_file_refresh(cf), 0);
}

static void test_faults_against_changes(void **state) NO_TSA
{
	cpu_set_t all;
	pthread_t threads[2];

	(void)state;
	memset(&all, 0xff, sizeof(all));
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	for (unsigned i = 0; i < 2; i++) {
		spaces[i] = toy_create(i + 2);
		assert_int_equal(toy_map(spaces[i], m, true), 0);
	}
	for (unsigned round = 0; round < 3; round++) {
		atomic_store(&stop, false);
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, crowd_fault, spaces[i]),
					 0);
		for (uint64_t i = 0; i < 40; i++) {
			uint64_t before = atomic_load(&faults);

			change_all(i);
			while (atomic_load(&faults) < before + 20)
				sched_yield();
		}
		atomic_store(&stop, true);
		for (unsigned i = 0; i < 2; i++) {
			void *rc;

			pthread_join(threads[i], &rc);
			assert_ptr_equal(rc, NULL);
		}
		assert_int_equal(cached_file_refresh(cf), 0);
		expect_coherent();
		assert_int_equal(live_pages(), stat_now().cached_pages);
	}
	assert_int_equal(cached_file_truncate(cf, 0), 0);
	assert_int_equal(live_pages(), 0);
	assert_int_equal(stat_now().dirty_pages, 0);
	for (unsigned i = 0; i < 2; i++) {
		toy_unmap(spaces[i], m, true);
		free(spaces[i]);
	}
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_gates, teardown_gates)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_fills_the_others_wait),
		TEST(test_a_failed_fill_wakes),
		TEST(test_truncate_during_fill),
		TEST(test_truncate_and_grow_during_fill),
		TEST(test_punch_during_fill),
		TEST(test_others_change_the_size_during_fill),
		TEST(test_translate_at_each_point_of_truncate),
		TEST(test_install_after_detach),
		TEST(test_cut_again_while_settling),
		TEST(test_size_changes_while_growing),
		TEST(test_store_during_write_back),
		TEST(test_failed_write_back_and_store),
		TEST(test_faults_against_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
