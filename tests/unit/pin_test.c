/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pin_test.c - pins keep pages, count them, and come in runs; pages that go from the space while
 * they are pinned live on until the last pin.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/unit/checked.h"

#include "engine/mm_io.h"
#include "engine/shared_memory.h"
#include "engine/space.h"
#include "engine/memory_readback.h"
#include "tests/unit/hugepages.h"

#define BASE (UINT64_C(1) << 30)
#define PAGE MM_PAGE_SIZE
#define RW (MM_READ | MM_WRITE)

struct fixture {
	struct mm *mm;
	struct mm_space *s;
	struct memory_file *mf;
};

static void open_fixture(struct fixture *f, enum page_class cls)
{
	struct mm_opts opts = { .page_class = cls };

	assert_int_equal(mm_thread_enter(), 0);
	assert_int_equal(mm_create(&opts, &f->mm), 0);
	assert_int_equal(mm_space_create(f->mm, &host_space_none, 0, &f->s), 0);
	f->mf = mm_memory_file(f->mm);
}

static uint64_t live_pages(const struct fixture *f)
{
	struct mm_stat stat;

	mm_get_stat(f->mm, &stat);
	return stat.memory.live_pages;
}

static void close_fixture(struct fixture *f)
{
	mm_space_check(f->s);
	mm_space_destroy(f->s);
	assert_int_equal(live_pages(f), 0);
	mm_destroy(f->mm);
	mm_thread_leave();
}

static void map(struct mm_space *s, uint64_t page, uint64_t pages, mm_access perms,
		struct shared_memory *sm)
{
	struct mmap_opts o = { .length = pages * PAGE,
			       .address = BASE + page * PAGE,
			       .fixed = true,
			       .unmap = true,
			       .perms = perms,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = !sm };
	uint64_t got;

	if (sm) {
		o.mappable = shared_memory_mappable(sm);
		o.identity = shared_memory_identity(sm);
	}
	assert_int_equal(mm_mmap(s, &o, &got), 0);
}

static struct addr_range range(uint64_t page, uint64_t pages)
{
	return (struct addr_range){ BASE + page * PAGE, BASE + (page + pages) * PAGE };
}

static void pinned_pages_are_counted_and_stay(void **state)
{
	struct fixture f;
	struct mm_pin pins[8], again[8];
	size_t count, more;

	(void)state;
	open_fixture(&f, PAGE_4K);
	map(f.s, 0, 100, RW, NULL);
	assert_false(atomic_load(&f.s->has_pinned));
	assert_int_equal(mm_pin(f.s, range(0, 100), MM_WRITE, pins, 8, &count), 0);
	assert_true(atomic_load(&f.s->has_pinned));
	assert_int_equal(count, 1); /* the address decides the page: neighbours */
	assert_true(pins[0].range.start == BASE && pins[0].range.end == BASE + 100 * PAGE);
	assert_int_equal(mm_pin(f.s, range(3, 2), MM_READ, again, 8, &more), 0);
	assert_int_equal(more, 1);
	assert_int_equal(again[0].first_page, pins[0].first_page + 3);
	for (uint32_t i = 0; i < 100; i++) {
		unsigned n = i == 3 || i == 4 ? 2 : 1;

		assert_int_equal(memory_file_pins(f.mf, pins[0].first_page + i), n);
		assert_int_equal(memory_file_count(f.mf, pins[0].first_page + i), n + 1);
	}
	/* The application lets go; who pinned may still read. */
	memory_file_memory(f.mf, pins[0].first_page + 3)[5] = 55;
	assert_int_equal(mm_munmap(f.s, BASE, 100 * PAGE), 0);
	assert_int_equal(live_pages(&f), 100);
	mm_unpin(f.s, pins, count);
	assert_int_equal(live_pages(&f), 2);
	assert_int_equal(memory_file_memory(f.mf, again[0].first_page)[5], 55);
	mm_unpin(f.s, again, more);
	assert_int_equal(memory_file_pins(f.mf, pins[0].first_page + 3), 0);
	close_fixture(&f);
}

