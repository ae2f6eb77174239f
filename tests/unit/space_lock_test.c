/* SPDX-License-Identifier: Apache-2.0 */
/* space_lock_test.c - mlock, mlockall and locked mmap: what is counted, populated and refused. */
#include "tests/unit/checked.h"

#include "tests/unit/space_fixture.h"

#include "engine/mm_advise.h"
#include "engine/mm_fork.h"

static int lock(struct fixture *f, uint64_t page, uint64_t pages, enum mlock_mode mode)
{
	return mm_mlock(f->space, fixture_address(page), pages * MM_PAGE_SIZE, mode);
}

static int map(struct fixture *f, uint64_t page, uint64_t pages, mm_access perms)
{
	return fixture_map(f->space, page, pages, perms, NULL, true, 0);
}

static int map_locked(struct fixture *f, uint64_t page, uint64_t pages, enum mlock_mode mode)
{
	struct mmap_opts o = fixture_map_opts(page, pages, FIXTURE_RW);
	uint64_t got;

	o.mlock_mode = mode;
	return mm_mmap(f->space, &o, &got);
}

static uint64_t locked(struct fixture *f)
{
	struct mm_usage usage;

	mm_get_usage(f->space, &usage);
	assert_int_equal(usage.locked % MM_PAGE_SIZE, 0);
	return usage.locked / MM_PAGE_SIZE;
}

static void limit(struct fixture *f, uint64_t bytes, bool may_lock_any)
{
	const struct mm_limits limits = { .address_space = UINT64_MAX,
					  .data = UINT64_MAX,
					  .stack = UINT64_MAX,
					  .locked = bytes,
					  .may_lock_any = may_lock_any };

	mm_set_limits(f->space, &limits);
}

static void mlock_counts_and_populates(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(map(&f, 0, 20, FIXTURE_RW), 0);
	/* any byte of a page is the page */
	assert_int_equal(mm_mlock(f.space, fixture_address(2) + 4095, 2, MLOCK_EAGER), 0);
	assert_int_equal(locked(&f), 2);
	assert_int_equal(fixture_live(&f), 2);
	assert_int_equal(lock(&f, 3, 5, MLOCK_LAZY), 0);
	assert_int_equal(locked(&f), 6);
	assert_int_equal(fixture_live(&f), 2); /* these wait for faults */
	assert_int_equal(lock(&f, 0, 20, MLOCK_EAGER), 0);
	assert_int_equal(locked(&f), 20);
	assert_int_equal(fixture_live(&f), 20);
	assert_int_equal(lock(&f, 5, 5, MLOCK_NONE), 0);
	assert_int_equal(locked(&f), 15);
	assert_int_equal(fixture_live(&f), 20);
	assert_int_equal(mm_munmap(f.space, fixture_address(0), 3 * MM_PAGE_SIZE), 0);
	assert_int_equal(locked(&f), 12);
	fixture_close(&f);
}

/* H-10 of the semantics: a writable private mapping is populated by writing. */
static void mlock_makes_the_copies_that_writes_would_make(void **state)
{
	struct fixture f;
	struct shared_memory *sm;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(shared_memory_create(f.memory, 12 * MM_PAGE_SIZE, PAGE_4K, "o", &sm), 0);
	assert_int_equal(fixture_map(f.space, 0, 4, FIXTURE_RW, sm, true, 0), 0);
	assert_int_equal(fixture_map(f.space, 4, 4, MM_READ, sm, true, 4), 0);
	assert_int_equal(fixture_map(f.space, 8, 4, FIXTURE_RW, sm, false, 8), 0);
	assert_int_equal(lock(&f, 0, 12, MLOCK_EAGER), 0);
	assert_int_equal(fixture_copied(&f), 4);
	assert_int_equal(shared_memory_resident_pages(sm), 12);
	/* beyond the end of the object: the mapping is locked all the same */
	assert_int_equal(fixture_map(f.space, 20, 4, FIXTURE_RW, sm, false, 10), 0);
	assert_int_equal(lock(&f, 20, 4, MLOCK_EAGER), -ENOMEM);
	assert_int_equal(locked(&f), 16);
	assert_int_equal(mm_munmap(f.space, 0, FIXTURE_WINDOW), 0);
	mapping_identity_dec_ref(shared_memory_identity(sm));
	fixture_close(&f);
}

