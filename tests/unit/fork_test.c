/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork_test.c - copy on write and fork, one thread: isolation, who copies and who takes over,
 * exact numbers of copies and pages, permissions per vma, huge pages, pins, failures.
 */
#include "tests/unit/checked.h"

#include "tests/unit/space_fixture.h"

#include <sched.h>
#include <stdlib.h>

#include "engine/inject.h"
#include "engine/mm_fork.h"
#include "engine/mm_io.h"
#include "engine/space.h"
#include "engine/test_points.h"
#include "engine/memory_readback.h"
#include "tests/unit/hugepages.h"

static const struct mm_opts one_page = { .copy_bytes = MM_PAGE_SIZE };

static struct mm_space *fork_of(struct mm_space *s)
{
	struct mm_space *child = NULL;

	assert_int_equal(mm_fork(s, &child), 0);
	mm_space_check(s);
	mm_space_check(child);
	return child;
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

/* ---- private mappings of mappables ---- */

static void private_mappings_copy_what_they_write(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, &one_page, &host_space_none);
	struct shared_memory *sm = object_of(&f, 8);

	assert_int_equal(fixture_map(f.space, 0, 8, FIXTURE_RW, sm, false, 0), 0);
	assert_int_equal(fixture_map(f.space, 16, 8, FIXTURE_RW, sm, true, 0), 0);
	assert_int_equal(fixture_put(&f, f.space, 1, 11), 0);
	assert_int_equal(fixture_get(&f, f.space, 17), 11);
	assert_int_equal(fixture_copied(&f), 0);
	/* a write to a page that was read, and one to a page that was not even faulted */
	assert_int_equal(fixture_put(&f, f.space, 17, 12), 0);
	assert_int_equal(fixture_put(&f, f.space, 18, 13), 0);
	assert_int_equal(fixture_copied(&f), 2);
	assert_int_equal(fixture_get(&f, f.space, 1), 11);
	assert_int_equal(fixture_get(&f, f.space, 2), 0);
	assert_int_equal(fixture_get(&f, f.space, 17), 12);
	/* the object's later writes show where nothing was copied, and only there */
	assert_int_equal(fixture_put(&f, f.space, 1, 21), 0);
	assert_int_equal(fixture_put(&f, f.space, 3, 23), 0);
	assert_int_equal(fixture_get(&f, f.space, 17), 12);
	assert_int_equal(fixture_get(&f, f.space, 19), 23);
	mm_space_check(f.space);
	/* discarding the copy brings the object's bytes back */
	assert_int_equal(mm_discard(f.space, fixture_address(17), MM_PAGE_SIZE), 0);
	assert_int_equal(fixture_get(&f, f.space, 17), 21);
	/* punching keeps copies, truncating drops them */
	assert_int_equal(shared_memory_punch(sm, (struct mappable_range){ 2 * MM_PAGE_SIZE,
									  4 * MM_PAGE_SIZE }),
			 0);
	assert_int_equal(fixture_get(&f, f.space, 18), 13);
	assert_int_equal(fixture_get(&f, f.space, 19), 0);
	assert_int_equal(shared_memory_truncate(sm, 2 * MM_PAGE_SIZE), 0);
	assert_true(is_bus_error(fixture_get(&f, f.space, 18)));
	assert_true(is_bus_error(fixture_put(&f, f.space, 19, 1)));
	mm_space_check(f.space);
	object_put(sm);
	assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 24 * MM_PAGE_SIZE), 0);
	fixture_close(&f);
}

/* ---- fork ---- */

