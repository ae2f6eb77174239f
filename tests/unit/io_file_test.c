/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_file_test.c - the kernel's access to mapped host files, which others may cut: exact counts
 * where the file ends, before and after the engine knows of it, in memory and in buffers.
 */
#include "tests/unit/space_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "engine/direct_file.h"
#include "engine/mm_io.h"
#include "tests/unit/host_file.h"

#define PAGE MM_PAGE_SIZE

static const struct mm_opts one_page = { .copy_bytes = MM_PAGE_SIZE };
static const struct mm_io_opts plain;
static const struct mm_io_opts ptrace_like = { .ignore_permissions = true };
static const struct host_space_ops *const hosts[] = { &host_space_none, &host_space_mmap,
						      &host_space_uffd };

struct file_fixture {
	struct fixture f;
	struct direct_file *df;
	int fd;
};

static void map_file(struct file_fixture *t, uint64_t page, uint64_t pages, mm_access perms,
		     bool is_private)
{
	struct mmap_opts o = fixture_map_opts(page, pages, perms);
	uint64_t got;

	o.mappable = direct_file_mappable(t->df);
	o.identity = direct_file_identity(t->df);
	o.is_private = is_private;
	if (!is_private) /* the file may be open for reading only */
		o.max_perms = perms;
	assert_int_equal(mm_mmap(t->f.space, &o, &got), 0);
}

static void open_file(struct file_fixture *t, const struct host_space_ops *host, uint64_t size)
{
	fixture_open(&t->f, &one_page, host);
	t->fd = host_file_make(size);
	assert_int_equal(direct_file_create(t->f.memory, t->fd, "file", &t->df), 0);
}

static void close_file(struct file_fixture *t)
{
	assert_int_equal(mm_munmap(t->f.space, FIXTURE_BASE, 64 * PAGE), 0);
	mapping_identity_dec_ref(direct_file_identity(t->df));
	close(t->fd);
	fixture_close(&t->f);
}

static unsigned char bytes[8 * 4096], want[8 * 4096];

/* Reads, writes and clears n bytes at address, all of which end after `expect`. */
static void expect_count(struct mm_space *s, uint64_t address, uint64_t n, uint64_t expect)
{
	int rc = expect < n ? -EFAULT : 0;
	uint64_t done = 99;

	assert_int_equal(mm_copy_in(s, address, bytes, n, plain, &done), rc);
	assert_int_equal(done, expect);
	assert_int_equal(mm_copy_out(s, address, bytes, n, plain, &done), rc);
	assert_int_equal(done, expect);
	assert_int_equal(mm_zero_out(s, address, n, plain, &done), rc);
	assert_int_equal(done, expect);
	assert_int_equal(mm_copy_out(s, address, bytes, n, plain, &done), rc);
	assert_int_equal(done, expect);
}

static void the_file_is_read_and_written(void **state)
{
	(void)state;
	for (int h = 0; h < 3; h++) {
		struct file_fixture t;
		uint64_t done;

		open_file(&t, hosts[h], 6 * PAGE - 100);
		map_file(&t, 0, 8, FIXTURE_RW, false);
		assert_int_equal(pread(t.fd, want, sizeof(want), 0), 6 * PAGE - 100);
		assert_int_equal(
			mm_copy_in(t.f.space, FIXTURE_BASE + 5, bytes, 5 * PAGE, plain, &done), 0);
		assert_memory_equal(bytes, want + 5, 5 * PAGE);
		memset(bytes, 3, 2 * PAGE);
		assert_int_equal(mm_copy_out(t.f.space, FIXTURE_BASE + 100, bytes, 2 * PAGE, plain,
					     &done),
				 0);
		assert_int_equal(pread(t.fd, want, sizeof(want), 100), 6 * PAGE - 200);
		assert_memory_equal(bytes, want, 2 * PAGE);
		assert_int_equal(want[2 * PAGE], host_file_byte(100 + 2 * PAGE));
		/* The page of the last byte is whole; the next is beyond the end. */
		expect_count(t.f.space, FIXTURE_BASE + 4 * PAGE + 77, 3 * PAGE, 2 * PAGE - 77);
		close_file(&t);
	}
}

