/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_advise_test.c - madvise, msync, mincore and mbind: what changes, what stays, byte by byte, and
 * what is returned where mappings differ, end or refuse.
 */
#include "tests/unit/checked.h"

#include "tests/unit/gate.h"
#include "tests/unit/space_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/memory_chunk.h"
#include "engine/mm_advise.h"
#include "engine/mm_fork.h"
#include "engine/space.h"

static int advise(struct fixture *f, uint64_t page, uint64_t pages, enum mm_advice advice)
{
	return mm_madvise(f->space, fixture_address(page), pages * MM_PAGE_SIZE, advice);
}

static int map(struct fixture *f, uint64_t page, uint64_t pages, mm_access perms)
{
	return fixture_map(f->space, page, pages, perms, NULL, true, 0);
}

static unsigned char byte_of(uint64_t page)
{
	return (unsigned char)(1 + page % 251);
}

static void put_all(struct fixture *f, uint64_t page, uint64_t end)
{
	for (; page < end; page++)
		assert_int_equal(fixture_put(f, f->space, page, byte_of(page)), 0);
}

static void expect_all(struct fixture *f, uint64_t page, uint64_t end, bool kept)
{
	for (; page < end; page++)
		assert_int_equal(fixture_get(f, f->space, page), kept ? byte_of(page) : 0);
}

static uint64_t vmas(const struct fixture *f)
{
	struct mm_stat stat;

	mm_get_stat(f->mm, &stat);
	return stat.vmas;
}

static struct shared_memory *make_object(struct fixture *f, uint64_t pages)
{
	struct shared_memory *sm;

	assert_int_equal(shared_memory_create(f->memory, pages * MM_PAGE_SIZE, PAGE_4K, "o", &sm),
			 0);
	return sm;
}

static void drop_object(struct fixture *f, struct shared_memory *sm)
{
	assert_int_equal(mm_munmap(f->space, 0, FIXTURE_WINDOW), 0);
	mapping_identity_dec_ref(shared_memory_identity(sm));
}

/* ---- DONTNEED and FREE ---- */

static void dontneed_of_a_part_of_huge_pages_drops_that_part(void **state)
{
	static const struct {
		uint64_t first, end;
	} parts[] = { { 0, 1 },	    { 511, 512 },  { 100, 101 },  { 0, 511 },  { 511, 513 },
		      { 300, 700 }, { 256, 1280 }, { 512, 1024 }, { 1, 1535 }, { 0, 1536 } };

	(void)state;
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct mm_opts opts = { .page_class = PAGE_THP };
		struct fixture f;

		fixture_open(&f, &opts, &host_space_none);
		assert_int_equal(map(&f, 0, 3 * MM_HUGE_PAGES, FIXTURE_RW), 0);
		put_all(&f, 0, 3 * MM_HUGE_PAGES);
		assert_int_equal(advise(&f, parts[i].first, parts[i].end - parts[i].first,
					MM_ADVISE_DONTNEED),
				 0);
		mm_space_check(f.space);
		expect_all(&f, 0, parts[i].first, true);
		expect_all(&f, parts[i].first, parts[i].end, false);
		expect_all(&f, parts[i].end, 3 * MM_HUGE_PAGES, true);
		fixture_close(&f);
	}
}

static void dontneed_of_private_copies_shows_the_object_again(void **state)
{
	struct fixture f;
	uint32_t page;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	struct shared_memory *sm = make_object(&f, 600);

	assert_int_equal(fixture_map(f.space, 1000, 600, FIXTURE_RW, sm, false, 0), 0);
	assert_int_equal(fixture_map(f.space, 0, 600, FIXTURE_RW, sm, true, 0), 0);
	put_all(&f, 1000, 1600);
	for (uint64_t i = 0; i < 600; i++)
		assert_int_equal(fixture_put(&f, f.space, i, 0), 0);
	assert_int_equal(advise(&f, 100, 450, MM_ADVISE_DONTNEED), 0);
	for (uint64_t i = 0; i < 600; i++)
		assert_int_equal(fixture_get(&f, f.space, i),
				 i >= 100 && i < 550 ? byte_of(1000 + i) : 0);
	/* pages that were copied again are ours alone */
	assert_int_equal(fixture_put(&f, f.space, 200, 77), 0);
	assert_int_equal(fixture_get(&f, f.space, 1200), byte_of(1200));
	assert_int_equal(advise(&f, 1000, 600, MM_ADVISE_DONTNEED), 0); /* shared: data stays */
	expect_all(&f, 1000, 1600, true);
	assert_int_equal(fixture_page(f.space, 200, MM_READ, &page), 0);
	drop_object(&f, sm);
	fixture_close(&f);
}

