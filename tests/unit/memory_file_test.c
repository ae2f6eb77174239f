/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_file_test.c - what memory_file.h promises, one promise a test.
 *
 * Tests of huge memory add pages to the pool if they may, give them back, and are skipped where
 * no page can be had.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/fail.h"
#include "engine/memory_file.h"
#include "engine/node_choice.h"
#include "engine/memory_readback.h"
#include "tests/unit/hugepages.h"

#define HUGE ((uint32_t)MM_HUGE_PAGES)
#define MIB (UINT64_C(1) << 20)

static jmp_buf failed;
static char fail_text[512];

static void catch_fail(const char *text)
{
	snprintf(fail_text, sizeof(fail_text), "%s", text);
	longjmp(failed, 1);
}

static struct memory_file *make(uint64_t max_bytes, uint64_t retain_bytes)
{
	struct memory_file_opts opts = { .span_bytes = UINT64_C(8) << 30,
					 .max_bytes = max_bytes,
					 .retain_bytes = retain_bytes };
	struct memory_file *mf = NULL;

	assert_int_equal(memory_file_create(&opts, &mf), 0);
	return mf;
}

static struct memory_file_stat stat_of(struct memory_file *mf)
{
	struct memory_file_stat st;

	memory_file_get_stat(mf, &st);
	return st;
}

/* Nothing was lost: all gigabytes of the span (but the first) can be reserved as a whole. */
static void all_is_free(struct memory_file *mf)
{
	uint32_t runs[8];
	int n = 0;

	/* Asking for no memory takes over what other CPUs freed, all the same. */
	assert_int_equal(memory_file_prefault(mf, 0, PAGE_4K, 0), 0);
	for (int cls = 0; cls <= PAGE_2M; cls++)
		while (n < 8 && !memory_file_reserve(mf, 0, (enum page_class)cls,
						     MEMORY_CHUNK_PAGES, 0, &runs[n]))
			n++;
	assert_int_equal(n, 7);
	while (n)
		memory_file_unreserve(mf, runs[--n], MEMORY_CHUNK_PAGES);
	memory_file_check(mf);
}

static void finish(struct memory_file *mf)
{
	memory_file_check(mf);
	assert_int_equal(stat_of(mf).live_pages, 0);
	all_is_free(mf);
	memory_file_destroy(mf);
}

static bool reads_zero(struct memory_file *mf, uint32_t page, uint32_t pages)
{
	const unsigned char *p = memory_file_memory(mf, page);
	size_t size = (size_t)pages * MM_PAGE_SIZE;

	return p[0] == 0 && !memcmp(p, p + 1, size - 1);
}

static void scribble(struct memory_file *mf, uint32_t page, uint32_t pages)
{
	memory_file_mark_dirty_range(mf, page, pages);
	memset(memory_file_memory(mf, page), 0xa5, (size_t)pages * MM_PAGE_SIZE);
}

static void test_alloc_gives_distinct_zero_pages(void **state)
{
	enum { N = 3000 };
	static uint32_t pages[N];
	struct memory_file *mf = make(0, 0);

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++) {
			assert_int_equal(memory_file_alloc(mf, MEMORY_NODE_ANY, &pages[i]), 0);
			assert_int_not_equal(pages[i], 0);
			assert_int_equal(memory_file_count(mf, pages[i]), 1);
			assert_true(reads_zero(mf, pages[i], 1));
			scribble(mf, pages[i], 1);
			memcpy(memory_file_memory(mf, pages[i]), &i, sizeof(i));
		}
		assert_int_equal(stat_of(mf).live_pages, N);
		memory_file_check(mf);
		for (int i = 0; i < N; i++) {
			assert_memory_equal(memory_file_memory(mf, pages[i]), &i, sizeof(i));
			memory_file_dec(mf, pages[i]);
		}
		memory_file_check(mf);
	}
	assert_true(stat_of(mf).zeroed_pages >= N);
	finish(mf);
}

