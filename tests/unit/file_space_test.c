/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_space_test.c - host files and fixed pages in whole spaces: loads and stores of a window
 * reach the file, SIGBUS comes past its end, private copies do not reach it, fork and mremap keep
 * what they should, and mm_check() agrees after every call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/checked.h"

#include "engine/cached_file.h"
#include "engine/direct_file.h"
#include "engine/mm.h"
#include "engine/special.h"
#include "tests/unit/host_file.h"
#include "tests/unit/hosts.h"

#define PAGE MM_PAGE_SIZE
#define BASE (UINT64_C(64) << 20)
#define OTHER (UINT64_C(128) << 20)
#define RW (MM_READ | MM_WRITE)
#define FILE_BYTES (20 * PAGE + 100)

static struct mm *mm;
static struct mm_space *space;
static int fd;
static struct mappable *m;
static struct mapping_identity *id;
static struct cached_file *cf; /* one of the two is under test, the other NULL */
static struct direct_file *df;

static const struct host_space_ops *const hosts[] = { &host_space_mmap, &host_space_uffd };
static const struct host_space_ops *host; /* of the group that runs */
static sigjmp_buf bus;

static void on_bus(int signal_number)
{
	(void)signal_number;
	siglongjmp(bus, 1);
}

static void open_file(bool cached) NO_TSA
{
	struct sigaction action = { .sa_handler = on_bus };

	cf = NULL;
	df = NULL;
	sigaction(SIGBUS, &action, NULL);
	fd = host_file_make(FILE_BYTES);
	assert_int_equal(mm_thread_enter(), 0);
	assert_int_equal(mm_create(NULL, &mm), 0);
	assert_int_equal(mm_space_create(mm, host, UINT64_C(1) << 30, &space), 0);
	if (cached) {
		assert_int_equal(cached_file_create(mm_memory_file(mm), fd, "file", NULL, &cf), 0);
		m = cached_file_mappable(cf);
		id = cached_file_identity(cf);
	} else {
		assert_int_equal(direct_file_create(mm_memory_file(mm), fd, "file", &df), 0);
		m = direct_file_mappable(df);
		id = direct_file_identity(df);
	}
}

static void close_file(void) NO_TSA
{
	struct mm_stat stat;

	mm_check(mm);
	mm_space_destroy(space);
	mapping_identity_dec_ref(id);
	mm_get_stat(mm, &stat);
	assert_int_equal(stat.memory.live_pages, 0);
	assert_int_equal(stat.memory.foreign_chunks, 0);
	mm_destroy(mm);
	close(fd);
	mm_thread_leave();
}

static int map_at(uint64_t address, bool is_private, mm_access perms) NO_TSA
{
	uint64_t got;
	struct mmap_opts o = {
		.length = 32 * PAGE,
		.address = address,
		.fixed = true,
		.unmap = true,
		.perms = perms,
		.max_perms = MM_ANY_ACCESS,
		.is_private = is_private,
		.mappable = m,
		.identity = id,
	};

	return mm_mmap(space, &o, &got);
}

static volatile unsigned char *at(uint64_t address)
{
	return mm_host_address(space, address);
}

static bool loads_bus_error(uint64_t address)
{
	if (sigsetjmp(bus, 1))
		return true;
	(void)*at(address);
	return false;
}

static unsigned char host_byte(uint64_t offset)
{
	unsigned char byte = 0;

	assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	return byte;
}

static int truncate_file(uint64_t size) NO_TSA
{
	return cf ? cached_file_truncate(cf, size) : direct_file_truncate(df, size);
}

static void test_loads_and_stores(void) NO_TSA
{
	assert_int_equal(map_at(BASE, false, RW), 0);
	for (uint64_t i = 0; i < FILE_BYTES; i += 1000)
		assert_int_equal(*at(BASE + i), host_file_byte(i));
	assert_int_equal(*at(BASE + FILE_BYTES), 0); /* the rest of the last page */
	assert_true(loads_bus_error(BASE + 21 * PAGE));
	*at(BASE + 3 * PAGE + 7) = 0;
	assert_int_equal(host_byte(3 * PAGE + 7), cf ? host_file_byte(3 * PAGE + 7) : 0);
	assert_int_equal(mm_msync(space, BASE, 32 * PAGE, true, false), 0);
	assert_int_equal(host_byte(3 * PAGE + 7), 0);
	assert_int_equal(host_file_size(fd), FILE_BYTES);
	/* after msync a store still arrives */
	*at(BASE + 3 * PAGE + 8) = 0;
	assert_int_equal(mm_msync(space, BASE, 32 * PAGE, true, false), 0);
	assert_int_equal(host_byte(3 * PAGE + 8), 0);
}