/* Somebody cuts the file, and the entries still name what is gone. */
static void a_file_cut_behind_our_back_ends_the_copy(void **state)
{
	static const uint64_t offsets[] = { 0, 1, 4095, 4096, 4000, 8191 };

	(void)state;
	for (int h = 0; h < 3; h++) {
		struct file_fixture t;
		uint32_t old = 5;

		open_file(&t, hosts[h], 6 * PAGE);
		map_file(&t, 0, 6, FIXTURE_RW, false);
		expect_count(t.f.space, FIXTURE_BASE, 6 * PAGE, 6 * PAGE);
		assert_int_equal(ftruncate(t.fd, (off_t)(2 * PAGE)), 0);
		for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
			expect_count(t.f.space, FIXTURE_BASE + offsets[i], 4 * PAGE,
				     2 * PAGE - offsets[i]);
		expect_count(t.f.space, FIXTURE_BASE + 3 * PAGE, 1, 0);
		assert_int_equal(mm_swap_u32(t.f.space, FIXTURE_BASE + 2 * PAGE, 1, &old), -EFAULT);
		assert_int_equal(mm_load_u32(t.f.space, FIXTURE_BASE + 2 * PAGE, &old), -EFAULT);
		assert_int_equal(old, 5);
		assert_int_equal(mm_load_u32(t.f.space, FIXTURE_BASE + 2 * PAGE - 4, &old), 0);
		/* The engine hears of it: the same answer for another reason. */
		assert_int_equal(direct_file_refresh(t.df), 0);
		expect_count(t.f.space, FIXTURE_BASE + 9, 4 * PAGE, 2 * PAGE - 9);
		assert_int_equal(ftruncate(t.fd, (off_t)(6 * PAGE)), 0);
		expect_count(t.f.space, FIXTURE_BASE, 6 * PAGE, 6 * PAGE);
		close_file(&t);
	}
}

/* The buffer is a window on a file that was cut: mapping it again does not help. */
static void a_buffer_may_lie_in_a_file_that_was_cut(void **state)
{
	struct file_fixture t;
	uint64_t done;

	(void)state;
	open_file(&t, &host_space_mmap, 4 * PAGE);
	map_file(&t, 0, 4, FIXTURE_RW, false);
	assert_int_equal(fixture_map(t.f.space, 8, 4, FIXTURE_RW, NULL, true, 0), 0);
	expect_count(t.f.space, FIXTURE_BASE, 4 * PAGE, 4 * PAGE);
	assert_int_equal(ftruncate(t.fd, (off_t)PAGE), 0);
	unsigned char *window = mm_host_address(t.f.space, FIXTURE_BASE);

	assert_int_equal(mm_copy_out(t.f.space, fixture_address(8), window + 90, 3 * PAGE, plain,
				     &done),
			 -EFAULT);
	assert_int_equal(done, PAGE - 90);
	assert_int_equal(mm_copy_in(t.f.space, fixture_address(8), window + 80, 3 * PAGE, plain,
				    &done),
			 -EFAULT);
	assert_int_equal(done, PAGE - 80);
	close_file(&t);
}

static void private_copies_leave_the_file_alone(void **state)
{
	(void)state;
	for (int h = 0; h < 3; h++) {
		struct file_fixture t;
		struct mm_pin pin;
		struct addr_range ar = { fixture_address(1), fixture_address(3) };
		size_t count;
		uint64_t done;

		open_file(&t, hosts[h], 4 * PAGE);
		map_file(&t, 0, 4, MM_READ, true);
		assert_int_equal(mm_copy_in(t.f.space, FIXTURE_BASE, bytes, 4 * PAGE, plain, &done),
				 0);
		memset(bytes, 0, PAGE);
		assert_int_equal(mm_copy_out(t.f.space, FIXTURE_BASE, bytes, PAGE, plain, &done),
				 -EFAULT);
		assert_int_equal(
			mm_copy_out(t.f.space, FIXTURE_BASE, bytes, PAGE, ptrace_like, &done), 0);
		assert_true(host_file_is_made(t.fd, 0, 4 * PAGE));
		/* A copy cannot be made of what was cut: the first page alone is pinned. */
		assert_int_equal(ftruncate(t.fd, (off_t)(2 * PAGE)), 0);
		assert_int_equal(mm_pin(t.f.space, ar, MM_READ, &pin, 1, &count), -EFAULT);
		assert_int_equal(count, 1);
		assert_true(addr_range_length(pin.range) == PAGE);
		mm_unpin(t.f.space, &pin, 1);
		assert_int_equal(mm_copy_out(t.f.space, fixture_address(1) + 9, bytes, 2 * PAGE,
					     ptrace_like, &done),
				 -EFAULT);
		assert_int_equal(done, PAGE - 9);
		assert_int_equal(mm_copy_in(t.f.space, FIXTURE_BASE, bytes, 4 * PAGE, plain, &done),
				 -EFAULT);
		assert_int_equal(done, 2 * PAGE);
		close_file(&t);
	}
}

