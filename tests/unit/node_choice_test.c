/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node_choice_test.c - which NUMA node pages are asked from, and that they are there.
 *
 * Where pages are is read back from the kernel, page by page. That takes a machine with two nodes,
 * each with CPUs: the NUMA guest (ci/numa.sh) is one; elsewhere those tests are skipped.
 */
#include "tests/unit/space_fixture.h"

#include <numa.h>
#include <numaif.h>
#include <pthread.h>
#include <sched.h>

#include "engine/node_choice.h"
#include "engine/memory_readback.h"

#define NODES 2u
#define THREADS 8u
/* Of each thread: two blocks and a part, so that first touch happens in the midst as well. */
#define PAGES_EACH UINT64_C(1200)
#define STRIDE UINT64_C(1536)

static bool node_has_cpus(int node)
{
	struct bitmask *cpus = numa_allocate_cpumask();
	bool any = !numa_node_to_cpus(node, cpus) && numa_bitmask_weight(cpus) > 0;

	numa_free_cpumask(cpus);
	return any;
}

/* Whether nodes 0 and 1 both have CPUs. */
static bool has_nodes(void)
{
	return numa_available() >= 0 && numa_max_node() >= 1 && node_has_cpus(0) &&
	       node_has_cpus(1);
}

/* Pins the calling thread to a CPU of the node, not the same one for each turn. */
static void go_to_node(unsigned node, unsigned turn)
{
	struct bitmask *cpus = numa_allocate_cpumask();
	cpu_set_t set;

	CPU_ZERO(&set);
	assert_int_equal(numa_node_to_cpus((int)node, cpus), 0);
	assert_true(numa_bitmask_weight(cpus) > 0);
	turn %= numa_bitmask_weight(cpus);
	for (unsigned cpu = 0; cpu < cpus->size; cpu++)
		if (numa_bitmask_isbitset(cpus, cpu) && turn-- == 0)
			CPU_SET(cpu, &set);
	numa_free_cpumask(cpus);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

/* Sets the calling thread's policy and has the engine read it, as a thread that enters does. */
static void set_policy(int mode, unsigned long nodes)
{
	assert_int_equal(set_mempolicy(mode, nodes ? &nodes : NULL, nodes ? 64 : 0), 0);
	node_choice_read_thread();
}

static const struct numa_place nowhere; /* nobody decides about the family */

static void choices_follow_policy_and_mask(void **state)
{
	(void)state;
	assert_int_equal(node_choice(NUMA_LOCAL, 1, NULL, 3, 4, 0), 3);
	assert_int_equal(node_choice(NUMA_BIND, 6, NULL, 0, 4, 0), 1);
	assert_int_equal(node_choice(NUMA_BIND, 6, NULL, 2, 4, 0), 2);
	assert_int_equal(node_choice(NUMA_PREFERRED, 6, NULL, 2, 4, 0), 1);
	assert_int_equal(node_choice(NUMA_INTERLEAVE, 13, NULL, 1, 4, 4), 2);
	/* Nodes that are not there, and nodes beyond the mask. */
	assert_int_equal(node_choice(NUMA_BIND, 16, NULL, 3, 4, 0), 3);
	assert_int_equal(node_choice(NUMA_INTERLEAVE, 18, NULL, 0, 4, 5), 1);
	assert_int_equal(node_choice(NUMA_PREFERRED, UINT64_C(1) << 63, NULL, 0, 64, 0), 63);
}

static void the_policy_of_the_thread_is_read(void **state)
{
	(void)state;
	if (numa_available() < 0)
		skip(); /* the kernel has no policies, or this container forbids them */
	set_policy(MPOL_BIND, 1);
	assert_int_equal(node_choice_for(&nowhere, 1, 2, 0), 0);
	set_policy(MPOL_LOCAL, 0);
	assert_int_equal(node_choice_for(&nowhere, 1, 2, 0), 1);
	set_policy(MPOL_INTERLEAVE, 1);
	assert_int_equal(node_choice_next(&nowhere, 1, 2), 0);
	set_policy(MPOL_PREFERRED, 1);
	assert_int_equal(node_choice_for(&nowhere, 1, 2, 0), 0);
	set_policy(MPOL_DEFAULT, 0);
	assert_int_equal(node_choice_for(&nowhere, 1, 2, 0), 1);
}

/* How many of the pages at [page, page + pages) of the space are on each node. */
static void count_nodes(struct fixture *f, uint64_t page, uint64_t pages, uint64_t on[NODES])
{
	on[0] = on[1] = 0;
	for (uint64_t i = page; i < page + pages; i++) {
		mm_access perms;
		uint32_t at;
		int node;

		assert_int_equal(mm_lookup(f->space, fixture_address(i), MM_READ, &at, &perms), 0);
		node = memory_file_node_of(f->memory, at);
		assert_in_range(node, 0, NODES - 1);
		on[node]++;
	}
}

/* Has the pages backed on the host: the engine itself backs a block at its first claim. */
static void fault_and_touch(struct fixture *f, uint64_t page, uint64_t pages)
{
	for (uint64_t i = page; i < page + pages; i++)
		assert_int_equal(fixture_put(f, f->space, i, 1), 0);
}

static void threads_policy_places_pages(void **state)
{
	static const struct {
		int mode;
		unsigned long nodes;
		uint64_t on_1; /* of 512 pages, for a thread on node 0 */
	} policies[] = {
		{ MPOL_DEFAULT, 0, 0 },	    { MPOL_BIND, 2, 512 },	 { MPOL_BIND, 3, 0 },
		{ MPOL_PREFERRED, 2, 512 }, { MPOL_INTERLEAVE, 3, 256 },
	};
	struct fixture f;

	(void)state;
	if (!has_nodes())
		skip(); /* one node: no choice */
	go_to_node(0, 0);
	fixture_open(&f, NULL, &host_space_none);
	for (unsigned i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		uint64_t on[NODES];

		set_policy(policies[i].mode, policies[i].nodes);
		assert_int_equal(fixture_map(f.space, 0, 512, FIXTURE_RW, NULL, true, 0), 0);
		fault_and_touch(&f, 0, 512);
		count_nodes(&f, 0, 512, on);
		assert_int_equal(on[1], policies[i].on_1);
		assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 512 * MM_PAGE_SIZE), 0);
	}
	set_policy(MPOL_DEFAULT, 0);
	fixture_close(&f);
}

