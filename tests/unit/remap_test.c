/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remap_test.c - mremap in every mode: contents, page numbers and counts before and after, without
 * a host space and with one; limits; huge pages; memory that runs out at every step. mm_check()
 * runs after every call, so references, reverse maps and accounts are exact throughout.
 */
#include <string.h>

#include "engine/inject.h"
#include "engine/mm_advise.h"
#include "engine/mm_fork.h"
#include "engine/test_points.h"
#include "engine/trap.h"
#include "tests/unit/remap_fixture.h"

#define A (UINT64_C(64) << 20)
#define B (UINT64_C(512) << 20)

static const struct host_space_ops *host_of(void **state)
{
	return *state;
}

/* cmocka puts its own handlers there before each test: the engine's again. */
static void open_in_test(void **state, enum page_class cls)
{
	open_remap(host_of(state), cls);
	if (fx.hosted)
		assert_int_equal(trap_install(), 0);
}

/* ---- moves ---- */

/* Stamps some pages of `pages` at A, moves them all to `to`, and looks at both places. */
static void move_stamped(uint64_t pages, uint64_t to, bool shared)
{
	const uint64_t step = pages > 64 ? 7 : 2;
	uint64_t live;
	uint64_t vmas;
	static uint32_t numbers[2048];

	map_pages(A, pages, RW, shared, 16);
	for (uint64_t i = 0; i < pages; i += step) {
		stamp(A + i * PAGE, 1000 + i);
		numbers[i] = page_at(A + i * PAGE);
	}
	live = stat_now().memory.live_pages;
	vmas = stat_now().vmas;
	move_to(A, pages, pages, to);
	for (uint64_t i = 0; i < pages; i++) {
		assert_int_equal(page_at(to + i * PAGE), i % step ? 0 : numbers[i]);
		assert_false(is_mapped(A + i * PAGE));
	}
	assert_int_equal(stat_now().memory.live_pages, live);
	assert_int_equal(stat_now().vmas, vmas);
	for (uint64_t i = 0; i < pages; i += step)
		expect_stamp(to + i * PAGE, 1000 + i);
	assert_int_equal(mm_fault(fx.space, to + pages * PAGE, MM_READ), -EFAULT);
	/* What had not been touched is filled now, from the new place. */
	stamp(to + PAGE, 7);
	expect_stamp(to + PAGE, 7);
	expect_stamp(to, 1000);
	mm_check(fx.mm);
	assert_int_equal(mm_munmap(fx.space, to, pages * PAGE), 0);
	mm_check(fx.mm);
}

static void pages_move_with_their_contents(void **state)
{
	static const uint64_t sizes[] = { 3, 512, 513, 1024, 1300 };
	/* Alike and unlike in their distance from 2 MiB, above and below, near and far. */
	static const uint64_t places[] = {
		B, B + PAGE, B + 511 * PAGE, A - 16 * HUGE, A - 5 * HUGE - 3 * PAGE, A + 4 * HUGE
	};

	open_in_test(state, PAGE_4K);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t k = 0; k < sizeof(places) / sizeof(places[0]); k++) {
			move_stamped(sizes[i], places[k], false);
			move_stamped(sizes[i], places[k], true);
		}
	close_remap();
}

/* A move inside one leaf: both holds are in one node. */
static void neighbours_in_one_leaf_move_past_each_other(void **state)
{
	open_in_test(state, PAGE_4K);
	map_pages(A, 8, RW, false, 0);
	for (uint64_t i = 0; i < 8; i++)
		stamp(A + i * PAGE, i);
	move_to(A, 4, 4, A + 16 * PAGE);
	move_to(A + 4 * PAGE, 4, 4, A);
	move_to(A + 16 * PAGE, 4, 4, A + 4 * PAGE);
	for (uint64_t i = 0; i < 8; i++)
		expect_stamp(A + i * PAGE, i ^ 4);
	close_remap();
}

