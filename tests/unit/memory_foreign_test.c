/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_foreign_test.c - pages of host files that are not ours: names, counts, memory, the end of
 * a file with references left, and that none of it ever reaches the allocator.
 */
#include "engine/memory_foreign.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/fail.h"
#include "engine/safe_copy.h"
#include "engine/test_points.h"
#include "engine/trap.h"

#define PAGE MM_PAGE_SIZE
#define GIB (UINT64_C(1) << 30)
#define SPAN_CHUNKS 4 /* one is never used */
#define RW (MM_READ | MM_WRITE)

static struct memory_file *mf;
static int fd;

static int setup(void **state)
{
	struct memory_file_opts opts = { .span_bytes = SPAN_CHUNKS * GIB };

	(void)state;
	fd = memfd_create("foreign", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 8 * (off_t)PAGE))
		return -1;
	return memory_file_create(&opts, &mf);
}

static int teardown(void **state)
{
	(void)state;
	memory_file_check(mf);
	memory_file_destroy(mf); /* reports files that are not gone */
	close(fd);
	return 0;
}

static struct memory_foreign *make(bool read_only)
{
	struct memory_foreign *f = NULL;

	assert_int_equal(memory_foreign_create(mf, fd, read_only, &f), 0);
	return f;
}

static uint32_t page_of(struct memory_foreign *f, uint64_t offset) NO_TSA
{
	uint32_t page = 0;

	assert_int_equal(memory_foreign_page(mf, f, offset, &page), 0);
	assert_int_not_equal(page, 0);
	return page;
}

static uint64_t attached(void) NO_TSA
{
	struct memory_file_stat stat;

	memory_file_get_stat(mf, &stat);
	assert_int_equal(stat.live_pages, 0);
	return stat.foreign_chunks;
}

static void test_names(void **state) NO_TSA
{
	struct memory_foreign *f = make(false);
	uint32_t page = page_of(f, 3 * PAGE);
	uint32_t far = page_of(f, 5 * GIB + 7 * PAGE);
	uint64_t offset;
	struct file *file = memory_file_of(mf, page, &offset);

	(void)state;
	assert_int_equal(attached(), 2);
	assert_int_equal(page_of(f, 4 * PAGE), page + 1);
	assert_int_equal(attached(), 2); /* the same chunk */
	assert_int_equal(page % MEMORY_CHUNK_PAGES, 3);
	assert_int_equal(far % MEMORY_CHUNK_PAGES, 7);
	assert_int_equal(offset, 3 * PAGE);
	assert_int_equal(memory_file_page_at(mf, file, 3 * PAGE + 5), page);
	assert_int_equal(memory_file_page_at(mf, file, 5 * GIB + 7 * PAGE), far);
	assert_ptr_equal(memory_file_of(mf, far, &offset), file);
	assert_int_equal(offset, 5 * GIB + 7 * PAGE);
	assert_int_equal(file_data_fd(file), memory_foreign_fd(f));
	assert_true(memory_file_is_foreign(mf, page));
	assert_int_equal(memory_file_class(mf, page), PAGE_4K);
	memory_foreign_detach(mf, f);
	assert_int_equal(attached(), 0);
}

static void test_memory_is_the_file(void **state) NO_TSA
{
	struct memory_foreign *f = make(false);
	uint32_t page = page_of(f, PAGE);
	uint64_t offset;
	struct file *file = memory_file_of(mf, page, &offset);
	struct file_range fr = { PAGE + 100, PAGE + 105 };
	struct block_seq bs;
	char text[8] = "";

	(void)state;
	file_inc_ref(file, (struct file_range){ PAGE, 2 * PAGE });
	assert_int_equal(memory_file_count(mf, page), 1);
	assert_int_equal(pwrite(fd, "hello", 5, PAGE + 100), 5);
	assert_int_equal(file_map_internal(file, fr, RW, &bs), 0);
	assert_int_equal(bs.single.length, 5);
	assert_memory_equal(bs.single.address, "hello", 5);
	memcpy(bs.single.address, "world", 5);
	assert_int_equal(pread(fd, text, 5, PAGE + 100), 5);
	assert_string_equal(text, "world");
	assert_int_equal(file_map_internal(file, fr, MM_EXEC, &bs), -EACCES);
	file_dec_ref(file, (struct file_range){ PAGE, 2 * PAGE });
	assert_int_equal(memory_file_count(mf, page), 0);
	memory_foreign_detach(mf, f);
}

