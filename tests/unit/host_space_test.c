/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_space_test.c - what a host space shows is what it was told to, and hiding never fails,
 * with failures of the host provoked through os_calls and once by filling vm.max_map_count. All of
 * it by mmap and by userfaultfd; what is the latter's own comes last.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/fail.h"
#include "engine/host_space.h"
#include "engine/os.h"
#include "engine/os_maps.h"
#include "engine/park.h"
#include "tests/unit/gate.h"
#include "tests/unit/host_window_fixture.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* the sanitizers themselves need mappings, and die without */
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

static void kinds_are_found_by_name(void **state)
{
	(void)state;
	assert_ptr_equal(host_space_find("none"), &host_space_none);
	assert_ptr_equal(host_space_find("mmap"), &host_space_mmap);
	assert_ptr_equal(host_space_find("uffd"), &host_space_uffd);
	assert_null(host_space_find("mmapp"));
	assert_null(host_space_find(""));
	assert_string_equal(host_space_none.name, "none");
	assert_string_equal(host_space_mmap.name, "mmap");
	assert_string_equal(host_space_uffd.name, "uffd");
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
	assert_int_equal(kind->create(0, &other), -EINVAL);
	assert_int_equal(kind->create(UINT64_MAX, &other), -ENOMEM);
	assert_int_equal(kind->create(UINT64_C(1) << 62, &other), -ENOMEM);
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

/* ---- what userfaultfd does otherwise ---- */

static bool count_accessible(const struct os_mapping *mapping, void *count)
{
	*(int *)count += mapping->perms != MM_NONE;
	return true;
}

/* Accessible host mappings in the window. */
static int host_mappings(void)
{
	uint64_t base = (uint64_t)(uintptr_t)h->ops->address(h, 0);
	int count = 0;

	assert_int_equal(os_visit_mappings((struct addr_range){ base, base + 4 * MM_HUGE_SIZE },
					   count_accessible, &count),
			 0);
	return count;
}

static void pages_are_shown_and_hidden_without_a_mapping_each(void **state)
{
	(void)state;
	for (uint64_t i = 1; i < FILE_PAGES; i += 2)
		assert_int_equal(map(i, 1, i, MM_READ | MM_WRITE), 0);
	assert_int_equal(h->attached, 1);
	assert_int_equal(host_mappings(), 1);
	for (uint64_t i = 0; i < FILE_PAGES; i++)
		assert_int_equal(shown(i * PAGE), i % 2 ? (int)i + 1 : -1);
	h->ops->unmap(h, pages(0, FILE_PAGES / 2));
	assert_int_equal(shown(PAGE), -1);
	assert_int_equal(shown((FILE_PAGES - 1) * PAGE), FILE_PAGES);
	assert_int_equal(host_mappings(), 1);
	/* All at once, some of which are there. */
	assert_int_equal(map(0, FILE_PAGES, 0, MM_READ | MM_WRITE), 0);
	for (uint64_t i = 0; i < FILE_PAGES; i++)
		assert_int_equal(shown(i * PAGE), i + 1);
	assert_int_equal(h->attached, 1);
	assert_int_equal(host_mappings(), 1);
}

static void what_does_not_fit_gets_a_mapping_until_nothing_is_shown(void **state)
{
	(void)state;
	assert_int_equal(map(8, 1, 8, MM_READ | MM_WRITE), 0);
	assert_int_equal(map(9, 1, 9, MM_READ), 0); /* other permissions */
	assert_int_equal(map(10, 1, 30, MM_READ | MM_WRITE), 0); /* another place */
	assert_int_equal(shown(9 * PAGE), 10);
	assert_false(writable(9 * PAGE));
	assert_int_equal(shown(10 * PAGE), 31);
	assert_int_equal(h->attached, 1);
	assert_int_equal(host_mappings(), 4);
	h->ops->unmap(h, pages(9, 2));
	assert_int_equal(shown(9 * PAGE), -1);
	assert_int_equal(shown(10 * PAGE), -1);
	assert_int_equal(map(9, 1, 9, MM_READ | MM_WRITE), 0); /* no longer attached there */
	assert_int_equal(shown(9 * PAGE), 10);
	assert_int_equal(h->attached, 1);
	h->ops->unmap(h, pages(8, 2));
	assert_int_equal(map(9, 1, 20, MM_READ), 0);
	assert_int_equal(shown(9 * PAGE), 21);
	assert_int_equal(shown(8 * PAGE), -1);
	assert_int_equal(h->attached, 2);
	assert_int_equal(host_mappings(), 1);
}

/* Page 200 would show page 0, so that 199 is before the file's beginning. */
static void a_block_may_begin_before_the_file_does(void **state)
{
	(void)state;
	assert_int_equal(map(200, 2, 0, MM_READ), 0);
	assert_int_equal(shown(200 * PAGE), 1);
	assert_int_equal(shown(199 * PAGE), -1);
	assert_true(reserved(199 * PAGE));
	assert_int_equal(map(199, 1, 5, MM_READ), 0);
	assert_int_equal(shown(199 * PAGE), 6);
	assert_int_equal(h->attached, 1);
}

static void a_page_without_memory_gets_some(void **state)
{
	(void)state;
	assert_int_equal(fallocate(file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * PAGE,
				   2 * PAGE),
			 0);
	assert_int_equal(map(3, 4, 3, MM_READ | MM_WRITE), 0);
	assert_int_equal(shown(3 * PAGE), 4);
	assert_int_equal(shown(4 * PAGE), 0);
	assert_int_equal(shown(6 * PAGE), 7);
	assert_int_equal(host_mappings(), 1);
}

static void a_page_that_cannot_be_had_is_a_bus_error(void **state)
{
	(void)state;
	assert_int_equal(map(0, 1, 1, MM_READ), 0);
	assert_int_equal(ftruncate(file.fd, PAGE), 0);
	assert_true(is_bus_error(map(1, 1, 2, MM_READ)));
	assert_int_equal(host_mappings(), 1);
	/* One that is shown already goes on raising SIGBUS. */
	assert_true(is_bus_error(map(0, 1, 1, MM_READ)));
	assert_int_equal(host_mappings(), 1);
	assert_int_equal(shown(0), -1);
}

static int refuse_with; /* errno of what is refused, 0: nothing is */
static unsigned long refused; /* the request */
static int partly; /* pages that a request continues before it says EAGAIN */

static int refuse_userfaultfd(int flags)
{
	(void)flags;
	errno = refuse_with;
	return -1;
}

static int refuse_request(int fd, unsigned long request, void *argument)
{
	struct uffdio_continue *next = argument;

	if (request == refused && refuse_with) {
		errno = refuse_with;
		return -1;
	}
	if (request == UFFDIO_CONTINUE && partly && next->range.len > (unsigned)partly * PAGE) {
		next->range.len = (unsigned)partly * PAGE;
		int rc = real_calls.ioctl(fd, request, argument);

		errno = rc ? errno : EAGAIN;
		return -1;
	}
	return real_calls.ioctl(fd, request, argument);
}

static void expect_refusal(int error, const char *words)
{
	struct host_space *other = NULL;
	const char *why = NULL;

	refuse_with = error;
	assert_int_equal(host_space_uffd_probe(&why), -error);
	assert_non_null(strstr(why, words));
	assert_int_equal(host_space_uffd.create(MM_HUGE_SIZE, &other), -error);
	assert_null(other);
	refuse_with = 0;
}

static void a_refused_userfaultfd_is_explained(void **state)
{
	(void)state;
	os_calls.userfaultfd = refuse_userfaultfd;
	expect_refusal(EPERM, "seccomp");
	expect_refusal(ENOSYS, "CONFIG_USERFAULTFD");
	expect_refusal(EMFILE, "descriptors");
	os_calls = real_calls;
	os_calls.ioctl = refuse_request;
	refused = UFFDIO_API;
	expect_refusal(EINVAL, "Linux 5.14");
}

static void without_an_attachment_mmap_shows(void **state)
{
	(void)state;
	os_calls.ioctl = refuse_request;
	refused = UFFDIO_REGISTER;
	refuse_with = EBUSY;
	assert_int_equal(map(3, 1, 3, MM_READ), 0);
	assert_int_equal(shown(3 * PAGE), 4);
	assert_int_equal(shown(4 * PAGE), -1);
	h->ops->unmap(h, pages(3, 1));
	assert_int_equal(shown(3 * PAGE), -1);
	refused = UFFDIO_CONTINUE;
	refuse_with = ENOENT;
	assert_int_equal(map(3, 2, 3, MM_READ), 0);
	assert_int_equal(shown(3 * PAGE), 4);
	assert_int_equal(shown(4 * PAGE), 5);
	assert_int_equal(shown(5 * PAGE), -1);
	refuse_with = 0;
}

static void showing_goes_on_where_it_was_interrupted(void **state)
{
	(void)state;
	os_calls.ioctl = refuse_request;
	partly = 3;
	assert_int_equal(map(0, 20, 0, MM_READ), 0);
	partly = 0;
	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(shown(i * PAGE), i + 1);
	assert_int_equal(host_mappings(), 1);
}

static int refuse_madvise(void *at, size_t bytes, int advice)
{
	(void)at, (void)bytes, (void)advice;
	errno = EINVAL;
	return -1;
}

/* With mmap refused as well, access is taken from the whole of an attached mapping: its other pages
 * are in the page table, and still cannot be read. */
static void a_page_without_access_is_shown_again(void **state)
{
	(void)state;
	assert_int_equal(map(0, 8, 0, MM_READ), 0);
	os_calls.madvise = refuse_madvise;
	provoke(0, 1000);
	h->ops->unmap(h, pages(2, 2));
	assert_int_equal(h->widened, 1);
	assert_int_equal(protects, 1);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(shown(i * PAGE), -1);
	os_calls = real_calls;
	assert_int_equal(map(5, 1, 5, MM_READ), 0);
	assert_int_equal(shown(5 * PAGE), 6);
	assert_int_equal(map(2, 1, 2, MM_READ), 0);
	assert_int_equal(shown(2 * PAGE), 3);
	assert_int_equal(shown(3 * PAGE), -1);
}

static void *map_behind_the_gate(void *page)
{
	return (void *)(intptr_t)map((uintptr_t)page, 1, (uintptr_t)page, MM_READ);
}

/* Were the second not to wait, its page would be hidden by the attachment, or be shown beside it.
 * */
static void who_comes_while_a_block_is_attached_waits(void **state)
{
	pthread_t first, second;
	void *rc[2];

	(void)state;
	gates_needed();
	gates_init();
	gate_arm("host_uffd_attached");
	assert_int_equal(pthread_create(&first, NULL, map_behind_the_gate, (void *)1), 0);
	gate_await("host_uffd_attached");
	uint64_t sleeps = atomic_load(&park_sleeps);

	assert_int_equal(pthread_create(&second, NULL, map_behind_the_gate, (void *)2), 0);
	while (atomic_load(&park_sleeps) == sleeps)
		sched_yield();
	assert_int_equal(shown(2 * PAGE), -1);
	gate_open("host_uffd_attached");
	assert_int_equal(pthread_join(first, &rc[0]), 0);
	assert_int_equal(pthread_join(second, &rc[1]), 0);
	assert_null(rc[0]);
	assert_null(rc[1]);
	assert_int_equal(shown(PAGE), 2);
	assert_int_equal(shown(2 * PAGE), 3);
	assert_int_equal(h->attached, 1);
	assert_int_equal(host_mappings(), 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define OF_EACH                                                                                   \
	TEST(a_window_is_aligned_and_bounded), TEST(a_mapped_range_shows_the_file),               \
		TEST(write_permission_implies_read), TEST(populate_fills_the_page_table),         \
		TEST(unmap_hides_and_keeps_the_reservation),                                      \
		TEST(errors_of_the_host_come_back_from_map), TEST(a_refused_map_changes_nothing), \
		TEST(ranges_outside_the_window_are_reported)
#define OF_MMAP                                                        \
	TEST(a_refused_unmap_hides_the_whole_mapping),                 \
		TEST(a_refused_unmap_hides_every_mapping_it_overlaps), \
		TEST(when_mmap_is_refused_for_good_access_is_taken),   \
		TEST(unmap_succeeds_at_the_host_s_limit_of_mappings)
	const struct CMUnitTest by_mmap[] = {
		cmocka_unit_test(kinds_are_found_by_name),
		cmocka_unit_test(none_shows_nothing_and_counts_no_call), OF_EACH, OF_MMAP
	};
	const struct CMUnitTest of_others[] = { OF_EACH, OF_MMAP,
						TEST(a_page_that_cannot_be_had_is_a_bus_error) };
	const struct CMUnitTest by_uffd[] = {
		OF_EACH,
		TEST(pages_are_shown_and_hidden_without_a_mapping_each),
		TEST(what_does_not_fit_gets_a_mapping_until_nothing_is_shown),
		TEST(a_block_may_begin_before_the_file_does),
		TEST(a_page_without_memory_gets_some),
		TEST(a_refused_userfaultfd_is_explained),
		TEST(without_an_attachment_mmap_shows),
		TEST(showing_goes_on_where_it_was_interrupted),
		TEST(a_page_without_access_is_shown_again),
		TEST(who_comes_while_a_block_is_attached_waits),
	};
	const char *why;
	int failures;

	is_own = true;
	kind = &host_space_mmap;
	failures = cmocka_run_group_tests_name("mmap", by_mmap, NULL, NULL);
	if (host_space_uffd_probe(&why)) {
		printf("ok 1 # SKIP uffd: %s\n", why);
		return failures;
	}
	kind = &host_space_uffd;
	failures += cmocka_run_group_tests_name("uffd", by_uffd, NULL, NULL);
	is_own = false;
	return failures + cmocka_run_group_tests_name("uffd, other files", of_others, NULL, NULL);
}
