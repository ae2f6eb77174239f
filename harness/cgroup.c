/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup.c - from /proc/self/cgroup and /proc/self/mountinfo to a directory.
 *
 * A group's path counts from the root of its hierarchy; a mount may show only a part of that
 * (its fourth field says which). What the mount shows is cut off the front of the path. No locks.
 */
#include "harness/cgroup.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/kernel_file.h"

#define MOUNTINFO_SIZE (256u << 10)

/* Whether `word` is one of a comma-separated list that ends at `end`. */
static bool list_has(const char *list, const char *end, const char *word)
{
	size_t length = strlen(word);

	while (list < end) {
		const char *comma = memchr(list, ',', (size_t)(end - list));
		const char *stop = comma ? comma : end;

		if ((size_t)(stop - list) == length && memcmp(list, word, length) == 0)
			return true;
		list = stop + 1;
	}
	return false;
}

/* The path of the group in its hierarchy. 0 or -ENOENT. */
static int group_of(const char *root, const char *controller, char *group, size_t size)
{
	char text[4096];

	if (kernel_file_read(root, "/proc/self/cgroup", text, sizeof(text)))
		return -ENOENT;
	for (char *line = text, *next; line && *line; line = next) {
		char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!path || (next && path > next))
			continue;
		if (controller ? list_has(list + 1, path, controller) : path == list + 1) {
			snprintf(group, size, "%s", path + 1);
			return 0;
		}
	}
	return -ENOENT;
}

/* One line of mountinfo, cut into its words. */
struct mount {
	char *root, *point, *type, *options;
};

static bool parse_mount(char *line, struct mount *out)
{
	char *words[32], *save = NULL;
	unsigned count = 0, dash = 0;

	for (char *word = strtok_r(line, " ", &save); word && count < 32;
	     word = strtok_r(NULL, " ", &save)) {
		if (!dash && strcmp(word, "-") == 0)
			dash = count;
		words[count++] = word;
	}
	if (dash < 6 || dash + 3 >= count)
		return false;
	*out = (struct mount){ words[3], words[4], words[dash + 1], words[dash + 3] };
	return true;
}

/* Puts together the directory of `group` below a mount. */
static int join(const struct mount *mount, const char *group, struct cgroup_path *out)
{
	size_t shown = strcmp(mount->root, "/") == 0 ? 0 : strlen(mount->root);
	const char *rest = "";
	size_t length;

	if (strncmp(group, mount->root, shown) == 0 && (group[shown] == '/' || !group[shown]))
		rest = group + shown;
	if (strncmp(rest, "/..", 3) == 0) /* outside of our cgroup namespace */
		rest = "";
	length = (size_t)snprintf(out->dir, sizeof(out->dir), "%s%s", mount->point, rest);
	if (length >= sizeof(out->dir))
		return -ENOENT;
	if (out->dir[length - 1] == '/')
		out->dir[length - 1] = '\0';
	out->mount_length = strlen(mount->point);
	return 0;
}

int cgroup_find(const char *root, const char *controller, struct cgroup_path *out)
{
	char group[CGROUP_PATH_SIZE];
	char *text = NULL;
	int rc = group_of(root, controller, group, sizeof(group));

	*out = (struct cgroup_path){ .mount_length = 0 };
	if (rc)
		return rc;
	text = malloc(MOUNTINFO_SIZE);
	if (!text || kernel_file_read(root, "/proc/self/mountinfo", text, MOUNTINFO_SIZE)) {
		free(text);
		return -ENOENT;
	}
	rc = -ENOENT;
	for (char *line = text, *next; rc && line && *line; line = next) {
		struct mount mount;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!parse_mount(line, &mount) ||
		    strcmp(mount.type, controller ? "cgroup" : "cgroup2") ||
		    (controller &&
		     !list_has(mount.options, mount.options + strlen(mount.options), controller)))
			continue;
		rc = join(&mount, group, out);
	}
	free(text);
	return rc;
}

bool cgroup_up(struct cgroup_path *path)
{
	char *slash = strrchr(path->dir, '/');

	if (!slash || (size_t)(slash - path->dir) < path->mount_length)
		return false;
	*slash = '\0';
	return true;
}

int cgroup_read(const char *root, const struct cgroup_path *path, const char *file, char *buffer,
		size_t size)
{
	char name[CGROUP_PATH_SIZE + 64];

	snprintf(name, sizeof(name), "%s/%s", path->dir, file);
	return kernel_file_read(root, name, buffer, size);
}

int cgroup_read_number(const char *root, const struct cgroup_path *path, const char *file,
		       uint64_t *value)
{
	char text[64];

	if (cgroup_read(root, path, file, text, sizeof(text)) || !isdigit((unsigned char)text[0]))
		return -ENOENT;
	*value = strtoull(text, NULL, 10);
	return 0;
}
