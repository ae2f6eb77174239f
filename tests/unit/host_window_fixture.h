/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_window_fixture.h - a host space with a window of four times 2 MiB and a file to show in it,
 * and looks at what it shows by the kernel's eyes, so that nothing traps.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/host_space.h"
#include "engine/os.h"

#define PAGE MM_PAGE_SIZE
#define FILE_PAGES 64

struct test_file {
	struct file base;
	int fd;
	unsigned char *memory; /* shows all of it */
};

static inline int test_data_fd(struct file *f)
{
	return ((struct test_file *)f)->fd;
}

static inline int test_map_internal(struct file *f, struct file_range fr, mm_access at,
				    struct block_seq *out)
{
	(void)at;
	*out = block_seq_of((struct block){ ((struct test_file *)f)->memory + fr.start,
					    fr.end - fr.start, false });
	return 0;
}

static const struct file_ops test_file_ops = { .data_fd = test_data_fd,
					       .map_internal = test_map_internal };
static struct test_file file;
static struct host_space *h;
static int pipe_fd[2];
static struct os_calls real_calls;
/* Of the group that runs: the kind, and whether the file is the family's own. */
static const struct host_space_ops *kind;
static bool is_own;

/* Each page of the file begins with its number + 1. */
static inline int set_up(void **state)
{
	(void)state;
	file.base.ops = &test_file_ops;
	file.base.own_page_bytes = is_own ? PAGE : 0;
	real_calls = os_calls;
	file.fd = memfd_create("host_space_test", MFD_CLOEXEC);
	if (file.fd < 0 || ftruncate(file.fd, FILE_PAGES * PAGE) || pipe2(pipe_fd, O_NONBLOCK))
		return -1;
	for (unsigned i = 0; i < FILE_PAGES; i++) {
		unsigned char number = (unsigned char)(i + 1);

		if (pwrite(file.fd, &number, 1, (off_t)(i * PAGE)) != 1)
			return -1;
	}
	file.memory = mmap(NULL, FILE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0);
	return file.memory == MAP_FAILED ? -1 : kind->create(4 * MM_HUGE_SIZE, &h);
}

static inline int tear_down(void **state)
{
	(void)state;
	os_calls = real_calls;
	h->ops->destroy(h);
	munmap(file.memory, FILE_PAGES * PAGE);
	close(file.fd);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	return 0;
}

/* The byte shown at va, or -1 when it cannot be read: the kernel looks, so nothing traps. */
static inline int shown(uint64_t va)
{
	unsigned char byte;

	if (write(pipe_fd[1], h->ops->address(h, va), 1) != 1)
		return errno == EFAULT ? -1 : -2;
	return read(pipe_fd[0], &byte, 1) == 1 ? byte : -2;
}

static inline bool writable(uint64_t va)
{
	if (write(pipe_fd[1], "\x7f", 1) != 1)
		return false;
	if (read(pipe_fd[0], h->ops->address(h, va), 1) == 1)
		return true;
	(void)!read(pipe_fd[0], &(char){ 0 }, 1);
	return false;
}

static inline struct addr_range pages(uint64_t first, uint64_t count)
{
	return (struct addr_range){ first * PAGE, (first + count) * PAGE };
}

static inline int map(uint64_t first, uint64_t count, uint64_t file_page, mm_access perms)
{
	return h->ops->map(h, pages(first, count), &file.base, file_page * PAGE, perms, true);
}

/* Is the page still reserved, so that nobody else's mmap can get it? */
static inline bool reserved(uint64_t va)
{
	void *p = mmap(h->ops->address(h, va), PAGE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	return p == MAP_FAILED && errno == EEXIST;
}
