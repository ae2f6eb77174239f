/* SPDX-License-Identifier: Apache-2.0 */
/*
 * os_memory.c - system calls of the memory files.
 *
 * mbind and move_pages are called raw: they are two calls, and a library that wraps them would
 * decide about missing NUMA support on its own. Constants that glibc 2.36 lacks stand here.
 */
#include "engine/os_memory.h"

#include <emmintrin.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <numa.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/inject.h"
#include "engine/range.h"

#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT 26
#endif
#define NODES_MAX 1024 /* of the kernel; it refuses a shorter mask than it has nodes */

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

int os_memory_memfd(const char *name, unsigned huge_shift)
{
	if (MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	unsigned huge = huge_shift ? MFD_HUGETLB | huge_shift << MFD_HUGE_SHIFT : 0;
	int fd = memfd_create(name, MFD_CLOEXEC | huge);

	return fd < 0 ? -errno : fd;
}

int os_memory_resize(int fd, uint64_t size)
{
	if (MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	return ftruncate(fd, (off_t)size) ? -errno : 0;
}

uint64_t os_memory_file_bytes(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : (uint64_t)st.st_blocks * 512;
}

void os_memory_close(int fd)
{
	(void)close(fd);
}

void *os_memory_reserve(uint64_t size, uint64_t align, bool writable)
{
	int prot = writable ? PROT_READ | PROT_WRITE : PROT_NONE;
	uint64_t slack = align > MM_PAGE_SIZE ? align : 0;

	if (MM_INJECT(INJECT_HOST))
		return NULL;
	char *p =
		mmap(NULL, size + slack, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	uint64_t skip = slack ? (align - (uintptr_t)p % align) % align : 0;

	if (skip)
		munmap(p, skip);
	if (slack - skip)
		munmap(p + skip + size, slack - skip);
	/* A huge page under a sparse table would back 2 MiB for its first entry. */
	if (writable)
		(void)madvise(p + skip, size, MADV_NOHUGEPAGE);
	return p + skip;
}

void os_memory_release(void *address, uint64_t size)
{
	if (address)
		munmap(address, size);
}

int os_memory_map(void *address, uint64_t size, int fd, uint64_t offset, bool writable)
{
	if (MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	void *p = mmap(address, size, writable ? PROT_READ | PROT_WRITE : PROT_READ,
		       MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, (off_t)offset);

	return p == MAP_FAILED ? -errno : 0;
}

int os_memory_try_huge(int fd, uint64_t size)
{
	/* Not NORESERVE: the kernel sets the pages aside, and makes none of them. */
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? -errno : munmap(p, size) ? -errno : 0;
}

void os_memory_hide(void *address, uint64_t size)
{
	(void)mmap(address, size, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

static int kernel_bind(void *address, uint64_t size, int node, bool strict)
{
	unsigned long mask[2] = { 0 };
	int bits = (int)sizeof(mask[0]) * 8;

	mask[node / bits] = 1UL << (node % bits);
	/* The kernel takes the number of bits plus one. */
	long rc = syscall(SYS_mbind, address, size, strict ? MPOL_BIND : MPOL_PREFERRED, mask,
			  sizeof(mask) * 8 + 1, 0);

	return rc && errno != ENOSYS ? -errno : 0;
}

int os_memory_thread_policy(int *mode, uint64_t *nodes)
{
	unsigned long mask[NODES_MAX / 8 / sizeof(unsigned long)] = { 0 };

	if (syscall(SYS_get_mempolicy, mode, mask, NODES_MAX, NULL, 0))
		return -errno;
	*mode &= ~MPOL_MODE_FLAGS;
	*nodes = mask[0];
	return 0;
}

void os_memory_advise_huge(void *address, uint64_t size, bool huge)
{
	(void)madvise(address, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

int os_memory_populate(void *address, uint64_t size, bool write)
{
	int rc;

	if (MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	do {
		rc = madvise(address, size, write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
	} while (rc && errno == EINTR);
	return rc ? -errno : 0;
}

int os_memory_collapse(void *address, uint64_t size)
{
	if (MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	return madvise(address, size, MADV_COLLAPSE) ? -errno : 0;
}

int os_memory_punch(int fd, uint64_t offset, uint64_t size)
{
	int rc;

	if (MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	do {
		rc = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			       (off_t)size);
	} while (rc && errno == EINTR);
	return rc ? -errno : 0;
}

static int kernel_node_of(void *address)
{
	int status = -ENOENT;

	if (syscall(SYS_move_pages, 0, 1UL, &address, NULL, &status, 0))
		return -errno;
	return status;
}

int os_memory_residency(void *address, uint64_t size, unsigned char *vec)
{
	return mincore(address, size, vec) ? -errno : 0;
}

int64_t os_memory_resident(void *address, uint64_t size)
{
	enum { STEP_PAGES = 4096 };
	unsigned char present[STEP_PAGES];
	uint64_t pages = size >> MM_PAGE_SHIFT;
	int64_t total = 0;

	for (uint64_t at = 0; at < pages; at += STEP_PAGES) {
		uint64_t n = pages - at < STEP_PAGES ? pages - at : STEP_PAGES;

		if (mincore((char *)address + (at << MM_PAGE_SHIFT), n << MM_PAGE_SHIFT, present))
			return -errno;
		for (uint64_t i = 0; i < n; i++)
			total += present[i] & 1;
	}
	return total;
}

int64_t os_memory_smaps_field(const void *address, const char *field)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char *line = NULL;
	size_t size = 0;
	int64_t value = -ENOENT;
	bool inside = false;

	if (!f)
		return -errno;
	while (getline(&line, &size, f) > 0) {
		unsigned long start, end, kb;
		char name[40];

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (uintptr_t)address && (uintptr_t)address < end;
		else if (inside && sscanf(line, "%39[^:]: %lu kB", name, &kb) == 2 &&
			 !strcmp(name, field)) {
			value = (int64_t)kb * 1024;
			break;
		}
	}
	free(line);
	fclose(f);
	return value;
}

int64_t os_memory_read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long long value;

	if (!f)
		return -errno;
	int got = fscanf(f, "%lld", &value);

	fclose(f);
	return got == 1 ? value : -EINVAL;
}

static int kernel_node_count(int max)
{
	FILE *f = fopen("/sys/devices/system/node/possible", "re");
	int count = 1, a, b;
	char separator;

	if (!f)
		return 1;
	/* A list such as 0-1,4: the last number is the highest. */
	while (fscanf(f, "%d", &a) == 1) {
		b = a;
		if (fscanf(f, "%c", &separator) == 1 && separator == '-' &&
		    fscanf(f, "%d", &b) == 1 && fscanf(f, "%c", &separator) != 1)
			separator = 0;
		if (b >= count)
			count = b + 1;
		if (separator != ',')
			break;
	}
	fclose(f);
	return count > max ? max : count;
}

static int kernel_current_node(void)
{
	unsigned cpu, node;

	return getcpu(&cpu, &node) ? 0 : (int)node;
}

static int kernel_node_of_cpu(int cpu)
{
	return numa_available() < 0 ? 0 : numa_node_of_cpu(cpu);
}

struct os_numa os_numa = {
	.node_count = kernel_node_count,
	.current_node = kernel_current_node,
	.node_of_cpu = kernel_node_of_cpu,
	.bind = kernel_bind,
	.node_of = kernel_node_of,
};

int os_memory_bind(void *address, uint64_t size, int node, bool strict)
{
	return MM_INJECT(INJECT_HOST) ? -ENOMEM : os_numa.bind(address, size, node, strict);
}

int os_memory_node_of(void *address)
{
	return os_numa.node_of(address);
}

int os_memory_node_count(int max)
{
	return os_numa.node_count(max);
}

int os_memory_current_node(void)
{
	return os_numa.current_node();
}

void os_memory_run_on_node(int node)
{
	(void)numa_run_on_node(node);
}

void os_memory_clear_huge(void *address)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	memset(address, 0, MM_HUGE_SIZE); /* seen by the sanitizers */
#else
	__m128i zero = _mm_setzero_si128();

	for (char *p = address, *end = p + MM_HUGE_SIZE; p < end; p += 64) {
		_mm_stream_si128((__m128i *)p, zero);
		_mm_stream_si128((__m128i *)(p + 16), zero);
		_mm_stream_si128((__m128i *)(p + 32), zero);
		_mm_stream_si128((__m128i *)(p + 48), zero);
	}
	_mm_sfence();
#endif
}
