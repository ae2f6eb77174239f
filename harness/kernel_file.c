/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_file.c - reading and picking apart small kernel files.
 *
 * Files are read with plain read(2) until their end, since the kernel may hand them out in
 * pieces. No locks.
 */
#include "harness/kernel_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int kernel_file_read(const char *root, const char *path, char *buffer, size_t size)
{
	char name[PATH_MAX];
	size_t used = 0;
	ssize_t got;
	int fd;

	buffer[0] = '\0';
	if (snprintf(name, sizeof(name), "%s%s", root ? root : "", path) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		got = read(fd, buffer + used, size - 1 - used);
		if (got > 0)
			used += (size_t)got;
	} while ((got > 0 && used < size - 1) || (got < 0 && errno == EINTR));
	got = got < 0 ? -errno : 0;
	close(fd);
	buffer[used] = '\0';
	return (int)got;
}

int kernel_file_value(const char *text, const char *key, uint64_t *value)
{
	size_t length = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		char *end;

		line += *line == '\n';
		if (strncmp(line, key, length) ||
		    (line[length] != ' ' && line[length] != ':' && line[length] != '\t'))
			continue;
		*value = strtoull(line + length + 1, &end, 10);
		return end == line + length + 1 ? -ENOENT : 0;
	}
	return -ENOENT;
}
