/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold_race_test.c - rule 12 of the lock order: no operation holds more than 2 MiB of entries, so
 * that whoever needs other pages of the range need not wait for its end; and rule 6 where the
 * truncate comes first.
 *
 * Each operation is held between its first two steps (gate.h); meanwhile the last page of its
 * range is discarded, which needs that page's entry and nothing else. What breaks without the rule:
 * the discard would wait for the operation, which waits for the test, until time runs out.
 */
#include "tests/unit/space_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "engine/mm_fork.h"
#include "engine/mm_io.h"
#include "engine/mm_remap.h"
#include "tests/unit/gate.h"

#define PAGES (3 * MM_HUGE_PAGES)

struct operation {
	const char *name;
	const char *gate; /* met after, or in, the first step */
	bool object; /* of a shared mapping; else private memory */
	int (*run)(struct operation *o);
	struct fixture *f; /* of the running test */
	struct shared_memory *sm;
	struct mm_space *child;
	int rc;
};

static int run_munmap(struct operation *o)
{
	return mm_munmap(o->f->space, FIXTURE_BASE, PAGES * MM_PAGE_SIZE);
}

static int run_truncate(struct operation *o)
{
	return shared_memory_truncate(o->sm, 0);
}

static int run_move(struct operation *o)
{
	uint64_t got;

	return mm_mremap(o->f->space, FIXTURE_BASE, PAGES * MM_PAGE_SIZE, PAGES * MM_PAGE_SIZE,
			 MREMAP_FIXED_MOVE, fixture_address(2 * PAGES), &got);
}

static int run_fork(struct operation *o)
{
	return mm_fork(o->f->space, &o->child);
}

static int run_zero(struct operation *o)
{
	uint64_t done;

	return mm_zero_out(o->f->space, FIXTURE_BASE, PAGES * MM_PAGE_SIZE,
			   (struct mm_io_opts){ 0 }, &done);
}

static struct operation operations[] = {
	{ .name = "munmap", .gate = "space_unmap_taken", .run = run_munmap },
	{ .name = "truncate", .gate = "shared_memory_invalidated", true, .run = run_truncate },
	{ .name = "mremap", .gate = "space_move_piece", .run = run_move },
	{ .name = "fork", .gate = "fork_copied_unit", .run = run_fork },
	{ .name = "zero", .gate = "io_held", .run = run_zero },
};

static void *operation_thread(void *arg)
{
	struct operation *o = arg;

	o->rc = mm_thread_enter();
	if (!o->rc) {
		o->rc = o->run(o);
		mm_thread_leave();
	}
	return NULL;
}

static struct {
	struct mm_space *space;
	_Atomic bool done;
} probe;

static void *probe_thread(void *arg)
{
	(void)arg;
	if (mm_thread_enter())
		return NULL;
	atomic_store(&probe.done,
		     !mm_discard(probe.space, fixture_address(PAGES - 1), MM_PAGE_SIZE));
	mm_thread_leave();
	return NULL;
}

static void one_step_at_a_time(struct operation *o)
{
	struct fixture f;
	pthread_t thread;
	pthread_t prober;

	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(
		shared_memory_create(f.memory, PAGES * MM_PAGE_SIZE, PAGE_4K, NULL, &o->sm), 0);
	assert_int_equal(fixture_map(f.space, 0, PAGES, FIXTURE_RW, o->object ? o->sm : NULL,
				     !o->object, 0),
			 0);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(fixture_put(&f, f.space, i * MM_HUGE_PAGES, 1), 0);
		assert_int_equal(fixture_put(&f, f.space, (i + 1) * MM_HUGE_PAGES - 1, 1), 0);
	}
	o->f = &f;
	gates_init();
	gate_arm(o->gate);
	assert_int_equal(pthread_create(&thread, NULL, operation_thread, o), 0);
	gate_await(o->gate);
	atomic_store(&probe.done, false);
	probe.space = f.space;
	assert_int_equal(pthread_create(&prober, NULL, probe_thread, NULL), 0);
	pthread_join(prober, NULL); /* without the rule: only when the gate gives up */
	bool still_held = !atomic_load(&gate_named(o->gate)->armed);

	gate_open(o->gate);
	pthread_join(thread, NULL);
	gates_open_all();
	if (!atomic_load(&probe.done) || !still_held || o->rc)
		fail_msg("%s: probe %d, held %d, result %d", o->name, atomic_load(&probe.done),
			 still_held, o->rc);
	mm_check(f.mm);
	if (o->child)
		mm_space_destroy(o->child);
	assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 3 * PAGES * MM_PAGE_SIZE), 0);
	mapping_identity_dec_ref(shared_memory_identity(o->sm));
	fixture_close(&f);
}

static void operations_hold_one_step(void **state)
{
	(void)state;
	if (!mm_test_points_enabled())
		skip();
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		one_step_at_a_time(&operations[i]);
}

/* ---- rule 6: the truncate comes first ---- */

/*
 * A truncate has moved the pages away and stands before it invalidates; a fork copies the parent's
 * entries, the doomed one among them; the truncate goes on. It must find the child, whose id is
 * higher, after the parent.
 */
static void a_fork_during_a_truncate_is_found(void **state)
{
	struct operation change = { .run = run_truncate };
	struct fixture f;
	struct mm_space *child;
	pthread_t thread;

	(void)state;
	if (!mm_test_points_enabled())
		skip();
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(
		shared_memory_create(f.memory, 8 * MM_PAGE_SIZE, PAGE_4K, NULL, &change.sm), 0);
	assert_int_equal(fixture_map(f.space, 0, 8, FIXTURE_RW, change.sm, true, 0), 0);
	assert_int_equal(fixture_get(&f, f.space, 2), 0); /* the object's page */
	assert_int_equal(fixture_put(&f, f.space, 5, 5), 0); /* a private copy */
	gates_init();
	gate_arm("shared_memory_detached");
	assert_int_equal(pthread_create(&thread, NULL, operation_thread, &change), 0);
	gate_await("shared_memory_detached");
	assert_int_equal(mm_fork(f.space, &child), 0);
	assert_int_equal(fixture_get(&f, child, 5), 5);
	gate_open("shared_memory_detached");
	pthread_join(thread, NULL);
	gates_open_all();
	assert_int_equal(change.rc, 0);
	for (uint64_t i = 0; i < 8; i++) {
		assert_true(is_bus_error(fixture_get(&f, f.space, i)));
		assert_true(is_bus_error(fixture_get(&f, child, i)));
	}
	assert_int_equal(fixture_live(&f), 0);
	mm_check(f.mm);
	mm_space_destroy(child);
	assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 8 * MM_PAGE_SIZE), 0);
	mapping_identity_dec_ref(shared_memory_identity(change.sm));
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_hold_one_step),
		cmocka_unit_test(a_fork_during_a_truncate_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
