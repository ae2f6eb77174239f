/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_io_test.c - the kernel's own access to application memory: exact counts at every kind of
 * edge, vectors, words, buffers in windows, files that cannot be mapped; then threads that take
 * the memory away meanwhile. Each test runs with both host spaces.
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
#include <unistd.h>

#include "tests/unit/checked.h"

#include "engine/mm_io.h"
#include "engine/shared_memory.h"
#include "tests/unit/hosts.h"

#define BASE (UINT64_C(1) << 30)
#define WINDOW (UINT64_C(2) << 30)
#define PAGE MM_PAGE_SIZE
#define RW (MM_READ | MM_WRITE)

static const struct mm_io_opts plain;
static const struct mm_io_opts ptrace_like = { .ignore_permissions = true };
static const struct host_space_ops *const hosts[] = { &host_space_none, &host_space_mmap,
						      &host_space_uffd };
struct fixture {
	struct mm *mm;
	struct mm_space *s;
	struct shared_memory *sm; /* 4 pages long */
};

static void open_fixture(struct fixture *f, const struct host_space_ops *host, enum page_class cls)
{
	struct mm_opts opts = { .page_class = cls };

	assert_int_equal(mm_thread_enter(), 0);
	assert_int_equal(mm_create(&opts, &f->mm), 0);
	assert_int_equal(mm_space_create(f->mm, host_to_be_had(host), WINDOW, &f->s), 0);
	assert_int_equal(
		shared_memory_create(mm_memory_file(f->mm), 4 * PAGE, PAGE_4K, NULL, &f->sm), 0);
}

static void close_fixture(struct fixture *f)
{
	struct mm_stat stat;

	mm_space_check(f->s);
	mm_space_destroy(f->s);
	mapping_identity_dec_ref(shared_memory_identity(f->sm));
	mm_get_stat(f->mm, &stat);
	assert_int_equal(stat.memory.live_pages, 0);
	mm_destroy(f->mm);
	mm_thread_leave();
}

static void map_with(struct mm_space *s, uint64_t address, uint64_t pages, mm_access perms,
		     mm_access max_perms, struct shared_memory *sm)
{
	struct mmap_opts o = { .length = pages * PAGE,
			       .address = address,
			       .fixed = true,
			       .unmap = true,
			       .perms = perms,
			       .max_perms = max_perms,
			       .is_private = !sm };
	uint64_t got;

	if (sm) {
		o.mappable = shared_memory_mappable(sm);
		o.identity = shared_memory_identity(sm);
	}
	assert_int_equal(mm_mmap(s, &o, &got), 0);
}

static void map(struct mm_space *s, uint64_t address, uint64_t pages, mm_access perms)
{
	map_with(s, address, pages, perms, MM_ANY_ACCESS, NULL);
}

static void map_shared(struct fixture *f, uint64_t address, uint64_t pages, mm_access perms)
{
	map_with(f->s, address, pages, perms, MM_ANY_ACCESS, f->sm);
}

static unsigned char pattern(size_t i)
{
	return (unsigned char)(1 + i * 7 + i / 255);
}

static void fill(unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = pattern(i);
}

static unsigned char out[64 * 4096], in[64 * 4096];

/* Copies n bytes out and back in at address, both of which end after `expect` bytes. */
static void both_ways(struct mm_space *s, uint64_t address, uint64_t n, uint64_t expect)
{
	int rc = expect < n ? -EFAULT : 0;
	uint64_t done = 99;

	fill(out, n);
	memset(in, 0xee, n + 1);
	assert_int_equal(mm_copy_out(s, address, out, n, plain, &done), rc);
	assert_int_equal(done, expect);
	assert_int_equal(mm_copy_in(s, address, in, n, plain, &done), rc);
	assert_int_equal(done, expect);
	assert_memory_equal(in, out, expect);
	assert_int_equal(in[expect], 0xee);
	assert_int_equal(mm_zero_out(s, address, n, plain, &done), rc);
	assert_int_equal(done, expect);
	memset(in, 0xee, n + 1);
	assert_int_equal(mm_copy_in(s, address, in, n, plain, &done), rc);
	for (uint64_t i = 0; i < expect; i++)
		assert_int_equal(in[i], 0);
	assert_int_equal(in[expect], 0xee);
}

