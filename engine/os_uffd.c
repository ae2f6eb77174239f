/* SPDX-License-Identifier: Apache-2.0 */
/*
 * os_uffd.c - see os_uffd.h.
 *
 * A range is registered for pages that are in the page cache but not in the page table (minor: the
 * ordinary case) and for those that are not even in the cache (missing: else a touch would quietly
 * allocate one). Both are shown by UFFDIO_CONTINUE, the latter once the caller has filled it in.
 *
 * What UFFDIO_CONTINUE may answer: EAGAIN, a part was done, or the page table moved under it: go
 * on; EEXIST, the page is there; EFAULT, it is not in the cache; ENOENT, nothing is registered
 * there. No event of the non-cooperative mode is asked for, so that none of its EAGAINs can last.
 */
#include "engine/os_uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/inject.h"

/* Newer than the headers of Debian 12's libc may be. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

static const char *why_not(int error)
{
	if (error == EPERM)
		return "userfaultfd is not permitted here: a filter of system calls (seccomp, as "
		       "containers have it) forbids it; allow userfaultfd in it";
	if (error == ENOSYS)
		return "this kernel has no userfaultfd (CONFIG_USERFAULTFD)";
	if (error == EINVAL)
		return "this userfaultfd has no minor faults of shared memory with SIGBUS: "
		       "Linux 5.14 or newer is needed";
	return "userfaultfd cannot be opened: no descriptors or no memory are left";
}

int os_uffd_open(int *fd, const char **why)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM |
			    UFFD_FEATURE_MISSING_HUGETLBFS | UFFD_FEATURE_MINOR_SHMEM |
			    UFFD_FEATURE_MINOR_HUGETLBFS,
	};
	int error;

	if (MM_INJECT(INJECT_HOST)) {
		errno = ENOMEM;
		*fd = -1;
	} else {
		*fd = os_calls.userfaultfd(O_CLOEXEC | UFFD_USER_MODE_ONLY);
	}
	if (*fd >= 0 && !os_calls.ioctl(*fd, UFFDIO_API, &api))
		return 0;
	error = errno;
	if (*fd >= 0)
		close(*fd);
	if (why)
		*why = why_not(error);
	return -error;
}

void os_uffd_close(int fd)
{
	(void)close(fd);
}

int os_uffd_attach(int fd, void *at, size_t bytes, int memory_fd, uint64_t offset, mm_access perms)
{
	struct uffdio_register range = {
		.range = { (uint64_t)(uintptr_t)at, bytes },
		.mode = UFFDIO_REGISTER_MODE_MINOR | UFFDIO_REGISTER_MODE_MISSING,
	};

	if (MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	if (os_calls.mmap(at, bytes, PROT_NONE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, memory_fd,
			  (off_t)offset) == MAP_FAILED)
		return -errno;
	if (os_calls.ioctl(fd, UFFDIO_REGISTER, &range))
		return -errno;
	return os_calls.mprotect(at, bytes, os_prot(perms)) ? -errno : 0;
}

int os_uffd_show(int fd, void *at, size_t bytes, size_t page_bytes, bool *there)
{
	size_t done = 0;

	*there = false;
	if (MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	while (done < bytes) {
		struct uffdio_continue next = {
			.range = { (uint64_t)(uintptr_t)at + done, bytes - done },
			.mode = UFFDIO_CONTINUE_MODE_DONTWAKE, /* nobody sleeps: SIGBUS */
		};

		if (!os_calls.ioctl(fd, UFFDIO_CONTINUE, &next))
			return 0;
		if (next.mapped > 0) {
			done += (size_t)next.mapped;
		} else if (errno == EEXIST) {
			*there = true;
			done += page_bytes;
		} else if (errno != EAGAIN && errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}