static void each_side_keeps_its_bytes(void **state)
{
	const struct host_space_ops *hosts[] = { &host_space_none, &host_space_mmap,
						 &host_space_uffd };

	(void)state;
	for (int h = 0; h < 3; h++) {
		struct fixture f;

		fixture_open(&f, &one_page, hosts[h]);
		assert_int_equal(fixture_map(f.space, 0, 8, FIXTURE_RW, NULL, true, 0), 0);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(fixture_put(&f, f.space, i, (unsigned char)(10 + i)), 0);
		struct mm_space *child = fork_of(f.space);

		assert_int_equal(fixture_live(&f), 4); /* all shared */
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(fixture_get(&f, child, i), 10 + i);
		assert_int_equal(fixture_copied(&f), 0);
		assert_int_equal(fixture_put(&f, f.space, 0, 50), 0); /* parent copies */
		assert_int_equal(fixture_put(&f, child, 1, 51), 0); /* child copies */
		assert_int_equal(fixture_copied(&f), 2);
		assert_int_equal(fixture_live(&f), 6);
		assert_int_equal(fixture_get(&f, child, 0), 10);
		assert_int_equal(fixture_get(&f, f.space, 1), 11);
		/* the other side is the sole owner by now: no more copies */
		assert_int_equal(fixture_put(&f, child, 0, 60), 0);
		assert_int_equal(fixture_put(&f, f.space, 1, 61), 0);
		assert_int_equal(fixture_copied(&f), 2);
		/* what was absent at the fork is nobody else's */
		assert_int_equal(fixture_put(&f, f.space, 5, 70), 0);
		assert_int_equal(fixture_get(&f, child, 5), 0);
		mm_space_check(f.space);
		mm_space_check(child);
		mm_space_destroy(child);
		/* sole owner after the child's end */
		assert_int_equal(fixture_put(&f, f.space, 2, 72), 0);
		assert_int_equal(fixture_copied(&f), 2);
		assert_int_equal(fixture_live(&f), 5);
		fixture_close(&f);
	}
}

static void host_pages_follow(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_mmap);
	assert_int_equal(fixture_map(f.space, 0, 64, FIXTURE_RW, NULL, true, 0), 0);
	volatile unsigned char *ours = mm_host_address(f.space, FIXTURE_BASE);

	for (unsigned i = 0; i < 64; i++)
		ours[i * MM_PAGE_SIZE] = (unsigned char)i;
	struct mm_space *child = fork_of(f.space);
	volatile unsigned char *theirs = mm_host_address(child, FIXTURE_BASE);

	for (unsigned i = 0; i < 64; i++) {
		assert_int_equal(theirs[i * MM_PAGE_SIZE], i);
		if (i % 2)
			ours[i * MM_PAGE_SIZE] = (unsigned char)(100 + i);
		else
			theirs[i * MM_PAGE_SIZE] = (unsigned char)(100 + i);
	}
	for (unsigned i = 0; i < 64; i++) {
		assert_int_equal(ours[i * MM_PAGE_SIZE], i % 2 ? 100 + i : i);
		assert_int_equal(theirs[i * MM_PAGE_SIZE], i % 2 ? i : 100 + i);
	}
	mm_space_check(f.space);
	mm_space_check(child);
	mm_space_destroy(f.space); /* the parent may go first */
	assert_int_equal(theirs[MM_PAGE_SIZE], 1);
	f.space = child;
	fixture_close(&f);
}

/* 64 KiB around the write are copied, where they are present, in the vma's bounds; code and stacks
 * get one page. */