static void test_clean_pages_are_not_zeroed(void **state)
{
	struct memory_file *mf = make(0, 0);
	uint32_t page;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		assert_int_equal(memory_file_alloc(mf, MEMORY_NODE_ANY, &page), 0);
		memory_file_dec(mf, page);
	}
	assert_int_equal(stat_of(mf).zeroed_pages, 0);
	finish(mf);
}

static void test_counts(void **state)
{
	struct memory_file *mf = make(0, 0);
	uint32_t page;

	(void)state;
	assert_int_equal(memory_file_alloc(mf, 0, &page), 0);
	memory_file_inc(mf, page);
	assert_true(memory_file_inc_not_zero(mf, page));
	assert_int_equal(memory_file_count(mf, page), 3);
	memory_file_dec_range(mf, page, 1);
	memory_file_dec(mf, page);
	memory_file_dec(mf, page);
	assert_int_equal(memory_file_count(mf, page), 0);
	assert_false(memory_file_inc_not_zero(mf, page));
	finish(mf);
}

static void test_large_run(void **state)
{
	struct memory_file *mf = make(0, 0);
	uint32_t first, again, pages = 5 * HUGE + 17;

	(void)state;
	assert_int_equal(memory_file_reserve(mf, MEMORY_NODE_ANY, PAGE_4K, pages, 700, &first), 0);
	assert_int_equal(first % HUGE, 700 % HUGE);
	assert_int_equal(stat_of(mf).live_pages, 0);
	for (uint32_t i = 0; i < pages; i += 3)
		assert_int_equal(memory_file_claim(mf, first + i), 0);
	assert_int_equal(memory_file_claim(mf, first), -EBUSY);
	assert_int_equal(stat_of(mf).live_pages, (pages + 2) / 3);
	scribble(mf, first + 3, 1);
	for (uint32_t i = 0; i < pages; i += 3)
		memory_file_dec(mf, first + i);
	/* Still reserved: claimed again, and clean again. */
	assert_int_equal(memory_file_claim_writable(mf, first + 3), 0);
	assert_true(reads_zero(mf, first + 3, 1));
	memset(memory_file_memory(mf, first + 3), 1, 1);
	memory_file_dec(mf, first + 3);
	memory_file_unreserve(mf, first, pages);
	memory_file_check(mf);
	/* First fit: the same run again. */
	assert_int_equal(memory_file_reserve(mf, MEMORY_NODE_ANY, PAGE_4K, pages, 700, &again), 0);
	assert_int_equal(again, first);
	assert_int_equal(memory_file_claim(mf, first + 3), 0);
	assert_true(reads_zero(mf, first + 3, 1));
	memory_file_dec(mf, first + 3);
	memory_file_unreserve(mf, again, pages);
	finish(mf);
}

static void test_pages_outlive_their_run(void **state)
{
	struct memory_file *mf = make(0, 0);
	uint32_t first, second, others[3];

	(void)state;
	assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, 4 * HUGE, 0, &first), 0);
	assert_int_equal(memory_file_claim(mf, first + HUGE + 5), 0);
	assert_int_equal(memory_file_claim(mf, first + HUGE + 300), 0);
	scribble(mf, first + HUGE + 5, 1);
	memory_file_unreserve(mf, first, 4 * HUGE);
	memory_file_check(mf);
	/* Its block is not handed out while a page lives. */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, HUGE, 0, &others[i]), 0);
		assert_int_not_equal(others[i], first + HUGE);
	}
	memory_file_dec(mf, first + HUGE + 300);
	memory_file_check(mf);
	assert_int_equal(stat_of(mf).live_pages, 1);
	memory_file_dec(mf, first + HUGE + 5);
	memory_file_check(mf);
	assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, HUGE, 0, &second), 0);
	assert_int_equal(second, first + HUGE);
	assert_int_equal(memory_file_claim(mf, first + HUGE + 5), 0);
	assert_true(reads_zero(mf, first + HUGE + 5, 1));
	memory_file_dec(mf, first + HUGE + 5);
	memory_file_unreserve(mf, second, HUGE);
	for (int i = 0; i < 3; i++)
		memory_file_unreserve(mf, others[i], HUGE);
	finish(mf);
}