/* The range begins and ends in huge pages that several mappings share since they were cut. */
static void dontneed_goes_over_several_mappings(void **state)
{
	struct mm_opts opts = { .page_class = PAGE_THP };
	struct fixture f;

	(void)state;
	fixture_open(&f, &opts, &host_space_none);
	assert_int_equal(map(&f, 0, 1024, FIXTURE_RW), 0);
	put_all(&f, 0, 1024);
	assert_int_equal(advise(&f, 100, 200, MM_ADVISE_DONTFORK), 0);
	assert_int_equal(mm_mbind(f.space, fixture_address(200), 400 * MM_PAGE_SIZE, NUMA_BIND, 1),
			 0);
	assert_int_equal(mm_mprotect(f.space, fixture_address(250), 10 * MM_PAGE_SIZE, MM_READ), 0);
	expect_all(&f, 0, 1024, true);
	assert_int_equal(vmas(&f), 5);
	assert_int_equal(advise(&f, 50, 900, MM_ADVISE_DONTNEED), 0);
	mm_space_check(f.space);
	expect_all(&f, 0, 50, true);
	expect_all(&f, 50, 950, false);
	expect_all(&f, 950, 1024, true);
	fixture_close(&f);
}

static void dontneed_passes_holes_and_ends_at_locked_memory(void **state)
{
	static const enum mm_advice advices[] = { MM_ADVISE_DONTNEED, MM_ADVISE_FREE };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct fixture f;

		fixture_open(&f, NULL, &host_space_none);
		assert_int_equal(map(&f, 0, 10, FIXTURE_RW), 0);
		assert_int_equal(map(&f, 20, 30, FIXTURE_RW), 0);
		put_all(&f, 0, 10);
		put_all(&f, 20, 50);
		assert_int_equal(advise(&f, 5, 20, advices[i]), -ENOMEM);
		expect_all(&f, 0, 5, true);
		expect_all(&f, 5, 10, false);
		expect_all(&f, 20, 25, false);
		expect_all(&f, 25, 50, true);
		put_all(&f, 5, 10);
		put_all(&f, 20, 25);
		assert_int_equal(
			mm_mlock(f.space, fixture_address(30), 2 * MM_PAGE_SIZE, MLOCK_LAZY), 0);
		assert_int_equal(advise(&f, 0, 50, advices[i]), -EINVAL);
		expect_all(&f, 0, 10, false);
		expect_all(&f, 20, 30, false);
		expect_all(&f, 30, 50, true);
		assert_int_equal(
			mm_mlock(f.space, fixture_address(30), 2 * MM_PAGE_SIZE, MLOCK_NONE), 0);
		assert_int_equal(advise(&f, 20, 30, advices[i]), 0);
		expect_all(&f, 20, 50, false);
		fixture_close(&f);
	}
}

static void free_is_for_private_anonymous_memory(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	struct shared_memory *sm = make_object(&f, 8);

	assert_int_equal(map(&f, 0, 4, FIXTURE_RW), 0);
	assert_int_equal(fixture_map(f.space, 4, 4, FIXTURE_RW, sm, true, 0), 0);
	assert_int_equal(fixture_map(f.space, 8, 4, FIXTURE_RW, sm, false, 0), 0);
	put_all(&f, 0, 12);
	assert_int_equal(advise(&f, 8, 4, MM_ADVISE_FREE), -EINVAL);
	assert_int_equal(advise(&f, 0, 12, MM_ADVISE_FREE), -EINVAL);
	expect_all(&f, 0, 4, false);
	expect_all(&f, 4, 12, true);
	drop_object(&f, sm);
	fixture_close(&f);
}