static void mlock_ends_at_holes_and_at_what_cannot_be_accessed(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(map(&f, 0, 4, FIXTURE_RW), 0);
	assert_int_equal(map(&f, 6, 4, FIXTURE_RW), 0);
	assert_int_equal(lock(&f, 2, 6, MLOCK_EAGER), -ENOMEM);
	assert_int_equal(locked(&f), 2); /* what precedes the hole */
	assert_int_equal(fixture_live(&f), 0); /* populated is what is locked as a whole */
	assert_int_equal(lock(&f, 5, 3, MLOCK_EAGER), -ENOMEM);
	assert_int_equal(locked(&f), 2);
	assert_int_equal(map(&f, 20, 2, MM_NONE), 0);
	assert_int_equal(lock(&f, 20, 2, MLOCK_EAGER), -ENOMEM);
	assert_int_equal(locked(&f), 4);
	assert_int_equal(lock(&f, 20, 2, MLOCK_LAZY), 0);
	assert_int_equal(locked(&f), 4);
	fixture_close(&f);
}

static void nothing_is_cut_where_nothing_changes(void **state)
{
	struct fixture f;
	struct mm_stat stat;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(map(&f, 0, 10, FIXTURE_RW), 0);
	assert_int_equal(lock(&f, 3, 3, MLOCK_NONE), 0);
	mm_get_stat(f.mm, &stat);
	assert_int_equal(stat.vmas, 1);
	assert_int_equal(lock(&f, 0, 10, MLOCK_LAZY), 0);
	assert_int_equal(lock(&f, 3, 3, MLOCK_LAZY), 0);
	mm_get_stat(f.mm, &stat);
	assert_int_equal(stat.vmas, 1);
	fixture_close(&f);
}

static void locked_memory_has_a_limit(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(map(&f, 0, 20, FIXTURE_RW), 0);
	assert_int_equal(lock(&f, 0, 2, MLOCK_LAZY), 0); /* before there is a limit: it counts */
	limit(&f, 10 * MM_PAGE_SIZE + 4095, false);
	assert_int_equal(lock(&f, 2, 8, MLOCK_LAZY), 0);
	assert_int_equal(lock(&f, 10, 1, MLOCK_LAZY), -ENOMEM);
	assert_int_equal(lock(&f, 0, 10, MLOCK_EAGER), 0); /* locked already: nothing is added */
	assert_int_equal(lock(&f, 0, 11, MLOCK_LAZY), -ENOMEM);
	assert_int_equal(locked(&f), 10);
	assert_int_equal(map_locked(&f, 30, 1, MLOCK_LAZY), -EAGAIN);
	assert_int_equal(lock(&f, 0, 1, MLOCK_NONE), 0);
	assert_int_equal(map_locked(&f, 30, 1, MLOCK_LAZY), 0);
	/* as Linux, what is replaced makes no room */
	assert_int_equal(map_locked(&f, 30, 1, MLOCK_LAZY), -EAGAIN);
	assert_int_equal(mm_munmap(f.space, fixture_address(30), MM_PAGE_SIZE), 0);
	/* a failure gives back what it had reserved */
	assert_int_equal(lock(&f, 20, 1, MLOCK_LAZY), -ENOMEM);
	assert_int_equal(lock(&f, 19, 1, MLOCK_LAZY), 0);
	assert_int_equal(locked(&f), 10);
	assert_int_equal(mm_mlockall(f.space, true, false, MLOCK_LAZY), -ENOMEM);
	limit(&f, 10 * MM_PAGE_SIZE, true);
	assert_int_equal(mm_mlockall(f.space, true, false, MLOCK_LAZY), 0);
	assert_int_equal(locked(&f), 20);
	limit(&f, 0, false);
	assert_int_equal(lock(&f, 0, 1, MLOCK_LAZY), -EPERM);
	assert_int_equal(mm_mlockall(f.space, true, true, MLOCK_LAZY), -EPERM);
	assert_int_equal(map_locked(&f, 30, 1, MLOCK_LAZY), -EPERM);
	assert_int_equal(lock(&f, 0, 10, MLOCK_NONE), 0); /* unlocking needs no leave */
	assert_int_equal(locked(&f), 10);
	mm_space_check(f.space);
	fixture_close(&f);
}

