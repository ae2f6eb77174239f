/* SPDX-License-Identifier: Apache-2.0 */
/*
 * os.c - thin wrappers of the system calls that change this process's address space.
 *
 * Replacing by MAP_FIXED is one step for other threads: no moment at which the range is free for
 * somebody else's mmap. Therefore nothing inside a window is ever unmapped, only replaced.
 * No locks; the kernel's own serialise.
 */
#include "engine/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/inject.h"

#define NOTHING_FLAGS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

/*
 * A window's pages come and go under running threads on purpose. ThreadSanitizer's mmap would count
 * each replacement as a write to all of them, so replacements go to the kernel directly.
 */
static void *map(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	if (flags & MAP_FIXED)
		return (void *)syscall(SYS_mmap, at, bytes, prot, flags, fd, offset);
	return mmap(at, bytes, prot, flags, fd, offset);
}

static int open_userfaultfd(int flags)
{
	return (int)syscall(SYS_userfaultfd, flags);
}

static int control(int fd, unsigned long request, void *argument)
{
	return (int)syscall(SYS_ioctl, fd, request, argument);
}

struct os_calls os_calls = {
	.mmap = map,
	.munmap = munmap,
	.mprotect = mprotect,
	.madvise = madvise,
	.userfaultfd = open_userfaultfd,
	.ioctl = control,
};

int os_reserve(size_t bytes, size_t align, void **out)
{
	size_t room = bytes + align;
	size_t front;
	char *at;

	if (room < bytes || MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	at = os_calls.mmap(NULL, room, PROT_NONE, NOTHING_FLAGS, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	front = -(uintptr_t)at & (align - 1);
	/* Trims at the ends of a mapping split nothing; if one fails, address space is wasted. */
	if (front > 0)
		(void)os_calls.munmap(at, front);
	if (align - front > 0)
		(void)os_calls.munmap(at + front + bytes, align - front);
	*out = at + front;
	return 0;
}

int os_release(void *at, size_t bytes)
{
	if (MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	return os_calls.munmap(at, bytes) ? -errno : 0;
}

int os_prot(mm_access perms)
{
	mm_access a = access_effective(perms);

	return (a & MM_READ ? PROT_READ : 0) | (a & MM_WRITE ? PROT_WRITE : 0) |
	       (a & MM_EXEC ? PROT_EXEC : 0);
}

int os_map_file(void *at, size_t bytes, int fd, uint64_t offset, mm_access perms, bool populate)
{
	int flags = MAP_SHARED | MAP_FIXED | (populate ? MAP_POPULATE : 0);

	if (MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	return os_calls.mmap(at, bytes, os_prot(perms), flags, fd, (off_t)offset) == MAP_FAILED
		       ? -errno
		       : 0;
}

int os_map_nothing(void *at, size_t bytes)
{
	if (MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	return os_calls.mmap(at, bytes, PROT_NONE, NOTHING_FLAGS | MAP_FIXED, -1, 0) == MAP_FAILED
		       ? -errno
		       : 0;
}

int os_protect_nothing(void *at, size_t bytes)
{
	if (MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	return os_calls.mprotect(at, bytes, PROT_NONE) ? -errno : 0;
}

int os_forget(void *at, size_t bytes)
{
	if (MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	return os_calls.madvise(at, bytes, MADV_DONTNEED) ? -errno : 0;
}

int os_read_ahead(void *at, size_t bytes)
{
	int rc;

	if (MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	do
		rc = os_calls.madvise(at, bytes, MADV_POPULATE_READ);
	while (rc && errno == EINTR);
	return rc ? -errno : 0;
}

/* One line of maps, a character at a time: "start-end rwxp ...\n". */
struct maps_parser {
	struct addr_range vma;
	enum { IN_START, IN_END, IN_PERMS, IN_REST } state;
	unsigned perms_seen;
	bool accessible;
};

/* True when the perms of a line are complete. */
static bool maps_feed(struct maps_parser *p, char c)
{
	uint64_t digit = (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);

	if (c == '\n') {
		*p = (struct maps_parser){ .state = IN_START };
		return false;
	}
	switch (p->state) {
	case IN_START:
		if (c == '-')
			p->state = IN_END;
		else
			p->vma.start = p->vma.start << 4 | digit;
		return false;
	case IN_END:
		if (c == ' ')
			p->state = IN_PERMS;
		else
			p->vma.end = p->vma.end << 4 | digit;
		return false;
	case IN_PERMS:
		if (c != '-')
			p->accessible = true;
		if (++p->perms_seen < 3)
			return false;
		p->state = IN_REST;
		return true;
	case IN_REST:
		break;
	}
	return false;
}

int os_find_accessible(struct addr_range in, struct addr_range *found)
{
	struct maps_parser p = { .state = IN_START };
	char buffer[4096];
	int rc = -ENOENT;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, buffer, sizeof(buffer));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = -errno;
		if (n <= 0)
			goto out;
		for (ssize_t i = 0; i < n; i++) {
			if (!maps_feed(&p, buffer[i]))
				continue;
			if (p.vma.start >= in.end)
				goto out; /* lines ascend */
			if (p.accessible && addr_range_overlaps(p.vma, in)) {
				*found = p.vma;
				rc = 0;
				goto out;
			}
		}
	}
out:
	close(fd);
	return rc;
}