static void objects_follow_the_threads_policy(void **state)
{
	struct shared_memory *object;
	struct fixture f;
	uint64_t on[NODES];

	(void)state;
	if (!has_nodes())
		skip(); /* one node: no choice */
	go_to_node(0, 0);
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(shared_memory_create(f.memory, 512 * MM_PAGE_SIZE, PAGE_4K, NULL, &object),
			 0);
	assert_int_equal(fixture_map(f.space, 0, 512, FIXTURE_RW, object, false, 0), 0);
	set_policy(MPOL_BIND, 2);
	fault_and_touch(&f, 0, 128);
	set_policy(MPOL_DEFAULT, 0);
	fault_and_touch(&f, 128, 128);
	set_policy(MPOL_INTERLEAVE, 3);
	fault_and_touch(&f, 256, 256);
	set_policy(MPOL_DEFAULT, 0);
	count_nodes(&f, 0, 128, on);
	assert_int_equal(on[1], 128);
	count_nodes(&f, 128, 128, on);
	assert_int_equal(on[1], 0);
	count_nodes(&f, 256, 256, on);
	assert_int_equal(on[1], 128);
	assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 512 * MM_PAGE_SIZE), 0);
	mapping_identity_dec_ref(shared_memory_identity(object));
	fixture_close(&f);
}

struct local_thread {
	struct fixture *f;
	unsigned index;
	pthread_t thread;
};

static void *fault_locally(void *argument)
{
	struct local_thread *t = argument;
	uint64_t first = t->index * STRIDE;

	go_to_node(t->index % NODES, t->index / NODES);
	assert_int_equal(mm_thread_enter(), 0);
	fault_and_touch(t->f, first, PAGES_EACH);
	/* What comes back from other threads is of the right node as well. */
	assert_int_equal(
		mm_discard(t->f->space, fixture_address(first), PAGES_EACH / 2 * MM_PAGE_SIZE), 0);
	fault_and_touch(t->f, first, PAGES_EACH);
	mm_thread_leave();
	return NULL;
}

/* At least 99 % of what threads on both nodes fault is on the node of the one that did. */
static void pages_are_local_to_their_thread(void **state)
{
	struct local_thread threads[THREADS];
	uint64_t local = 0, on[NODES];
	struct fixture f;

	(void)state;
	if (!has_nodes())
		skip(); /* one node: everything is local */
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(fixture_map(f.space, 0, THREADS * STRIDE, FIXTURE_RW, NULL, true, 0), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		threads[i] = (struct local_thread){ .f = &f, .index = i };
		assert_int_equal(
			pthread_create(&threads[i].thread, NULL, fault_locally, &threads[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i].thread, NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		count_nodes(&f, i * STRIDE, PAGES_EACH, on);
		local += on[i % NODES];
	}
	print_message("# node-local: %llu of %llu pages\n", (unsigned long long)local,
		      (unsigned long long)(THREADS * PAGES_EACH));
	assert_true(local * 100 >= THREADS * PAGES_EACH * 99);
	assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, THREADS * STRIDE * MM_PAGE_SIZE), 0);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choices_follow_policy_and_mask),
		cmocka_unit_test(the_policy_of_the_thread_is_read),
		cmocka_unit_test(threads_policy_places_pages),
		cmocka_unit_test(objects_follow_the_threads_policy),
		cmocka_unit_test(pages_are_local_to_their_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