static void test_short_run(void **state)
{
	struct memory_file *mf = make(0, 0);
	uint32_t first, other, page;

	(void)state;
	assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, 100, 0, &first), 0);
	assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, 511, 0, &other), 0);
	assert_true(other >= first + 100 || other + 511 <= first);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(memory_file_claim_writable(mf, first + i), 0);
	/* Pages allocated meanwhile are others. */
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(memory_file_alloc(mf, 0, &page), 0);
		assert_true(page < first || page >= first + 100);
		assert_true(page < other || page >= other + 511);
	}
	memory_file_dec_range(mf, first, 50);
	memory_file_unreserve(mf, first, 100);
	memory_file_check(mf);
	assert_int_equal(stat_of(mf).live_pages, 1050);
	memory_file_dec_range(mf, first + 50, 50);
	memory_file_unreserve(mf, other, 511);
	memory_file_check(mf);
	assert_int_equal(stat_of(mf).live_pages, 1000);
	/* Ends with a leak: reported with its number; then put right. */
	mm_fail_hook old = mm_fail_set_hook(catch_fail);

	if (!setjmp(failed)) {
		memory_file_destroy(mf);
		fail_msg("a leak went unnoticed");
	}
	mm_fail_set_hook(old);
	assert_non_null(strstr(fail_text, "1000 pages"));
	for (uint32_t n = MEMORY_CHUNK_PAGES; n < 2 * MEMORY_CHUNK_PAGES; n++)
		if (memory_file_count(mf, n))
			memory_file_dec(mf, n);
	finish(mf);
}

static void test_underflow_is_reported(void **state)
{
	struct memory_file *mf = make(0, 0);
	uint32_t page;
	mm_fail_hook old;

	(void)state;
	assert_int_equal(memory_file_alloc(mf, 0, &page), 0);
	memory_file_dec(mf, page);
	old = mm_fail_set_hook(catch_fail);
	fail_text[0] = 0;
	if (!setjmp(failed)) {
		memory_file_dec(mf, page);
		fail_msg("an underflow went unnoticed");
	}
	mm_fail_set_hook(old);
	assert_non_null(strstr(fail_text, "reference"));
	atomic_store(&mf->counts[page], 0);
	finish(mf);
}

static void test_limit_refuses(void **state)
{
	struct memory_file *mf = make(8 * MIB, 0);
	static uint32_t pages[4 * 512];
	uint32_t first, page;
	int n = 0;

	(void)state;
	for (; n < 4 * 512 && !memory_file_alloc(mf, 0, &pages[n]); n++)
		;
	assert_int_equal(n, 4 * 512);
	assert_int_equal(memory_file_alloc(mf, 0, &page), -ENOMEM);
	/* Page numbers are free, memory is not. */
	assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, 1024, 0, &first), 0);
	assert_int_equal(memory_file_claim(mf, first), -ENOMEM);
	for (int i = 0; i < n; i++)
		memory_file_dec(mf, pages[i]);
	/* Retained memory makes room, wherever it was freed. */
	for (uint32_t i = 0; i < 1024; i++)
		assert_int_equal(memory_file_claim(mf, first + i), 0);
	memory_file_dec_range(mf, first, 1024);
	memory_file_unreserve(mf, first, 1024);
	finish(mf);
}

static void test_freed_memory_goes_back(void **state)
{
	struct memory_file *mf = make(0, 4 * MIB);
	uint32_t first, pages = 16 * HUGE;

	(void)state;
	assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, pages, 0, &first), 0);
	for (uint32_t i = 0; i < pages; i++)
		assert_int_equal(memory_file_claim(mf, first + i), 0);
	scribble(mf, first, pages);
	assert_true(stat_of(mf).host_bytes[PAGE_4K] >= 32 * MIB);
	memory_file_dec_range(mf, first, pages);
	memory_file_unreserve(mf, first, pages);
	assert_int_equal(stat_of(mf).punched_bytes, 28 * MIB);
	assert_true(stat_of(mf).host_bytes[PAGE_4K] <= 5 * MIB);
	memory_file_check(mf);
	assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, pages, 0, &first), 0);
	for (uint32_t i = 0; i < pages; i++)
		assert_int_equal(memory_file_claim(mf, first + i), 0);
	assert_true(reads_zero(mf, first, pages));
	/* What was punched is known to be clean. */
	assert_int_equal(stat_of(mf).zeroed_pages, 2 * HUGE);
	memory_file_dec_range(mf, first, pages);
	memory_file_unreserve(mf, first, pages);
	finish(mf);
}