static void copies_reach_what_is_mapped(void **state)
{
	struct fixture f;

	(void)state;
	for (int h = 0; h < 3; h++) {
		open_fixture(&f, hosts[h], PAGE_4K);
		map(f.s, BASE, 60, RW);
		both_ways(f.s, BASE, 60 * PAGE, 60 * PAGE);
		both_ways(f.s, BASE + 4095, 2, 2);
		both_ways(f.s, BASE + 17, 3 * PAGE, 3 * PAGE);
		both_ways(f.s, BASE, 1, 1);
		both_ways(f.s, BASE, 0, 0);
		map_shared(&f, BASE, 4, RW);
		both_ways(f.s, BASE + 1, 3 * PAGE, 3 * PAGE);
		close_fixture(&f);
	}
}

/* F17: [ok][no vma], [ok][PROT_NONE], [ok][read-only], [ok][beyond EOF]. */
static void copies_end_exactly_at_an_edge(void **state)
{
	static const uint64_t before[] = { 1, 7, 300, 4096, 4097, 8000 };
	struct fixture f;

	(void)state;
	for (int h = 0; h < 3; h++)
		for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
			uint64_t n = before[i];
			uint64_t edge = BASE + 4 * PAGE;

			open_fixture(&f, hosts[h], PAGE_4K);
			map(f.s, BASE, 4, RW);
			both_ways(f.s, edge - n, n + 100, n);
			both_ways(f.s, edge, 100, 0);
			map(f.s, edge, 1, MM_NONE);
			both_ways(f.s, edge - n, n + 100, n);
			both_ways(f.s, edge, 100, 0);
			map_shared(&f, BASE, 8, RW);
			both_ways(f.s, edge - n, n + 100, n);
			both_ways(f.s, edge, 100, 0);
			close_fixture(&f);
		}
}

static void permissions_are_those_of_the_mapping(void **state)
{
	struct fixture f;
	uint64_t done;

	(void)state;
	for (int h = 0; h < 3; h++) {
		open_fixture(&f, hosts[h], PAGE_4K);
		map(f.s, BASE, 2, RW);
		fill(out, 2 * PAGE);
		assert_int_equal(mm_copy_out(f.s, BASE, out, 2 * PAGE, plain, &done), 0);
		assert_int_equal(mm_mprotect(f.s, BASE + PAGE, PAGE, MM_READ), 0);
		memset(out, 0, 2 * PAGE);
		assert_int_equal(mm_copy_out(f.s, BASE, out, 2 * PAGE, plain, &done), -EFAULT);
		assert_int_equal(done, PAGE);
		assert_int_equal(mm_copy_in(f.s, BASE, in, 2 * PAGE, plain, &done), 0);
		assert_int_equal(in[PAGE - 1], 0);
		assert_int_equal(in[PAGE], pattern(PAGE));
		assert_int_equal(mm_mprotect(f.s, BASE, PAGE, MM_NONE), 0);
		assert_int_equal(mm_copy_in(f.s, BASE, in, 2 * PAGE, plain, &done), -EFAULT);
		assert_int_equal(done, 0);
		assert_int_equal(mm_mprotect(f.s, BASE, PAGE, MM_WRITE), 0);
		assert_int_equal(mm_copy_in(f.s, BASE, in, PAGE, plain, &done), 0);
		assert_int_equal(mm_munmap(f.s, BASE + PAGE, PAGE), 0);
		assert_int_equal(mm_copy_in(f.s, BASE, in, 2 * PAGE, plain, &done), -EFAULT);
		assert_int_equal(done, PAGE);
		close_fixture(&f);
	}
}

