/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.c - a resident memfd and a reservation to show it in, for floors.
 *
 * Untimed, but for window_show(). Takes no lock; parts of workers do not overlap.
 */
#include "workloads/window.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define WINDOW_ALIGN (UINT64_C(2) << 20)

int window_setup(struct workload_run *run)
{
	uint64_t workers = run->worker_count ? run->worker_count : 1;
	uint64_t stride = (run->params[0] + WINDOW_ALIGN - 1) / WINDOW_ALIGN * WINDOW_ALIGN;
	struct window *window;

	if (!run->params[0])
		return -EINVAL;
	if (run->params[0] > run->memory_max || stride > run->memory_max / workers)
		return -ENOMEM;
	window = malloc(sizeof(*window));
	if (!window)
		return -ENOMEM;
	run->data = window;
	*window = (struct window){
		.base = MAP_FAILED,
		.bytes = stride * workers,
		.stride = stride,
		.fd = memfd_create("floor", MFD_CLOEXEC),
	};
	if (window->fd < 0 || ftruncate(window->fd, (off_t)window->bytes))
		return -errno;
	window->base = mmap(NULL, window->bytes, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return window->base == MAP_FAILED ? -errno : 0;
}

void window_teardown(struct workload_run *run)
{
	struct window *window = run->data;

	if (!window)
		return;
	if (window->base != MAP_FAILED)
		munmap(window->base, window->bytes);
	if (window->fd >= 0)
		close(window->fd);
	free(window);
	run->data = NULL;
}

int window_enter(struct worker *w)
{
	struct window *window = window_of(w);
	int rc = window_show(window, window_offset(w), window->stride, 0);

	if (rc)
		return rc;
	window_touch(w);
	w->cursor = 0;
	return window_hide(window, window_offset(w), window->stride);
}

int window_enter_shown(struct worker *w)
{
	int rc = window_show(window_of(w), window_offset(w), window_of(w)->stride, 0);

	if (!rc)
		window_touch(w);
	w->cursor = 0;
	return rc;
}

uint64_t window_round(const struct workload_run *run, unsigned role)
{
	const struct window *window = run->data;

	(void)role;
	return window->stride / 4096;
}

int window_show(struct window *window, uint64_t offset, uint64_t bytes, int flags)
{
	void *at = mmap(window->base + offset, bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED | flags, window->fd, (off_t)offset);

	return at == MAP_FAILED ? -errno : 0;
}

int window_hide(struct window *window, uint64_t offset, uint64_t bytes)
{
	void *at = mmap(window->base + offset, bytes, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	return at == MAP_FAILED ? -errno : 0;
}

void window_reset_hidden(struct worker *w)
{
	int rc = window_hide(window_of(w), window_offset(w), window_of(w)->stride);

	if (rc)
		workload_fail(w, rc);
	w->cursor = 0;
}

void window_touch(struct worker *w)
{
	volatile unsigned char *part = window_of(w)->base + window_offset(w);

	for (uint64_t at = 0; at < window_of(w)->stride; at += 4096)
		part[at] = 1;
}
