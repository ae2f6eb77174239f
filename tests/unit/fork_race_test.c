/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork_race_test.c - fork against writers and truncates, with the interleavings forced.
 *
 * What breaks without the rules (lock_order rule 6): without the wait, a thread that writes A and
 * then B while the fork stands between the two gives the child B without A. Without registering
 * first, a truncate that runs between copying an entry and telling the mappable leaves the child
 * with a page beyond the end of the object.
 */
#include "tests/unit/space_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "engine/mm_fork.h"
#include "tests/unit/gate.h"

struct forker {
	struct mm_space *parent, *child;
	int rc;
	pthread_t thread;
};

static void *run_fork(void *arg)
{
	struct forker *f = arg;

	f->rc = mm_thread_enter();
	if (!f->rc) {
		f->rc = mm_fork(f->parent, &f->child);
		mm_thread_leave();
	}
	return NULL;
}

static void start_fork(struct forker *f, struct mm_space *parent)
{
	*f = (struct forker){ .parent = parent };
	assert_int_equal(pthread_create(&f->thread, NULL, run_fork, f), 0);
}

static void join_fork(struct forker *f)
{
	pthread_join(f->thread, NULL);
	assert_int_equal(f->rc, 0);
}

/* ---- writes ---- */

struct writer {
	volatile unsigned char *a, *b;
	_Atomic bool done;
	pthread_t thread;
};

static void *run_writer(void *arg)
{
	struct writer *w = arg;

	if (mm_thread_enter())
		return NULL;
	*w->a = 1;
	*w->b = 1;
	atomic_store(&w->done, true);
	mm_thread_leave();
	return NULL;
}

/* A in one unit, B in the next. The fork has copied A and not B. */
static void write_in_between(bool a_present)
{
	struct fixture f;
	struct forker forker;
	struct writer w = { 0 };

	fixture_open(&f, NULL, &host_space_mmap);
	assert_int_equal(fixture_map(f.space, 0, 2 * MM_HUGE_PAGES, FIXTURE_RW, NULL, true, 0), 0);
	w.a = mm_host_address(f.space, fixture_address(3));
	w.b = mm_host_address(f.space, fixture_address(MM_HUGE_PAGES + 3));
	*(volatile unsigned char *)mm_host_address(f.space, fixture_address(4)) = 9; /* a leaf */
	if (a_present)
		*w.a = 0;
	*w.b = 0;
	gates_init();
	gate_arm("fork_copied_unit");
	gate_arm("fault_waits_for_fork");
	start_fork(&forker, f.space);
	/* units before the leaf of A are empty, and do not come to the point armed */
	gate_await("fork_copied_unit");
	assert_int_equal(pthread_create(&w.thread, NULL, run_writer, &w), 0);
	gate_await("fault_waits_for_fork");
	assert_false(atomic_load(&w.done));
	gate_open("fault_waits_for_fork");
	gate_open("fork_copied_unit");
	join_fork(&forker);
	pthread_join(w.thread, NULL);
	assert_true(atomic_load(&w.done));
	gates_open_all();
	assert_int_equal(*w.a, 1);
	assert_int_equal(*w.b, 1);
	assert_int_equal(fixture_get(&f, forker.child, 3), 0);
	assert_int_equal(fixture_get(&f, forker.child, MM_HUGE_PAGES + 3), 0);
	mm_space_check(f.space);
	mm_space_check(forker.child);
	mm_space_destroy(forker.child);
	fixture_close(&f);
}

static void no_child_sees_the_later_write_alone(void **state)
{
	(void)state;
	gates_needed();
	write_in_between(true);
	write_in_between(false);
}

struct storm {
	volatile uint32_t *a, *b;
	_Atomic bool stop;
	pthread_t thread;
};

static void *run_storm(void *arg)
{
	struct storm *w = arg;

	if (mm_thread_enter())
		return NULL;
	for (uint32_t i = 1; !atomic_load_explicit(&w->stop, memory_order_relaxed); i++) {
		*w->a = i;
		atomic_signal_fence(memory_order_seq_cst);
		*w->b = i;
	}
	mm_thread_leave();
	return NULL;
}