/* The middle of a mapping moves away and back, and the rest of it goes on as before. */
static void a_part_moves_and_comes_back(void **state)
{
	open_in_test(state, PAGE_4K);
	for (int shared = 0; shared < 2; shared++) {
		map_pages(A, 12, RW, shared, 0);
		for (uint64_t i = 0; i < 12; i++)
			stamp(A + i * PAGE, 50 + i);
		move_to(A + 4 * PAGE, 4, 4, B);
		expect_stamp(A + 3 * PAGE, 53);
		expect_stamp(A + 8 * PAGE, 58);
		assert_false(is_mapped(A + 4 * PAGE));
		stamp(B, 99);
		move_to(B, 4, 4, A + 4 * PAGE);
		expect_stamp(A + 4 * PAGE, 99);
		expect_stamp(A + 7 * PAGE, 57);
		/* And it is one mapping again: the whole of it can move. */
		move_to(A, 12, 13, B);
		expect_stamp(B + 4 * PAGE, 99);
		expect_stamp(B + 11 * PAGE, 61);
		assert_int_equal(mm_munmap(fx.space, B, 13 * PAGE), 0);
	}
	close_remap();
}

static void a_moved_object_shows_the_same_offsets(void **state)
{
	uint64_t got;

	open_in_test(state, PAGE_4K);
	map_pages(A, 8, RW, true, 0);
	map_pages(B, 32, RW, true, 0);
	for (uint64_t i = 0; i < 8; i++)
		stamp(A + i * PAGE, i);
	move_to(A + 4 * PAGE, 2, 6, A + 64 * PAGE); /* and grows: pages 4 to 9 */
	stamp(B + 8 * PAGE, 88);
	expect_stamp(A + 64 * PAGE, 4);
	expect_stamp(A + 68 * PAGE, 88);
	/* A truncation finds it at its new place, and only what is beyond. */
	assert_int_equal(shared_memory_truncate(fx.sm, 5 * PAGE), 0);
	mm_check(fx.mm);
	assert_true(is_bus_error(mm_fault(fx.space, A + 65 * PAGE, MM_READ)));
	expect_stamp(A + 64 * PAGE, 4);
	assert_int_equal(remap(A, 4, 2, MREMAP_IN_PLACE, 0, &got), 0);
	close_remap();
}

/* ---- resizing ---- */

static void growing_in_place_keeps_every_property(void **state)
{
	struct mmap_opts o = { .length = 4 * PAGE,
			       .address = A,
			       .fixed = true,
			       .perms = RW,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = true,
			       .numa_policy = NUMA_BIND,
			       .numa_nodes = 1,
			       .mlock_mode = MLOCK_EAGER,
			       .name = "growing" };
	uint64_t got;

	open_in_test(state, PAGE_4K);
	assert_int_equal(mm_mmap(fx.space, &o, &got), 0);
	stamp(A + 3 * PAGE, 3);
	assert_int_equal(remap(A, 4, 9, MREMAP_IN_PLACE, 0, &got), 0);
	assert_int_equal(got, A);
	/* Locked: what has grown is resident. */
	for (uint64_t i = 0; i < 9; i++)
		assert_int_not_equal(page_at(A + i * PAGE), 0);
	/* Still one mapping, since equal in all: growing all of it again works. */
	assert_int_equal(remap(A, 9, 12, MREMAP_IN_PLACE, 0, &got), 0);
	assert_int_not_equal(page_at(A + 11 * PAGE), 0);
	expect_stamp(A + 3 * PAGE, 3);
	/* Something is in the way; then the end of the addresses. */
	map_pages(A + 14 * PAGE, 1, RW, false, 0);
	assert_int_equal(remap(A, 12, 15, MREMAP_IN_PLACE, 0, &got), -ENOMEM);
	assert_int_equal(remap(A, 12, 14, MREMAP_MAY_MOVE, B, &got), 0);
	assert_int_equal(got, A);
	assert_int_equal(remap(A, 14, 15, MREMAP_MAY_MOVE, B, &got), 0);
	assert_int_not_equal(got, A);
	assert_false(is_mapped(A + 13 * PAGE));
	expect_stamp(got + 3 * PAGE, 3);
	for (uint64_t i = 0; i < 15; i++)
		assert_int_not_equal(page_at(got + i * PAGE), 0);
	close_remap();
}

