/* SPDX-License-Identifier: Apache-2.0 */
/*
 * os_file.c - system calls on host files. pread and pwrite, so that the file's own position is
 * left alone. No locks.
 */
#include "engine/os_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "engine/inject.h"

int os_file_duplicate(int fd)
{
	int own;

	if (MM_INJECT(INJECT_HOST))
		return -EMFILE;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return own < 0 ? -errno : own;
}

void os_file_close(int fd)
{
	(void)close(fd);
}

int os_file_access(int fd, mm_access *perms)
{
	int flags = fcntl(fd, F_GETFL);
	struct statvfs fs;
	struct stat st;

	if (flags < 0 || fstat(fd, &st) || fstatvfs(fd, &fs))
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return -ENODEV;
	if ((flags & O_ACCMODE) == O_WRONLY || flags & O_PATH)
		return -EACCES;
	*perms = MM_READ;
	if ((flags & O_ACCMODE) == O_RDWR)
		*perms |= MM_WRITE;
	if (!(fs.f_flag & ST_NOEXEC))
		*perms |= MM_EXEC;
	return 0;
}

int os_file_size(int fd, uint64_t *size)
{
	struct stat st;

	if (MM_INJECT(INJECT_HOST))
		return -EIO;
	if (fstat(fd, &st))
		return -errno;
	*size = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, size))
		return -errno;
	return 0;
}

int os_file_identity(int fd, uint64_t *device, uint64_t *inode)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	*device = st.st_dev;
	*inode = st.st_ino;
	return 0;
}

void os_file_path(int fd, char *path, size_t size)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, size - 1);
	path[n < 0 ? 0 : n] = 0;
}

int os_file_resize(int fd, uint64_t size)
{
	int rc;

	if (MM_INJECT(INJECT_HOST))
		return -EIO;
	do {
		rc = ftruncate(fd, (off_t)size);
	} while (rc && errno == EINTR);
	return rc ? -errno : 0;
}

int os_file_punch(int fd, uint64_t offset, uint64_t size)
{
	int rc;

	if (MM_INJECT(INJECT_HOST))
		return -EIO;
	do {
		rc = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			       (off_t)size);
	} while (rc && errno == EINTR);
	return rc ? -errno : 0;
}

int os_file_sync(int fd)
{
	int rc;

	if (MM_INJECT(INJECT_HOST))
		return -EIO;
	do {
		rc = fdatasync(fd);
	} while (rc && errno == EINTR);
	return rc ? -errno : 0;
}

int os_file_read(int fd, void *to, size_t n, uint64_t offset, size_t *done)
{
	*done = 0;
	if (MM_INJECT(INJECT_FILL))
		return -EIO;
	while (*done < n) {
		ssize_t got = pread(fd, (char *)to + *done, n - *done, (off_t)(offset + *done));

		if (got == 0)
			break;
		if (got > 0)
			*done += (size_t)got;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int os_file_write(int fd, const void *from, size_t n, uint64_t offset, size_t *done)
{
	*done = 0;
	if (MM_INJECT(INJECT_HOST))
		return -EIO;
	while (*done < n) {
		ssize_t put =
			pwrite(fd, (const char *)from + *done, n - *done, (off_t)(offset + *done));

		if (put == 0)
			return -EIO;
		if (put > 0)
			*done += (size_t)put;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}