static void ranges_are_checked(void **state)
{
	static const struct {
		uint64_t address, length;
		int rc;
	} cases[] = {
		{ 0, 0, 0 },
		{ 0, 1, -EFAULT },
		{ WINDOW, 0, 0 },
		{ WINDOW, 1, -EFAULT },
		{ WINDOW - 1, 2, -EFAULT },
		{ BASE, UINT64_MAX, -EFAULT },
		{ BASE, WINDOW - BASE + 1, -EFAULT },
		{ UINT64_C(1) << 63, 0, -EFAULT },
		{ UINT64_C(1) << 63, 4096, -EFAULT },
		{ UINT64_MAX, 1, -EFAULT },
		{ UINT64_MAX, UINT64_MAX, -EFAULT },
		{ BASE, UINT64_C(1) << 63, -EFAULT },
	};
	struct fixture f;

	(void)state;
	open_fixture(&f, &host_space_mmap, PAGE_4K);
	map(f.s, BASE, 1, RW);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mm_iovec v[] = { { BASE, 8 }, { cases[i].address, cases[i].length } };
		uint64_t a = cases[i].address;
		uint64_t n = cases[i].length;
		uint64_t done = 99;

		assert_int_equal(mm_copy_in(f.s, a, in, n, plain, &done), cases[i].rc);
		assert_int_equal(done, 0);
		assert_int_equal(mm_copy_out(f.s, a, out, n, plain, &done), cases[i].rc);
		assert_int_equal(done, 0);
		assert_int_equal(mm_zero_out(f.s, a, n, plain, &done), cases[i].rc);
		assert_int_equal(done, 0);
		if (a == 0 && n == 1)
			continue; /* inside the space: only the second range fails */
		assert_int_equal(mm_copy_in_vector(f.s, v, 2, in, plain, &done), cases[i].rc);
		assert_int_equal(done, cases[i].rc ? 0 : 8);
	}
	close_fixture(&f);
}

static void vectors_go_range_by_range(void **state)
{
	struct fixture f;
	uint64_t done;

	(void)state;
	for (int h = 0; h < 3; h++) {
		struct mm_iovec v[] = {
			{ BASE + 5000, 100 },
			{ BASE + 90 * PAGE, 0 }, /* nothing there, nothing asked */
			{ BASE + 4095, 2 },
			{ BASE, 0 },
			{ BASE + 2 * PAGE - 50, 100 },
			{ BASE, 10 },
		};

		open_fixture(&f, hosts[h], PAGE_4K);
		map(f.s, BASE, 2, RW);
		fill(out, 400);
		assert_int_equal(mm_copy_out_vector(f.s, v, 6, out, plain, &done), -EFAULT);
		assert_int_equal(done, 152);
		assert_int_equal(mm_copy_in_vector(f.s, v, 6, in, plain, &done), -EFAULT);
		assert_int_equal(done, 152);
		assert_memory_equal(in, out, 152);
		assert_int_equal(mm_copy_in_vector(f.s, v, 4, in, plain, &done), 0);
		assert_int_equal(done, 102);
		assert_int_equal(mm_copy_in_vector(f.s, v, 0, in, plain, &done), 0);
		assert_int_equal(done, 0);
		close_fixture(&f);
	}
}

static void words_are_exchanged(void **state)
{
	struct fixture f;
	uint32_t old = 0;

	(void)state;
	for (int h = 0; h < 3; h++) {
		open_fixture(&f, hosts[h], PAGE_4K);
		map(f.s, BASE, 1, RW);
		assert_int_equal(mm_swap_u32(f.s, BASE + 4092, 0xfedcba98, &old), 0);
		assert_int_equal(old, 0);
		assert_int_equal(mm_compare_swap_u32(f.s, BASE + 4092, 1, 2, &old), 0);
		assert_int_equal(old, 0xfedcba98);
		assert_int_equal(mm_compare_swap_u32(f.s, BASE + 4092, old, 2, &old), 0);
		assert_int_equal(mm_load_u32(f.s, BASE + 4092, &old), 0);
		assert_int_equal(old, 2);
		for (unsigned i = 1; i < 4; i++) { /* so none lies across the edge of a page */
			assert_int_equal(mm_swap_u32(f.s, BASE + 4092 + i, 1, &old), -EINVAL);
			assert_int_equal(mm_compare_swap_u32(f.s, BASE + i, 1, 1, &old), -EINVAL);
			assert_int_equal(mm_load_u32(f.s, BASE + 8 + i, &old), -EINVAL);
		}
		assert_int_equal(mm_load_u32(f.s, BASE + PAGE, &old), -EFAULT);
		assert_int_equal(mm_load_u32(f.s, WINDOW, &old), -EFAULT);
		assert_int_equal(mm_load_u32(f.s, UINT64_MAX - 3, &old), -EFAULT);
		assert_int_equal(mm_mprotect(f.s, BASE, PAGE, MM_READ), 0);
		assert_int_equal(mm_load_u32(f.s, BASE + 4092, &old), 0);
		assert_int_equal(mm_swap_u32(f.s, BASE + 4092, 1, &old), -EFAULT);
		assert_int_equal(mm_compare_swap_u32(f.s, BASE + 4092, 2, 1, &old), -EFAULT);
		assert_int_equal(old, 2);
		map_shared(&f, BASE, 8, RW);
		assert_int_equal(mm_swap_u32(f.s, BASE + 4 * PAGE - 4, 1, &old), 0);
		assert_int_equal(mm_swap_u32(f.s, BASE + 4 * PAGE, 1, &old), -EFAULT);
		close_fixture(&f);
	}
}