static void test_prefault_is_found_again(void **state)
{
	struct memory_file *mf = make(0, 2 * MIB);
	uint32_t first, page;
	uint64_t before;

	(void)state;
	assert_int_equal(memory_file_prefault(mf, MEMORY_NODE_ANY, PAGE_4K, 16 * MIB), 16 * MIB);
	before = stat_of(mf).host_bytes[PAGE_4K];
	assert_true(before >= 16 * MIB);
	assert_int_equal(memory_file_prefault(mf, MEMORY_NODE_ANY, PAGE_4K, 16 * MIB), 16 * MIB);
	assert_int_equal(stat_of(mf).host_bytes[PAGE_4K], before);
	assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, 7 * HUGE, 0, &first), 0);
	for (uint32_t i = 0; i < 7 * HUGE; i++)
		assert_int_equal(memory_file_claim(mf, first + i), 0);
	assert_int_equal(memory_file_alloc(mf, 0, &page), 0);
	memset(memory_file_memory(mf, first), 1, 7 * HUGE * MM_PAGE_SIZE);
	memory_file_mark_dirty_range(mf, first, 7 * HUGE);
	memset(memory_file_memory(mf, page), 1, MM_PAGE_SIZE);
	memory_file_mark_dirty(mf, page);
	assert_int_equal(stat_of(mf).host_bytes[PAGE_4K], before);
	assert_int_equal(stat_of(mf).zeroed_pages, 0);
	memory_file_dec_range(mf, first, 7 * HUGE);
	memory_file_unreserve(mf, first, 7 * HUGE);
	memory_file_dec(mf, page);
	/* Dirty memory is made ready again. */
	assert_int_equal(memory_file_prefault(mf, 0, PAGE_4K, 14 * MIB), 14 * MIB);
	before = stat_of(mf).zeroed_pages;
	assert_int_equal(before, 7 * HUGE);
	assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, 7 * HUGE, 0, &first), 0);
	for (uint32_t i = 0; i < 7 * HUGE; i++)
		assert_int_equal(memory_file_claim(mf, first + i), 0);
	assert_int_equal(stat_of(mf).zeroed_pages, before);
	assert_true(reads_zero(mf, first, 7 * HUGE));
	memory_file_dec_range(mf, first, 7 * HUGE);
	memory_file_unreserve(mf, first, 7 * HUGE);
	finish(mf);
}