static void growth_of_a_part_moves_the_part(void **state)
{
	uint64_t got;

	open_in_test(state, PAGE_4K);
	map_pages(A, 8, RW, false, 0);
	stamp(A, 1);
	stamp(A + 5 * PAGE, 5);
	assert_int_equal(remap(A, 4, 6, MREMAP_IN_PLACE, 0, &got), -ENOMEM);
	assert_int_equal(remap(A, 4, 6, MREMAP_MAY_MOVE, 0, &got), 0);
	expect_stamp(got, 1);
	expect_stamp(got + 5 * PAGE, 0); /* its own, not what was behind it */
	expect_stamp(A + 5 * PAGE, 5);
	assert_false(is_mapped(A));
	close_remap();
}

static void shrinking_is_unmapping(void **state)
{
	uint64_t got;

	open_in_test(state, PAGE_4K);
	map_pages(A, 4, RW, false, 0);
	map_pages(A + 4 * PAGE, 4, MM_READ, true, 0);
	stamp(A + PAGE, 1);
	assert_int_equal(remap(A, 8, 2, MREMAP_IN_PLACE, 0, &got), 0);
	assert_int_equal(got, A);
	expect_stamp(A + PAGE, 1);
	for (uint64_t i = 2; i < 8; i++)
		assert_false(is_mapped(A + i * PAGE));
	/* Fixed: what is cut off goes, the rest moves. */
	map_pages(A + 2 * PAGE, 4, RW, true, 0);
	stamp(A + 2 * PAGE, 2);
	move_to(A + 2 * PAGE, 4, 1, B);
	expect_stamp(B, 2);
	for (uint64_t i = 2; i < 6; i++)
		assert_false(is_mapped(A + i * PAGE));
	assert_false(is_mapped(B + PAGE));
	/* The same size: nothing, whatever the length. */
	assert_int_equal(remap(A, 1000, 1000, MREMAP_MAY_MOVE, 0, &got), 0);
	assert_int_equal(got, A);
	close_remap();
}

/* ---- several mappings ---- */

static void a_fixed_move_takes_mappings_and_gaps_as_they_come(void **state)
{
	uint64_t got;

	open_in_test(state, PAGE_4K);
	map_pages(A, 4, RW, false, 0);
	map_pages(A + 4 * PAGE, 2, MM_READ, true, 0);
	map_pages(A + 8 * PAGE, 2, RW, true, 7); /* pages 6 and 7 are a gap */
	map_pages(B, 12, RW, false, 0);
	stamp(A + 3 * PAGE, 3);
	stamp(A + 8 * PAGE, 8);
	stamp(B + 6 * PAGE, 66);
	stamp(B + 9 * PAGE, 99);
	stamp(B + 11 * PAGE, 111);
	move_to(A, 11, 11, B);
	expect_stamp(B + 3 * PAGE, 3);
	expect_stamp(B + 8 * PAGE, 8);
	expect_stamp(B + 6 * PAGE, 66); /* over gaps the destination stays */
	expect_stamp(B + 9 * PAGE, 0);
	expect_stamp(B + 11 * PAGE, 111);
	assert_int_equal(mm_fault(fx.space, B + 4 * PAGE, MM_WRITE), -EACCES);
	for (uint64_t i = 0; i < 11; i++)
		assert_false(is_mapped(A + i * PAGE));
	/* Any other size needs one mapping. */
	assert_int_equal(remap(B, 11, 12, MREMAP_FIXED_MOVE, A, &got), -EFAULT);
	assert_int_equal(remap(B, 11, 10, MREMAP_FIXED_MOVE, A, &got), -EFAULT);
	assert_int_equal(remap(B, 11, 13, MREMAP_IN_PLACE, 0, &got), -EFAULT);
	assert_int_equal(remap(B, 11, 13, MREMAP_MAY_MOVE, 0, &got), -EFAULT);
	/* A gap at the start is an error; then nothing moves. */
	assert_int_equal(mm_munmap(fx.space, B, PAGE), 0);
	assert_int_equal(remap(B, 11, 11, MREMAP_FIXED_MOVE, A, &got), -EFAULT);
	expect_stamp(B + 3 * PAGE, 3);
	close_remap();
}