/* Children of a storm of writes "A, then B" have B = A or B = A - 1. */
static void many_forks_of_a_writing_space(void **state)
{
	struct fixture f;
	struct storm storm = { 0 };

	(void)state;
	fixture_open(&f, NULL, &host_space_mmap);
	assert_int_equal(fixture_map(f.space, 0, 2 * MM_HUGE_PAGES, FIXTURE_RW, NULL, true, 0), 0);
	/* the fork copies B after A in one round, and before it in the other */
	for (int turned = 0; turned < 2; turned++) {
		void *low = mm_host_address(f.space, fixture_address(100));
		void *high = mm_host_address(f.space, fixture_address(MM_HUGE_PAGES + 100));

		storm.a = turned ? high : low;
		storm.b = turned ? low : high;
		atomic_store(&storm.stop, false);
		assert_int_equal(pthread_create(&storm.thread, NULL, run_storm, &storm), 0);
		for (int i = 0; i < 150; i++) {
			struct mm_space *child;

			assert_int_equal(mm_fork(f.space, &child), 0);
			ptrdiff_t offset = (char *)mm_host_address(child, FIXTURE_BASE) -
					   (char *)mm_host_address(f.space, FIXTURE_BASE);
			uint32_t a = *(volatile uint32_t *)((char *)storm.a + offset);
			uint32_t b = *(volatile uint32_t *)((char *)storm.b + offset);

			assert_true(b == a || b + 1 == a);
			mm_space_destroy(child);
			if (i % 16 == 0)
				usleep(200);
		}
		atomic_store(&storm.stop, true);
		pthread_join(storm.thread, NULL);
		*storm.a = *storm.b = 0;
	}
	fixture_close(&f);
}

/* ---- truncates ---- */

static void truncate_at(const char *point)
{
	struct fixture f;
	struct forker forker;
	struct shared_memory *sm;

	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(shared_memory_create(f.memory, 8 * MM_PAGE_SIZE, PAGE_4K, NULL, &sm), 0);
	assert_int_equal(fixture_map(f.space, 0, 8, FIXTURE_RW, sm, true, 0), 0);
	assert_int_equal(fixture_put(&f, f.space, 5, 5), 0);
	assert_int_equal(fixture_put(&f, f.space, 1, 4), 0);
	gates_init();
	gate_arm(point);
	start_fork(&forker, f.space);
	gate_await(point);
	assert_int_equal(shared_memory_truncate(sm, 2 * MM_PAGE_SIZE), 0);
	gate_open(point);
	join_fork(&forker);
	gates_open_all();
	assert_true(is_bus_error(fixture_get(&f, f.space, 5)));
	assert_true(is_bus_error(fixture_get(&f, forker.child, 5)));
	assert_int_equal(fixture_get(&f, forker.child, 1), 4);
	mm_space_check(forker.child);
	mm_space_destroy(forker.child);
	assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 8 * MM_PAGE_SIZE), 0);
	mapping_identity_dec_ref(shared_memory_identity(sm));
	fixture_close(&f);
}

static void a_truncate_reaches_the_child(void **state)
{
	(void)state;
	gates_needed();
	truncate_at("fork_registered");
	truncate_at("fork_copied_unit");
}

/* Everything at once: copies, truncates, forks and ends of children, in two spaces. */
struct churn {
	struct fixture *f;
	struct shared_memory *sm;
	_Atomic bool stop;
	_Atomic int wrong;
};

static void *run_truncates(void *arg)
{
	struct churn *c = arg;

	if (mm_thread_enter())
		return NULL;
	for (unsigned i = 0; !atomic_load(&c->stop); i++)
		if (shared_memory_truncate(c->sm, (i % 2 ? 8 : 3) * MM_PAGE_SIZE))
			atomic_store(&c->wrong, 1);
	mm_thread_leave();
	return NULL;
}

static void *run_writes(void *arg)
{
	struct churn *c = arg;

	if (mm_thread_enter())
		return NULL;
	for (unsigned i = 0; !atomic_load(&c->stop); i++) {
		int rc = mm_fault(c->f->space, fixture_address(i % 8), MM_WRITE);

		if (rc && !is_bus_error(rc))
			atomic_store(&c->wrong, rc);
	}
	mm_thread_leave();
	return NULL;
}

static void forks_writes_and_truncates(void **state)
{
	struct fixture f;
	struct churn c = { .f = &f };
	pthread_t thread[2];

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(shared_memory_create(f.memory, 8 * MM_PAGE_SIZE, PAGE_4K, NULL, &c.sm), 0);
	assert_int_equal(fixture_map(f.space, 0, 8, FIXTURE_RW, c.sm, true, 0), 0);
	assert_int_equal(pthread_create(&thread[0], NULL, run_truncates, &c), 0);
	assert_int_equal(pthread_create(&thread[1], NULL, run_writes, &c), 0);
	for (int i = 0; i < 400; i++) {
		struct mm_space *child;
		int rc;

		assert_int_equal(mm_fork(f.space, &child), 0);
		rc = mm_fault(child, fixture_address((uint64_t)i % 8), MM_WRITE);
		assert_true(!rc || is_bus_error(rc));
		mm_space_destroy(child);
	}
	atomic_store(&c.stop, true);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	assert_int_equal(c.wrong, 0);
	assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 8 * MM_PAGE_SIZE), 0);
	mapping_identity_dec_ref(shared_memory_identity(c.sm));
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_child_sees_the_later_write_alone),
		cmocka_unit_test(many_forks_of_a_writing_space),
		cmocka_unit_test(a_truncate_reaches_the_child),
		cmocka_unit_test(forks_writes_and_truncates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
