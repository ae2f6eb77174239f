/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_cow_test.c - the kernel's access to pages that are to be copied first: of private mappings and
 * after fork, with and without permission; pins; and copies while another thread forks.
 */
#include "tests/unit/checked.h"

#include "tests/unit/space_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "engine/mm_fork.h"
#include "engine/mm_io.h"
#include "tests/unit/gate.h"

static const struct mm_opts one_page = { .copy_bytes = MM_PAGE_SIZE };
static const struct mm_io_opts plain;
static const struct mm_io_opts ptrace_like = { .ignore_permissions = true };
static const struct host_space_ops *const hosts[] = { &host_space_none, &host_space_mmap,
						      &host_space_uffd };

static int put(struct mm_space *s, uint64_t page, unsigned char byte, struct mm_io_opts opts)
{
	uint64_t done;

	return mm_copy_out(s, fixture_address(page) + 7, &byte, 1, opts, &done);
}

static int get(struct mm_space *s, uint64_t page)
{
	uint64_t done;
	unsigned char byte = 0;
	int rc = mm_copy_in(s, fixture_address(page) + 7, &byte, 1, ptrace_like, &done);

	return rc ? rc : byte;
}

static struct shared_memory *object_of(struct fixture *f, uint64_t pages)
{
	struct shared_memory *sm;

	assert_int_equal(shared_memory_create(f->memory, pages * MM_PAGE_SIZE, PAGE_4K, NULL, &sm),
			 0);
	return sm;
}

static void object_put(struct shared_memory *sm)
{
	mapping_identity_dec_ref(shared_memory_identity(sm));
}

static void writes_copy_pages_of_the_object(void **state)
{
	(void)state;
	for (int h = 0; h < 3; h++) {
		struct fixture f;

		fixture_open(&f, &one_page, hosts[h]);
		struct shared_memory *sm = object_of(&f, 4);

		assert_int_equal(fixture_map(f.space, 0, 4, FIXTURE_RW, sm, false, 0), 0);
		assert_int_equal(fixture_map(f.space, 8, 4, FIXTURE_RW, sm, true, 0), 0);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(put(f.space, i, (unsigned char)(10 + i), plain), 0);
		assert_int_equal(get(f.space, 8), 10);
		assert_int_equal(fixture_copied(&f), 0);
		assert_int_equal(put(f.space, 8, 20, plain), 0); /* read before */
		assert_int_equal(put(f.space, 9, 21, plain), 0); /* absent */
		assert_int_equal(fixture_copied(&f), 2);
		assert_int_equal(put(f.space, 8, 22, plain), 0); /* its own already */
		assert_int_equal(fixture_copied(&f), 2);
		assert_int_equal(get(f.space, 0), 10);
		assert_int_equal(get(f.space, 1), 11);
		assert_int_equal(get(f.space, 8), 22);
		assert_int_equal(get(f.space, 9), 21);
		assert_int_equal(get(f.space, 10), 12);
		object_put(sm);
		assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 12 * MM_PAGE_SIZE), 0);
		fixture_close(&f);
	}
}

/* A store beside it does not cut a page off from its object. */
static void neighbours_follow_the_object(void **state)
{
	static const struct mm_opts copies_many = { .copy_bytes = 16 * MM_PAGE_SIZE };

	(void)state;
	for (int h = 0; h < 3; h++) {
		struct fixture f;

		fixture_open(&f, &copies_many, hosts[h]);
		struct shared_memory *sm = object_of(&f, 4);

		assert_int_equal(fixture_map(f.space, 0, 4, FIXTURE_RW, sm, false, 0), 0);
		assert_int_equal(fixture_map(f.space, 8, 4, FIXTURE_RW, sm, true, 0), 0);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(get(f.space, 8 + i), 0);
		assert_int_equal(put(f.space, 9, 20, plain), 0);
		assert_int_equal(fixture_copied(&f), 1);
		assert_int_equal(put(f.space, 2, 12, plain), 0);
		assert_int_equal(get(f.space, 10), 12);
		object_put(sm);
		assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 12 * MM_PAGE_SIZE), 0);
		fixture_close(&f);
	}
}