/* ---- DONTFORK ---- */

static void dontfork_is_kept_out_of_children(void **state)
{
	struct fixture f;
	struct mm_space *child;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(map(&f, 0, 10, FIXTURE_RW), 0);
	put_all(&f, 0, 10);
	assert_int_equal(advise(&f, 2, 3, MM_ADVISE_DOFORK), 0); /* as it is: nothing is cut */
	assert_int_equal(vmas(&f), 1);
	assert_int_equal(advise(&f, 2, 20, MM_ADVISE_DONTFORK), -ENOMEM);
	assert_int_equal(vmas(&f), 2);
	assert_int_equal(advise(&f, 4, 2, MM_ADVISE_DONTFORK), 0);
	assert_int_equal(vmas(&f), 2);
	assert_int_equal(advise(&f, 5, 1, MM_ADVISE_DOFORK), 0);
	assert_int_equal(mm_fork(f.space, &child), 0);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(fixture_get(&f, child, i), i < 2 || i == 5 ? byte_of(i) : -EFAULT);
	mm_space_check(child);
	mm_space_destroy(child);
	expect_all(&f, 0, 10, true);
	fixture_close(&f);
}

/* ---- REMOVE ---- */

static void remove_punches_shared_writable_mappings(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	struct shared_memory *sm = make_object(&f, 20);
	struct mmap_opts o = fixture_map_opts(60, 4, MM_READ);
	uint64_t got;

	assert_int_equal(fixture_map(f.space, 0, 20, FIXTURE_RW, sm, false, 0), 0);
	assert_int_equal(fixture_map(f.space, 30, 20, FIXTURE_RW, sm, true, 0), 0);
	put_all(&f, 0, 20);
	assert_int_equal(fixture_put(&f, f.space, 33, 99), 0);
	assert_int_equal(advise(&f, 2, 5, MM_ADVISE_REMOVE), 0);
	assert_int_equal(shared_memory_resident_pages(sm), 15);
	expect_all(&f, 0, 2, true);
	expect_all(&f, 2, 7, false);
	expect_all(&f, 7, 20, true);
	assert_int_equal(fixture_get(&f, f.space, 33), 99); /* a private copy stays */
	assert_int_equal(fixture_get(&f, f.space, 34), 0);
	assert_int_equal(advise(&f, 15, 10, MM_ADVISE_REMOVE), -ENOMEM); /* the rest is done */
	expect_all(&f, 15, 20, false);
	/* what refuses */
	assert_int_equal(advise(&f, 30, 1, MM_ADVISE_REMOVE), -EACCES);
	o.is_private = false;
	o.mappable = shared_memory_mappable(sm);
	o.identity = shared_memory_identity(sm);
	o.max_perms = MM_READ;
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	assert_int_equal(advise(&f, 60, 1, MM_ADVISE_REMOVE), -EACCES);
	assert_int_equal(map(&f, 70, 1, FIXTURE_RW), 0);
	assert_int_equal(advise(&f, 70, 1, MM_ADVISE_REMOVE), -EINVAL);
	assert_int_equal(mm_mlock(f.space, fixture_address(8), 1, MLOCK_LAZY), 0);
	assert_int_equal(advise(&f, 7, 4, MM_ADVISE_REMOVE), -EINVAL);
	expect_all(&f, 7, 8, false);
	expect_all(&f, 8, 15, true);
	assert_int_equal(shared_memory_add_seals(sm, SHARED_MEMORY_SEAL_GROW), 0);
	drop_object(&f, sm);
	fixture_close(&f);
}

struct remover {
	struct fixture *f;
	int rc;
};

static void *remove_in_thread(void *arg)
{
	struct remover *r = arg;

	assert_int_equal(mm_thread_enter(), 0);
	r->rc = advise(r->f, 0, 4, MM_ADVISE_REMOVE);
	mm_thread_leave();
	return NULL;
}

