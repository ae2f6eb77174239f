/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_usage_test.c - what a space uses, counted by walking and by the counters of its limits, and
 * the limits of address space and data, alone and against threads.
 */
#include "tests/unit/space_fixture.h"

#include <pthread.h>
#include <stdlib.h>

#include "engine/mm_advise.h"
#include "engine/mm_fork.h"
#include "engine/mm_remap.h"

static int map(struct fixture *f, uint64_t page, uint64_t pages, mm_access perms)
{
	return fixture_map(f->space, page, pages, perms, NULL, true, 0);
}

static void limit(struct mm_space *s, uint64_t address_pages, uint64_t data_pages)
{
	const struct mm_limits limits = {
		.address_space = address_pages == UINT64_MAX ? UINT64_MAX
							     : address_pages * MM_PAGE_SIZE,
		.data = data_pages == UINT64_MAX ? UINT64_MAX : data_pages * MM_PAGE_SIZE,
		.stack = UINT64_MAX,
		.locked = UINT64_MAX,
	};

	mm_set_limits(s, &limits);
}

static void expect_usage(struct mm_space *s, uint64_t address_space, uint64_t data,
			 uint64_t resident)
{
	struct mm_usage usage;

	mm_get_usage(s, &usage);
	assert_int_equal(usage.address_space, address_space * MM_PAGE_SIZE);
	assert_int_equal(usage.data, data * MM_PAGE_SIZE);
	assert_int_equal(usage.resident, resident * MM_PAGE_SIZE);
	assert_int_equal(usage.locked, 0);
}

static void usage_is_what_is_mapped(void **state)
{
	struct fixture f;
	struct shared_memory *sm;
	struct mm_usage usage;
	struct mmap_opts stack = fixture_map_opts(100, 3, FIXTURE_RW);
	uint64_t got;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(shared_memory_create(f.memory, 4 * MM_PAGE_SIZE, PAGE_4K, "o", &sm), 0);
	assert_int_equal(map(&f, 0, 10, FIXTURE_RW), 0);
	assert_int_equal(map(&f, 10, 5, MM_READ), 0);
	assert_int_equal(fixture_map(f.space, 20, 4, FIXTURE_RW, sm, false, 0), 0);
	assert_int_equal(fixture_map(f.space, 24, 4, FIXTURE_RW, sm, true, 0), 0);
	stack.grows_down = true;
	assert_int_equal(mm_mmap(f.space, &stack, &got), 0);
	expect_usage(f.space, 26, 14, 0); /* data: neither shared nor read-only nor stack */
	for (uint64_t i = 20; i < 28; i++)
		assert_int_equal(mm_fault(f.space, fixture_address(i), MM_READ), 0);
	assert_int_equal(mm_fault(f.space, fixture_address(0), MM_WRITE), 0);
	expect_usage(f.space, 26, 14, 9);
	assert_int_equal(mm_mprotect(f.space, fixture_address(0), 3 * MM_PAGE_SIZE, MM_NONE), 0);
	expect_usage(f.space, 26, 11, 9);
	assert_int_equal(mm_discard(f.space, fixture_address(20), 8 * MM_PAGE_SIZE), 0);
	expect_usage(f.space, 26, 11, 1);
	mm_get_usage(f.space, &usage);
	assert_int_equal(usage.resident_max, 9 * MM_PAGE_SIZE);
	assert_int_equal(mm_munmap(f.space, 0, FIXTURE_WINDOW), 0);
	expect_usage(f.space, 0, 0, 0);
	mapping_identity_dec_ref(shared_memory_identity(sm));
	fixture_close(&f);
}

static void folded_mappings_count_all_their_pages(void **state)
{
	struct mm_opts opts = { .page_class = PAGE_THP };
	struct fixture f;

	(void)state;
	fixture_open(&f, &opts, &host_space_none);
	assert_int_equal(map(&f, 0, 300000, FIXTURE_RW), 0);
	limit(f.space, 300001, 300001);
	expect_usage(f.space, 300000, 300000, 0);
	assert_int_equal(mm_fault(f.space, fixture_address(5000), MM_READ), 0);
	expect_usage(f.space, 300000, 300000, 512);
	assert_int_equal(mm_munmap(f.space, fixture_address(5000), MM_PAGE_SIZE), 0);
	expect_usage(f.space, 299999, 299999, 511);
	mm_space_check(f.space);
	fixture_close(&f);
}

