/* SPDX-License-Identifier: Apache-2.0 */
/* host_file.h - temporary host files for tests of the mappables that show one. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The byte that host_file_make puts at offset. */
static inline unsigned char host_file_byte(uint64_t offset)
{
	return (unsigned char)(1 + (offset ^ offset >> 8 ^ offset >> 16) % 251);
}

static inline void host_file_fill(int fd, uint64_t from, uint64_t to)
{
	unsigned char bytes[4096];

	for (uint64_t at = from; at < to;) {
		size_t n = to - at < sizeof(bytes) ? to - at : sizeof(bytes);

		for (size_t i = 0; i < n; i++)
			bytes[i] = host_file_byte(at + i);
		assert_int_equal(pwrite(fd, bytes, n, (off_t)at), n);
		at += n;
	}
}

/* An unlinked file of that size, filled; close() it. */
static inline int host_file_make(uint64_t size)
{
	const char *dir = getenv("TMPDIR");
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/host_file.XXXXXX", dir ? dir : "/tmp");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	host_file_fill(fd, 0, size);
	return fd;
}

/* The same file, opened anew. */
static inline int host_file_reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, flags | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static inline uint64_t host_file_size(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_size;
}

/* Are the bytes of the host file [from, to) as made? */
static inline bool host_file_is_made(int fd, uint64_t from, uint64_t to)
{
	for (uint64_t at = from; at < to; at++) {
		unsigned char byte;

		if (pread(fd, &byte, 1, (off_t)at) != 1 || byte != host_file_byte(at))
			return false;
	}
	return true;
}
