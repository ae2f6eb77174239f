/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result_dir.h - the directory of a result, in which every file is valid at any instant.
 *
 * Files are written beside their place, synced, and renamed; samples.ndjson alone is appended to,
 * a whole line in one write. Main thread only.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/* A result needs less; a disk with less than this counts as full. */
#define RESULT_DIR_FREE_MIN (16u << 20)

struct result_dir {
	char *path;
	int fd;
	int samples; /* samples.ndjson, appended to */
};

/*
 * Creates path with its parents, or takes it if it is empty; hist/ and plots/ in it; and writes
 * and removes a test file. 0 or, with a sentence, -EINVAL: not a directory or not empty;
 * other -errno: cannot be written to, or full.
 */
int result_dir_create(struct result_dir *dir, const char *path, char *error, size_t size)
	__attribute__((warn_unused_result));
/* Also of one whose creation failed. */
void result_dir_close(struct result_dir *dir);

/* Replaces the file name (may lie in hist/) as a whole. 0 or -errno. */
int result_dir_write(struct result_dir *dir, const char *name, const void *data, size_t size)
	__attribute__((warn_unused_result));
/* The same with indented JSON and a newline. */
int result_dir_write_json(struct result_dir *dir, const char *name, const json_t *json)
	__attribute__((warn_unused_result));
/* Appends one line to samples.ndjson. 0 or -errno. */
int result_dir_append(struct result_dir *dir, const json_t *json)
	__attribute__((warn_unused_result));

/*
 * For reading, a file of a result directory that anybody may have made: name (may lie in hist/) is
 * a plain file in there. NULL and errno: ELOOP it is a link, ENOTDIR hist/ is one, EINVAL it is no
 * plain file.
 */
FILE *result_dir_read(const char *path, const char *name);
/* For writing, a new file with that path: what is there is removed, and no link followed. NULL and
 * errno. */
FILE *result_dir_new_file(const char *path);

/* Makes a directory and its parents, unless they are there. 0 or -errno. */
int result_dir_make(const char *path) __attribute__((warn_unused_result));

/* results/<UTC>-<host>-<hash8>: a new one each time; returns buffer. */
const char *result_dir_default(char *buffer, size_t size);

/* What comes before the first '/' is kept apart by '_': a file name for a benchmark's name. */
const char *result_dir_file_name(const char *benchmark, char *buffer, size_t size);