static void mlockall_is_of_what_is_and_of_what_comes(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(map(&f, 0, 4, FIXTURE_RW), 0);
	assert_int_equal(map(&f, 10, 4, MM_NONE), 0);
	assert_int_equal(mm_mlockall(f.space, false, true, MLOCK_EAGER), 0);
	assert_int_equal(locked(&f), 0);
	assert_int_equal(map(&f, 20, 3, FIXTURE_RW), 0);
	assert_int_equal(locked(&f), 3);
	assert_int_equal(fixture_live(&f), 3);
	assert_int_equal(map_locked(&f, 30, 1, MLOCK_LAZY), 0); /* the larger of two wins */
	assert_int_equal(fixture_live(&f), 3);
	/* current alone takes the default back; what cannot be accessed is no error here */
	assert_int_equal(mm_mlockall(f.space, true, false, MLOCK_EAGER), 0);
	assert_int_equal(locked(&f), 12);
	assert_int_equal(fixture_live(&f), 8);
	assert_int_equal(map(&f, 40, 1, FIXTURE_RW), 0);
	assert_int_equal(locked(&f), 12);
	assert_int_equal(mm_mlockall(f.space, true, true, MLOCK_EAGER), 0);
	limit(&f, 14 * MM_PAGE_SIZE, false);
	assert_int_equal(map(&f, 50, 1, FIXTURE_RW), 0);
	assert_int_equal(map(&f, 51, 1, FIXTURE_RW), -EAGAIN);
	assert_int_equal(mm_mlockall(f.space, true, true, MLOCK_NONE), 0);
	assert_int_equal(locked(&f), 0);
	assert_int_equal(map(&f, 51, 1, FIXTURE_RW), 0);
	assert_int_equal(locked(&f), 0);
	fixture_close(&f);
}

/* As Linux, where lock-on-fault keeps population away from a mapping. */
static void population_leaves_lazily_locked_mappings_to_faults(void **state)
{
	struct fixture f;
	struct mmap_opts o = fixture_map_opts(0, 4, FIXTURE_RW);
	uint64_t got;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	o.platform_effect = PLATFORM_EFFECT_COMMIT;
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	assert_int_equal(fixture_live(&f), 4);
	assert_int_equal(mm_mlockall(f.space, false, true, MLOCK_LAZY), 0);
	o.address = fixture_address(10);
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	assert_int_equal(fixture_live(&f), 4);
	assert_int_equal(mm_madvise(f.space, o.address, o.length, MM_ADVISE_POPULATE_READ), 0);
	assert_int_equal(fixture_live(&f), 8); /* that is asked for expressly */
	fixture_close(&f);
}

static void locks_are_not_inherited(void **state)
{
	struct fixture f;
	struct mm_space *child;
	struct mm_usage usage;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	limit(&f, 8 * MM_PAGE_SIZE, false);
	assert_int_equal(map(&f, 0, 8, FIXTURE_RW), 0);
	assert_int_equal(mm_mlockall(f.space, true, true, MLOCK_EAGER), 0);
	assert_int_equal(mm_fork(f.space, &child), 0);
	mm_get_usage(child, &usage);
	assert_int_equal(usage.locked, 0);
	assert_int_equal(usage.address_space, 8 * MM_PAGE_SIZE);
	/* the limit is: and counts from nothing */
	assert_int_equal(mm_mlock(child, fixture_address(0), 8 * MM_PAGE_SIZE, MLOCK_LAZY), 0);
	assert_int_equal(fixture_map(child, 8, 1, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(mm_mlock(child, fixture_address(8), MM_PAGE_SIZE, MLOCK_LAZY), -ENOMEM);
	mm_space_check(child);
	mm_space_destroy(child);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mlock_counts_and_populates),
		cmocka_unit_test(mlock_makes_the_copies_that_writes_would_make),
		cmocka_unit_test(mlock_ends_at_holes_and_at_what_cannot_be_accessed),
		cmocka_unit_test(nothing_is_cut_where_nothing_changes),
		cmocka_unit_test(locked_memory_has_a_limit),
		cmocka_unit_test(mlockall_is_of_what_is_and_of_what_comes),
		cmocka_unit_test(population_leaves_lazily_locked_mappings_to_faults),
		cmocka_unit_test(locks_are_not_inherited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
