/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stored.c - the files of a result: opening them with care, and looking things up.
 *
 * What they mean is in stored_parse.c. A directory is opened once and its files below it without
 * following links, so that a link in it cannot make us read another file.
 */
#include "harness/stored.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(char *error, size_t size, const char *path, const char *name, int rc)
{
	snprintf(error, size, "%s%s%s: %s", path, *name ? "/" : "", name,
		 rc == -ELOOP	 ? "is a link; files of a result are read where they are"
		 : rc == -EFBIG	 ? "is too large for a result (over 256 MiB)"
		 : rc == -ENODEV ? "is not a plain file"
				 : strerror(-rc));
	return rc;
}

/* All of an open file. 0 or -errno. */
static int read_all(int fd, char **text, size_t *length)
{
	struct stat status;
	size_t got = 0;

	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -ENODEV;
	if (status.st_size > (off_t)STORED_BYTES_MAX)
		return -EFBIG;
	*text = malloc((size_t)status.st_size + 1);
	if (!*text)
		return -ENOMEM;
	while (got < (size_t)status.st_size) {
		ssize_t n = read(fd, *text + got, (size_t)status.st_size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		got += (size_t)n;
	}
	(*text)[got] = '\0';
	*length = got;
	return 0;
}

/* A file below an open directory (AT_FDCWD: a path that the user wrote, where links are fine). */
static int read_file(int dir, const char *name, char **text, size_t *length)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (dir == AT_FDCWD ? 0 : O_NOFOLLOW);
	int fd = openat(dir, name, flags), rc;

	if (fd < 0)
		return -errno;
	rc = read_all(fd, text, length);
	close(fd);
	return rc;
}

int stored_read(struct stored *stored, const char *path, char *error, size_t size)
{
	char *text = NULL, *samples = NULL, *file = NULL;
	size_t length = 0, samples_length = 0;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	*stored = (struct stored){ 0 };
	if (dir < 0 && errno != ENOTDIR)
		return refuse(error, size, path, "", -errno);
	rc = dir < 0 ? read_file(AT_FDCWD, path, &text, &length)
		     : read_file(dir, "result.json", &text, &length);
	if (rc) {
		refuse(error, size, path, dir < 0 ? "" : "result.json", rc);
		goto out;
	}
	rc = dir < 0 ? -ENOENT : read_file(dir, "samples.ndjson", &samples, &samples_length);
	/* A result without its repetitions is still one, with medians only. */
	if (rc && rc != -ENOENT) {
		refuse(error, size, path, "samples.ndjson", rc);
		goto out;
	}
	if (asprintf(&file, "%s%s", path, dir < 0 ? "" : "/result.json") < 0)
		abort();
	rc = stored_parse(stored, file, text, length, samples, samples_length, error, size);
out:
	free(file);
	free(text);
	free(samples);
	if (dir >= 0)
		close(dir);
	return rc;
}

void stored_release(struct stored *stored)
{
	for (size_t i = 0; i < stored->count; i++) {
		free(stored->benchmarks[i].name);
		free(stored->benchmarks[i].key);
		free(stored->benchmarks[i].samples);
	}
	free(stored->benchmarks);
	free(stored->path);
	json_decref(stored->json);
	*stored = (struct stored){ 0 };
}

static int compare_name(const void *name, const void *benchmark)
{
	return strcmp(name, ((const struct stored_benchmark *)benchmark)->name);
}

const struct stored_benchmark *stored_find(const struct stored *stored, const char *name)
{
	return stored->count ? bsearch(name, stored->benchmarks, stored->count,
				       sizeof(*stored->benchmarks), compare_name)
			     : NULL;
}

const struct stored_benchmark *stored_find_key(const struct stored *stored, const char *key)
{
	for (size_t i = 0; i < stored->count; i++) {
		if (strcmp(stored->benchmarks[i].key, key) == 0)
			return &stored->benchmarks[i];
	}
	return NULL;
}