/* What the kernel writes the application sees, and the other way round. */
static void the_application_sees_it(void **state)
{
	struct fixture f;
	uint64_t done;

	(void)state;
	open_fixture(&f, &host_space_mmap, PAGE_4K);
	map(f.s, BASE, 4, RW);
	volatile unsigned char *w = mm_host_address(f.s, BASE);

	w[100] = 5;
	fill(out, 4 * PAGE);
	assert_int_equal(mm_copy_in(f.s, BASE + 99, in, 3, plain, &done), 0);
	assert_int_equal(in[1], 5);
	assert_int_equal(mm_copy_out(f.s, BASE, out, 4 * PAGE, plain, &done), 0);
	for (size_t i = 0; i < 4 * PAGE; i++)
		assert_int_equal(w[i], pattern(i));
	close_fixture(&f);
}

/* Self read and self write: the buffer is in a window, shown or not, of the same object or page. */
static void a_buffer_may_lie_in_a_window(void **state)
{
	struct fixture f;
	uint64_t done;

	(void)state;
	open_fixture(&f, &host_space_mmap, PAGE_4K);
	map_shared(&f, BASE, 4, RW);
	map_shared(&f, BASE + 8 * PAGE, 4, RW);
	map(f.s, BASE + 16 * PAGE, 4, RW);
	unsigned char *w = mm_host_address(f.s, BASE);
	unsigned char *again = mm_host_address(f.s, BASE + 8 * PAGE);
	unsigned char *fresh = mm_host_address(f.s, BASE + 16 * PAGE);

	fill(out, 4 * PAGE);
	assert_int_equal(mm_copy_out(f.s, BASE, out, 4 * PAGE, plain, &done), 0);
	/* Into a window that nobody has touched yet; then out of it. */
	assert_int_equal(mm_copy_in(f.s, BASE, fresh + 5, 3 * PAGE, plain, &done), 0);
	assert_int_equal(done, 3 * PAGE);
	assert_memory_equal(fresh + 5, out, 3 * PAGE);
	assert_int_equal(mm_discard(f.s, BASE + 16 * PAGE, 4 * PAGE), 0);
	assert_int_equal(mm_copy_out(f.s, BASE + 100, fresh, PAGE, plain, &done), 0);
	for (size_t i = 0; i < PAGE; i++)
		assert_int_equal(w[100 + i], 0);
	/* The same object at another address, and the same address. */
	assert_int_equal(mm_copy_out(f.s, BASE, out, 4 * PAGE, plain, &done), 0);
	assert_int_equal(mm_copy_out(f.s, BASE, again + PAGE, PAGE, plain, &done), 0);
	assert_memory_equal(w, out + PAGE, PAGE);
	assert_int_equal(mm_copy_in(f.s, BASE + PAGE, w + 2 * PAGE, 2 * PAGE, plain, &done), 0);
	assert_int_equal(mm_copy_out(f.s, BASE, w, 4 * PAGE, plain, &done), 0);
	assert_int_equal(done, 4 * PAGE);
	/* A window without permission or mapping ends the copy where it begins. */
	assert_int_equal(mm_munmap(f.s, BASE + 17 * PAGE, PAGE), 0);
	assert_int_equal(mm_copy_in(f.s, BASE, fresh + PAGE - 33, 100, plain, &done), -EFAULT);
	assert_int_equal(done, 33);
	assert_int_equal(mm_copy_out(f.s, BASE, fresh + PAGE - 33, 100, plain, &done), -EFAULT);
	assert_int_equal(done, 33);
	assert_int_equal(mm_mprotect(f.s, BASE + 16 * PAGE, PAGE, MM_READ), 0);
	assert_int_equal(mm_copy_in(f.s, BASE, fresh, 10, plain, &done), -EFAULT);
	assert_int_equal(done, 0);
	assert_int_equal(mm_copy_out(f.s, BASE, NULL, 10, plain, &done), -EFAULT);
	assert_int_equal(done, 0);
	close_fixture(&f);
}