static void neighbours_that_differ_are_not_one_mapping(void **state)
{
	uint64_t got;

	open_in_test(state, PAGE_4K);
	map_pages(A, 4, RW, true, 0);
	map_pages(A + 4 * PAGE, 4, RW, true, 4); /* continues */
	map_pages(A + 8 * PAGE, 4, RW, true, 9); /* does not */
	assert_int_equal(remap(A, 8, 9, MREMAP_FIXED_MOVE, B, &got), 0);
	assert_int_equal(remap(B, 9, 10, MREMAP_IN_PLACE, 0, &got), 0);
	map_pages(A, 8, RW, true, 1);
	assert_int_equal(remap(A, 12, 13, MREMAP_IN_PLACE, 0, &got), 0); /* 1 to 8, 9 to 12 */
	map_pages(A, 8, RW, true, 0);
	assert_int_equal(remap(A, 13, 14, MREMAP_IN_PLACE, 0, &got), -EFAULT);
	assert_int_equal(mm_mprotect(fx.space, A + PAGE, PAGE, MM_READ), 0);
	assert_int_equal(remap(A, 8, 9, MREMAP_FIXED_MOVE, B, &got), -EFAULT);
	assert_int_equal(mm_mprotect(fx.space, A + PAGE, PAGE, RW), 0);
	assert_int_equal(remap(A, 8, 9, MREMAP_FIXED_MOVE, B, &got), 0);
	close_remap();
}

/* ---- copies ---- */

static void old_length_0_maps_a_second_time(void **state)
{
	uint64_t got;
	uint32_t page;

	open_in_test(state, PAGE_4K);
	map_pages(A, 4, RW, true, 3);
	stamp(A + PAGE, 4);
	page = page_at(A + PAGE);
	move_to(A + PAGE, 0, 3, B);
	expect_stamp(B, 4);
	assert_int_equal(page_at(B), page);
	assert_int_equal(page_at(A + PAGE), page);
	/* The object's reference and two entries. */
	assert_int_equal(memory_file_count(mm_memory_file(fx.mm), page), 3);
	stamp(B + PAGE, 5);
	expect_stamp(A + 2 * PAGE, 5);
	assert_int_equal(remap(A, 0, 2, MREMAP_MAY_MOVE, 0, &got), 0);
	assert_int_not_equal(got, A);
	expect_stamp(got + PAGE, 4);
	assert_int_equal(remap(A, 0, 2, MREMAP_IN_PLACE, 0, &got), -ENOMEM);
	/* Onto itself: the destination goes first, and with it the source. */
	assert_int_equal(remap(A, 0, 4, MREMAP_FIXED_MOVE, A, &got), -EFAULT);
	assert_false(is_mapped(A));
	/* Private memory is not copied, and nothing happens to what is there. */
	map_pages(A, 4, RW, false, 0);
	stamp(A, 1);
	for (int mode = MREMAP_IN_PLACE; mode <= MREMAP_FIXED_MOVE; mode++)
		assert_int_equal(remap(A, 0, 4, (enum mremap_mode)mode, B, &got), -EINVAL);
	expect_stamp(A, 1);
	expect_stamp(B, 4);
	close_remap();
}

/* ---- copies on write ---- */

static void private_copies_of_an_object_move_along(void **state)
{
	uint64_t got;
	uint32_t copy;

	open_in_test(state, PAGE_4K);
	map_pages(A, 8, RW, true, 0);
	for (uint64_t i = 0; i < 8; i++)
		stamp(A + i * PAGE, i);
	map_object(B, 8, RW, true, true, 0);
	stamp(B + PAGE, 100);
	expect_stamp(B + 6 * PAGE, 6); /* the object's own page, to be copied before a write */
	copy = page_at(B + PAGE);
	move_to(B, 8, 9, B + HUGE + PAGE);
	got = B + HUGE + PAGE;
	assert_int_equal(page_at(got + PAGE), copy);
	stamp(A + 6 * PAGE, 66);
	expect_stamp(got + PAGE, 100);
	expect_stamp(got + 6 * PAGE, 66);
	stamp(got + 6 * PAGE, 7);
	expect_stamp(A + 6 * PAGE, 66);
	/* A second one of it cannot be had; a truncation reaches the copies where they are now. */
	assert_int_equal(remap(got, 0, 8, MREMAP_FIXED_MOVE, B, &got), -EINVAL);
	assert_int_equal(shared_memory_truncate(fx.sm, 6 * PAGE), 0);
	mm_check(fx.mm);
	got = B + HUGE + PAGE;
	assert_true(is_bus_error(mm_fault(fx.space, got + 6 * PAGE, MM_READ)));
	expect_stamp(got + PAGE, 100);
	close_remap();
}