/* The mapping and the creator's reference go while the object is about to be punched: the call's
 * own reference must keep it, and `mapping` must be free for the unmap. */
static void remove_keeps_the_object_and_holds_no_lock(void **state)
{
	struct fixture f;
	struct remover r = { &f, 1 };
	pthread_t thread;

	(void)state;
	if (!mm_test_points_enabled())
		skip();
	gates_init();
	fixture_open(&f, NULL, &host_space_none);
	struct shared_memory *sm = make_object(&f, 4);

	assert_int_equal(fixture_map(f.space, 0, 4, FIXTURE_RW, sm, false, 0), 0);
	put_all(&f, 0, 4);
	gate_arm("space_remove_unlocked");
	assert_int_equal(pthread_create(&thread, NULL, remove_in_thread, &r), 0);
	gate_await("space_remove_unlocked");
	drop_object(&f, sm);
	assert_int_equal(fixture_live(&f), 4); /* it lives by one reference */
	gate_open("space_remove_unlocked");
	pthread_join(thread, NULL);
	gates_open_all();
	assert_int_equal(r.rc, 0);
	assert_int_equal(fixture_live(&f), 0);
	fixture_close(&f);
}

/* ---- POPULATE ---- */

static void populate_faults_ahead(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	struct shared_memory *sm = make_object(&f, 3);

	assert_int_equal(map(&f, 0, 10, FIXTURE_RW), 0);
	assert_int_equal(advise(&f, 2, 5, MM_ADVISE_POPULATE_READ), 0);
	assert_int_equal(fixture_live(&f), 5);
	assert_int_equal(advise(&f, 8, 4, MM_ADVISE_POPULATE_WRITE), -ENOMEM);
	assert_int_equal(fixture_live(&f), 7); /* what precedes the hole is populated */
	assert_int_equal(mm_mprotect(f.space, fixture_address(0), MM_PAGE_SIZE, MM_READ), 0);
	assert_int_equal(advise(&f, 0, 1, MM_ADVISE_POPULATE_WRITE), -EINVAL);
	assert_int_equal(advise(&f, 0, 1, MM_ADVISE_POPULATE_READ), 0);
	assert_int_equal(mm_mprotect(f.space, fixture_address(0), MM_PAGE_SIZE, MM_NONE), 0);
	assert_int_equal(advise(&f, 0, 1, MM_ADVISE_POPULATE_READ), -EINVAL);
	assert_int_equal(mm_mprotect(f.space, fixture_address(0), MM_PAGE_SIZE, MM_WRITE), 0);
	assert_int_equal(advise(&f, 0, 1, MM_ADVISE_POPULATE_READ), -EINVAL); /* to the letter */
	/* copies, and the end of the object */
	assert_int_equal(fixture_map(f.space, 20, 5, FIXTURE_RW, sm, true, 0), 0);
	assert_int_equal(advise(&f, 20, 3, MM_ADVISE_POPULATE_READ), 0);
	assert_int_equal(fixture_copied(&f), 0);
	assert_int_equal(advise(&f, 20, 3, MM_ADVISE_POPULATE_WRITE), 0);
	assert_int_equal(fixture_copied(&f), 3);
	assert_int_equal(advise(&f, 20, 4, MM_ADVISE_POPULATE_READ), -EFAULT);
	drop_object(&f, sm);
	fixture_close(&f);
}

/* ---- msync ---- */

/* An identity that writes down what it is asked for. */
struct recorder {
	struct mapping_identity id;
	struct mm_space *space;
	int references, rc;
	unsigned calls, locks_held;
	struct mappable_range ranges[8];
	uint64_t unmap; /* an address whose page the next msync unmaps; 0: none */
};

static struct recorder *recorder_of(struct mapping_identity *id)
{
	return (struct recorder *)id;
}

static void recorder_inc_ref(struct mapping_identity *id)
{
	__atomic_add_fetch(&recorder_of(id)->references, 1, __ATOMIC_RELAXED);
}