static void test_files(void **state)
{
	struct memory_file *mf = make(0, 0);
	uint64_t offset, other;
	struct block_seq seq;
	uint32_t first, page;

	(void)state;
	assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, 600, 0, &first), 0);
	for (uint32_t i = 0; i < 600; i++)
		assert_int_equal(memory_file_claim(mf, first + i), 0);
	struct file *f = memory_file_of(mf, first, &offset);

	assert_ptr_equal(memory_file_of(mf, first + 599, &other), f);
	assert_int_equal(other - offset, 599 * MM_PAGE_SIZE);
	assert_int_equal(memory_file_page_at(mf, f, other + 17), first + 599);
	struct file_range fr = { offset + 10, offset + 3 * MM_PAGE_SIZE };

	assert_int_equal(file_map_internal(f, fr, MM_EXEC | MM_READ, &seq), -EACCES);
	assert_int_equal(file_map_internal(f, fr, MM_READ, &seq), 0);
	assert_ptr_equal(seq.single.address, memory_file_memory(mf, first) + 10);
	assert_int_equal(seq.limit, 3 * MM_PAGE_SIZE - 10);
	assert_int_equal(atomic_load(&mf->counts[first + 2]) & MEMORY_PAGE_DIRTY, 0);
	assert_int_equal(file_map_internal(f, fr, MM_WRITE, &seq), 0);
	assert_int_not_equal(atomic_load(&mf->counts[first + 2]) & MEMORY_PAGE_DIRTY, 0);
	assert_int_equal(atomic_load(&mf->counts[first + 3]) & MEMORY_PAGE_DIRTY, 0);
	/* The descriptor shows the same memory. */
	memset(memory_file_memory(mf, first + 1), 0x5a, MM_PAGE_SIZE);
	unsigned char *view = mmap(NULL, MM_PAGE_SIZE, PROT_READ, MAP_SHARED, file_data_fd(f),
				   (off_t)(offset + MM_PAGE_SIZE));

	assert_ptr_not_equal(view, MAP_FAILED);
	assert_int_equal(view[4095], 0x5a);
	munmap(view, MM_PAGE_SIZE);
	fr = (struct file_range){ offset, offset + 600 * MM_PAGE_SIZE };
	file_inc_ref(f, fr);
	assert_int_equal(memory_file_count(mf, first + 599), 2);
	file_dec_ref(f, fr);
	file_dec_ref(f, fr);
	memory_file_unreserve(mf, first, 600);
	assert_int_equal(memory_file_alloc(mf, 0, &page), 0);
	assert_int_equal(memory_file_class(mf, page), PAGE_4K);
	assert_int_equal(memory_file_node(mf, page), 0);
	memory_file_dec(mf, page);
	finish(mf);
}

static void test_readback(void **state)
{
	struct memory_file *mf = make(0, 0);
	uint32_t first;
	int node;

	(void)state;
	assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, 512, 0, &first), 0);
	assert_int_equal(memory_file_claim(mf, first), 0);
	assert_int_equal(memory_file_node_of(mf, first), -ENOENT);
	assert_int_equal(memory_file_kernel_page_size(mf, first), -ENOENT);
	*memory_file_memory(mf, first) = 1;
	memory_file_mark_dirty(mf, first);
	node = memory_file_node_of(mf, first);
	assert_true(node == 0 || node == -ENOSYS);
	assert_int_equal(memory_file_kernel_page_size(mf, first), 4096);
	assert_int_equal(memory_file_node_of(mf, first + 1), -ENOENT);
	memory_file_dec(mf, first);
	memory_file_unreserve(mf, first, 512);
	finish(mf);
}

static void test_bad_requests(void **state)
{
	struct memory_file_opts opts = { .span_bytes = 12345 };
	struct memory_file *mf = NULL;
	uint32_t page;

	(void)state;
	assert_int_equal(memory_file_create(&opts, &mf), -EINVAL);
	assert_int_equal(memory_file_create(NULL, &mf), 0);
	assert_int_equal(memory_file_alloc(mf, MEMORY_MAX_NODES, &page), -EINVAL);
	assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, 0, 0, &page), -EINVAL);
	assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, MEMORY_CHUNK_PAGES + 1, 0, &page),
			 -EINVAL);
	assert_int_equal(memory_file_reserve(mf, 0, PAGE_4K, MEMORY_CHUNK_PAGES, 1, &page),
			 -EINVAL);
	assert_int_equal(memory_file_alloc_huge(mf, 0, PAGE_4K, &page), -EINVAL);
	memory_file_destroy(mf);
	/* All page numbers of a small span can be reserved, and no more. */
	mf = make(0, 0);
	uint32_t runs[8];
	int n = 0;

	while (n < 8 && !memory_file_reserve(mf, 0, PAGE_4K, MEMORY_CHUNK_PAGES, 0, &runs[n]))
		n++;
	assert_int_equal(n, 7); /* the first gigabyte holds page 0 */
	assert_int_equal(memory_file_alloc(mf, 0, &page), -ENOMEM);
	while (n)
		memory_file_unreserve(mf, runs[--n], MEMORY_CHUNK_PAGES);
	assert_true(stat_of(mf).metadata_bytes < 256 * 1024);
	finish(mf);
}