/* After a fork pages are shared; moving them neither copies nor shows one side's writes to the
 * other. */
static void pages_shared_by_a_fork_move_uncopied(void **state)
{
	struct mm_space *parent;
	struct mm_space *child;
	uint32_t page;

	open_in_test(state, PAGE_4K);
	map_pages(A, 4, RW, false, 0);
	stamp(A, 1);
	stamp(A + PAGE, 2);
	assert_int_equal(mm_fork(fx.space, &child), 0);
	parent = fx.space;
	page = page_at(A);
	move_to(A, 4, 4, B);
	assert_int_equal(page_at(B), page);
	assert_int_equal(memory_file_count(mm_memory_file(fx.mm), page), 2);
	stamp(B, 10);
	fx.space = child;
	expect_stamp(A, 1);
	stamp(A + PAGE, 20);
	move_to(A, 2, 3, B + 64 * PAGE);
	expect_stamp(B + 65 * PAGE, 20);
	assert_false(is_mapped(B));
	fx.space = parent;
	expect_stamp(B, 10);
	expect_stamp(B + PAGE, 2);
	mm_check(fx.mm);
	mm_space_destroy(child);
	close_remap();
}

/* ---- limits ---- */

static void limits_hold(void **state)
{
	struct mm_limits l = { 16 * PAGE, 12 * PAGE, 6 * PAGE, UINT64_MAX, false };
	uint64_t got;
	struct mmap_opts o = { .length = 4 * PAGE,
			       .address = B,
			       .fixed = true,
			       .perms = MM_READ,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = true,
			       .mlock_mode = MLOCK_EAGER };

	open_in_test(state, PAGE_4K);
	mm_set_limits(fx.space, &l);
	map_pages(A, 8, RW, false, 0);
	assert_int_equal(remap(A, 8, 13, MREMAP_MAY_MOVE, 0, &got), -ENOMEM); /* data */
	assert_int_equal(remap(A, 8, 12, MREMAP_IN_PLACE, 0, &got), 0);
	assert_int_equal(remap(A, 12, 13, MREMAP_FIXED_MOVE, B, &got), -ENOMEM);
	move_to(A, 12, 12, A + 32 * PAGE); /* a move needs no room */
	assert_int_equal(mm_mmap(fx.space, &o, &got), 0);
	assert_int_equal(remap(B, 4, 7, MREMAP_MAY_MOVE, 0, &got), -EAGAIN); /* locked first */
	assert_int_equal(remap(B, 4, 6, MREMAP_MAY_MOVE, 0, &got), -ENOMEM); /* address space */
	move_to(A + 32 * PAGE, 12, 6, A);
	assert_int_equal(remap(B, 4, 6, MREMAP_IN_PLACE, 0, &got), 0);
	/* Nothing of what failed or went is left on the account: it can be filled to the brim. */
	assert_int_equal(remap(A, 6, 10, MREMAP_IN_PLACE, 0, &got), 0);
	assert_int_equal(remap(A, 10, 11, MREMAP_IN_PLACE, 0, &got), -ENOMEM);
	/* In the way, but counted: what is to grow must fit beside what it replaces (as Linux). */
	assert_int_equal(remap(A, 10, 11, MREMAP_FIXED_MOVE, B, &got), -ENOMEM);
	assert_true(is_mapped(B));
	assert_int_equal(mm_munmap(fx.space, A, 10 * PAGE), 0);
	map_pages(A, 5, RW, true, 0);
	move_to(A, 0, 3, A + 64 * PAGE);
	assert_int_equal(remap(A, 0, 3, MREMAP_MAY_MOVE, 0, &got), -ENOMEM);
	assert_int_equal(remap(A, 0, 2, MREMAP_MAY_MOVE, 0, &got), 0);
	close_remap();
}

