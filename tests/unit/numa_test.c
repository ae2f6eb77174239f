/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numa_test.c - policies, moving pages and where things are, on a machine of several nodes: a
 * played one (fake_nodes.h), and the real one where it has two.
 */
#include "tests/unit/space_fixture.h"

#include "engine/mm_advise.h"
#include "engine/mm_fork.h"
#include "engine/mm_numa.h"
#include "engine/node_choice.h"
#include "engine/memory_readback.h"
#include "tests/unit/fake_nodes.h"

static void open_on(struct fixture *f, unsigned nodes, const struct host_space_ops *host,
		    const struct mm_opts *opts)
{
	if (nodes)
		fake_nodes(nodes);
	fixture_open(f, opts, host);
}

static int node_at(const struct fixture *f, uint64_t page)
{
	uint32_t got;

	assert_int_equal(fixture_page(f->space, page, MM_WRITE, &got), 0);
	return memory_file_node(f->memory, got);
}

static void turns_are_by_weight(void **state)
{
	const uint8_t weights[MEMORY_MAX_NODES] = { 3, 1, 0, 2 };
	const unsigned expected[] = { 0, 0, 0, 1, 3, 3 };

	(void)state;
	for (uint64_t n = 0; n < 24; n++) {
		assert_int_equal(node_choice(NUMA_WEIGHTED, 0xb, weights, 9, 64, n),
				 expected[n % 6]);
		assert_int_equal(node_choice(NUMA_INTERLEAVE, 0xa, weights, 9, 64, n),
				 n % 2 ? 3 : 1);
		assert_int_equal(node_choice(NUMA_BIND, 0xa, weights, 9, 64, n), 1);
		assert_int_equal(node_choice(NUMA_LOCAL, 0xa, weights, 9, 64, n), 9);
		assert_int_equal(node_choice(NUMA_WEIGHTED, 0, weights, 9, 64, n), 9);
	}
	/* 0 is no weight: the node was asked for all the same. */
	assert_int_equal(node_choice(NUMA_WEIGHTED, 0x4, weights, 9, 64, 7), 2);
}

static void a_mapping_decides_before_its_family(void **state)
{
	struct numa_place place = { NUMA_WEIGHTED, 0x3, { 3, 1 } };
	struct fixture f;
	unsigned on[2] = { 0 };

	(void)state;
	open_on(&f, 2, &host_space_none, NULL);
	assert_int_equal(fixture_map(f.space, 0, 4096, FIXTURE_RW, NULL, true, 0), 0);
	fake_node_here = 0;
	assert_int_equal(node_at(&f, 0), 0);
	assert_int_equal(mm_set_place(f.mm, &place), 0);
	for (uint64_t page = 1024; page < 1424; page++)
		on[node_at(&f, page)]++;
	assert_int_equal(on[0], 300);
	assert_int_equal(on[1], 100);
	assert_int_equal(mm_mbind(f.space, fixture_address(2048), 64 * MM_PAGE_SIZE, NUMA_PREFERRED,
				  0x2),
			 0);
	for (uint64_t page = 2048; page < 2112; page++)
		assert_int_equal(node_at(&f, page), 1);
	place.nodes = 0x4;
	assert_int_equal(mm_set_place(f.mm, &place), -EINVAL);
	place.policy = NUMA_WEIGHTED + 1;
	assert_int_equal(mm_set_place(f.mm, &place), -EINVAL);
	mm_check(f.mm);
	fixture_close(&f);
}

/* Pages of 2 MiB take turns as such: by 4 KiB, all would be of one node. */
static void huge_pages_take_turns(void **state)
{
	struct mm_opts opts = { .page_class = PAGE_THP,
				.memory.place = { NUMA_INTERLEAVE, 0x3, { 0 } } };
	struct fixture f;

	(void)state;
	open_on(&f, 2, &host_space_none, &opts);
	assert_int_equal(fixture_map(f.space, 0, 4 * MM_HUGE_PAGES, FIXTURE_RW, NULL, true, 0), 0);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(node_at(&f, i * MM_HUGE_PAGES), i % 2);
	fixture_close(&f);
}

static void only_bind_is_strict(void **state)
{
	struct mm_opts opts = { .memory.place = { NUMA_PREFERRED, 0x2, { 0 } } };
	struct fixture f;

	(void)state;
	for (int strict = 0; strict < 2; strict++) {
		opts.memory.place.policy = strict ? NUMA_BIND : NUMA_PREFERRED;
		open_on(&f, 2, &host_space_none, &opts);
		assert_int_equal(fixture_map(f.space, 0, 1, FIXTURE_RW, NULL, true, 0), 0);
		assert_int_equal(node_at(&f, 0), 1);
		/* The pages, after their tables. */
		assert_int_equal(fake_bind[fake_bind_count - 1].node, 1);
		assert_int_equal(fake_bind[fake_bind_count - 1].strict, strict);
		fixture_close(&f);
	}
}

