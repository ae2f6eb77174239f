/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario_test.c - situations in which other engines of this kind went wrong, end to end.
 *
 * After each: mm_check(), which compares every entry with the vma over it and, with a host space,
 * with what the host shows; so that a permission or a page that slipped in is found even where
 * the test does not look.
 */
#include "tests/unit/scripted_mappable.h"
#include "tests/unit/space_fixture.h"

#include "engine/mm_fork.h"

static const struct host_space_ops *const hosts[] = { &host_space_none, &host_space_mmap,
						      &host_space_uffd };

/* ---- partial results ---- */

/* mprotect meets a mapping that may not have the permission: those before it have changed. */
static void mprotect_stops_at_the_third_mapping(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(fixture_map(f.space, 0, 2, MM_READ, NULL, true, 0), 0);
	assert_int_equal(mm_mprotect(f.space, fixture_address(1), MM_PAGE_SIZE, 0), 0);
	struct mmap_opts o = fixture_map_opts(2, 1, MM_READ);
	uint64_t got;

	o.max_perms = MM_READ;
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	assert_int_equal(fixture_map(f.space, 3, 1, MM_READ, NULL, true, 0), 0);
	assert_int_equal(mm_mprotect(f.space, FIXTURE_BASE, 4 * MM_PAGE_SIZE, FIXTURE_RW), -EACCES);
	assert_int_equal(fixture_put(&f, f.space, 0, 1), 0);
	assert_int_equal(fixture_put(&f, f.space, 1, 1), 0);
	assert_int_equal(fixture_put(&f, f.space, 2, 1), -EACCES);
	assert_int_equal(fixture_get(&f, f.space, 2), 0);
	assert_int_equal(fixture_put(&f, f.space, 3, 1), -EACCES);
	mm_check(f.mm);
	fixture_close(&f);
}

/* A fixed mmap whose mappable refuses it: the old mapping is gone, as in Linux, nothing else. */
static void a_refused_mapping_leaves_a_hole(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	struct scripted_mappable *sm = scripted_create(f.memory, 8);
	struct mmap_opts o = fixture_map_opts(1, 2, FIXTURE_RW);
	uint64_t got;

	sm->fail_add = 1;
	sm->error = -ENFILE;
	o.mappable = &sm->object.mappable;
	o.identity = &sm->object.identity;
	o.is_private = false;
	assert_int_equal(fixture_map(f.space, 0, 4, FIXTURE_RW, NULL, true, 0), 0);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(fixture_put(&f, f.space, i, (unsigned char)(i + 1)), 0);
	assert_int_equal(mm_mmap(f.space, &o, &got), -ENFILE);
	assert_int_equal(fixture_get(&f, f.space, 0), 1);
	assert_int_equal(fixture_get(&f, f.space, 1), -EFAULT);
	assert_int_equal(fixture_get(&f, f.space, 2), -EFAULT);
	assert_int_equal(fixture_get(&f, f.space, 3), 4);
	assert_int_equal(atomic_load(&sm->removes), 0);
	scripted_drop(sm);
	mm_check(f.mm);
	fixture_close(&f);
}

/* ---- permissions ---- */

/*
 * [R page][RW page] of one private mapping, as a loader leaves them; fork; the child writes the RW
 * page, which copies its neighbours of the copy unit. Neither side may write the R page then.
 */
static void a_copy_gives_no_permission_to_a_neighbour(void **state)
{
	(void)state;
	for (size_t h = 0; h < 3; h++) {
		struct fixture f;
		struct mm_space *child;

		fixture_open(&f, NULL, hosts[h]);
		assert_int_equal(fixture_map(f.space, 0, 2, FIXTURE_RW, NULL, true, 0), 0);
		assert_int_equal(fixture_put(&f, f.space, 0, 1), 0);
		assert_int_equal(fixture_put(&f, f.space, 1, 2), 0);
		assert_int_equal(mm_mprotect(f.space, FIXTURE_BASE, MM_PAGE_SIZE, MM_READ), 0);
		assert_int_equal(mm_fork(f.space, &child), 0);
		assert_int_equal(fixture_put(&f, child, 1, 3), 0);
		assert_int_equal(fixture_put(&f, child, 0, 4), -EACCES);
		assert_int_equal(fixture_put(&f, f.space, 0, 4), -EACCES);
		/* the sole owner takes its page back, and again nothing more */
		assert_int_equal(fixture_put(&f, f.space, 1, 5), 0);
		assert_int_equal(fixture_put(&f, f.space, 0, 4), -EACCES);
		mm_check(f.mm);
		assert_int_equal(fixture_get(&f, f.space, 0), 1);
		assert_int_equal(fixture_get(&f, f.space, 1), 5);
		assert_int_equal(fixture_get(&f, child, 0), 1);
		assert_int_equal(fixture_get(&f, child, 1), 3);
		mm_space_destroy(child);
		fixture_close(&f);
	}
}

