/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cow_race_test.c - copies on write against whoever else has the page, with the interleavings
 * forced: a thread is held after it decided to copy and before it has (gate.h), its entry held.
 *
 * What breaks without the rules. Rule 10: a page is taken back without a copy only when its count
 * is certainly one; if the other side took it while the copy is being made, the copy would have
 * bytes that were written after the fork. Rule 5 with rule 1: the entry stays held from the
 * translation to the copy's installation; if it were let go, a truncate in between would pass, and
 * a copy of what lies behind the end stay readable.
 */
#include "tests/unit/space_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "engine/mm_fork.h"
#include "tests/unit/gate.h"

/* A call made by another thread. */
struct call {
	int (*run)(struct call *c);
	struct mm_space *space;
	struct shared_memory *sm;
	uint64_t page;
	int rc;
	_Atomic bool returned;
	pthread_t thread;
};

static int run_write(struct call *c)
{
	return mm_fault(c->space, fixture_address(c->page), MM_WRITE);
}

static int run_truncate(struct call *c)
{
	return shared_memory_truncate(c->sm, 0);
}

static int run_punch(struct call *c)
{
	return shared_memory_punch(c->sm, (struct mappable_range){ 0, MM_PAGE_SIZE });
}

static void *call_thread(void *arg)
{
	struct call *c = arg;

	c->rc = mm_thread_enter();
	if (!c->rc) {
		c->rc = c->run(c);
		mm_thread_leave();
	}
	atomic_store(&c->returned, true);
	return NULL;
}

static void call_start(struct call *c)
{
	assert_int_equal(pthread_create(&c->thread, NULL, call_thread, c), 0);
}

static void call_finish(struct call *c)
{
	pthread_join(c->thread, NULL);
	assert_int_equal(c->rc, 0);
}

static bool points(void)
{
	gates_init();
	return mm_test_points_enabled();
}

/* A space whose page 0 has the byte 1, and a child that shares it. */
static struct mm_space *open_family(struct fixture *f)
{
	struct mm_space *child;

	fixture_open(f, NULL, &host_space_none);
	assert_int_equal(fixture_map(f->space, 0, 4, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_put(f, f->space, 0, 1), 0);
	assert_int_equal(mm_fork(f->space, &child), 0);
	return child;
}

/* ---- rule 10 ---- */

/* Both sides write: the second must not take the page that the first is copying from. */
static void both_sides_write_at_once(void **state)
{
	struct fixture f;
	uint32_t old;
	uint32_t theirs;

	(void)state;
	if (!points())
		skip();
	struct mm_space *child = open_family(&f);
	struct call writer = { .run = run_write, .space = f.space };

	assert_int_equal(fixture_page(f.space, 0, MM_READ, &old), 0);
	gate_arm("fault_copying");
	call_start(&writer);
	gate_await("fault_copying");
	assert_int_equal(fixture_put(&f, child, 0, 2), 0);
	assert_int_equal(fixture_page(child, 0, MM_READ, &theirs), 0);
	assert_int_not_equal(theirs, old);
	assert_int_equal(memory_file_count(f.memory, old), 1); /* the writer's, who reads it */
	gate_open("fault_copying");
	call_finish(&writer);
	gates_open_all();
	assert_int_equal(fixture_get(&f, f.space, 0), 1);
	assert_int_equal(fixture_get(&f, child, 0), 2);
	assert_int_equal(memory_file_count(f.memory, old), 0);
	assert_int_equal(fixture_live(&f), 2);
	mm_check(f.mm);
	mm_space_destroy(child);
	fixture_close(&f);
}

/* The other side goes while the copy is made: the old page has one owner less, then none. */
static void the_other_side_ends_during_a_copy(void **state)
{
	struct fixture f;
	uint32_t old;

	(void)state;
	if (!points())
		skip();
	struct mm_space *child = open_family(&f);
	struct call writer = { .run = run_write, .space = f.space };

	assert_int_equal(fixture_page(f.space, 0, MM_READ, &old), 0);
	gate_arm("fault_copying");
	call_start(&writer);
	gate_await("fault_copying");
	mm_space_destroy(child);
	assert_int_equal(memory_file_count(f.memory, old), 1);
	gate_open("fault_copying");
	call_finish(&writer);
	gates_open_all();
	assert_int_equal(fixture_get(&f, f.space, 0), 1);
	assert_int_equal(memory_file_count(f.memory, old), 0);
	assert_int_equal(fixture_live(&f), 1);
	fixture_close(&f);
}

/* ---- rule 5 ---- */

/* The first write to a private mapping of an object against a change of the object. */
static void write_against(int (*change)(struct call *c), int then)
{
	struct fixture f;
	struct shared_memory *sm;

	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(shared_memory_create(f.memory, 4 * MM_PAGE_SIZE, PAGE_4K, NULL, &sm), 0);
	assert_int_equal(fixture_map(f.space, 8, 4, FIXTURE_RW, sm, false, 0), 0);
	assert_int_equal(fixture_put(&f, f.space, 8, 1), 0);
	assert_int_equal(fixture_map(f.space, 0, 4, FIXTURE_RW, sm, true, 0), 0);
	struct call writer = { .run = run_write, .space = f.space };
	struct call changer = { .run = change, .sm = sm };

	gate_arm("fault_copying");
	call_start(&writer);
	gate_await("fault_copying");
	gate_arm("shared_memory_detached");
	call_start(&changer);
	gate_await("shared_memory_detached");
	gate_open("shared_memory_detached");
	assert_false(atomic_load(&changer.returned)); /* it waits for the writer's entry */
	gate_open("fault_copying");
	call_finish(&writer);
	call_finish(&changer);
	gates_open_all();
	assert_int_equal(fixture_get(&f, f.space, 0), then);
	mm_check(f.mm);
	assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 12 * MM_PAGE_SIZE), 0);
	mapping_identity_dec_ref(shared_memory_identity(sm));
	fixture_close(&f);
}

static void truncate_drops_a_copy_made_late(void **state)
{
	(void)state;
	if (!points())
		skip();
	write_against(run_truncate, bus_error(ENXIO));
}

/* A hole leaves private copies alone: the writer keeps the byte that it copied. */
static void punch_keeps_a_copy_made_late(void **state)
{
	(void)state;
	if (!points())
		skip();
	write_against(run_punch, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_write_at_once),
		cmocka_unit_test(the_other_side_ends_during_a_copy),
		cmocka_unit_test(truncate_drops_a_copy_made_late),
		cmocka_unit_test(punch_keeps_a_copy_made_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
