/* SPDX-License-Identifier: Apache-2.0 */
/* os_maps.c - see os_maps.h. A line is "start-end perms offset major:minor inode   name". */
#include "engine/os_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool parse_line(char *line, struct os_mapping *m)
{
	unsigned long long start, end, offset, inode;
	char perms[5];
	int name = 0;

	if (sscanf(line, "%llx-%llx %4s %llx %*x:%*x %llu %n", &start, &end, perms, &offset, &inode,
		   &name) != 5)
		return false;
	line[strcspn(line, "\n")] = 0;
	*m = (struct os_mapping){
		.range = { start, end },
		.perms = (mm_access)((perms[0] == 'r' ? MM_READ : 0) |
				     (perms[1] == 'w' ? MM_WRITE : 0) |
				     (perms[2] == 'x' ? MM_EXEC : 0)),
		.shared = perms[3] == 's',
		.offset = offset,
		.inode = inode,
		.name = line + name,
	};
	return true;
}

int os_visit_mappings(struct addr_range in, os_mapping_fn visit, void *arg)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char *line = NULL;
	size_t size = 0;
	int rc = 0;

	if (!f)
		return -errno;
	for (;;) {
		struct os_mapping m;

		errno = 0;
		if (getline(&line, &size, f) < 0) {
			rc = -errno;
			break;
		}
		if (!parse_line(line, &m)) {
			rc = -EPROTO;
			break;
		}
		if (m.range.start >= in.end ||
		    (addr_range_overlaps(m.range, in) && !visit(&m, arg)))
			break;
	}
	free(line);
	fclose(f);
	return rc;
}

int os_pages_in_table(uint64_t address, unsigned count, bool *in_table)
{
	uint64_t entries[MM_HUGE_PAGES];
	size_t bytes = count * sizeof(entries[0]);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ssize_t n = pread(fd, entries, bytes, (off_t)(address / MM_PAGE_SIZE * sizeof(entries[0])));
	int rc = n < 0 ? -errno : 0;

	close(fd);
	if (rc || (size_t)n != bytes)
		return rc ? rc : -EIO;
	for (unsigned i = 0; i < count; i++)
		in_table[i] = entries[i] >> 63;
	return 0;
}