static void test_private_copies(void) NO_TSA
{
	assert_int_equal(map_at(BASE, true, RW), 0);
	assert_int_equal(map_at(OTHER, false, RW), 0);
	assert_int_equal(*at(BASE + 5), host_file_byte(5));
	*at(OTHER + 5) = 0; /* seen by the private mapping as long as it has no copy */
	assert_int_equal(*at(BASE + 5), 0);
	*at(BASE + 6) = 0;
	*at(OTHER + 7) = 0;
	assert_int_equal(*at(OTHER + 6), host_file_byte(6));
	assert_int_equal(*at(BASE + 7), host_file_byte(7));
	*at(BASE + 20 * PAGE) = 1; /* a copy of the last page, never read before */
	assert_int_equal(*at(BASE + 20 * PAGE + 1), host_file_byte(20 * PAGE + 1));
	assert_int_equal(mm_msync(space, BASE, 32 * PAGE, true, false), 0);
	assert_int_equal(host_byte(6), host_file_byte(6));
	assert_int_equal(host_byte(20 * PAGE), host_file_byte(20 * PAGE));
	assert_true(loads_bus_error(BASE + 21 * PAGE));
}

static void test_truncate_and_punch(void) NO_TSA
{
	assert_int_equal(map_at(BASE, false, RW), 0);
	assert_int_equal(map_at(OTHER, true, RW), 0);
	*at(BASE + 10 * PAGE) = 0;
	*at(OTHER + 10 * PAGE) = 0;
	*at(OTHER + 2 * PAGE) = 0;
	assert_int_equal(mm_madvise(space, BASE + PAGE, 3 * PAGE, MM_ADVISE_REMOVE), 0);
	assert_int_equal(*at(BASE + PAGE), 0);
	assert_int_equal(*at(BASE + 4 * PAGE), host_file_byte(4 * PAGE));
	assert_int_equal(*at(OTHER + 2 * PAGE + 1), host_file_byte(2 * PAGE + 1)); /* a copy */
	assert_int_equal(truncate_file(5 * PAGE), 0);
	assert_true(loads_bus_error(BASE + 10 * PAGE));
	assert_true(loads_bus_error(OTHER + 10 * PAGE)); /* private copies go, too */
	assert_int_equal(*at(BASE + 4 * PAGE), host_file_byte(4 * PAGE));
	assert_int_equal(truncate_file(11 * PAGE), 0);
	assert_int_equal(*at(BASE + 10 * PAGE), 0);
	assert_int_equal(*at(OTHER + 10 * PAGE), 0);
}

static void test_fork_and_remap(void) NO_TSA
{
	struct mm_space *child;
	uint64_t moved;
	uint64_t done;
	unsigned char byte;

	assert_int_equal(map_at(BASE, true, RW), 0);
	assert_int_equal(map_at(OTHER, false, RW), 0);
	*at(BASE) = 1;
	*at(OTHER + PAGE) = 2;
	assert_int_equal(mm_fork(space, &child), 0);
	*at(BASE) = 3;
	*at(OTHER + PAGE) = 4;
	assert_int_equal(mm_copy_in(child, BASE, &byte, 1, (struct mm_io_opts){ false }, &done), 0);
	assert_int_equal(byte, 1);
	assert_int_equal(
		mm_copy_in(child, OTHER + PAGE, &byte, 1, (struct mm_io_opts){ false }, &done), 0);
	assert_int_equal(byte, 4);
	assert_int_equal(mm_copy_in(child, OTHER + 21 * PAGE, &byte, 1,
				    (struct mm_io_opts){ false }, &done),
			 -EFAULT);
	mm_space_destroy(child);
	assert_int_equal(mm_mremap(space, OTHER, 32 * PAGE, 32 * PAGE, MREMAP_FIXED_MOVE,
				   OTHER + (UINT64_C(8) << 20), &moved),
			 0);
	assert_int_equal(*at(moved + PAGE), 4);
	*at(moved + PAGE) = 5;
	assert_int_equal(mm_msync(space, moved, 32 * PAGE, true, false), 0);
	assert_int_equal(host_byte(PAGE), 5);
}