static void the_address_space_is_limited(void **state)
{
	struct fixture f;
	uint64_t at;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(map(&f, 0, 10, MM_READ), 0);
	limit(f.space, 20, UINT64_MAX);
	assert_int_equal(map(&f, 10, 11, MM_READ), -ENOMEM);
	assert_int_equal(map(&f, 10, 10, MM_READ), 0);
	assert_int_equal(map(&f, 20, 1, MM_READ), -ENOMEM);
	assert_int_equal(map(&f, 5, 10, FIXTURE_RW), 0); /* it replaces as much */
	assert_int_equal(map(&f, 15, 6, FIXTURE_RW), -ENOMEM); /* one too many: nothing is lost */
	expect_usage(f.space, 20, 10, 0);
	assert_int_equal(mm_mremap(f.space, fixture_address(5), 10 * MM_PAGE_SIZE,
				   11 * MM_PAGE_SIZE, MREMAP_MAY_MOVE, 0, &at),
			 -ENOMEM);
	assert_int_equal(mm_munmap(f.space, fixture_address(0), MM_PAGE_SIZE), 0);
	assert_int_equal(mm_mremap(f.space, fixture_address(5), 10 * MM_PAGE_SIZE,
				   11 * MM_PAGE_SIZE, MREMAP_MAY_MOVE, 0, &at),
			 0);
	expect_usage(f.space, 20, 11, 0);
	mm_space_check(f.space);
	limit(f.space, 5, UINT64_MAX); /* less than is there: it stays, and nothing is added */
	assert_int_equal(map(&f, 40, 1, MM_READ), -ENOMEM);
	assert_int_equal(map(&f, 1, 1, MM_READ), -ENOMEM); /* not even in place, as Linux */
	limit(f.space, UINT64_MAX, UINT64_MAX);
	assert_int_equal(map(&f, 40, 1, MM_READ), 0);
	fixture_close(&f);
}

static void data_is_limited(void **state)
{
	struct fixture f;
	struct shared_memory *sm;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(shared_memory_create(f.memory, 64 * MM_PAGE_SIZE, PAGE_4K, "o", &sm), 0);
	limit(f.space, UINT64_MAX, 10);
	assert_int_equal(map(&f, 0, 11, FIXTURE_RW), -ENOMEM);
	assert_int_equal(map(&f, 0, 8, FIXTURE_RW), 0);
	assert_int_equal(map(&f, 20, 20, MM_READ), 0);
	assert_int_equal(fixture_map(f.space, 60, 60, FIXTURE_RW, sm, false, 0), 0);
	/* what becomes data by mprotect: by mappings, whole or not at all */
	assert_int_equal(mm_mprotect(f.space, fixture_address(20), 3 * MM_PAGE_SIZE, FIXTURE_RW),
			 -ENOMEM);
	assert_int_equal(mm_fault(f.space, fixture_address(20), MM_WRITE), -EACCES);
	assert_int_equal(mm_mprotect(f.space, fixture_address(20), 2 * MM_PAGE_SIZE, FIXTURE_RW),
			 0);
	expect_usage(f.space, 88, 10, 0);
	/* again, and what takes data away makes room */
	assert_int_equal(mm_mprotect(f.space, fixture_address(20), 2 * MM_PAGE_SIZE, FIXTURE_RW),
			 0);
	assert_int_equal(mm_mprotect(f.space, fixture_address(0), 2 * MM_PAGE_SIZE, MM_READ), 0);
	assert_int_equal(mm_mprotect(f.space, fixture_address(30), 2 * MM_PAGE_SIZE, FIXTURE_RW),
			 0);
	expect_usage(f.space, 88, 10, 0);
	/* replacing what is no data by data needs room for it */
	assert_int_equal(map(&f, 35, 1, FIXTURE_RW), -ENOMEM);
	assert_int_equal(map(&f, 30, 2, FIXTURE_RW), 0);
	mm_space_check(f.space);
	assert_int_equal(mm_munmap(f.space, 0, FIXTURE_WINDOW), 0);
	expect_usage(f.space, 0, 0, 0);
	mapping_identity_dec_ref(shared_memory_identity(sm));
	fixture_close(&f);
}

static void a_refused_mapping_gives_its_charge_back(void **state)
{
	struct fixture f;
	struct shared_memory *sm;
	struct mmap_opts o = fixture_map_opts(0, 10, FIXTURE_RW);
	uint64_t got;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	limit(f.space, 10, 10);
	assert_int_equal(shared_memory_create(f.memory, 64 * MM_PAGE_SIZE, PAGE_4K, "o", &sm), 0);
	assert_int_equal(shared_memory_add_seals(sm, SHARED_MEMORY_SEAL_WRITE), 0);
	assert_int_equal(map(&f, 0, 2, FIXTURE_RW), 0);
	o.mappable = shared_memory_mappable(sm);
	o.identity = shared_memory_identity(sm);
	o.is_private = false;
	assert_true(mm_mmap(f.space, &o, &got) < 0); /* a writable mapping of what is sealed */
	expect_usage(f.space, 0, 0, 0); /* what it was to replace is gone, as in Linux */
	mm_space_check(f.space);
	assert_int_equal(map(&f, 0, 10, FIXTURE_RW), 0);
	mapping_identity_dec_ref(shared_memory_identity(sm));
	fixture_close(&f);
}