static void recorder_dec_ref(struct mapping_identity *id)
{
	__atomic_sub_fetch(&recorder_of(id)->references, 1, __ATOMIC_RELAXED);
}

static int recorder_msync(struct mapping_identity *id, struct mappable_range mr)
{
	struct recorder *r = recorder_of(id);

	r->locks_held += lock_rank_held();
	r->ranges[r->calls++ % 8] = mr;
	if (r->unmap)
		assert_int_equal(mm_munmap(r->space, r->unmap, MM_PAGE_SIZE), 0);
	r->unmap = 0;
	return r->rc;
}

static void recorder_name(struct mapping_identity *id, char *name, size_t size)
{
	(void)id;
	snprintf(name, size, "recorder");
}

static uint64_t recorder_number(struct mapping_identity *id)
{
	(void)id;
	return 1;
}

static const struct mapping_identity_ops recorder_ops = {
	.mapped_name = recorder_name,
	.device_id = recorder_number,
	.inode_id = recorder_number,
	.inc_ref = recorder_inc_ref,
	.dec_ref = recorder_dec_ref,
	.msync = recorder_msync,
};

static void map_recorded(struct fixture *f, struct recorder *r, struct shared_memory *sm,
			 uint64_t page, uint64_t pages, bool is_private)
{
	struct mmap_opts o = fixture_map_opts(page, pages, FIXTURE_RW);
	uint64_t got;

	o.mappable = shared_memory_mappable(sm);
	o.identity = &r->id;
	o.offset = page * MM_PAGE_SIZE;
	o.is_private = is_private;
	assert_int_equal(mm_mmap(f->space, &o, &got), 0);
}

static int sync_pages(struct fixture *f, uint64_t page, uint64_t pages, bool sync, bool invalidate)
{
	return mm_msync(f->space, fixture_address(page), pages * MM_PAGE_SIZE, sync, invalidate);
}

static void expect_range(const struct recorder *r, unsigned call, uint64_t first, uint64_t end)
{
	assert_int_equal(r->ranges[call].start, first * MM_PAGE_SIZE);
	assert_int_equal(r->ranges[call].end, end * MM_PAGE_SIZE);
}

static void msync_writes_shared_mappings_back(void **state)
{
	struct fixture f;
	struct recorder r = { .id = { &recorder_ops } };

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	struct shared_memory *sm = make_object(&f, 64);

	r.space = f.space;
	map_recorded(&f, &r, sm, 0, 4, false);
	map_recorded(&f, &r, sm, 4, 2, true);
	map_recorded(&f, &r, sm, 8, 4, false);
	assert_int_equal(r.references, 3);
	assert_int_equal(sync_pages(&f, 1, 3, true, false), 0);
	assert_int_equal(r.calls, 1);
	expect_range(&r, 0, 1, 4);
	assert_int_equal(sync_pages(&f, 1, 3, false, false), 0);
	assert_int_equal(sync_pages(&f, 0, 12, false, true), -ENOMEM);
	assert_int_equal(r.calls, 1);
	/* a private mapping and a hole between: both shared ones are written */
	assert_int_equal(sync_pages(&f, 2, 8, true, true), -ENOMEM);
	assert_int_equal(r.calls, 3);
	expect_range(&r, 1, 2, 4);
	expect_range(&r, 2, 8, 10);
	/* writability is not asked */
	assert_int_equal(mm_mprotect(f.space, fixture_address(0), MM_PAGE_SIZE, MM_NONE), 0);
	assert_int_equal(sync_pages(&f, 0, 1, true, false), 0);
	expect_range(&r, 3, 0, 1);
	/* an error ends it at once */
	r.rc = -EIO;
	assert_int_equal(sync_pages(&f, 0, 12, true, false), -EIO);
	assert_int_equal(r.calls, 5);
	/* no lock is held: the mapping behind goes meanwhile, and is not asked */
	r.rc = 0;
	r.unmap = fixture_address(8);
	assert_int_equal(sync_pages(&f, 3, 7, true, false), -ENOMEM);
	assert_int_equal(r.calls, 7);
	expect_range(&r, 6, 9, 10);
	assert_int_equal(r.locks_held, 0);
	drop_object(&f, sm);
	assert_int_equal(r.references, 0);
	fixture_close(&f);
}