/* A mappable that grants writing only to who asks for it sees each page before its first store. */
static void the_mappable_sees_the_first_write(void **state)
{
	struct fixture f;
	uint32_t page;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	struct scripted_mappable *sm = scripted_create(f.memory, 8);
	struct mmap_opts o = fixture_map_opts(0, 8, FIXTURE_RW);
	mm_access perms;
	uint64_t got;

	sm->shape = SCRIPT_READ_ONLY;
	o.mappable = &sm->object.mappable;
	o.identity = &sm->object.identity;
	o.is_private = false;
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	for (uint64_t i = 0; i < 8; i++) {
		unsigned asked = atomic_load(&sm->translates);

		assert_int_equal(fixture_get(&f, f.space, i), 0);
		assert_int_equal(atomic_load(&sm->translates), asked + 1);
		assert_int_equal(mm_lookup(f.space, fixture_address(i), MM_WRITE, &page, &perms),
				 -ENOENT);
		assert_int_equal(fixture_put(&f, f.space, i, 1), 0);
		assert_int_equal(atomic_load(&sm->translates), asked + 2);
		assert_int_equal(fixture_put(&f, f.space, i, 1), 0);
		assert_int_equal(atomic_load(&sm->translates), asked + 2);
	}
	mm_space_check(f.space); /* the scripted mappable's own references are known to nobody */
	assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 8 * MM_PAGE_SIZE), 0);
	scripted_drop(sm);
	fixture_close(&f);
}

/* ---- memory that runs out ---- */

/* With a limit of the memory file, faults and copies fail, nothing is lost, and freeing helps. */
static void memory_runs_out_in_the_middle(void **state)
{
	struct mm_opts opts = { .memory = { .max_bytes = 2 * MM_HUGE_SIZE } };
	struct fixture f;
	struct mm_space *child;
	uint64_t filled = 0;
	int rc;

	(void)state;
	fixture_open(&f, &opts, &host_space_none);
	assert_int_equal(fixture_map(f.space, 0, 4096, FIXTURE_RW, NULL, true, 0), 0);
	while (!(rc = fixture_put(&f, f.space, filled, (unsigned char)filled)))
		filled++;
	assert_int_equal(rc, -ENOMEM);
	assert_int_equal(filled, 2 * MM_HUGE_PAGES);
	assert_int_equal(mm_fork(f.space, &child), 0);
	assert_int_equal(fixture_put(&f, child, 3, 99), -ENOMEM);
	for (uint64_t i = 0; i < filled; i++) {
		assert_int_equal(fixture_get(&f, f.space, i), (unsigned char)i);
		assert_int_equal(fixture_get(&f, child, i), (unsigned char)i);
	}
	mm_check(f.mm);
	/* Gone on both sides: a block is free, and the copy can be made. */
	assert_int_equal(mm_discard(f.space, FIXTURE_BASE + MM_HUGE_SIZE, MM_HUGE_SIZE), 0);
	assert_int_equal(mm_discard(child, FIXTURE_BASE + MM_HUGE_SIZE, MM_HUGE_SIZE), 0);
	assert_int_equal(mm_munmap(f.space, FIXTURE_BASE + MM_HUGE_SIZE, 3584 * MM_PAGE_SIZE), 0);
	assert_int_equal(mm_munmap(f.space, FIXTURE_BASE + 8 * MM_PAGE_SIZE,
				   (MM_HUGE_PAGES - 8) * MM_PAGE_SIZE),
			 0);
	assert_int_equal(fixture_get(&f, child, 3), 3);
	mm_space_destroy(child);
	assert_int_equal(fixture_put(&f, f.space, 3, 99), 0); /* the sole owner needs no copy */
	assert_int_equal(fixture_get(&f, f.space, 3), 99);
	mm_check(f.mm);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mprotect_stops_at_the_third_mapping),
		cmocka_unit_test(a_refused_mapping_leaves_a_hole),
		cmocka_unit_test(a_copy_gives_no_permission_to_a_neighbour),
		cmocka_unit_test(the_mappable_sees_the_first_write),
		cmocka_unit_test(memory_runs_out_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
