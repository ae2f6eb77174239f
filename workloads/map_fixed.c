/* SPDX-License-Identifier: Apache-2.0 */
/* map_fixed.c - the common part of floor-mmap-fixed and floor-mmap-populate. Takes no lock. */
#include "workloads/map_fixed.h"

#include <errno.h>
#include <sys/mman.h>

#include "workloads/window.h"

uint64_t map_fixed_run(struct worker *w, uint64_t count)
{
	struct window *window = window_of(w);
	int fd = window->fd, flags = MAP_SHARED | MAP_FIXED;
	uint64_t offset = window_offset(w) + w->cursor, i;
	unsigned char *base = window->base;

	if (w->run->params[1])
		flags |= MAP_POPULATE;
	for (i = 0; i < count; i++, offset += 4096) {
		void *at =
			mmap(base + offset, 4096, PROT_READ | PROT_WRITE, flags, fd, (off_t)offset);

		if (at == MAP_FAILED) {
			workload_fail(w, -errno);
			break;
		}
	}
	w->cursor += i * 4096;
	return i;
}

int map_fixed_verify(struct workload_run *run)
{
	const struct window *window = run->data;

	for (unsigned i = 0; i < run->worker_count; i++)
		for (uint64_t at = 0; at < run->workers[i].cursor; at += 4096)
			if (window->base[i * window->stride + at] != 1)
				return -EIO;
	return 0;
}