/* What holds for whole blocks of either huge class. */
static void whole_block(struct memory_file *mf, enum page_class cls)
{
	uint32_t first, huge;

	assert_int_equal(memory_file_reserve(mf, 0, cls, 2 * HUGE, 0, &first), 0);
	assert_int_equal(memory_file_claim_huge(mf, first), 0);
	assert_int_equal(memory_file_claim_huge(mf, first), -EBUSY);
	assert_int_equal(memory_file_claim(mf, first + 7), -EBUSY);
	assert_int_equal(memory_file_count(mf, first + 511), 1);
	assert_true(reads_zero(mf, first, HUGE));
	scribble(mf, first, HUGE);
	memory_file_inc_range(mf, first, HUGE);
	assert_int_equal(memory_file_count(mf, first + 3), 2);
	assert_int_not_equal(atomic_load(&mf->blocks[first / HUGE].whole), 0);
	memory_file_check(mf);
	memory_file_dec_range(mf, first, HUGE);
	memory_file_dec_range(mf, first, HUGE);
	assert_int_equal(stat_of(mf).live_pages, 0);
	/* Dirty as a whole: seen by a claim of all of it and of one page. */
	assert_int_equal(memory_file_claim_huge(mf, first), 0);
	assert_true(reads_zero(mf, first, HUGE));
	scribble(mf, first, HUGE);
	memory_file_dec_range(mf, first, HUGE);
	assert_int_equal(memory_file_claim(mf, first + 9), 0);
	assert_true(reads_zero(mf, first + 9, 1));
	assert_int_equal(memory_file_claim_huge(mf, first), -EBUSY);
	memory_file_dec(mf, first + 9);
	/* Split by the first part that goes, with the dirty mark for each page. */
	assert_int_equal(memory_file_claim_huge(mf, first), 0);
	assert_true(reads_zero(mf, first, HUGE));
	memory_file_inc_range(mf, first, HUGE);
	scribble(mf, first + 5, 1);
	memory_file_dec(mf, first + 5);
	assert_int_equal(atomic_load(&mf->blocks[first / HUGE].whole), BLOCK_PAGES);
	assert_int_equal(memory_file_count(mf, first + 5), 1);
	assert_int_equal(memory_file_count(mf, first + 6), 2);
	memory_file_check(mf);
	/* Not joined while one differs; then by who counts on all, one operation from there on. */
	memory_file_inc_range(mf, first, HUGE);
	assert_int_equal(atomic_load(&mf->blocks[first / HUGE].whole), BLOCK_PAGES);
	memory_file_inc(mf, first + 5);
	memory_file_dec_range(mf, first, HUGE);
	assert_int_equal(atomic_load(&mf->blocks[first / HUGE].whole), BLOCK_WHOLE | 2);
	assert_int_equal(memory_file_count(mf, first + 5), 2);
	assert_int_equal(memory_file_claim(mf, first + 5), -EBUSY);
	memory_file_check(mf);
	/* It ends as such, and what one page was marked with is not forgotten. */
	memory_file_dec_range(mf, first, HUGE);
	memory_file_dec_range(mf, first, HUGE);
	memory_file_check(mf);
	assert_int_equal(stat_of(mf).live_pages, 0);
	assert_int_equal(memory_file_claim_huge(mf, first), 0);
	assert_true(reads_zero(mf, first, HUGE));
	memory_file_inc_range(mf, first, HUGE);
	scribble(mf, first + 5, 1);
	memory_file_dec(mf, first + 5);
	memory_file_unreserve(mf, first, 2 * HUGE);
	memory_file_dec_range(mf, first, HUGE);
	memory_file_dec_range(mf, first, 5);
	assert_int_equal(stat_of(mf).live_pages, 506);
	memory_file_dec_range(mf, first + 6, 506);
	memory_file_check(mf);
	/* Free again, and zero. */
	assert_int_equal(memory_file_alloc_huge(mf, 0, cls, &huge), 0);
	assert_int_equal(huge, first);
	assert_true(reads_zero(mf, huge, HUGE));
	assert_int_equal(memory_file_class(mf, huge), cls);
	scribble(mf, huge, HUGE);
	memory_file_dec_range(mf, huge, HUGE);
	assert_int_equal(memory_file_prefault(mf, 0, cls, 2 * MIB), 2 * MIB);
	assert_int_equal(memory_file_alloc_huge(mf, 0, cls, &huge), 0);
	assert_true(reads_zero(mf, huge, HUGE));
	memory_file_dec_range(mf, huge, HUGE);
}

