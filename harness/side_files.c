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

double side_files_tail(const char *directory, const char *benchmark, double tail_ns, double *p999)
{
	char *path, name[256];
	struct hlog_line line;
	double share = NAN;
	FILE *file;

	*p999 = NAN;
	if (asprintf(&path, "%s/hist/%s.hlog", directory,
		     result_dir_file_name(benchmark, name, sizeof(name))) < 0)
		abort();
	file = fopen(path, "re");
	free(path);
	/* The first line is of the first role. */
	if (file && !hlog_read(file, &line)) {
		*p999 = quantile(&line.counts, 0.999);
		if (tail_ns >= 0)
			share = share_above(&line.counts, 1, tail_ns);
		hlog_counts_release(&line.counts);
	}
	if (file)
		fclose(file);
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
