/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_space_test.c - what a host space shows is what it was told to, and hiding never fails,
 * with failures of the host provoked through os_calls and once by filling vm.max_map_count.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/fail.h"
#include "engine/host_space.h"
#include "engine/os.h"

#define PAGE MM_PAGE_SIZE
#define FILE_PAGES 64

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* the sanitizers themselves need mappings, and die without */
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

struct test_file {
	struct file base;
	int fd;
};

static int test_data_fd(struct file *f)
{
	return ((struct test_file *)f)->fd;
}

static const struct file_ops test_file_ops = { .data_fd = test_data_fd };
static struct test_file file;
static struct host_space *h;
static int pipe_fd[2];
static const struct os_calls real_calls = { mmap, munmap, mprotect };

/* Each page of the file begins with its number + 1. */
static int set_up(void **state)
{
	(void)state;
	file.base.ops = &test_file_ops;
	file.fd = memfd_create("host_space_test", MFD_CLOEXEC);
	if (file.fd < 0 || ftruncate(file.fd, FILE_PAGES * PAGE) || pipe2(pipe_fd, O_NONBLOCK))
		return -1;
	for (unsigned i = 0; i < FILE_PAGES; i++) {
		unsigned char number = (unsigned char)(i + 1);

		if (pwrite(file.fd, &number, 1, (off_t)(i * PAGE)) != 1)
			return -1;
	}
	return host_space_mmap.create(4 * MM_HUGE_SIZE, &h);
}

static int tear_down(void **state)
{
	(void)state;
	os_calls = real_calls;
	h->ops->destroy(h);
	close(file.fd);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	return 0;
}

/* The byte shown at va, or -1 when it cannot be read: the kernel looks, so nothing traps. */
static int shown(uint64_t va)
{
	unsigned char byte;

	if (write(pipe_fd[1], h->ops->address(h, va), 1) != 1)
		return errno == EFAULT ? -1 : -2;
	return read(pipe_fd[0], &byte, 1) == 1 ? byte : -2;
}

static bool writable(uint64_t va)
{
	if (write(pipe_fd[1], "\x7f", 1) != 1)
		return false;
	if (read(pipe_fd[0], h->ops->address(h, va), 1) == 1)
		return true;
	(void)!read(pipe_fd[0], &(char){ 0 }, 1);
	return false;
}

static struct addr_range pages(uint64_t first, uint64_t count)
{
	return (struct addr_range){ first * PAGE, (first + count) * PAGE };
}

static int map(uint64_t first, uint64_t count, uint64_t file_page, mm_access perms)
{
	return h->ops->map(h, pages(first, count), &file.base, file_page * PAGE, perms, false);
}