static void test_thp(void **state)
{
	struct memory_file *mf = make(0, 0);
	const char *why;
	uint32_t page;

	(void)state;
	if (memory_file_probe(PAGE_THP, &why)) {
		memory_file_destroy(mf);
		print_message("%s\n", why);
		skip();
	}
	whole_block(mf, PAGE_THP);
	/* Read back: huge exactly if the collapse was reported to have worked. */
	assert_int_equal(memory_file_alloc_huge(mf, 0, PAGE_THP, &page), 0);
	assert_int_equal(memory_file_kernel_page_size(mf, page + 77),
			 stat_of(mf).fallbacks ? 4096 : 2097152);
	memory_file_dec_range(mf, page, HUGE);
	finish(mf);
}

static void test_hugetlb(void **state)
{
	struct memory_file *mf = make(0, 0);
	const char *why = NULL;
	uint32_t page, page2;

	(void)state;
	if (memory_file_probe(PAGE_2M, &why)) {
		memory_file_destroy(mf);
		print_message("%s\n", why);
		skip();
	}
	assert_string_equal(why, "");
	whole_block(mf, PAGE_2M);
	assert_int_equal(memory_file_alloc_huge(mf, 0, PAGE_2M, &page), 0);
	assert_int_equal(memory_file_kernel_page_size(mf, page + 100), 2097152);
	assert_true(stat_of(mf).host_bytes[PAGE_2M] >= 2 * MIB);
	/* Used up: an error, not a signal; and the sentence says what to do. */
	uint32_t first, got = 0, run = 600;

	assert_int_equal(memory_file_reserve(mf, 0, PAGE_2M, run * 128, 0, &first), 0);
	while (got < run * 128 / HUGE && !memory_file_claim_huge(mf, first + got * HUGE))
		got++;
	if (got < run * 128 / HUGE) {
		assert_int_equal(memory_file_claim_huge(mf, first + got * HUGE), -ENOMEM);
		assert_int_equal(memory_file_claim(mf, first + got * HUGE + 1), -ENOMEM);
		assert_int_equal(memory_file_alloc_huge(mf, 0, PAGE_2M, &page2), -ENOMEM);
		assert_int_equal(memory_file_probe(PAGE_2M, &why), -ENOMEM);
		assert_true(strstr(why, "sysctl") || strstr(why, "another NUMA node"));
	}
	memory_file_dec_range(mf, first, got * HUGE);
	memory_file_unreserve(mf, first, run * 128);
	memory_file_dec_range(mf, page, HUGE);
	finish(mf);
}

/* These tests are of one node, also where there are more (best effort: a kernel without policies
 * has one node anyway). */
static int stay_on_node_0(void **state)
{
	unsigned long node_0 = 1;

	(void)state;
	(void)syscall(SYS_set_mempolicy, MPOL_BIND, &node_0, 64);
	node_choice_read_thread();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc_gives_distinct_zero_pages),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_clean_pages_are_not_zeroed),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_freed_memory_goes_back),
		cmocka_unit_test_setup_teardown(test_hugetlb, hugepages_setup, hugepages_teardown),
		cmocka_unit_test(test_large_run),
		cmocka_unit_test(test_limit_refuses),
		cmocka_unit_test(test_pages_outlive_their_run),
		cmocka_unit_test(test_prefault_is_found_again),
		cmocka_unit_test(test_readback),
		cmocka_unit_test(test_short_run),
		cmocka_unit_test(test_thp),
		cmocka_unit_test(test_underflow_is_reported),
	};

	return cmocka_run_group_tests(tests, stay_on_node_0, NULL);
}
