/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window_uffd.c - see window_uffd.h. One descriptor for the process, as one floor runs at a time;
 * only the main thread changes it. No locks.
 */
#include "workloads/window_uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

static int descriptor = -1;
static const struct window *current; /* of run->data */

static int open_descriptor(void)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MINOR_SHMEM };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY), rc;

	if (fd < 0)
		return -errno;
	if (!ioctl(fd, UFFDIO_API, &api))
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

const char *window_uffd_lacks(void)
{
	int fd = open_descriptor();

	if (fd < 0)
		return "this machine has or permits no userfaultfd for shared memory with SIGBUS";
	close(fd);
	return NULL;
}

int window_uffd_setup(struct workload_run *run)
{
	int rc = window_setup(run);

	if (rc)
		return rc;
	descriptor = open_descriptor();
	current = run->data;
	return descriptor < 0 ? descriptor : 0;
}

void window_uffd_teardown(struct workload_run *run)
{
	if (descriptor >= 0)
		close(descriptor);
	descriptor = -1;
	current = NULL;
	window_teardown(run);
}

const struct window *window_uffd(void)
{
	return current;
}

int window_uffd_enter(struct worker *w)
{
	const struct window *window = window_of(w);
	void *at = window->base + window_offset(w);
	struct uffdio_register range = {
		.range = { (uint64_t)(uintptr_t)at, window->stride },
		.mode = UFFDIO_REGISTER_MODE_MINOR,
	};
	int rc = window_enter_shown(w);

	if (rc)
		return rc;
	if (ioctl(descriptor, UFFDIO_REGISTER, &range) ||
	    madvise(at, window->stride, MADV_DONTNEED))
		return -errno;
	return 0;
}

int window_uffd_show(uint64_t offset)
{
	struct uffdio_continue next = {
		.range = { (uint64_t)(uintptr_t)current->base + offset, 4096 },
		.mode = UFFDIO_CONTINUE_MODE_DONTWAKE,
	};

	return ioctl(descriptor, UFFDIO_CONTINUE, &next) ? -errno : 0;
}

void window_uffd_reset(struct worker *w)
{
	const struct window *window = window_of(w);

	if (madvise(window->base + window_offset(w), window->stride, MADV_DONTNEED))
		workload_fail(w, -errno);
	w->cursor = 0;
}

int window_uffd_verify(struct workload_run *run)
{
	for (unsigned i = 0; i < run->worker_count; i++)
		for (uint64_t at = 0; at < run->workers[i].cursor; at += 4096)
			if (current->base[i * current->stride + at] != 1)
				return -EIO;
	return 0;
}