/* Is the page still reserved, so that nobody else's mmap can get it? */
static bool reserved(uint64_t va)
{
	void *p = mmap(h->ops->address(h, va), PAGE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	return p == MAP_FAILED && errno == EEXIST;
}

static void kinds_are_found_by_name(void **state)
{
	(void)state;
	assert_ptr_equal(host_space_find("none"), &host_space_none);
	assert_ptr_equal(host_space_find("mmap"), &host_space_mmap);
	assert_null(host_space_find("mmapp"));
	assert_null(host_space_find(""));
	assert_string_equal(host_space_none.name, "none");
	assert_string_equal(host_space_mmap.name, "mmap");
}

static void none_shows_nothing_and_counts_no_call(void **state)
{
	struct host_space *none = NULL;

	(void)state;
	assert_int_equal(host_space_none.create(1 << 30, &none), 0);
	assert_ptr_equal(none->ops, &host_space_none);
	assert_int_equal(none->ops->map(none, pages(1, 2), &file.base, 0, MM_WRITE, true), 0);
	none->ops->unmap(none, pages(1, 1));
	assert_null(none->ops->address(none, PAGE));
	assert_int_equal(none->maps, 0);
	assert_int_equal(none->unmaps, 0);
	none->ops->destroy(none);
}

static void a_window_is_aligned_and_bounded(void **state)
{
	struct host_space *other = NULL;

	(void)state;
	assert_int_equal((uintptr_t)h->ops->address(h, 0) % MM_HUGE_SIZE, 0);
	assert_non_null(h->ops->address(h, 4 * MM_HUGE_SIZE - 1));
	assert_null(h->ops->address(h, 4 * MM_HUGE_SIZE));
	assert_null(h->ops->address(h, UINT64_MAX));
	assert_int_equal(shown(0), -1);
	assert_int_equal(shown(4 * MM_HUGE_SIZE - PAGE), -1);
	assert_int_equal(host_space_mmap.create(0, &other), -EINVAL);
	assert_int_equal(host_space_mmap.create(UINT64_MAX, &other), -ENOMEM);
	assert_int_equal(host_space_mmap.create(UINT64_C(1) << 62, &other), -ENOMEM);
	assert_null(other);
}

static void a_mapped_range_shows_the_file(void **state)
{
	unsigned char byte = 0;

	(void)state;
	assert_int_equal(map(10, 3, 5, MM_READ | MM_WRITE), 0);
	assert_int_equal(shown(9 * PAGE), -1);
	assert_int_equal(shown(10 * PAGE), 6);
	assert_int_equal(shown(12 * PAGE), 8);
	assert_int_equal(shown(13 * PAGE), -1);
	assert_true(writable(11 * PAGE));
	assert_int_equal(pread(file.fd, &byte, 1, 6 * PAGE), 1);
	assert_int_equal(byte, 0x7f);
	/* Replacing, also with fewer rights. */
	assert_int_equal(map(11, 1, 20, MM_READ), 0);
	assert_int_equal(shown(11 * PAGE), 21);
	assert_false(writable(11 * PAGE));
	assert_true(writable(12 * PAGE));
	assert_int_equal(h->maps, 2);
}

static void write_permission_implies_read(void **state)
{
	(void)state;
	assert_int_equal(map(0, 1, 3, MM_WRITE), 0);
	assert_int_equal(shown(0), 4);
	assert_true(writable(0));
	assert_int_equal(map(0, 1, 3, MM_NONE), 0);
	assert_int_equal(shown(0), -1);
}

static void populate_fills_the_page_table(void **state)
{
	uint64_t entry[2] = { 0, 0 };
	int fd = open("/proc/self/pagemap", O_RDONLY);
	off_t at = (off_t)((uintptr_t)h->ops->address(h, 0) / PAGE * 8);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(h->ops->map(h, pages(0, 1), &file.base, 0, MM_READ, true), 0);
	assert_int_equal(h->ops->map(h, pages(1, 1), &file.base, 9 * PAGE, MM_READ, false), 0);
	assert_int_equal(pread(fd, entry, sizeof(entry), at), (int)sizeof(entry));
	close(fd);
	assert_int_equal(entry[0] >> 63, 1);
	assert_int_equal(entry[1] >> 63, 0);
}

static void unmap_hides_and_keeps_the_reservation(void **state)
{
	(void)state;
	assert_int_equal(map(0, 8, 0, MM_READ), 0);
	h->ops->unmap(h, pages(3, 2));
	assert_int_equal(shown(2 * PAGE), 3);
	assert_int_equal(shown(3 * PAGE), -1);
	assert_int_equal(shown(4 * PAGE), -1);
	assert_int_equal(shown(5 * PAGE), 6);
	assert_true(reserved(3 * PAGE));
	h->ops->unmap(h, pages(0, 1024)); /* parts that show nothing are fine */
	assert_int_equal(shown(5 * PAGE), -1);
	assert_true(reserved(1000 * PAGE));
	assert_int_equal(h->unmaps, 2);
	assert_int_equal(h->widened, 0);
}

static void errors_of_the_host_come_back_from_map(void **state)
{
	int fd = file.fd;

	(void)state;
	file.fd = -1;
	assert_int_equal(map(0, 1, 0, MM_READ), -EBADF);
	file.fd = fd;
	assert_int_equal(map(0, 1, 0, MM_READ), 0);
}

/* ---- failures: the calls from number fail_from on, fail_count of them, give ENOMEM ---- */

static int calls, fail_from, fail_count;
static int protects;

static void *failing_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	int n = calls++;

	if (n >= fail_from && n < fail_from + fail_count) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return mmap(at, bytes, prot, flags, fd, offset);
}

static int counted_mprotect(void *at, size_t bytes, int prot)
{
	protects++;
	return mprotect(at, bytes, prot);
}

static void provoke(int from, int count)
{
	calls = protects = 0;
	fail_from = from;
	fail_count = count;
	os_calls.mmap = failing_mmap;
	os_calls.mprotect = counted_mprotect;
}

static void a_refused_map_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(map(0, 2, 0, MM_READ), 0);
	provoke(0, 1);
	assert_int_equal(map(1, 1, 30, MM_READ), -ENOMEM);
	assert_int_equal(shown(PAGE), 2);
	assert_int_equal(h->widened, 0);
}

static void a_refused_unmap_hides_the_whole_mapping(void **state)
{
	(void)state;
	assert_int_equal(map(0, 8, 0, MM_READ), 0);
	assert_int_equal(map(8, 1, 40, MM_READ), 0); /* another host mapping */
	provoke(0, 1);
	h->ops->unmap(h, pages(3, 1));
	assert_int_equal(h->widened, 1);
	assert_int_equal(calls, 2);
	assert_int_equal(protects, 0);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(shown(i * PAGE), -1);
	assert_int_equal(shown(8 * PAGE), 41);
	assert_true(reserved(3 * PAGE));
}

