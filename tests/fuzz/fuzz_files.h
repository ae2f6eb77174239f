/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_files.h - files for readers that want a path, in a directory that is made with the first one,
 * in memory where there is /dev/shm. Removed at exit; a fuzzer that crashes leaves it. One thread.
 */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char fuzz_dir[64];

static inline int fuzz_remove(const char *path, const struct stat *status, int type,
			      struct FTW *where)
{
	(void)status;
	(void)type;
	(void)where;
	return remove(path);
}

static inline void fuzz_dir_remove(void)
{
	nftw(fuzz_dir, fuzz_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/*
 * The path of a file that holds these bytes; valid until the next call. A name may begin with one
 * directory.
 */
static inline const char *fuzz_file(const char *name, const void *bytes, size_t size)
{
	static char path[128];
	const char *slash = strchr(name, '/');
	int fd;

	if (!fuzz_dir[0]) {
		snprintf(fuzz_dir, sizeof(fuzz_dir), "%s/faultline-fuzz.XXXXXX",
			 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
		if (!mkdtemp(fuzz_dir) || atexit(fuzz_dir_remove))
			abort();
	}
	snprintf(path, sizeof(path), "%s/%.*s", fuzz_dir, slash ? (int)(slash - name) : 0, name);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s", fuzz_dir, name);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		abort();
	close(fd);
	return path;
}