/* What is discarded and written anew is another page: the pinned one is not handed out again. */
static void a_pinned_page_is_not_reused(void **state)
{
	struct fixture f;
	struct mm_pin before, after;
	size_t count;

	(void)state;
	open_fixture(&f, PAGE_4K);
	map(f.s, 0, 1, RW, NULL);
	assert_int_equal(mm_pin(f.s, range(0, 1), MM_WRITE, &before, 1, &count), 0);
	assert_int_equal(mm_discard(f.s, BASE, PAGE), 0);
	assert_int_equal(mm_pin(f.s, range(0, 1), MM_READ, &after, 1, &count), 0);
	assert_int_not_equal(before.first_page, after.first_page);
	mm_unpin(f.s, &before, 1);
	mm_unpin(f.s, &after, 1);
	close_fixture(&f);
}

static void arguments_and_edges(void **state)
{
	struct fixture f;
	struct mm_pin pins[4];
	size_t count = 99;
	struct addr_range bad[] = {
		{ BASE, BASE }, { BASE + PAGE, BASE }, { BASE + 1, BASE + PAGE }, { BASE, BASE + 1 }
	};

	(void)state;
	open_fixture(&f, PAGE_4K);
	map(f.s, 0, 10, RW, NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(mm_pin(f.s, bad[i], MM_READ, pins, 4, &count), -EINVAL);
		assert_int_equal(count, 0);
	}
	assert_int_equal(
		mm_pin(f.s, (struct addr_range){ UINT64_C(1) << 63, (UINT64_C(1) << 63) + PAGE },
		       MM_READ, pins, 4, &count),
		-EFAULT);
	assert_int_equal(count, 0);
	/* A prefix, then a hole; then no permission. */
	assert_int_equal(mm_munmap(f.s, BASE + 6 * PAGE, PAGE), 0);
	assert_int_equal(mm_mprotect(f.s, BASE + 4 * PAGE, PAGE, MM_READ), 0);
	assert_int_equal(mm_pin(f.s, range(2, 8), MM_READ, pins, 4, &count), -EFAULT);
	assert_int_equal(count, 1);
	assert_true(pins[0].range.end == BASE + 6 * PAGE);
	mm_unpin(f.s, pins, count);
	assert_int_equal(mm_pin(f.s, range(2, 8), MM_WRITE, pins, 4, &count), -EFAULT);
	assert_int_equal(count, 1);
	assert_true(pins[0].range.end == BASE + 4 * PAGE);
	mm_unpin(f.s, pins, count);
	close_fixture(&f);
}