/* ---- huge pages ---- */

static void huge_pages_move_whole_or_are_split(void **state)
{
	uint64_t at = A;
	uint32_t page;
	uint64_t got;

	open_in_test(state, PAGE_THP);
	map_pages(at, 1024, RW, false, 0);
	stamp(at, 1);
	stamp(at + HUGE + 5 * PAGE, 2);
	page = page_at(at + HUGE);
	assert_int_equal(page_at(at + HUGE + 511 * PAGE), page + 511);
	uint64_t nodes = stat_now().nodes;

	/* Aligned alike: no page, no count, no number changes. */
	move_to(at, 1024, 1024, B);
	at = B;
	assert_int_equal(page_at(at + HUGE), page);
	assert_int_equal(page_at(at + HUGE + 511 * PAGE), page + 511);
	expect_stamp(at + HUGE + 5 * PAGE, 2);
	assert_true(stat_now().nodes <= nodes + 2); /* interior nodes on the way to B */
	/* Found by the engine: as aligned as before. */
	map_pages(at + 2 * HUGE, 1, RW, false, 0);
	assert_int_equal(remap(at, 1024, 2048, MREMAP_MAY_MOVE, 0, &got), 0);
	assert_int_equal(got % HUGE, 0);
	assert_int_equal(page_at(got + HUGE), page);
	at = got;
	/* One page aside: in pieces, each where it belongs, all of them the same pages. */
	move_to(at, 2048, 2048, A + PAGE);
	at = A + PAGE;
	for (uint64_t i = 0; i < 512; i++)
		assert_int_equal(page_at(at + HUGE + i * PAGE), page + i);
	expect_stamp(at, 1);
	expect_stamp(at + HUGE + 5 * PAGE, 2);
	expect_stamp(at + 2047 * PAGE, 0);
	/* A part of a huge page: the rest stays. */
	map_pages(B, 1024, RW, false, 0);
	stamp(B + 3 * PAGE, 3);
	stamp(B + 700 * PAGE, 700);
	move_to(B + 2 * PAGE, 800, 800, B + 8 * HUGE + 2 * PAGE);
	expect_stamp(B + 8 * HUGE + 3 * PAGE, 3);
	expect_stamp(B + 8 * HUGE + 700 * PAGE, 700);
	expect_stamp(B + PAGE, 0);
	expect_stamp(B + 900 * PAGE, 0);
	close_remap();
}

#ifdef __SANITIZE_THREAD__
#define FOLDED_GIB UINT64_C(64)
#else
#define FOLDED_GIB UINT64_C(1024)
#endif

/* What nobody has touched, however large, moves by its folded entries, not page by page. */
static void untouched_memory_moves_folded(void **state)
{
	const uint64_t from = UINT64_C(1) << 40;
	const uint64_t to = UINT64_C(8) << 40;
	const uint64_t size = FOLDED_GIB << 30, pages = size / PAGE;
	uint64_t nodes;

	(void)state;
	open_remap(&host_space_none, PAGE_4K);
	map_pages(from, pages, RW, false, 0);
	nodes = stat_now().nodes;
	move_to(from, pages, pages, to);
	assert_true(stat_now().nodes <= nodes + 4);
	assert_false(is_mapped(from));
	stamp(to + size / 2 + 5 * PAGE, 5);
	stamp(to, 1);
	nodes = stat_now().nodes;
	/* 2 MiB aside: finer, still folded, and the touched pages go along. */
	move_to(to, pages, pages, from + HUGE);
	assert_true(stat_now().nodes <= nodes + 3 * FOLDED_GIB + 16);
	expect_stamp(from + HUGE + size / 2 + 5 * PAGE, 5);
	expect_stamp(from + HUGE, 1);
	assert_false(is_mapped(to));
	close_remap();
}

/* ---- failures ---- */

struct scene {
	bool shared;
	uint64_t pages, new_pages;
	enum mremap_mode mode;
	uint64_t to; /* FIXED */
};