static void the_copy_unit(void **state)
{
	struct fixture f;
	struct mmap_opts o;
	uint64_t got;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(fixture_map(f.space, 0, 64, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_map(f.space, 64, 16, MM_ANY_ACCESS, NULL, true, 0), 0);
	o = fixture_map_opts(80, 16, FIXTURE_RW);
	o.stack = true;
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	for (unsigned i = 0; i < 96; i++)
		if (i != 33)
			assert_int_equal(fixture_put(&f, f.space, i, (unsigned char)i), 0);
	struct mm_space *child = fork_of(f.space);

	assert_int_equal(fixture_put(&f, child, 20, 1), 0);
	assert_int_equal(fixture_copied(&f), 16);
	assert_int_equal(fixture_put(&f, child, 16, 2), 0);
	assert_int_equal(fixture_put(&f, child, 31, 3), 0);
	assert_int_equal(fixture_copied(&f), 16);
	assert_int_equal(fixture_put(&f, child, 32, 4), 0);
	assert_int_equal(fixture_copied(&f), 16 + 15); /* 33 is absent */
	assert_int_equal(fixture_put(&f, child, 70, 5), 0);
	assert_int_equal(fixture_copied(&f), 16 + 15 + 1);
	assert_int_equal(fixture_put(&f, child, 90, 6), 0);
	assert_int_equal(fixture_copied(&f), 16 + 15 + 2);
	for (unsigned i = 0; i < 96; i++)
		assert_int_equal(fixture_get(&f, f.space, i), i == 33 ? 0 : i);
	mm_space_check(child);
	mm_space_destroy(child);
	fixture_close(&f);

	struct mm_opts bad = { .copy_bytes = 3 * MM_PAGE_SIZE };

	assert_int_equal(mm_create(&bad, &f.mm), -EINVAL);
	bad.copy_bytes = 2 * MM_HUGE_SIZE;
	assert_int_equal(mm_create(&bad, &f.mm), -EINVAL);
}

/* Neighbours of one reservation with different permissions: a copy on the writable one must not
 * make the read-only one writable, neither in the child nor in the parent. */
static void a_neighbour_keeps_its_permissions(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_mmap);
	assert_int_equal(fixture_map(f.space, 0, 2, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_put(&f, f.space, 0, 1), 0);
	assert_int_equal(fixture_put(&f, f.space, 1, 2), 0);
	assert_int_equal(mm_mprotect(f.space, FIXTURE_BASE, MM_PAGE_SIZE, MM_READ), 0);
	struct mm_space *child = fork_of(f.space);
	struct mm_space *side[] = { child, f.space };

	for (int i = 0; i < 2; i++) {
		assert_int_equal(fixture_put(&f, side[i], 1, 9), 0);
		assert_int_equal(fixture_put(&f, side[i], 0, 9), -EACCES);
		assert_int_equal(fixture_get(&f, side[i], 0), 1);
		mm_space_check(side[i]);
	}
	/* permission given back: shared pages are still copied before they are written */
	assert_int_equal(mm_mprotect(f.space, FIXTURE_BASE, MM_PAGE_SIZE, FIXTURE_RW), 0);
	assert_int_equal(fixture_put(&f, f.space, 0, 8), 0);
	assert_int_equal(fixture_get(&f, child, 0), 1);
	mm_space_destroy(child);
	fixture_close(&f);
}

static void a_tree_of_forks(void **state)
{
	enum { SPACES = 12, PAGES = 40, WRITES = 4000 };
	unsigned char model[SPACES][PAGES] = { { 0 } };
	struct mm_space *space[SPACES];
	struct fixture f;
	unsigned count = 1;
	uint64_t random = 88172645463325252u;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	space[0] = f.space;
	assert_int_equal(fixture_map(f.space, 500, PAGES, FIXTURE_RW, NULL, true, 0), 0);
	for (unsigned i = 0; i < WRITES; i++) {
		random ^= random << 13, random ^= random >> 7, random ^= random << 17;
		unsigned at = (unsigned)(random >> 8) % count;
		unsigned page = (unsigned)(random >> 20) % PAGES;

		if (random % 200 == 0 && count < SPACES) {
			memcpy(model[count], model[at], PAGES);
			space[count++] = fork_of(space[at]);
		} else if (random % 199 == 0 && count > 1) {
			mm_space_destroy(space[--count]);
		} else {
			unsigned char byte = (unsigned char)(random >> 40);

			assert_int_equal(fixture_put(&f, space[at], 500 + page, byte), 0);
			model[at][page] = byte;
		}
		for (unsigned k = 0; k < 4; k++) {
			at = (unsigned)(random >> (30 + k)) % count;
			page = (unsigned)(random >> (10 + k)) % PAGES;
			assert_int_equal(fixture_get(&f, space[at], 500 + page), model[at][page]);
		}
	}
	assert_true(fixture_live(&f) <= (uint64_t)count * PAGES);
	while (count > 1)
		mm_space_destroy(space[--count]);
	/* all are the last owner's now: writes copy nothing */
	uint64_t copied = fixture_copied(&f);

	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(fixture_put(&f, f.space, 500 + i, 1), 0);
	assert_int_equal(fixture_copied(&f), copied);
	fixture_close(&f);
}

static void mappings_of_objects_are_shared_on(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	struct shared_memory *sm = object_of(&f, 600);

	assert_int_equal(fixture_map(f.space, 0, 600, FIXTURE_RW, sm, false, 0), 0);
	assert_int_equal(fixture_map(f.space, 600, 600, FIXTURE_RW, sm, true, 0), 0);
	assert_int_equal(fixture_put(&f, f.space, 3, 1), 0);
	assert_int_equal(fixture_put(&f, f.space, 1110, 2), 0); /* a copy of page 510 */
	struct mm_space *child = fork_of(f.space);

	assert_int_equal(fixture_get(&f, child, 3), 1);
	assert_int_equal(fixture_put(&f, child, 3, 4), 0);
	assert_int_equal(fixture_get(&f, f.space, 3), 4);
	assert_int_equal(fixture_get(&f, f.space, 603), 4);
	assert_int_equal(fixture_get(&f, child, 1110), 2);
	assert_int_equal(fixture_put(&f, child, 1110, 5), 0);
	assert_int_equal(fixture_get(&f, f.space, 1110), 2);
	/* the child is known to the object: truncating reaches it */
	assert_int_equal(shared_memory_truncate(sm, 0), 0);
	assert_true(is_bus_error(fixture_get(&f, child, 3)));
	assert_true(is_bus_error(fixture_get(&f, child, 1110)));
	mm_space_check(child);
	mm_space_destroy(child);
	assert_int_equal(fixture_live(&f), 0);
	assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 1200 * MM_PAGE_SIZE), 0);
	object_put(sm);
	fixture_close(&f);
}