/* ptrace writes break points into code: COW is broken, the entry is not made writable. */
static void forced_writes_copy_without_permission(void **state)
{
	static const mm_access perms[] = { MM_READ, MM_NONE, MM_READ | MM_EXEC };

	(void)state;
	for (int h = 0; h < 3; h++)
		for (int i = 0; i < 3; i++) {
			struct fixture f;
			uint32_t page;

			fixture_open(&f, &one_page, hosts[h]);
			struct shared_memory *sm = object_of(&f, 4);

			assert_int_equal(fixture_map(f.space, 0, 4, FIXTURE_RW, sm, false, 0), 0);
			assert_int_equal(put(f.space, 0, 10, plain), 0);
			assert_int_equal(put(f.space, 1, 11, plain), 0);
			assert_int_equal(fixture_map(f.space, 8, 4, perms[i], sm, true, 0), 0);
			assert_int_equal(get(f.space, 8), 10);
			assert_int_equal(put(f.space, 8, 20, plain), -EFAULT);
			assert_int_equal(put(f.space, 8, 20, ptrace_like), 0);
			assert_int_equal(put(f.space, 9, 21, ptrace_like), 0);
			assert_int_equal(fixture_copied(&f), 2);
			assert_int_equal(put(f.space, 9, 22, ptrace_like), 0);
			assert_int_equal(fixture_copied(&f), 2);
			assert_int_equal(get(f.space, 0), 10);
			assert_int_equal(get(f.space, 1), 11);
			assert_int_equal(get(f.space, 8), 20);
			assert_int_equal(get(f.space, 9), 22);
			for (uint64_t p = 8; p < 10; p++) {
				assert_int_equal(fixture_page(f.space, p, MM_WRITE, &page),
						 -EACCES);
				assert_int_equal(fixture_page(f.space, p, MM_READ, &page),
						 perms[i] ? 0 : -EACCES);
			}
			mm_space_check(f.space);
			object_put(sm);
			assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 12 * MM_PAGE_SIZE), 0);
			fixture_close(&f);
		}
}

static void each_side_of_a_fork_writes_its_own(void **state)
{
	(void)state;
	for (int h = 0; h < 3; h++) {
		struct fixture f;
		struct mm_space *child;
		uint32_t old;
		uint32_t page;

		fixture_open(&f, &one_page, hosts[h]);
		assert_int_equal(fixture_map(f.space, 0, 4, FIXTURE_RW, NULL, true, 0), 0);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(put(f.space, i, (unsigned char)(10 + i), plain), 0);
		assert_int_equal(mm_fork(f.space, &child), 0);
		assert_int_equal(put(f.space, 0, 20, plain), 0);
		assert_int_equal(mm_swap_u32(child, fixture_address(1) + 4, 5, &old), 0);
		assert_int_equal(old, 11 << 24);
		assert_int_equal(mm_mprotect(child, fixture_address(2), MM_PAGE_SIZE, MM_READ), 0);
		assert_int_equal(put(child, 2, 32, ptrace_like), 0);
		assert_int_equal(fixture_copied(&f), 3);
		assert_int_equal(get(child, 0), 10);
		assert_int_equal(get(f.space, 0), 20);
		assert_int_equal(get(f.space, 1), 11);
		assert_int_equal(get(child, 1), 0);
		assert_int_equal(get(f.space, 2), 12);
		assert_int_equal(get(child, 2), 32);
		/* The other side is alone with the page, and takes it back. */
		assert_int_equal(put(child, 0, 40, plain), 0);
		assert_int_equal(put(f.space, 2, 42, plain), 0);
		assert_int_equal(fixture_copied(&f), 3);
		assert_int_equal(fixture_page(child, 2, MM_WRITE, &page), -EACCES);
		assert_int_equal(
			mm_zero_out(child, fixture_address(3), 100, plain, &(uint64_t){ 0 }), 0);
		assert_int_equal(get(f.space, 3), 13);
		mm_space_check(f.space);
		mm_space_destroy(child);
		fixture_close(&f);
	}
}

/* ---- pins ---- */

static uint32_t pin_one(struct mm_space *s, uint64_t page, mm_access at, struct mm_pin *pin)
{
	struct addr_range ar = { fixture_address(page), fixture_address(page + 1) };
	size_t count;

	assert_int_equal(mm_pin(s, ar, at, pin, 1, &count), 0);
	return pin->first_page;
}