/* ---- a file that cannot be mapped ---- */

static uint64_t buffer_calls, buffer_limit;
static int buffer_fd;

static int no_map(struct file *file, struct file_range fr, mm_access at, struct block_seq *seq)
{
	(void)file, (void)fr, (void)at, (void)seq;
	return -EOPNOTSUPP;
}

/* Works up to buffer_limit. */
static int buffer_read(struct file *file, uint64_t offset, void *to, size_t n, size_t *done)
{
	size_t now = offset >= buffer_limit	 ? 0
		     : offset + n > buffer_limit ? buffer_limit - offset
						 : n;

	(void)file;
	buffer_calls++;
	*done = (size_t)pread(buffer_fd, to, now, (off_t)offset);
	return *done < n ? -EIO : 0;
}

static int buffer_write(struct file *file, uint64_t offset, const void *from, size_t n,
			size_t *done)
{
	size_t now = offset >= buffer_limit	 ? 0
		     : offset + n > buffer_limit ? buffer_limit - offset
						 : n;

	(void)file;
	buffer_calls++;
	*done = (size_t)pwrite(buffer_fd, from, now, (off_t)offset);
	return *done < n ? -EIO : 0;
}

static int buffer_data_fd(struct file *file)
{
	(void)file;
	return buffer_fd;
}

static void files_that_cannot_be_mapped_are_read_and_written(void **state)
{
	static const struct file_ops ops = { .map_internal = no_map,
					     .data_fd = buffer_data_fd,
					     .buffer_read_at = buffer_read,
					     .buffer_write_at = buffer_write };
	struct fixture f;
	uint64_t done;
	uint64_t offset;
	uint32_t page;
	mm_access perms;

	(void)state;
	open_fixture(&f, &host_space_mmap, PAGE_4K);
	map(f.s, BASE, 4, RW);
	both_ways(f.s, BASE, 4 * PAGE, 4 * PAGE);
	map(f.s, BASE + 8 * PAGE, 4, RW);
	unsigned char *fresh = mm_host_address(f.s, BASE + 8 * PAGE);

	fresh[PAGE] = 1; /* the page beside is not shown yet */
	assert_int_equal(mm_lookup(f.s, BASE, MM_READ, &page, &perms), 0);
	struct file *file = memory_file_of(mm_memory_file(f.mm), page, &offset);
	const struct file_ops *before = file->ops;

	buffer_fd = file_data_fd(file);
	buffer_limit = UINT64_MAX;
	file->ops = &ops;
	both_ways(f.s, BASE + 3, 3 * PAGE, 3 * PAGE);
	assert_int_equal(buffer_calls, 4 * 3); /* at most 4 KiB each */
	buffer_limit = offset + 5000;
	both_ways(f.s, BASE, 3 * PAGE, 5000);
	assert_int_equal(mm_load_u32(f.s, BASE, &page), -EFAULT);
	buffer_limit = UINT64_MAX;
	fill(out, 2 * PAGE);
	assert_int_equal(mm_copy_out(f.s, BASE, out, 2 * PAGE, plain, &done), 0);
	file->ops = before;
	assert_int_equal(mm_fault(f.s, BASE + 8 * PAGE, MM_WRITE), 0);
	file->ops = &ops;
	assert_int_equal(mm_copy_in(f.s, BASE, fresh, 2 * PAGE, plain, &done), 0);
	assert_memory_equal(fresh, out, 2 * PAGE);
	assert_int_equal(mm_copy_out(f.s, BASE, NULL, PAGE, plain, &done), -EFAULT);
	assert_int_equal(done, 0);
	file->ops = before;
	close_fixture(&f);
}

/* ---- ptrace ---- */