static void objects_follow_the_family(void **state)
{
	struct mm_opts opts = { .memory.place = { NUMA_BIND, 0x2, { 0 } } };
	struct shared_memory *sm;
	struct fixture f;

	(void)state;
	open_on(&f, 2, &host_space_none, &opts);
	assert_int_equal(shared_memory_create(f.memory, 16 * MM_PAGE_SIZE, PAGE_4K, "x", &sm), 0);
	assert_int_equal(fixture_map(f.space, 0, 16, FIXTURE_RW, sm, false, 0), 0);
	for (uint64_t page = 0; page < 16; page++)
		assert_int_equal(node_at(&f, page), 1);
	assert_int_equal(mm_munmap(f.space, fixture_address(0), 16 * MM_PAGE_SIZE), 0);
	mapping_identity_dec_ref(shared_memory_identity(sm));
	fixture_close(&f);
}

static void move_to(struct fixture *f, uint64_t page, uint64_t pages, int node,
		    struct mm_moved expected)
{
	struct mm_moved got;

	assert_int_equal(mm_move(f->space, fixture_address(page), pages * MM_PAGE_SIZE, node, false,
				 &got),
			 0);
	assert_int_equal(got.moved, expected.moved);
	assert_int_equal(got.there, expected.there);
	assert_int_equal(got.shared, expected.shared);
	assert_int_equal(got.failed, expected.failed);
	mm_check(f->mm);
}

static void pages_move_with_what_is_in_them(void **state)
{
	struct fixture f;

	(void)state;
	open_on(&f, 2, &host_space_mmap, NULL);
	assert_int_equal(fixture_map(f.space, 0, 1024, FIXTURE_RW, NULL, true, 0), 0);
	for (uint64_t page = 0; page < 1024; page += 2)
		*(volatile uint64_t *)mm_host_address(f.space, fixture_address(page)) = page;
	move_to(&f, 0, 1024, 1, (struct mm_moved){ .moved = 512 });
	move_to(&f, 0, 1024, 1, (struct mm_moved){ .there = 512 });
	assert_int_equal(fixture_live(&f), 512);
	for (uint64_t page = 0; page < 1024; page += 2) {
		assert_int_equal(node_at(&f, page), 1);
		assert_int_equal(*(volatile uint64_t *)mm_host_address(f.space,
								       fixture_address(page)),
				 page);
	}
	assert_int_equal(mm_mprotect(f.space, fixture_address(0), 4 * MM_PAGE_SIZE, MM_READ), 0);
	move_to(&f, 0, 4, 0, (struct mm_moved){ .moved = 2 });
	assert_int_equal(mm_fault(f.space, fixture_address(0), MM_WRITE), -EACCES);
	assert_int_equal(*(volatile uint64_t *)mm_host_address(f.space, fixture_address(2)), 2);
	fixture_close(&f);
}