static void pins_break_copy_on_write_even_for_reading(void **state)
{
	(void)state;
	for (int h = 0; h < 3; h++) {
		struct fixture f;
		struct mm_space *child;
		struct mm_pin pin[3];
		uint32_t mine;
		uint32_t theirs;

		fixture_open(&f, &one_page, hosts[h]);
		struct shared_memory *sm = object_of(&f, 4);

		assert_int_equal(fixture_map(f.space, 0, 4, MM_READ, sm, true, 0), 0);
		assert_int_equal(fixture_map(f.space, 8, 4, FIXTURE_RW, sm, false, 0), 0);
		assert_int_equal(get(f.space, 0), 0);
		(void)pin_one(f.space, 0, MM_READ, &pin[0]); /* present */
		(void)pin_one(f.space, 1, MM_READ, &pin[1]); /* absent */
		assert_int_equal(fixture_copied(&f), 2);
		assert_int_equal(put(f.space, 8, 9, plain), 0);
		assert_int_equal(put(f.space, 9, 9, plain), 0);
		assert_int_equal(get(f.space, 0), 0);
		assert_int_equal(get(f.space, 1), 0);
		assert_int_equal(fixture_page(f.space, 0, MM_WRITE, &mine), -EACCES);
		/* A shared mapping's page is the object's. */
		assert_int_equal(pin_one(f.space, 8, MM_WRITE, &pin[2]),
				 (fixture_page(f.space, 8, MM_READ, &mine), mine));
		mm_unpin(f.space, pin, 3);
		object_put(sm);
		assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 12 * MM_PAGE_SIZE), 0);

		/* After a fork the pinned page is no longer the child's. */
		assert_int_equal(fixture_map(f.space, 0, 1, FIXTURE_RW, NULL, true, 0), 0);
		assert_int_equal(put(f.space, 0, 5, plain), 0);
		assert_int_equal(mm_fork(f.space, &child), 0);
		mine = pin_one(f.space, 0, MM_READ, &pin[0]);
		assert_int_equal(fixture_page(child, 0, MM_READ, &theirs), 0);
		assert_int_not_equal(mine, theirs);
		memory_file_memory(f.memory, mine)[7] = 6; /* the device */
		assert_int_equal(get(f.space, 0), 6);
		assert_int_equal(get(child, 0), 5);
		mm_unpin(f.space, pin, 1);
		mm_space_destroy(child);
		fixture_close(&f);
	}
}

static void pinned_pages_stay_with_the_parent(void **state)
{
	(void)state;
	for (int h = 0; h < 3; h++) {
		struct fixture f;
		struct mm_space *child;
		struct mm_pin pin;
		uint32_t page;
		uint32_t now;

		fixture_open(&f, &one_page, hosts[h]);
		assert_int_equal(fixture_map(f.space, 0, 2, FIXTURE_RW, NULL, true, 0), 0);
		assert_int_equal(put(f.space, 0, 5, plain), 0);
		assert_int_equal(put(f.space, 1, 6, plain), 0);
		page = pin_one(f.space, 0, MM_WRITE, &pin);
		assert_int_equal(mm_fork(f.space, &child), 0);
		assert_int_equal(fixture_live(&f), 3); /* not the page beside it */
		assert_int_equal(put(child, 0, 20, plain), 0);
		assert_int_equal(put(f.space, 0, 21, plain), 0);
		assert_int_equal(fixture_live(&f), 3);
		assert_int_equal(fixture_page(f.space, 0, MM_WRITE, &now), 0);
		assert_int_equal(now, page);
		memory_file_memory(f.memory, page)[7] = 22; /* the device */
		assert_int_equal(get(f.space, 0), 22);
		assert_int_equal(get(child, 0), 20);
		assert_int_equal(put(f.space, 1, 23, plain), 0);
		assert_int_equal(fixture_live(&f), 4);
		assert_int_equal(get(child, 1), 6);
		mm_unpin(f.space, &pin, 1);
		/* Not pinned any more: shared by the next fork. */
		mm_space_destroy(child);
		assert_int_equal(mm_fork(f.space, &child), 0);
		assert_int_equal(fixture_live(&f), 2);
		mm_space_destroy(child);
		fixture_close(&f);
	}
}

/* ---- copies while another thread forks ---- */

#define FAR 600 /* in another leaf of the address map */
#define FORKS 100

struct writer {
	struct fixture *f;
	_Atomic bool stop;
	_Atomic unsigned lost; /* writes that the parent does not read back */
};

/* Raises the numbers on a page, then on one far away; and two neighbours in one call. */
static void *write_numbers(void *arg)
{
	struct writer *w = arg;
	struct mm_space *s = w->f->space;

	if (mm_thread_enter())
		return arg;
	for (uint64_t n = 1; !atomic_load(&w->stop); n++) {
		uint64_t pair[2] = { n, n };
		uint64_t back = 0;
		uint64_t done;
		int rc = mm_copy_out(s, fixture_address(FAR), &n, 8, plain, &done);

		rc |= mm_copy_out(s, fixture_address(0), &n, 8, plain, &done);
		rc |= mm_copy_out(s, fixture_address(5) - 8, pair, 16, plain, &done);
		rc |= mm_copy_in(s, fixture_address(FAR), &back, 8, plain, &done);
		if (rc || back != n)
			atomic_fetch_add(&w->lost, 1);
	}
	mm_thread_leave();
	return NULL;
}