/* Pages in the wrong order make a run each; more runs than there is room for are not pinned. */
static void runs_are_counted(void **state)
{
	struct fixture f;
	struct shared_memory *sm;
	struct mm_pin pins[8];
	size_t count;

	(void)state;
	open_fixture(&f, PAGE_4K);
	assert_int_equal(shared_memory_create(f.mf, 8 * PAGE, PAGE_4K, NULL, &sm), 0);
	map(f.s, 0, 8, RW, sm);
	for (uint64_t i = 8; i-- > 0;) /* pages are handed out one after another */
		assert_int_equal(mm_fault(f.s, BASE + i * PAGE, MM_WRITE), 0);
	assert_int_equal(mm_pin(f.s, range(0, 8), MM_WRITE, pins, 8, &count), 0);
	assert_int_equal(count, 8);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(memory_file_pins(f.mf, pins[i].first_page), 1);
	mm_unpin(f.s, pins, count);
	assert_int_equal(mm_pin(f.s, range(0, 8), MM_WRITE, pins, 5, &count), -ENOSPC);
	assert_int_equal(count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_true(pins[i].range.start == BASE + i * PAGE);
	/* A truncate takes the pages from the object, not from who pinned them. */
	assert_int_equal(shared_memory_truncate(sm, 0), 0);
	assert_int_equal(live_pages(&f), 5);
	mm_unpin(f.s, pins, count);
	assert_int_equal(live_pages(&f), 0);
	assert_int_equal(mm_munmap(f.s, BASE, 8 * PAGE), 0);
	mapping_identity_dec_ref(shared_memory_identity(sm));
	close_fixture(&f);
}

static void parts_of_huge_pages_are_pinned(void **state)
{
	struct fixture f;
	struct mm_pin pins[4];
	size_t count;

	(void)state;
	open_fixture(&f, PAGE_THP);
	map(f.s, 0, 1024, RW, NULL);
	assert_int_equal(mm_pin(f.s, range(500, 100), MM_WRITE, pins, 4, &count), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(memory_file_pins(f.mf, pins[i].first_page), 1);
	assert_int_equal(mm_munmap(f.s, BASE, 1024 * PAGE), 0);
	assert_int_equal(live_pages(&f), 100);
	mm_unpin(f.s, pins, count);
	close_fixture(&f);
}

/* A hugetlb page that is cut becomes small pages, but what is pinned stays where it is. */
static void pinned_parts_stay_when_a_huge_page_is_taken_apart(void **state)
{
	struct fixture f;
	struct mm_pin pins[2];
	size_t count;
	size_t more;
	const char *why;
	uint64_t done;
	unsigned char byte = 0;

	(void)state;
	if (memory_file_probe(PAGE_2M, &why))
		skip();
	open_fixture(&f, PAGE_2M);
	map(f.s, 0, 512, RW, NULL);
	assert_int_equal(mm_pin(f.s, range(100, 2), MM_WRITE, pins, 1, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(mm_munmap(f.s, BASE, 10 * PAGE), 0);
	for (uint32_t i = 0; i < 2; i++)
		memory_file_memory(f.mf, pins[0].first_page + i)[5] = 55; /* the device */
	for (uint64_t i = 0; i < 2; i++) {
		assert_int_equal(mm_copy_in(f.s, BASE + (100 + i) * PAGE + 5, &byte, 1,
					    (struct mm_io_opts){ false }, &done),
				 0);
		assert_int_equal(byte, 55);
	}
	assert_int_equal(mm_pin(f.s, range(101, 2), MM_READ, &pins[1], 1, &more), -ENOSPC);
	assert_int_equal(pins[1].first_page, pins[0].first_page + 1);
	mm_space_check(f.s);
	assert_int_equal(mm_munmap(f.s, BASE, 512 * PAGE), 0);
	assert_int_equal(live_pages(&f), 2);
	mm_unpin(f.s, pins, 2);
	close_fixture(&f);
}

#define THREADS 3
#define ROUNDS 1500

static void *pin_and_unpin(void *arg)
{
	struct fixture *f = arg;
	void *failed = mm_thread_enter() ? arg : NULL;

	for (int i = 0; i < ROUNDS && !failed; i++) {
		struct mm_pin pins[8];
		size_t count;
		int rc = mm_pin(f->s, range(0, 8), MM_WRITE, pins, 8, &count);

		if (rc && rc != -EFAULT)
			failed = arg;
		for (size_t j = 0; j < count; j++)
			if (!memory_file_pins(f->mf, pins[j].first_page))
				failed = arg;
		mm_unpin(f->s, pins, count);
	}
	mm_thread_leave();
	return failed;
}

static void pins_race_with_unmaps(void **state)
{
	struct fixture f;
	pthread_t thread[THREADS];

	(void)state;
	open_fixture(&f, PAGE_4K);
	map(f.s, 0, 8, RW, NULL);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, pin_and_unpin, &f), 0);
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(mm_discard(f.s, BASE, 3 * PAGE), 0);
		assert_int_equal(mm_munmap(f.s, BASE + 2 * PAGE, 2 * PAGE), 0);
		map(f.s, 2, 2, RW, NULL);
	}
	for (int i = 0; i < THREADS; i++) {
		void *failed;

		pthread_join(thread[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(mm_munmap(f.s, BASE, 8 * PAGE), 0);
	assert_int_equal(live_pages(&f), 0);
	close_fixture(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pinned_pages_are_counted_and_stay),
		cmocka_unit_test(a_pinned_page_is_not_reused),
		cmocka_unit_test(arguments_and_edges),
		cmocka_unit_test(runs_are_counted),
		cmocka_unit_test(parts_of_huge_pages_are_pinned),
		cmocka_unit_test(pinned_parts_stay_when_a_huge_page_is_taken_apart),
		cmocka_unit_test(pins_race_with_unmaps),
	};

	return cmocka_run_group_tests(tests, hugepages_setup, hugepages_teardown);
}
