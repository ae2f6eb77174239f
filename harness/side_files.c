/* SPDX-License-Identifier: Apache-2.0 */
/*
 * side_files.c - the directory that a sample leaves.
 */
#include "harness/side_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/hlog.h"
#include "harness/result_dir.h"

static double share_above(const struct hlog_counts *c, double unit_ns, double tail_ns)
{
	double above = 0, all = (double)hlog_counts_total(c);

	for (size_t i = 0; i < c->count; i++) {
		if ((double)hlog_counts_lowest(c, i) * unit_ns > tail_ns)
			above += (double)c->counts[i];
	}
	return (above + 0.5) / (all + 1);
}

static double quantile(const struct hlog_counts *c, double at)
{
	double left = at * (double)hlog_counts_total(c);

	for (size_t i = 0; i < c->count; i++) {
		left -= (double)c->counts[i];
		if (left <= 0)
			return (double)hlog_counts_lowest(c, i);
	}
	return NAN;
}

/* Adds one of the same layout (or to nothing), and releases it. */
static void merge(struct hlog_counts *sum, struct hlog_counts *c)
{
	if (sum->count < c->count) {
		struct hlog_counts smaller = *sum;

		*sum = *c;
		*c = smaller;
	}
	for (size_t i = 0; i < c->count; i++)
		sum->counts[i] += c->counts[i];
	hlog_counts_release(c);
}

static bool is_response(const char *tag)
{
	const char *end = strrchr(tag, '/');

	return end && strcmp(end, "/response") == 0;
}

/* All intervals of the first role: of response times if there are any. */
static struct hlog_counts read_first_role(FILE *file)
{
	struct hlog_counts service = { 0 }, response = { 0 };
	struct hlog_line line;
	char first[HLOG_TAG_MAX] = "";

	while (!hlog_read(file, &line)) {
		if (!*first)
			memcpy(first, line.tag, sizeof(first));
		if (is_response(line.tag))
			merge(&response, &line.counts);
		else if (strcmp(line.tag, first) == 0)
			merge(&service, &line.counts);
		else
			hlog_counts_release(&line.counts);
	}
	if (!response.count)
		return service;
	hlog_counts_release(&service);
	return response;
}

double side_files_tail(const char *directory, const char *benchmark, double tail_ns, double *p999)
{
	char *path, name[256];
	struct hlog_counts counts = { 0 };
	double share = NAN;
	FILE *file;

	*p999 = NAN;
	if (asprintf(&path, "%s/hist/%s.hlog", directory,
		     result_dir_file_name(benchmark, name, sizeof(name))) < 0)
		abort();
	file = fopen(path, "re");
	free(path);
	if (file) {
		counts = read_first_role(file);
		fclose(file);
	}
	if (counts.count) {
		*p999 = quantile(&counts, 0.999);
		if (tail_ns >= 0)
			share = share_above(&counts, 1, tail_ns);
	}
	hlog_counts_release(&counts);
	return share;
}

static void remove_below(int parent, const char *name, int depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, entry->d_name, 0) && errno == EISDIR && depth)
			remove_below(fd, entry->d_name, depth - 1);
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	unlinkat(parent, name, AT_REMOVEDIR);
}

void side_files_remove(const char *directory)
{
	remove_below(AT_FDCWD, directory, 1);
}