static void a_refused_unmap_hides_every_mapping_it_overlaps(void **state)
{
	(void)state;
	assert_int_equal(map(0, 4, 0, MM_READ), 0);
	assert_int_equal(map(4, 4, 20, MM_READ | MM_WRITE), 0);
	assert_int_equal(map(10, 2, 40, MM_READ), 0);
	assert_int_equal(map(14, 2, 50, MM_READ), 0);
	provoke(0, 1);
	h->ops->unmap(h, pages(3, 8)); /* the ends of two, the whole of one, and a gap */
	assert_int_equal(h->widened, 1);
	for (uint64_t i = 0; i < 14; i++)
		assert_int_equal(shown(i * PAGE), -1);
	assert_int_equal(shown(14 * PAGE), 51);
}

static void when_mmap_is_refused_for_good_access_is_taken(void **state)
{
	(void)state;
	assert_int_equal(map(0, 8, 0, MM_READ | MM_WRITE), 0);
	assert_int_equal(map(10, 1, 10, MM_READ), 0);
	provoke(0, 1000);
	h->ops->unmap(h, pages(2, 2));
	assert_int_equal(h->widened, 1);
	assert_int_equal(protects, 1);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(shown(i * PAGE), -1);
	assert_int_equal(shown(10 * PAGE), 11);
	assert_true(reserved(2 * PAGE));
	/* Nothing left to hide there: no call is needed, however often it is refused. */
	h->ops->unmap(h, pages(2, 2));
	assert_int_equal(protects, 1);
	/* And what was taken can be shown again. */
	os_calls = real_calls;
	assert_int_equal(map(2, 1, 33, MM_READ), 0);
	assert_int_equal(shown(2 * PAGE), 34);
	assert_int_equal(shown(3 * PAGE), -1);
}

/* In a child: fills the process's mappings to the limit, then hides the middle of one. */
static int unmap_at_the_limit(void)
{
	char *filler = mmap(NULL, UINT64_C(1) << 30, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t made = 0;

	if (filler == MAP_FAILED || map(0, 8, 0, MM_READ) || map(16, 8, 16, MM_READ))
		return 1;
	while (made < (UINT64_C(1) << 30) / PAGE / 2 &&
	       mprotect(filler + (2 * made + 1) * PAGE, PAGE, PROT_READ) == 0)
		made++;
	if (made == (UINT64_C(1) << 30) / PAGE / 2)
		return 2; /* no limit on this machine */
	h->ops->unmap(h, pages(3, 1));
	if (h->widened != 1)
		return 3;
	for (uint64_t i = 0; i < 8; i++)
		if (shown(i * PAGE) != -1)
			return 4;
	if (shown(16 * PAGE) != 17)
		return 5;
	h->ops->unmap(h, pages(0, 1024));
	if (shown(16 * PAGE) != -1)
		return 6;
	h->ops->destroy(h);
	return 0;
}

static void unmap_succeeds_at_the_host_s_limit_of_mappings(void **state)
{
	int status = 0;
	pid_t child;

	(void)state;
	if (SANITIZED)
		skip();
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(unmap_at_the_limit());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 2)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static jmp_buf failed;
static char message[512];

static void catch_failure(const char *text)
{
	snprintf(message, sizeof(message), "%s", text);
	longjmp(failed, 1);
}

static void ranges_outside_the_window_are_reported(void **state)
{
	const struct addr_range bad[] = {
		{ 0, 4 * MM_HUGE_SIZE + PAGE },
		{ PAGE, PAGE },
		{ 2 * PAGE, PAGE },
		{ 1, PAGE },
	};

	(void)state;
	mm_fail_set_hook(catch_failure);
	for (volatile size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		message[0] = '\0';
		if (!setjmp(failed)) {
			h->ops->unmap(h, bad[i]);
			fail_msg("no complaint");
		}
		assert_non_null(strstr(message, "is not in the window"));
		if (!setjmp(failed)) {
			(void)!h->ops->map(h, bad[i], &file.base, 0, MM_READ, false);
			fail_msg("no complaint");
		}
	}
	mm_fail_set_hook(NULL);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_are_found_by_name),
		cmocka_unit_test(none_shows_nothing_and_counts_no_call),
		TEST(a_window_is_aligned_and_bounded),
		TEST(a_mapped_range_shows_the_file),
		TEST(write_permission_implies_read),
		TEST(populate_fills_the_page_table),
		TEST(unmap_hides_and_keeps_the_reservation),
		TEST(errors_of_the_host_come_back_from_map),
		TEST(a_refused_map_changes_nothing),
		TEST(a_refused_unmap_hides_the_whole_mapping),
		TEST(a_refused_unmap_hides_every_mapping_it_overlaps),
		TEST(when_mmap_is_refused_for_good_access_is_taken),
		TEST(unmap_succeeds_at_the_host_s_limit_of_mappings),
		TEST(ranges_outside_the_window_are_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