static void a_child_inherits_the_limits(void **state)
{
	struct fixture f;
	struct mm_space *child;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	limit(f.space, 10, 8);
	assert_int_equal(map(&f, 0, 6, FIXTURE_RW), 0);
	assert_int_equal(mm_fork(f.space, &child), 0);
	assert_int_equal(map(&f, 6, 2, FIXTURE_RW), 0);
	assert_int_equal(map(&f, 8, 1, FIXTURE_RW), -ENOMEM);
	assert_int_equal(fixture_map(child, 6, 3, FIXTURE_RW, NULL, true, 0), -ENOMEM);
	assert_int_equal(fixture_map(child, 6, 2, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_map(child, 8, 2, MM_READ, NULL, true, 0), 0);
	expect_usage(child, 10, 8, 0);
	mm_space_check(child);
	mm_space_destroy(child);
	fixture_close(&f);
}

/* ---- threads ---- */

#define THREADS 4
#define ROUNDS 3000
#define LIMIT_PAGES 64
#define SLOTS 16 /* places of a thread, of 8 pages each */

struct race {
	struct fixture f;
	_Atomic int64_t mapped; /* pages that are mapped for certain */
	_Atomic unsigned refused, unlimited;
	unsigned next;
};

/* Maps and unmaps in places of its own: what all threads know to be mapped is never more than the
 * limit, since each counts after it has mapped and before it unmaps. */
static void *map_and_unmap(void *arg)
{
	struct race *r = arg;
	unsigned self = __atomic_fetch_add(&r->next, 1, __ATOMIC_RELAXED);
	unsigned seed = 17 + self;
	unsigned pages[SLOTS] = { 0 };

	assert_int_equal(mm_thread_enter(), 0);
	for (unsigned k = 0; k < ROUNDS; k++) {
		unsigned slot = (unsigned)rand_r(&seed) % SLOTS;
		uint64_t page = (self * SLOTS + slot) * 8;

		if (pages[slot]) {
			atomic_fetch_sub(&r->mapped, pages[slot]);
			assert_int_equal(
				mm_munmap(r->f.space, fixture_address(page), 8 * MM_PAGE_SIZE), 0);
			pages[slot] = 0;
			continue;
		}
		unsigned n = 1 + (unsigned)rand_r(&seed) % 8;
		int rc = map(&r->f, page, n, k & 1 ? FIXTURE_RW : MM_READ);

		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			atomic_fetch_add(&r->refused, 1);
			continue;
		}
		pages[slot] = n;
		if (atomic_fetch_add(&r->mapped, n) + n > LIMIT_PAGES)
			atomic_fetch_add(&r->unlimited, 1);
		/* data comes and goes, and replacing keeps the count */
		rc = mm_mprotect(r->f.space, fixture_address(page), n * MM_PAGE_SIZE,
				 k & 2 ? FIXTURE_RW : MM_NONE);
		assert_true(!rc || rc == -ENOMEM);
		rc = map(&r->f, page, n, k & 4 ? FIXTURE_RW : MM_READ);
		assert_true(!rc || rc == -ENOMEM);
	}
	mm_thread_leave();
	return NULL;
}

static void threads_never_exceed_a_limit(void **state)
{
	static struct race r;
	struct mm_usage usage;
	pthread_t threads[THREADS];

	(void)state;
	fixture_open(&r.f, NULL, &host_space_none);
	limit(r.f.space, LIMIT_PAGES, LIMIT_PAGES / 2);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, map_and_unmap, &r), 0);
	for (unsigned i = 0; i < 200; i++) {
		mm_get_usage(r.f.space, &usage);
		assert_true(usage.address_space <= LIMIT_PAGES * MM_PAGE_SIZE);
		assert_true(usage.data <= LIMIT_PAGES / 2 * MM_PAGE_SIZE);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&r.unlimited), 0);
	assert_true(atomic_load(&r.refused) > 0);
	mm_get_usage(r.f.space, &usage);
	assert_int_equal(usage.address_space, atomic_load(&r.mapped) * MM_PAGE_SIZE);
	mm_space_check(r.f.space);
	/* all the room that is left can be had, and no more */
	uint64_t left = LIMIT_PAGES - (uint64_t)atomic_load(&r.mapped);

	assert_int_equal(map(&r.f, 10000, left + 1, MM_READ), -ENOMEM);
	if (left)
		assert_int_equal(map(&r.f, 10000, left, MM_READ), 0);
	fixture_close(&r.f);
}

/* Limits come and go while threads map: the counters begin at what is mapped. */
static void limits_may_be_set_at_any_time(void **state)
{
	static struct race r;
	pthread_t threads[THREADS];

	(void)state;
	fixture_open(&r.f, NULL, &host_space_none);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, map_and_unmap, &r), 0);
	for (unsigned i = 0; i < 100; i++)
		limit(r.f.space, i & 1 ? UINT64_MAX : 100, i & 2 ? UINT64_MAX : 50);
	limit(r.f.space, 100000, 100000);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	mm_space_check(r.f.space);
	fixture_close(&r.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usage_is_what_is_mapped),
		cmocka_unit_test(folded_mappings_count_all_their_pages),
		cmocka_unit_test(the_address_space_is_limited),
		cmocka_unit_test(data_is_limited),
		cmocka_unit_test(a_refused_mapping_gives_its_charge_back),
		cmocka_unit_test(a_child_inherits_the_limits),
		cmocka_unit_test(threads_never_exceed_a_limit),
		cmocka_unit_test(limits_may_be_set_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