static void permissions_can_be_ignored(void **state)
{
	struct fixture f;
	uint64_t done;
	uint32_t page;
	mm_access perms;

	(void)state;
	for (int h = 0; h < 3; h++) {
		open_fixture(&f, hosts[h], PAGE_4K);
		map(f.s, BASE, 2, MM_NONE); /* absent, and never permitted */
		fill(out, 2 * PAGE);
		assert_int_equal(mm_copy_out(f.s, BASE, out, 2 * PAGE, ptrace_like, &done), 0);
		assert_int_equal(mm_copy_in(f.s, BASE, in, 2 * PAGE, ptrace_like, &done), 0);
		assert_memory_equal(in, out, 2 * PAGE);
		assert_int_equal(mm_copy_in(f.s, BASE, in, 1, plain, &done), -EFAULT);
		assert_int_equal(mm_fault(f.s, BASE, MM_READ), -EACCES);
		assert_int_equal(mm_mprotect(f.s, BASE, PAGE, MM_READ), 0);
		out[0] = 77;
		assert_int_equal(mm_copy_out(f.s, BASE, out, 1, ptrace_like, &done), 0);
		assert_int_equal(mm_copy_in(f.s, BASE, in, 1, plain, &done), 0);
		assert_int_equal(in[0], 77);
		assert_int_equal(mm_lookup(f.s, BASE, MM_WRITE, &page, &perms), -ENOENT);
		assert_int_equal(mm_fault(f.s, BASE, MM_WRITE), -EACCES);
		/* Not beyond what the mapping could ever do, and not to others' memory. */
		map_with(f.s, BASE, 1, MM_NONE, MM_READ, NULL);
		assert_int_equal(mm_copy_in(f.s, BASE, in, 1, ptrace_like, &done), 0);
		assert_int_equal(mm_copy_out(f.s, BASE, out, 1, ptrace_like, &done), -EFAULT);
		map_with(f.s, BASE, 1, MM_NONE, MM_NONE, NULL);
		assert_int_equal(mm_copy_in(f.s, BASE, in, 1, ptrace_like, &done), -EFAULT);
		map_shared(&f, BASE, 2, MM_NONE);
		assert_int_equal(mm_copy_in(f.s, BASE, in, 1, ptrace_like, &done), 0);
		assert_int_equal(mm_copy_out(f.s, BASE, out, 1, ptrace_like, &done), -EFAULT);
		assert_int_equal(mm_mprotect(f.s, BASE, PAGE, MM_READ), 0);
		assert_int_equal(mm_copy_out(f.s, BASE, out, 1, ptrace_like, &done), -EFAULT);
		assert_int_equal(mm_mprotect(f.s, BASE, PAGE, RW), 0);
		assert_int_equal(mm_copy_out(f.s, BASE, out, 1, ptrace_like, &done), 0);
		close_fixture(&f);
	}
}

static void huge_pages_are_copied_in_parts(void **state)
{
	struct fixture f;

	(void)state;
	for (int h = 0; h < 3; h++) {
		open_fixture(&f, hosts[h], PAGE_THP);
		map(f.s, BASE, 1024, RW);
		both_ways(f.s, BASE + MM_HUGE_SIZE - 9000, 60 * PAGE, 60 * PAGE);
		assert_int_equal(mm_munmap(f.s, BASE + MM_HUGE_SIZE + 8 * PAGE, PAGE), 0);
		both_ways(f.s, BASE + MM_HUGE_SIZE - 9000, 60 * PAGE, 9000 + 8 * PAGE);
		both_ways(f.s, BASE + 2 * MM_HUGE_SIZE - 10, 20, 10);
		close_fixture(&f);
	}
}

/* ---- threads ---- */

#define THREADS 3
#define ROUNDS 2000

struct crowd {
	struct fixture *f;
	_Atomic bool stop;
	_Atomic unsigned wrong;
	uint64_t pages; /* that there are at least, of 4 */
};

static void *copy_again_and_again(void *arg)
{
	struct crowd *c = arg;
	unsigned char bytes[4 * 4096];

	if (mm_thread_enter())
		return arg;
	memset(bytes, 1, sizeof(bytes));
	while (!atomic_load(&c->stop)) {
		uint64_t done;
		int rc = mm_copy_out(c->f->s, BASE, bytes, sizeof(bytes), plain, &done);

		/* Whole pages were there or not. */
		if (done % PAGE || done < c->pages * PAGE || (rc == 0) != (done == sizeof(bytes)))
			atomic_fetch_add(&c->wrong, 1);
		rc = mm_copy_in(c->f->s, BASE, bytes, sizeof(bytes), plain, &done);
		if (done % PAGE || done < c->pages * PAGE || (rc == 0) != (done == sizeof(bytes)))
			atomic_fetch_add(&c->wrong, 1);
		memset(bytes, 1, sizeof(bytes));
	}
	mm_thread_leave();
	return NULL;
}