static uint64_t number(struct mm_space *s, uint64_t address)
{
	uint64_t n = 0;
	uint64_t done;

	assert_int_equal(mm_copy_in(s, address, &n, 8, plain, &done), 0);
	return n;
}

static void forks_see_copies_in_order(void **state)
{
	(void)state;
	for (int h = 0; h < 3; h++) {
		struct fixture f;
		struct writer w = { .f = &f };
		pthread_t thread;
		void *failed;

		fixture_open(&f, &one_page, hosts[h]);
		assert_int_equal(fixture_map(f.space, 0, FAR + 1, FIXTURE_RW, NULL, true, 0), 0);
		assert_int_equal(pthread_create(&thread, NULL, write_numbers, &w), 0);
		for (int i = 0; i < FORKS; i++) {
			struct mm_space *child;

			assert_int_equal(mm_fork(f.space, &child), 0);
			uint64_t far = number(child, fixture_address(FAR));
			uint64_t near = number(child, fixture_address(0));

			/* FAR is written first: never behind, and ahead by one at most. */
			assert_true(far == near || far == near + 1);
			/* One call is not atomic, but goes upwards. */
			near = number(child, fixture_address(5));
			far = number(child, fixture_address(5) - 8);
			assert_true(far == near || far == near + 1);
			mm_space_destroy(child);
		}
		atomic_store(&w.stop, true);
		pthread_join(thread, &failed);
		assert_null(failed);
		assert_int_equal(w.lost, 0);
		fixture_close(&f);
	}
}

/* A fork that begins in the midst of a step has to wait for it: the child gets all of it. */
struct call {
	struct fixture *f;
	struct mm_space *child;
	int rc;
};

static void *copy_two_pages(void *arg)
{
	struct call *c = arg;
	static unsigned char bytes[2 * 4096];
	uint64_t done;

	if (mm_thread_enter())
		return arg;
	memset(bytes, 9, sizeof(bytes));
	c->rc = mm_copy_out(c->f->space, fixture_address(0), bytes, sizeof(bytes), plain, &done);
	mm_thread_leave();
	return NULL;
}

static void *fork_it(void *arg)
{
	struct call *c = arg;

	if (mm_thread_enter())
		return arg;
	c->rc = mm_fork(c->f->space, &c->child);
	mm_thread_leave();
	return NULL;
}

static void a_fork_waits_for_a_step(void **state)
{
	struct fixture f;
	struct call copy = { .f = &f, .rc = -1 };
	struct call fork = { .f = &f, .rc = -1 };
	pthread_t copier, forker;
	void *failed;

	(void)state;
	if (!mm_test_points_enabled())
		skip();
	gates_init();
	fixture_open(&f, &one_page, &host_space_none);
	assert_int_equal(fixture_map(f.space, 0, 2, FIXTURE_RW, NULL, true, 0), 0);
	for (unsigned i = 0; i < 2; i++) /* so that one step does both */
		assert_int_equal(put(f.space, i, 1, plain), 0);
	gate_arm("io_held");
	assert_int_equal(pthread_create(&copier, NULL, copy_two_pages, &copy), 0);
	gate_await("io_held");
	gate_arm("fork_registered");
	assert_int_equal(pthread_create(&forker, NULL, fork_it, &fork), 0);
	gate_await("fork_registered");
	gate_open("fork_registered");
	gate_open("io_held");
	gates_open_all();
	pthread_join(copier, &failed);
	assert_null(failed);
	pthread_join(forker, &failed);
	assert_null(failed);
	assert_int_equal(copy.rc, 0);
	assert_int_equal(fork.rc, 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(get(f.space, i), 9);
		assert_int_equal(get(fork.child, i), 9);
	}
	mm_space_destroy(fork.child);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_copy_pages_of_the_object),
		cmocka_unit_test(neighbours_follow_the_object),
		cmocka_unit_test(forced_writes_copy_without_permission),
		cmocka_unit_test(each_side_of_a_fork_writes_its_own),
		cmocka_unit_test(pins_break_copy_on_write_even_for_reading),
		cmocka_unit_test(pinned_pages_stay_with_the_parent),
		cmocka_unit_test(forks_see_copies_in_order),
		cmocka_unit_test(a_fork_waits_for_a_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