static void test_read_only(void **state) NO_TSA
{
	char path[64];
	struct file_range fr = { 0, PAGE };
	struct block_seq bs;
	struct memory_foreign *f;
	uint64_t offset;

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int reader = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(reader >= 0);
	assert_int_equal(pwrite(fd, "x", 1, 0), 1);
	assert_int_equal(memory_foreign_create(mf, reader, true, &f), 0);
	close(reader); /* it has its own descriptor */
	uint32_t page = page_of(f, 0);
	struct file *file = memory_file_of(mf, page, &offset);

	memory_file_inc(mf, page);
	assert_int_equal(file_map_internal(file, fr, RW, &bs), -EACCES);
	assert_int_equal(file_map_internal(file, fr, MM_READ, &bs), 0);
	assert_int_equal(*(char *)bs.single.address, 'x');
	memory_file_dec(mf, page);
	memory_foreign_detach(mf, f);
}

/* Pages whose references go are not handed out, and their bytes are not cleared. */
static void test_never_allocated(void **state) NO_TSA
{
	struct memory_foreign *f = make(false);
	uint32_t foreign = page_of(f, 0);
	uint32_t *pages = calloc(2000, sizeof(*pages));
	char byte;

	(void)state;
	assert_non_null(pages);
	assert_int_equal(pwrite(fd, "k", 1, 0), 1);
	memory_file_inc_range(mf, foreign, 1024);
	memory_file_mark_dirty_range(mf, foreign, 1024);
	memory_file_dec_range(mf, foreign, 1024);
	for (int i = 0; i < 2000; i++) {
		assert_int_equal(memory_file_alloc(mf, MEMORY_NODE_ANY, &pages[i]), 0);
		assert_int_not_equal(pages[i] / MEMORY_CHUNK_PAGES, foreign / MEMORY_CHUNK_PAGES);
	}
	for (int i = 0; i < 2000; i++)
		memory_file_dec(mf, pages[i]);
	free(pages);
	/* also not after the chunk is gone: its page numbers are for foreign files */
	memory_foreign_detach(mf, f);
	memory_file_check(mf);
	assert_int_equal(attached(), 0);
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 'k');
	f = make(false);
	assert_int_equal(page_of(f, 0), foreign);
	assert_int_equal(memory_file_count(mf, foreign), 0);
	memory_foreign_detach(mf, f);
}

/* What is pinned when the file is detached stays until it is not. */
static void test_references_outlive_the_file(void **state) NO_TSA
{
	struct memory_foreign *f = make(false);
	uint32_t near = page_of(f, 2 * PAGE);
	uint32_t far = page_of(f, GIB);
	uint64_t offset;

	(void)state;
	assert_int_equal(pwrite(fd, "pin", 3, 2 * PAGE), 3);
	memory_file_inc(mf, near);
	memory_file_inc(mf, near);
	memory_file_inc(mf, near + 1000);
	memory_file_inc(mf, far);
	memory_foreign_detach(mf, f);
	assert_int_equal(attached(), 2);
	struct file *file = memory_file_of(mf, near, &offset);

	assert_int_equal(memory_file_page_at(mf, file, offset), near);
	assert_memory_equal(memory_file_memory(mf, near), "pin", 3);
	memory_file_dec(mf, far);
	assert_int_equal(attached(), 1);
	memory_file_dec(mf, near);
	memory_file_dec(mf, near + 1000);
	assert_int_equal(attached(), 1);
	assert_memory_equal(memory_file_memory(mf, near), "pin", 3);
	memory_file_dec(mf, near);
	assert_int_equal(attached(), 0);
}

static void test_limits(void **state) NO_TSA
{
	struct memory_foreign *f = make(false);
	uint32_t page, first = page_of(f, 0);

	(void)state;
	assert_int_equal(memory_foreign_page(mf, f, MEMORY_FOREIGN_MAX_BYTES, &page), -EFBIG);
	assert_int_equal(memory_foreign_page(mf, f, UINT64_MAX, &page), -EFBIG);
	(void)page_of(f, GIB);
	(void)page_of(f, MEMORY_FOREIGN_MAX_BYTES - PAGE);
	assert_int_equal(memory_foreign_page(mf, f, 3 * GIB, &page), -ENOMEM);
	assert_int_equal(page_of(f, 0), first);
	assert_int_equal(attached(), SPAN_CHUNKS - 1);
	memory_foreign_detach(mf, f);
	/* the page numbers come back */
	for (int i = 0; i < 3 * SPAN_CHUNKS; i++) {
		f = make(false);
		(void)page_of(f, i * GIB);
		memory_foreign_detach(mf, f);
	}
}