static void look_at_scene(const struct scene *c, uint64_t at, bool moved)
{
	expect_stamp(at, 1);
	expect_stamp(at + (c->pages - 1) * PAGE, 2);
	if (moved && at != A)
		assert_false(is_mapped(A));
	assert_int_equal(is_mapped(at + (c->new_pages - 1) * PAGE),
			 moved || c->new_pages <= c->pages);
}

/* The k-th request of a kind fails, for every k: nothing is changed, and nothing is lost. */
static void fail_at_every_step(void **state, const struct scene *c, enum inject_kind kind)
{
	for (uint64_t k = 1;; k++) {
		uint64_t failed = 0;
		uint64_t got = 0;
		uint64_t vmas;
		uint64_t live;

		open_in_test(state, PAGE_4K);
		map_pages(A, c->pages, RW, c->shared, 0);
		if (c->mode == MREMAP_MAY_MOVE) /* in the way */
			map_pages(A + c->pages * PAGE, 1, MM_READ, false, 0);
		stamp(A, 1);
		stamp(A + (c->pages - 1) * PAGE, 2);
		vmas = stat_now().vmas;
		live = stat_now().memory.live_pages;
		mm_inject_arm(kind, k, 1);
		int rc = mm_mremap(fx.space, A, c->pages * PAGE, c->new_pages * PAGE, c->mode,
				   c->to, &got);

		mm_inject_disarm(kind, &failed);
		mm_check(fx.mm);
		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			assert_int_equal(failed, 1);
			assert_int_equal(stat_now().vmas, vmas);
			assert_int_equal(stat_now().memory.live_pages, live);
			if (c->to)
				assert_false(is_mapped(c->to));
			if (c->mode != MREMAP_MAY_MOVE)
				look_at_scene(c, A, false);
			expect_stamp(A, 1);
		} else {
			look_at_scene(c, got, true);
		}
		close_remap();
		if (!failed)
			return;
	}
}

static void failures_change_nothing(void **state)
{
	static const struct scene scenes[] = {
		{ false, 5, 9, MREMAP_IN_PLACE, 0 },
		{ true, 5, 9, MREMAP_IN_PLACE, 0 },
		{ false, 600, 1800, MREMAP_IN_PLACE, 0 },
		{ false, 5, 9, MREMAP_MAY_MOVE, 0 },
		{ true, 600, 700, MREMAP_MAY_MOVE, 0 },
		{ false, 5, 5, MREMAP_FIXED_MOVE, B },
		{ true, 5, 9, MREMAP_FIXED_MOVE, B + PAGE },
		{ false, 1300, 1300, MREMAP_FIXED_MOVE, B },
		{ false, 1300, 2600, MREMAP_FIXED_MOVE, B + 3 * PAGE },
		{ true, 1300, 1300, MREMAP_FIXED_MOVE, A - 16 * HUGE + PAGE },
	};

	if (!mm_test_points_enabled())
		skip();
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		fail_at_every_step(state, &scenes[i], INJECT_MEMORY);
		fail_at_every_step(state, &scenes[i], INJECT_MAPPING);
	}
}

#define ON(host, test)                                                                        \
	{                                                                                     \
#test " (" #host ")", test, NULL, NULL, (void *)(uintptr_t)&host_space_##host \
	}
#define ALL(test) ON(none, test), ON(mmap, test), ON(uffd, test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALL(pages_move_with_their_contents),
		ALL(neighbours_in_one_leaf_move_past_each_other),
		ALL(a_part_moves_and_comes_back),
		ALL(a_moved_object_shows_the_same_offsets),
		ALL(growing_in_place_keeps_every_property),
		ALL(growth_of_a_part_moves_the_part),
		ALL(shrinking_is_unmapping),
		ALL(a_fixed_move_takes_mappings_and_gaps_as_they_come),
		ALL(neighbours_that_differ_are_not_one_mapping),
		ALL(old_length_0_maps_a_second_time),
		ALL(private_copies_of_an_object_move_along),
		ALL(pages_shared_by_a_fork_move_uncopied),
		ALL(limits_hold),
		ALL(huge_pages_move_whole_or_are_split),
		ON(none, untouched_memory_moves_folded),
		ALL(failures_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