static void msync_invalidate_refuses_locked_mappings_in_the_range(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(map(&f, 0, 4, FIXTURE_RW), 0);
	assert_int_equal(map(&f, 6, 4, FIXTURE_RW), 0);
	assert_int_equal(mm_mlock(f.space, fixture_address(6), MM_PAGE_SIZE, MLOCK_LAZY), 0);
	assert_int_equal(sync_pages(&f, 0, 8, false, true), -EBUSY);
	assert_int_equal(sync_pages(&f, 0, 8, true, false), -ENOMEM);
	assert_int_equal(sync_pages(&f, 7, 3, true, true), 0);
	/* a locked mapping behind the range is none of its business */
	assert_int_equal(sync_pages(&f, 0, 4, true, true), 0);
	assert_int_equal(sync_pages(&f, 0, 6, true, true), -ENOMEM);
	fixture_close(&f);
}

/* ---- mincore ---- */

static void mincore_tells_what_is_resident(void **state)
{
	enum { PAGES = 5000 };
	static unsigned char vec[PAGES + 1];
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	struct shared_memory *sm = make_object(&f, PAGES);

	memset(vec, 0xff, sizeof(vec));
	assert_int_equal(map(&f, 0, PAGES, FIXTURE_RW), 0);
	for (uint64_t i = 0; i < PAGES; i += 7)
		assert_int_equal(mm_fault(f.space, fixture_address(i), MM_READ), 0);
	assert_int_equal(mm_mincore(f.space, fixture_address(0), PAGES * MM_PAGE_SIZE - 1, vec), 0);
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(vec[i], i % 7 == 0);
	assert_int_equal(vec[PAGES], 0xff);
	/* what the object has is resident, whoever brought it in; a private copy as well */
	assert_int_equal(fixture_map(f.space, 0, PAGES, FIXTURE_RW, sm, false, 0), 0);
	for (uint64_t i = 0; i < PAGES; i += 5)
		assert_int_equal(mm_fault(f.space, fixture_address(i), MM_WRITE), 0);
	assert_int_equal(fixture_map(f.space, 0, PAGES, FIXTURE_RW, sm, true, 0), 0);
	assert_int_equal(mm_fault(f.space, fixture_address(5), MM_WRITE), 0);
	assert_int_equal(mm_fault(f.space, fixture_address(10), MM_READ), 0);
	assert_int_equal(mm_mincore(f.space, fixture_address(0), PAGES * MM_PAGE_SIZE, vec), 0);
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(vec[i], i % 5 == 0);
	/* a copy is resident even if the object has lost the page */
	assert_int_equal(shared_memory_punch(sm, (struct mappable_range){ 0, 11 * MM_PAGE_SIZE }),
			 0);
	assert_int_equal(mm_mincore(f.space, fixture_address(0), 16 * MM_PAGE_SIZE, vec), 0);
	for (uint64_t i = 0; i < 16; i++)
		assert_int_equal(vec[i], i == 5 || i == 15);
	assert_int_equal(mm_munmap(f.space, fixture_address(4998), MM_PAGE_SIZE), 0);
	assert_int_equal(mm_mincore(f.space, fixture_address(0), PAGES * MM_PAGE_SIZE, vec),
			 -ENOMEM);
	drop_object(&f, sm);
	fixture_close(&f);
}

static void mincore_of_huge_pages(void **state)
{
	struct mm_opts opts = { .page_class = PAGE_THP };
	static unsigned char vec[1024];
	struct fixture f;

	(void)state;
	fixture_open(&f, &opts, &host_space_none);
	assert_int_equal(map(&f, 0, 1024, FIXTURE_RW), 0);
	assert_int_equal(mm_fault(f.space, fixture_address(600), MM_WRITE), 0);
	assert_int_equal(mm_mincore(f.space, fixture_address(500), 500 * MM_PAGE_SIZE, vec), 0);
	for (uint64_t i = 0; i < 500; i++)
		assert_int_equal(vec[i], i >= 12);
	fixture_close(&f);
}