static void a_file_open_for_reading_is_not_written(void **state)
{
	struct file_fixture t;
	uint64_t done;

	(void)state;
	fixture_open(&t.f, &one_page, &host_space_mmap);
	int fd = host_file_make(2 * PAGE);

	t.fd = host_file_reopen(fd, O_RDONLY);
	close(fd);
	assert_int_equal(direct_file_create(t.f.memory, t.fd, "file", &t.df), 0);
	map_file(&t, 0, 2, MM_READ, false);
	assert_int_equal(mm_copy_in(t.f.space, FIXTURE_BASE, bytes, 2 * PAGE, plain, &done), 0);
	assert_int_equal(mm_copy_out(t.f.space, FIXTURE_BASE, bytes, 1, plain, &done), -EFAULT);
	assert_int_equal(mm_copy_out(t.f.space, FIXTURE_BASE, bytes, 1, ptrace_like, &done),
			 -EFAULT);
	map_file(&t, 0, 2, FIXTURE_RW, true);
	assert_int_equal(mm_copy_out(t.f.space, FIXTURE_BASE, bytes, PAGE, plain, &done), 0);
	assert_true(host_file_is_made(t.fd, 0, 2 * PAGE));
	close_file(&t);
}

/* ---- a file that shrinks and grows all the time ---- */

struct crowd {
	struct file_fixture *t;
	_Atomic bool stop;
	_Atomic unsigned wrong;
};

static void *copy_again_and_again(void *arg)
{
	struct crowd *c = arg;
	unsigned char mine[4 * 4096] = { 0 };

	if (mm_thread_enter())
		return arg;
	while (!atomic_load(&c->stop)) {
		uint64_t out;
		uint64_t in;
		int rc_out = mm_copy_out(c->t->f.space, FIXTURE_BASE + 50, mine, 4 * PAGE - 50,
					 plain, &out);
		int rc_in = mm_copy_in(c->t->f.space, FIXTURE_BASE + 50, mine, 4 * PAGE - 50, plain,
				       &in);

		/* Any count from the first page on: the cut may come in the midst of a page. */
		if (out + 50 < PAGE || in + 50 < PAGE || (rc_out == 0) != (out == 4 * PAGE - 50) ||
		    (rc_in == 0) != (in == 4 * PAGE - 50))
			atomic_fetch_add(&c->wrong, 1);
	}
	mm_thread_leave();
	return NULL;
}

static void a_file_may_shrink_meanwhile(void **state)
{
	(void)state;
	for (int h = 0; h < 3; h++) {
		struct file_fixture t;
		struct crowd c = { .t = &t };
		pthread_t thread[2];
		void *failed;

		open_file(&t, hosts[h], 4 * PAGE);
		map_file(&t, 0, 4, FIXTURE_RW, false);
		for (int i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&thread[i], NULL, copy_again_and_again, &c),
					 0);
		for (int i = 0; i < 300; i++) {
			if (i % 3)
				assert_int_equal(ftruncate(t.fd, (off_t)PAGE), 0);
			else
				assert_int_equal(direct_file_truncate(t.df, PAGE), 0);
			assert_int_equal(direct_file_truncate(t.df, 4 * PAGE), 0);
		}
		atomic_store(&c.stop, true);
		for (int i = 0; i < 2; i++) {
			pthread_join(thread[i], &failed);
			assert_null(failed);
		}
		assert_int_equal(c.wrong, 0);
		close_file(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_is_read_and_written),
		cmocka_unit_test(a_file_cut_behind_our_back_ends_the_copy),
		cmocka_unit_test(a_buffer_may_lie_in_a_file_that_was_cut),
		cmocka_unit_test(private_copies_leave_the_file_alone),
		cmocka_unit_test(a_file_open_for_reading_is_not_written),
		cmocka_unit_test(a_file_may_shrink_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
