/* SPDX-License-Identifier: Apache-2.0 */
/*
 * count_host.c - what operations ask of the host.
 *
 * The linker's --wrap sends each call of the program here. What the C library does for itself
 * stays inside of it and is not seen, nor should it be.
 */
#include "tests/count/count_host.h"

#ifdef COUNT_HOST

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned long calls, calls_before, mappings_before;

void *__real_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	calls++;
	return __real_mmap(at, size, prot, flags, fd, offset);
}

/* What the engine asks of the kernel past the C library: six numbers hold every call's. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	long a[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	calls++;
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* The others take and return numbers. */
#define COUNTED(name, parameters, arguments)    \
	int __real_##name parameters;           \
	int __wrap_##name parameters;           \
	int __wrap_##name parameters            \
	{                                       \
		calls++;                        \
		return __real_##name arguments; \
	}

COUNTED(fallocate, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size))
COUNTED(ftruncate, (int fd, off_t size), (fd, size))
COUNTED(madvise, (void *at, size_t size, int advice), (at, size, advice))
COUNTED(mprotect, (void *at, size_t size, int prot), (at, size, prot))
COUNTED(munmap, (void *at, size_t size), (at, size))

static unsigned long mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long lines = 0;
	int c;

	REQUIRE(maps);
	while ((c = getc(maps)) != EOF)
		lines += c == '\n';
	fclose(maps);
	return lines;
}

void count_host_begin(void)
{
	mappings_before = mappings();
	calls_before = calls;
}

void count_host_end(const struct count_op *op)
{
	double called = (double)(calls - calls_before);

	printf("%s calls %.6f\n", op->name, called / op->times);
	printf("%s mappings %.6f\n", op->name,
	       ((double)mappings() - (double)mappings_before) / op->times);
	fflush(stdout);
}

#endif
