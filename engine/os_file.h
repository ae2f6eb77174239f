/* SPDX-License-Identifier: Apache-2.0 */
/*
 * os_file.h - every system call on a host file that a mappable shows.
 *
 * Results are 0 or -errno unless said otherwise; sizes and offsets are bytes. Calls that are
 * interrupted go on. Nothing here takes a lock, allocates or keeps state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "engine/access.h"
#include "engine/error.h"

/* A descriptor of our own for the same open file, or -errno. */
MM_MUST_CHECK int os_file_duplicate(int fd);
void os_file_close(int fd);
/* What may be done through mappings of fd: what it was opened for, and EXEC unless its file system
 * forbids that. -EACCES: not open for reading; -ENODEV: not a regular file or block device. */
MM_MUST_CHECK int os_file_access(int fd, mm_access *perms);
MM_MUST_CHECK int os_file_size(int fd, uint64_t *size);
MM_MUST_CHECK int os_file_identity(int fd, uint64_t *device, uint64_t *inode);
/* The path of an open file, NUL-terminated, cut to fit; "" if the system does not tell. */
void os_file_path(int fd, char *path, size_t size);
MM_MUST_CHECK int os_file_resize(int fd, uint64_t size);
MM_MUST_CHECK int os_file_punch(int fd, uint64_t offset, uint64_t size);
/* Writes to the disk what the system has of the file's data. */
MM_MUST_CHECK int os_file_sync(int fd);
/* Reads until n bytes are there, or the file ends, or an error: *done says how many are. 0 at the
 * end of the file too. */
MM_MUST_CHECK int os_file_read(int fd, void *to, size_t n, uint64_t offset, size_t *done);
MM_MUST_CHECK int os_file_write(int fd, const void *from, size_t n, uint64_t offset, size_t *done);