static void what_others_have_stays(void **state)
{
	struct fixture f;
	struct shared_memory *sm;
	struct mm_space *child;
	uint32_t page;

	(void)state;
	open_on(&f, 2, &host_space_none, NULL);
	assert_int_equal(shared_memory_create(f.memory, 2 * MM_PAGE_SIZE, PAGE_4K, "x", &sm), 0);
	assert_int_equal(fixture_map(f.space, 0, 8, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_map(f.space, 8, 2, FIXTURE_RW, sm, false, 0), 0);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(fixture_put(&f, f.space, i, (unsigned char)(i + 1)), 0);
	assert_int_equal(fixture_page(f.space, 3, MM_WRITE, &page), 0);
	memory_file_inc(f.memory, page);
	{
		struct mm_moved got;

		assert_int_equal(
			mm_move(f.space, fixture_address(0), 10 * MM_PAGE_SIZE, 1, false, &got), 0);
		assert_int_equal(got.moved, 7);
		assert_int_equal(got.shared, 3);
	}
	memory_file_dec(f.memory, page);
	assert_int_equal(mm_fork(f.space, &child), 0);
	move_to(&f, 0, 10, 0, (struct mm_moved){ .shared = 10 });
	mm_space_destroy(child);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(fixture_get(&f, f.space, i), i + 1);
	assert_int_equal(mm_munmap(f.space, fixture_address(8), 2 * MM_PAGE_SIZE), 0);
	mapping_identity_dec_ref(shared_memory_identity(sm));
	fixture_close(&f);
}

static void huge_pages_move_whole(void **state)
{
	struct mm_opts opts = { .page_class = PAGE_THP };
	struct fixture f;

	(void)state;
	open_on(&f, 2, &host_space_none, &opts);
	assert_int_equal(fixture_map(f.space, 0, 2 * MM_HUGE_PAGES, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_put(&f, f.space, 5, 5), 0);
	move_to(&f, 0, 1, 1, (struct mm_moved){ .moved = MM_HUGE_PAGES });
	assert_int_equal(node_at(&f, 5), 1);
	assert_int_equal(fixture_get(&f, f.space, 5), 5);
	assert_int_equal(fixture_live(&f), MM_HUGE_PAGES);
	/* Its spare node went along: it can be split. */
	assert_int_equal(mm_munmap(f.space, fixture_address(0), MM_PAGE_SIZE), 0);
	mm_check(f.mm);
	fixture_close(&f);
}

static void too_little_memory_is_counted(void **state)
{
	struct mm_opts opts = { .memory.max_bytes = MM_HUGE_SIZE };
	struct fixture f;

	(void)state;
	open_on(&f, 2, &host_space_none, &opts);
	assert_int_equal(fixture_map(f.space, 0, 4, FIXTURE_RW, NULL, true, 0), 0);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(fixture_put(&f, f.space, i, (unsigned char)(i + 1)), 0);
	move_to(&f, 0, 4, 1, (struct mm_moved){ .failed = 4 });
	assert_int_equal(fixture_get(&f, f.space, 3), 4);
	fixture_close(&f);
}

static void nonsense_is_refused(void **state)
{
	struct fixture f;
	struct mm_moved got;

	(void)state;
	open_on(&f, 2, &host_space_none, NULL);
	assert_int_equal(mm_move(f.space, 1, MM_PAGE_SIZE, 0, false, &got), -EINVAL);
	assert_int_equal(mm_move(f.space, 0, MM_PAGE_SIZE, 2, false, &got), -EINVAL);
	assert_int_equal(mm_move(f.space, 0, MM_PAGE_SIZE, -1, false, &got), -EINVAL);
	assert_int_equal(mm_move(f.space, 0, UINT64_MAX - 8191, 1, false, &got), 0);
	assert_int_equal(got.moved + got.there + got.shared + got.failed, 0);
	fixture_close(&f);
}

/* Tables are bound with their pages; what is elsewhere is counted as that. */
static void what_is_elsewhere_is_seen(void **state)
{
	struct mm_opts opts = { .memory.place = { NUMA_BIND, 0x2, { 0 } } };
	struct mm_locality l;
	struct fixture f;

	(void)state;
	open_on(&f, 2, &host_space_none, &opts);
	assert_int_equal(fixture_map(f.space, 0, MM_HUGE_PAGES, FIXTURE_RW, NULL, true, 0), 0);
	for (uint64_t page = 0; page < MM_HUGE_PAGES; page++)
		assert_int_equal(fixture_put(&f, f.space, page, 1), 0);
	mm_locality(f.mm, &l);
	assert_int_equal(l.pages.count, MM_HUGE_PAGES);
	assert_int_equal(l.pages.local, MM_HUGE_PAGES);
	assert_int_equal(l.tables.count, 2); /* counts and the block, of one block */
	assert_int_equal(l.tables.local, 2);
	/* The leaf is where the thread was, its pages are on the other node. */
	assert_int_equal(l.tree_nodes.count, 1);
	assert_int_equal(l.tree_nodes.local, 0);
	fake_bind_count = 0; /* the kernel gave something else */
	mm_locality(f.mm, &l);
	assert_int_equal(l.pages.local, 0);
	assert_int_equal(l.tables.local, 0);
	fixture_close(&f);
}

/* Where the machine has two nodes: asked is got. */
static void real_nodes_give_what_is_asked(void **state)
{
	struct mm_opts opts = { .memory.place = { NUMA_BIND, 0x2, { 0 } } };
	struct mm_locality l;
	struct fixture f;
	uint32_t page;

	(void)state;
	if (os_memory_node_count(2) < 2) {
		print_message("this machine has one NUMA node\n");
		skip();
	}
	open_on(&f, 0, &host_space_mmap, &opts);
	assert_int_equal(fixture_map(f.space, 0, 64, FIXTURE_RW, NULL, true, 0), 0);
	for (uint64_t i = 0; i < 64; i++)
		*(volatile uint64_t *)mm_host_address(f.space, fixture_address(i)) = i;
	mm_locality(f.mm, &l);
	assert_int_equal(l.pages.count, 64);
	assert_int_equal(l.pages.local, 64);
	assert_int_equal(l.tables.local, l.tables.count);
	move_to(&f, 0, 64, 0, (struct mm_moved){ .moved = 64 });
	for (uint64_t i = 0; i < 64; i++) {
		assert_int_equal(*(volatile uint64_t *)mm_host_address(f.space, fixture_address(i)),
				 i);
		assert_int_equal(fixture_page(f.space, i, MM_READ, &page), 0);
		assert_int_equal(memory_file_node_of(f.memory, page), 0);
	}
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_nodes_give_what_is_asked), /* before any is played */
		cmocka_unit_test(turns_are_by_weight),
		cmocka_unit_test(a_mapping_decides_before_its_family),
		cmocka_unit_test(huge_pages_take_turns),
		cmocka_unit_test(only_bind_is_strict),
		cmocka_unit_test(objects_follow_the_family),
		cmocka_unit_test(pages_move_with_what_is_in_them),
		cmocka_unit_test(what_others_have_stays),
		cmocka_unit_test(huge_pages_move_whole),
		cmocka_unit_test(too_little_memory_is_counted),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(what_is_elsewhere_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