static void test_failures_leave_nothing(void **state) NO_TSA
{
	struct memory_foreign *f;
	uint32_t page;

	(void)state;
	if (!mm_test_points_enabled())
		skip();
	mm_inject_arm(INJECT_MEMORY, 1, 1);
	assert_int_equal(memory_foreign_create(mf, fd, false, &f), -ENOMEM);
	mm_inject_disarm(INJECT_MEMORY, NULL);
	for (uint64_t k = 1; k <= 2; k++) {
		mm_inject_arm(INJECT_HOST, k, 1);
		assert_int_equal(memory_foreign_create(mf, fd, false, &f),
				 k == 1 ? -EMFILE : -ENOMEM);
		mm_inject_disarm(INJECT_HOST, NULL);
	}
	assert_int_equal(memory_foreign_create(mf, -1, false, &f), -EBADF);
	f = make(false);
	mm_inject_arm(INJECT_HOST, 1, 1);
	assert_int_equal(memory_foreign_page(mf, f, 0, &page), -ENOMEM);
	mm_inject_disarm(INJECT_HOST, NULL);
	assert_int_equal(attached(), 0);
	(void)page_of(f, 0);
	memory_foreign_detach(mf, f);
}

static void test_a_file_that_shrinks(void **state) NO_TSA
{
	struct memory_foreign *f = make(false);
	uint32_t page = page_of(f, 0);
	char *bytes = calloc(2, PAGE);

	(void)state;
	assert_non_null(bytes);
	assert_int_equal(trap_install(), 0);
	memory_file_inc_range(mf, page, 2);
	assert_int_equal(safe_copy(bytes, memory_file_memory(mf, page), 2 * PAGE).left, 0);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_int_equal(safe_copy(bytes, memory_file_memory(mf, page), 2 * PAGE).left, PAGE);
	memory_file_dec_range(mf, page, 2);
	memory_foreign_detach(mf, f);
	free(bytes);
}

static jmp_buf caught;
static char caught_text[512];

static void catch (const char *text)
{
	snprintf(caught_text, sizeof(caught_text), "%s", text);
	longjmp(caught, 1);
}

static void test_a_lost_file_is_reported(void **state) NO_TSA
{
	struct memory_foreign *f = make(false);
	mm_fail_hook old = mm_fail_set_hook(catch);

	(void)state;
	caught_text[0] = 0;
	if (!setjmp(caught))
		memory_file_destroy(mf);
	mm_fail_set_hook(old);
	assert_non_null(strstr(caught_text, "1 foreign files"));
	memory_foreign_detach(mf, f);
}

/* ---- threads ---- */

static struct memory_foreign *shared;

static void *use_and_attach(void *arg) NO_TSA
{
	uint64_t k = (uintptr_t)arg;

	for (uint64_t i = 0; i < 3000; i++) {
		uint32_t page;

		if (memory_foreign_page(mf, shared, (i % 3) * GIB + (i * 7 + k) % 600 * PAGE,
					&page))
			return (void *)1;
		memory_file_inc(mf, page);
		memory_file_dec(mf, page);
	}
	return NULL;
}

static void *last_reference(void *arg) NO_TSA
{
	memory_file_dec(mf, (uint32_t)(uintptr_t)arg);
	return NULL;
}

static void test_threads(void **state) NO_TSA
{
	pthread_t threads[3];
	void *rc;

	(void)state;
	shared = make(false);
	for (uintptr_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_and_attach, (void *)i), 0);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], &rc);
		assert_ptr_equal(rc, NULL);
	}
	assert_int_equal(attached(), 3);
	memory_foreign_detach(mf, shared);
	assert_int_equal(attached(), 0);

	/* detach against the last references: whoever is last ends the file, once */
	for (int round = 0; round < 30; round++) {
		shared = make(false);
		uint32_t page = page_of(shared, 0);

		for (uint32_t i = 0; i < 3; i++) {
			memory_file_inc(mf, page + i);
			assert_int_equal(pthread_create(&threads[i], NULL, last_reference,
							(void *)(uintptr_t)(page + i)),
					 0);
		}
		memory_foreign_detach(mf, shared);
		for (int i = 0; i < 3; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(attached(), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_memory_is_the_file),
		TEST(test_read_only),
		TEST(test_never_allocated),
		TEST(test_references_outlive_the_file),
		TEST(test_limits),
		TEST(test_failures_leave_nothing),
		TEST(test_a_file_that_shrinks),
		TEST(test_a_lost_file_is_reported),
		TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