/* ---- mbind ---- */

static void mbind_changes_the_policy_of_a_range(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(map(&f, 0, 10, FIXTURE_RW), 0);
	put_all(&f, 0, 10);
	assert_int_equal(mm_mbind(f.space, fixture_address(0), 10 * MM_PAGE_SIZE, NUMA_LOCAL, 0),
			 0);
	assert_int_equal(
		mm_mbind(f.space, fixture_address(0), 10 * MM_PAGE_SIZE, NUMA_PREFERRED, 0), 0);
	assert_int_equal(vmas(&f), 1); /* both are what it was */
	assert_int_equal(mm_mbind(f.space, fixture_address(4), 10 * MM_PAGE_SIZE, NUMA_BIND, 1),
			 -EFAULT);
	assert_int_equal(vmas(&f), 1); /* a hole: nothing is changed */
	assert_int_equal(mm_mbind(f.space, fixture_address(4), 2 * MM_PAGE_SIZE, NUMA_BIND, 1), 0);
	assert_int_equal(vmas(&f), 2);
	/* back to the default, over a hole */
	assert_int_equal(mm_mbind(f.space, fixture_address(3), 10 * MM_PAGE_SIZE, NUMA_LOCAL, 0),
			 0);
	expect_all(&f, 0, 10, true);
	assert_int_equal(vmas(&f), 2); /* the one that was cut, and the one that came back */
	fixture_close(&f);
}

static void policies_steer_where_pages_come_from(void **state)
{
	static struct memory_file_private nowhere; /* nobody decides about the family */
	struct memory_file memory = { .private = &nowhere };
	struct mm mm = { .nodes = 4, .memory = &memory };
	struct vma v = { .numa_policy = NUMA_LOCAL };
	static const unsigned nodes[] = { 0, 1, 3 };

	(void)state;
	memset(mm.node_of_cpu, 3, sizeof(mm.node_of_cpu));
	assert_int_equal(space_node(&mm, &v, 17), 3);
	v.numa_policy = NUMA_BIND;
	v.numa_nodes = 6;
	assert_int_equal(space_node(&mm, &v, 17), 1);
	v.numa_policy = NUMA_PREFERRED;
	v.numa_nodes = 4;
	assert_int_equal(space_node(&mm, &v, 17), 2);
	v.numa_policy = NUMA_INTERLEAVE;
	v.numa_nodes = 11; /* 0, 1, 3 */
	for (uint64_t page = 30; page < 39; page++)
		assert_int_equal(space_node(&mm, &v, page), nodes[page % 3]);
	mm.nodes = 1;
	assert_int_equal(space_node(&mm, &v, 31), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dontneed_of_a_part_of_huge_pages_drops_that_part),
		cmocka_unit_test(dontneed_of_private_copies_shows_the_object_again),
		cmocka_unit_test(dontneed_goes_over_several_mappings),
		cmocka_unit_test(dontneed_passes_holes_and_ends_at_locked_memory),
		cmocka_unit_test(free_is_for_private_anonymous_memory),
		cmocka_unit_test(dontfork_is_kept_out_of_children),
		cmocka_unit_test(remove_punches_shared_writable_mappings),
		cmocka_unit_test(remove_keeps_the_object_and_holds_no_lock),
		cmocka_unit_test(populate_faults_ahead),
		cmocka_unit_test(msync_writes_shared_mappings_back),
		cmocka_unit_test(msync_invalidate_refuses_locked_mappings_in_the_range),
		cmocka_unit_test(mincore_tells_what_is_resident),
		cmocka_unit_test(mincore_of_huge_pages),
		cmocka_unit_test(mbind_changes_the_policy_of_a_range),
		cmocka_unit_test(policies_steer_where_pages_come_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
