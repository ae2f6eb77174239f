/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result_dir.c - creation and atomic writing of a result directory.
 */
#include "harness/result_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "harness/env.h"

#define TEST_SIZE (64u << 10)

/* Closes both; errno is kept. */
static void close_both(int a, int b)
{
	int error = errno;

	if (a >= 0)
		close(a);
	if (b >= 0)
		close(b);
	errno = error;
}

FILE *result_dir_read(const char *path, const char *name)
{
	const char *slash = strchr(name, '/');
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), hist = -1, fd = -1;
	struct stat status;
	FILE *file = NULL;

	if (dir >= 0 && slash)
		hist = openat(dir, "hist", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir >= 0 && (!slash || hist >= 0))
		fd = openat(slash ? hist : dir, slash ? slash + 1 : name,
			    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && !fstat(fd, &status)) {
		errno = EINVAL;
		file = S_ISREG(status.st_mode) ? fdopen(fd, "r") : NULL;
	}
	close_both(dir, hist);
	if (!file)
		close_both(fd, -1);
	return file;
}

FILE *result_dir_new_file(const char *path)
{
	return unlink(path) && errno != ENOENT ? NULL : fopen(path, "wxe");
}

int result_dir_make(const char *path)
{
	char *copy = strdup(path), *slash;
	int rc = 0;

	if (!copy)
		return -ENOMEM;
	for (slash = copy + 1; *copy && !rc && (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		if (mkdir(copy, 0777) && errno != EEXIST && errno != EROFS)
			rc = -errno;
	}
	if (!rc && mkdir(copy, 0777) && errno != EEXIST)
		rc = -errno;
	free(copy);
	return rc;
}

static bool is_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	bool empty = dir;

	while (dir && empty && (entry = readdir(dir)))
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	if (dir)
		closedir(dir);
	else if (copy >= 0)
		close(copy);
	return empty;
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t written = write(fd, data, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written ? -errno : -EIO;
		data += written;
		size -= (size_t)written;
	}
	return 0;
}

int result_dir_write(struct result_dir *dir, const char *name, const void *data, size_t size)
{
	char beside[512];
	int fd, rc;

	if ((size_t)snprintf(beside, sizeof(beside), "%s.tmp", name) >= sizeof(beside))
		return -ENAMETOOLONG;
	fd = openat(dir->fd, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	rc = write_all(fd, data, size);
	if (!rc && fsync(fd))
		rc = -errno;
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && renameat(dir->fd, beside, dir->fd, name))
		rc = -errno;
	if (rc)
		unlinkat(dir->fd, beside, 0);
	return rc;
}

int result_dir_write_json(struct result_dir *dir, const char *name, const json_t *json)
{
	char *text = json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
	size_t length;
	int rc;

	if (!text)
		return -ENOMEM;
	length = strlen(text);
	text[length] = '\n'; /* in the place of the NUL: a file has none */
	rc = result_dir_write(dir, name, text, length + 1);
	free(text);
	return rc;
}

int result_dir_append(struct result_dir *dir, const json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9));
	size_t length;
	int rc;

	if (!text)
		return -ENOMEM;
	length = strlen(text);
	text[length] = '\n';
	rc = write_all(dir->samples, text, length + 1);
	free(text);
	return rc;
}

/* Finds out before measuring that the results could not be kept. */
static int try_writing(struct result_dir *dir)
{
	struct statvfs space;
	char *data;
	int rc;

	if (!fstatvfs(dir->fd, &space) && space.f_blocks &&
	    (uint64_t)space.f_bavail * space.f_frsize < RESULT_DIR_FREE_MIN)
		return -ENOSPC;
	data = calloc(1, TEST_SIZE);
	if (!data)
		return -ENOMEM;
	rc = result_dir_write(dir, "result.json", data, TEST_SIZE);
	free(data);
	if (unlinkat(dir->fd, "result.json", 0) && !rc)
		rc = -errno;
	return rc;
}

int result_dir_create(struct result_dir *dir, const char *path, char *error, size_t size)
{
	struct stat status;
	int rc = 0;

	*dir = (struct result_dir){ .fd = -1, .samples = -1, .path = strdup(path) };
	if (!dir->path)
		return -ENOMEM;
	if (!stat(path, &status) && !S_ISDIR(status.st_mode)) {
		snprintf(error, size, "%s exists and is not a directory", path);
		return -EINVAL;
	}
	rc = result_dir_make(path);
	dir->fd = rc ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!rc && dir->fd < 0)
		rc = -errno;
	if (!rc && !is_empty(dir->fd)) {
		snprintf(error, size, "%s is not empty: a result needs a directory of its own",
			 path);
		return -EINVAL;
	}
	if (!rc)
		rc = try_writing(dir);
	if (!rc && (mkdirat(dir->fd, "hist", 0777) || mkdirat(dir->fd, "plots", 0777)))
		rc = -errno;
	if (!rc) {
		dir->samples = openat(dir->fd, "samples.ndjson",
				      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
		rc = dir->samples < 0 ? -errno : 0;
	}
	if (rc)
		snprintf(error, size, "results cannot be written to %s: %s%s", path, strerror(-rc),
			 rc == -ENOSPC ? " (at least 16m must be free)" : "");
	/* -EINVAL means a wrong argument here, and the kernel's means that it cannot be written. */
	return rc == -EINVAL ? -EIO : rc;
}

void result_dir_close(struct result_dir *dir)
{
	if (dir->samples >= 0)
		close(dir->samples);
	if (dir->fd >= 0)
		close(dir->fd);
	free(dir->path);
	*dir = (struct result_dir){ .fd = -1, .samples = -1 };
}

const char *result_dir_default(char *buffer, size_t size)
{
	struct timespec now;
	struct tm utc;
	char host[64], stamp[32];
	uint32_t hash = 2166136261u;
	uint64_t mix;

	clock_gettime(CLOCK_REALTIME, &now);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", gmtime_r(&now.tv_sec, &utc));
	mix = ((uint64_t)now.tv_nsec << 32) ^ (uint64_t)getpid() ^ ((uint64_t)now.tv_sec << 16);
	for (unsigned i = 0; i < 8; i++)
		hash = (hash ^ (uint8_t)(mix >> 8 * i)) * 16777619u;
	env_host_name(host, sizeof(host));
	for (char *p = host; *p; p++) {
		if (*p == '/' || *p == ' ')
			*p = '_';
	}
	snprintf(buffer, size, "results/%s-%s-%08x", stamp, host, hash);
	return buffer;
}

const char *result_dir_file_name(const char *benchmark, char *buffer, size_t size)
{
	size_t i = 0;

	/* 200 bytes leave room for what is appended, below the limit of 255. */
	for (; benchmark[i] && i + 1 < size && i < 200; i++) {
		char c = benchmark[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '-' || c == '=' || c == '.' ||
			     c == ',' || c == ':' || c == '_';

		buffer[i] = (char)(plain ? c : '_');
	}
	buffer[i] = '\0';
	return buffer;
}
