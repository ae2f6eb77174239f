/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup.h - where this process's control group lies in the file system, v2 or v1.
 *
 * Found through /proc/self/cgroup and /proc/self/mountinfo, so that containers (whose mount shows
 * only their part of the hierarchy) are understood. No locks, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

#define CGROUP_PATH_SIZE 1024

struct cgroup_path {
	char dir[CGROUP_PATH_SIZE]; /* without the root prefix */
	size_t mount_length; /* dir[0..mount_length) is the mount point */
};

/*
 * Finds the group of this process: of a v1 controller ("memory", "cpu"), or of the v2 hierarchy
 * (controller NULL). root: prefix of /proc and /sys, NULL for none. 0 or -ENOENT.
 */
MM_MUST_CHECK int cgroup_find(const char *root, const char *controller, struct cgroup_path *out);

/* Moves to the parent group; false: that was the top. */
bool cgroup_up(struct cgroup_path *path);

/* Reads a file of the group. As kernel_file_read. */
MM_MUST_CHECK int cgroup_read(const char *root, const struct cgroup_path *path, const char *file,
			      char *buffer, size_t size);

/* Reads a file that holds one number; "max" is -ENOENT, as is a missing file. */
MM_MUST_CHECK int cgroup_read_number(const char *root, const struct cgroup_path *path,
				     const char *file, uint64_t *value);