static void with_a_crowd(const struct host_space_ops *host, void (*disturb)(struct fixture *),
			 uint64_t pages)
{
	struct fixture f;
	struct crowd c = { .f = &f, .pages = pages };
	pthread_t thread[THREADS];

	open_fixture(&f, host, PAGE_4K);
	map_shared(&f, BASE, 4, RW);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, copy_again_and_again, &c), 0);
	for (int i = 0; i < ROUNDS; i++)
		disturb(&f);
	atomic_store(&c.stop, true);
	for (int i = 0; i < THREADS; i++) {
		void *failed;

		pthread_join(thread[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(c.wrong, 0);
	close_fixture(&f);
}

static void truncate_it(struct fixture *f)
{
	int rc = shared_memory_truncate(f->sm, 2 * PAGE);

	rc |= shared_memory_truncate(f->sm, 4 * PAGE);
	assert_int_equal(rc, 0);
}

static void punch_it(struct fixture *f)
{
	struct mappable_range mr = { PAGE, 3 * PAGE };

	assert_int_equal(shared_memory_punch(f->sm, mr), 0);
}

static void unmap_it(struct fixture *f)
{
	assert_int_equal(mm_munmap(f->s, BASE + PAGE, 3 * PAGE), 0);
	map(f->s, BASE + PAGE, 3, RW);
}

static void protect_it(struct fixture *f)
{
	assert_int_equal(mm_mprotect(f->s, BASE + 3 * PAGE, PAGE, MM_NONE), 0);
	assert_int_equal(mm_mprotect(f->s, BASE + 3 * PAGE, PAGE, RW), 0);
}

static void memory_may_go_away_meanwhile(void **state)
{
	(void)state;
	for (int h = 0; h < 3; h++) {
		with_a_crowd(hosts[h], truncate_it, 2);
		with_a_crowd(hosts[h], punch_it, 4);
		with_a_crowd(hosts[h], unmap_it, 1);
		with_a_crowd(hosts[h], protect_it, 3);
	}
}

#define ADDS 5000

static void *add(void *arg)
{
	struct fixture *f = arg;
	void *failed = mm_thread_enter() ? arg : NULL;

	for (int i = 0; i < ADDS && !failed; i++) {
		uint32_t old = 0;
		uint32_t seen = 0;

		if (mm_load_u32(f->s, BASE + 4 * (i % 2), &old))
			failed = arg;
		while (!failed) {
			if (mm_compare_swap_u32(f->s, BASE + 4 * (i % 2), old, old + 1, &seen))
				failed = arg;
			if (seen == old)
				break;
			old = seen;
		}
	}
	mm_thread_leave();
	return failed;
}

static void additions_of_threads_add_up(void **state)
{
	struct fixture f;
	pthread_t thread[THREADS];
	uint32_t sum[2];

	(void)state;
	for (int h = 0; h < 3; h++) {
		open_fixture(&f, hosts[h], PAGE_4K);
		map(f.s, BASE, 1, RW);
		for (int i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&thread[i], NULL, add, &f), 0);
		for (int i = 0; i < THREADS; i++) {
			void *failed;

			pthread_join(thread[i], &failed);
			assert_null(failed);
		}
		assert_int_equal(mm_load_u32(f.s, BASE, &sum[0]), 0);
		assert_int_equal(mm_load_u32(f.s, BASE + 4, &sum[1]), 0);
		assert_int_equal(sum[0], THREADS * ADDS / 2);
		assert_int_equal(sum[1], THREADS * ADDS / 2);
		close_fixture(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_reach_what_is_mapped),
		cmocka_unit_test(copies_end_exactly_at_an_edge),
		cmocka_unit_test(permissions_are_those_of_the_mapping),
		cmocka_unit_test(ranges_are_checked),
		cmocka_unit_test(vectors_go_range_by_range),
		cmocka_unit_test(words_are_exchanged),
		cmocka_unit_test(the_application_sees_it),
		cmocka_unit_test(a_buffer_may_lie_in_a_window),
		cmocka_unit_test(files_that_cannot_be_mapped_are_read_and_written),
		cmocka_unit_test(permissions_can_be_ignored),
		cmocka_unit_test(huge_pages_are_copied_in_parts),
		cmocka_unit_test(memory_may_go_away_meanwhile),
		cmocka_unit_test(additions_of_threads_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