/* ---- huge pages ---- */

static void huge_fork(enum page_class cls, uint64_t copy_bytes, uint64_t copies)
{
	struct mm_opts opts = { .page_class = cls, .copy_bytes = copy_bytes };
	const char *why;
	struct fixture f;

	if (memory_file_probe(cls, &why))
		skip();
	fixture_open(&f, &opts, &host_space_mmap);
	assert_int_equal(fixture_map(f.space, 0, MM_HUGE_PAGES, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_put(&f, f.space, 5, 5), 0);
	assert_int_equal(fixture_put(&f, f.space, 500, 6), 0);
	struct mm_space *child = fork_of(f.space);

	assert_int_equal(fixture_get(&f, child, 5), 5);
	assert_int_equal(fixture_put(&f, child, 5, 7), 0);
	assert_int_equal(fixture_copied(&f), copies);
	assert_int_equal(fixture_get(&f, f.space, 5), 5);
	assert_int_equal(fixture_get(&f, child, 500), 6);
	assert_int_equal(fixture_put(&f, f.space, 500, 8), 0);
	assert_int_equal(fixture_get(&f, child, 500), 6);
	mm_space_check(f.space);
	mm_space_check(child);
	/* a part of the shared page goes on one side */
	assert_int_equal(mm_munmap(child, fixture_address(0), 3 * MM_PAGE_SIZE), 0);
	assert_int_equal(fixture_get(&f, child, 500), 6);
	assert_int_equal(fixture_get(&f, f.space, 5), 5);
	mm_space_check(child);
	mm_space_destroy(child);
	fixture_close(&f);
}

static void huge_pages_are_copied_whole(void **state)
{
	(void)state;
	huge_fork(PAGE_2M, 0, MM_HUGE_PAGES);
}

static void thp_is_copied_by_the_copy_unit(void **state)
{
	(void)state;
	huge_fork(PAGE_THP, 0, 16);
	huge_fork(PAGE_THP, MM_HUGE_SIZE, MM_HUGE_PAGES);
}

static void a_huge_page_is_split_while_shared(void **state)
{
	struct mm_opts opts = { .page_class = PAGE_THP };
	struct fixture f;

	(void)state;
	fixture_open(&f, &opts, &host_space_none);
	assert_int_equal(fixture_map(f.space, 0, MM_HUGE_PAGES, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_put(&f, f.space, 400, 4), 0);
	struct mm_space *child = fork_of(f.space);

	assert_int_equal(mm_munmap(f.space, fixture_address(0), 400 * MM_PAGE_SIZE), 0);
	mm_space_check(f.space);
	mm_space_check(child);
	mm_space_destroy(child); /* names it whole to the end */
	assert_int_equal(fixture_get(&f, f.space, 400), 4);
	assert_int_equal(fixture_put(&f, f.space, 401, 5), 0);
	assert_int_equal(fixture_copied(&f), 0);
	fixture_close(&f);
}

/* ---- dontfork, pins, failures ---- */

static void dontfork_mappings_stay_behind(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(fixture_map(f.space, 0, 4, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_map(f.space, 4, 4, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_put(&f, f.space, 1, 1), 0);
	assert_int_equal(fixture_put(&f, f.space, 5, 5), 0);
	unsigned level;
	uint64_t word =
		address_map_peek(&f.space->map, fixture_address(5) >> MM_PAGE_SHIFT, &level);

	vma_at(&f.mm->vma_pool, entry_vma(word))->dontfork = true;
	struct mm_space *child = fork_of(f.space);

	assert_int_equal(fixture_get(&f, child, 1), 1);
	assert_int_equal(fixture_get(&f, child, 5), -EFAULT);
	assert_int_equal(fixture_put(&f, f.space, 5, 6), 0);
	assert_int_equal(fixture_copied(&f), 0);
	mm_space_destroy(child);
	fixture_close(&f);
}

static void pinned_pages_are_copied_at_once(void **state)
{
	struct fixture f;
	uint32_t page[2];

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(fixture_map(f.space, 0, 4, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_put(&f, f.space, 0, 1), 0);
	assert_int_equal(fixture_put(&f, f.space, 1, 2), 0);
	assert_int_equal(fixture_page(f.space, 1, MM_WRITE, &page[0]), 0);
	atomic_store(&f.space->has_pinned, true);
	memory_file_pin(f.memory, page[0]);
	struct mm_space *child = fork_of(f.space);

	assert_int_equal(fixture_live(&f), 3);
	/* the parent goes on writing the pinned page, without a fault that could move it */
	assert_int_equal(fixture_put(&f, f.space, 1, 3), 0);
	assert_int_equal(fixture_page(f.space, 1, MM_WRITE, &page[1]), 0);
	assert_int_equal(page[1], page[0]);
	assert_int_equal(fixture_get(&f, child, 1), 2);
	memory_file_unpin(f.memory, page[0]);
	mm_space_destroy(child);
	fixture_close(&f);
}

/* Every request for memory of a fork fails once: the parent is whole, nothing is left behind. */
#define GENERATIONS 8

/* On the first CPU of a set, or the next one if there is one. */
static void run_on(const cpu_set_t *set, int which)
{
	cpu_set_t one;
	int cpu = -1;

	for (int i = 0; i < CPU_SETSIZE && which >= 0; i++)
		if (CPU_ISSET(i, set)) {
			cpu = i;
			which--;
		}
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

/* Spaces are numbered by the CPU that makes them, and a child may be made on another than its
 * parent: invalidation goes by ascending numbers, and has to meet the parent first. */
static void a_child_is_numbered_above_its_parent(void **state)
{
	struct mm_space *generation[GENERATIONS];
	struct fixture f;
	cpu_set_t before;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	struct mm_space *parent = f.space;

	for (unsigned i = 0; i < GENERATIONS; i++) {
		run_on(&before, i % 3 ? 0 : 1);
		assert_int_equal(mm_fork(parent, &generation[i]), 0);
		assert_true(generation[i]->ms.id > parent->ms.id);
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(generation[k]->ms.id, generation[i]->ms.id);
		parent = i % 2 ? f.space : generation[i];
	}
	mm_check(f.mm); /* finds them on all lists */
	for (unsigned i = 0; i < GENERATIONS; i++) {
		run_on(&before, i % 2);
		mm_space_destroy(generation[i]);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	fixture_close(&f);
}

static void a_fork_that_fails_leaves_nothing(void **state)
{
	enum inject_kind kinds[] = { INJECT_MEMORY, INJECT_MAPPING, INJECT_PAGE, INJECT_HOST };
	unsigned failures = 0;

	(void)state;
	if (!mm_test_points_enabled())
		skip(); /* nothing is made to fail in this build */
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		for (uint64_t k = 1;; k++) {
			struct fixture f;
			struct mm_space *child = NULL;
			uint64_t failed;
			uint32_t page;

			fixture_open(&f, NULL, &host_space_none);
			struct shared_memory *sm = object_of(&f, 8);

			assert_int_equal(fixture_map(f.space, 0, 600, FIXTURE_RW, NULL, true, 0),
					 0);
			assert_int_equal(fixture_map(f.space, 600, 8, FIXTURE_RW, sm, true, 0), 0);
			assert_int_equal(fixture_map(f.space, 700, 8, FIXTURE_RW, sm, false, 0), 0);
			for (unsigned p = 0; p < 8; p++)
				assert_int_equal(fixture_put(&f, f.space, p * 86, (unsigned char)p),
						 0);
			assert_int_equal(fixture_page(f.space, 540, MM_WRITE, &page), 0);
			atomic_store(&f.space->has_pinned, true);
			memory_file_pin(f.memory, page);
			uint64_t live = fixture_live(&f);

			mm_inject_arm(kinds[i], k, 1);
			int rc = mm_fork(f.space, &child);

			(void)mm_inject_disarm(kinds[i], &failed);
			assert_int_equal(rc != 0, failed != 0);
			if (!rc)
				mm_space_destroy(child);
			failures += rc != 0;
			mm_space_check(f.space);
			assert_int_equal(fixture_live(&f), live);
			memory_file_unpin(f.memory, page);
			for (unsigned p = 0; p < 8; p++)
				assert_int_equal(fixture_get(&f, f.space, p * 86), p);
			/* the object forgot the child: it can be sealed once the parent is gone */
			assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 800 * MM_PAGE_SIZE), 0);
			assert_int_equal(shared_memory_add_seals(sm, SHARED_MEMORY_SEAL_WRITE), 0);
			object_put(sm);
			fixture_close(&f);
			if (!failed)
				break;
		}
	}
	assert_true(failures > 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_mappings_copy_what_they_write),
		cmocka_unit_test(each_side_keeps_its_bytes),
		cmocka_unit_test(host_pages_follow),
		cmocka_unit_test(the_copy_unit),
		cmocka_unit_test(a_neighbour_keeps_its_permissions),
		cmocka_unit_test(a_tree_of_forks),
		cmocka_unit_test(mappings_of_objects_are_shared_on),
		cmocka_unit_test_setup_teardown(huge_pages_are_copied_whole, hugepages_setup,
						hugepages_teardown),
		cmocka_unit_test(thp_is_copied_by_the_copy_unit),
		cmocka_unit_test(a_huge_page_is_split_while_shared),
		cmocka_unit_test(dontfork_mappings_stay_behind),
		cmocka_unit_test(pinned_pages_are_copied_at_once),
		cmocka_unit_test(a_child_is_numbered_above_its_parent),
		cmocka_unit_test(a_fork_that_fails_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