/* Others cut the file: what the host shows of a direct file traps in the host, a page cache is
 * asked anew; a copy by the kernel's side ends there with EFAULT either way. */
static void test_others_cut_the_file(void) NO_TSA
{
	unsigned char bytes[2 * PAGE];
	uint64_t done;

	assert_int_equal(map_at(BASE, false, RW), 0);
	assert_int_equal(*at(BASE), host_file_byte(0));
	if (df)
		assert_int_equal(*at(BASE + 9 * PAGE), host_file_byte(9 * PAGE));
	assert_int_equal(ftruncate(fd, 5 * PAGE), 0);
	assert_true(loads_bus_error(BASE + 9 * PAGE));
	assert_int_equal(mm_copy_in(space, BASE + 4 * PAGE, bytes, sizeof(bytes),
				    (struct mm_io_opts){ false }, &done),
			 -EFAULT);
	assert_int_equal(done, PAGE);
	assert_int_equal(bytes[9], host_file_byte(4 * PAGE + 9));
}

static void test_special(void) NO_TSA
{
	struct memory_file *mf = mm_memory_file(mm);
	struct special *sp;
	uint32_t first;
	uint64_t got;

	assert_int_equal(memory_file_reserve(mf, MEMORY_NODE_ANY, PAGE_4K, 2, 0, &first), 0);
	assert_int_equal(memory_file_claim(mf, first), 0);
	assert_int_equal(memory_file_claim(mf, first + 1), 0);
	memory_file_memory(mf, first + 1)[3] = 42;
	assert_int_equal(special_create(mf, first, 2, MM_READ | MM_EXEC, "[vdso]", &sp), 0);
	memory_file_dec_range(mf, first, 2);
	memory_file_unreserve(mf, first, 2);
	struct mmap_opts o = {
		.length = 4 * PAGE,
		.address = BASE,
		.fixed = true,
		.unmap = true,
		.perms = MM_READ,
		.max_perms = MM_READ | MM_EXEC,
		.mappable = special_mappable(sp),
		.identity = special_identity(sp),
	};

	assert_int_equal(mm_mmap(space, &o, &got), 0);
	mapping_identity_dec_ref(special_identity(sp)); /* the mapping has its own */
	assert_int_equal(*at(BASE + PAGE + 3), 42);
	assert_true(loads_bus_error(BASE + 2 * PAGE));
	assert_int_equal(mm_fault(space, BASE, MM_WRITE), -EACCES);
	assert_int_equal(mm_munmap(space, BASE, 4 * PAGE), 0);
}

/* The handlers of the test runner are set after its setup functions: so all happens in the test. */
static void run(void (*body)(void), bool as_cached)
{
	open_file(as_cached);
	body();
	close_file();
}

#define BOTH(name)                              \
	static void name##_cached(void **state) \
	{                                       \
		(void)state;                    \
		run(name, true);                \
	}                                       \
	static void name##_direct(void **state) \
	{                                       \
		(void)state;                    \
		run(name, false);               \
	}

BOTH(test_loads_and_stores)
BOTH(test_private_copies)
BOTH(test_truncate_and_punch)
BOTH(test_fork_and_remap)
BOTH(test_others_cut_the_file)
BOTH(test_special)

#define TESTS(name) cmocka_unit_test(name##_cached), cmocka_unit_test(name##_direct)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TESTS(test_loads_and_stores),	 TESTS(test_private_copies),
		TESTS(test_truncate_and_punch),	 TESTS(test_fork_and_remap),
		TESTS(test_others_cut_the_file), TESTS(test_special),
	};

	int failed = 0;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		host = host_to_be_had(hosts[i]);
		failed += cmocka_run_group_tests_name(hosts[i]->name, tests, NULL, NULL);
	}
	return failed;
}
