/* SPDX-License-Identifier: Apache-2.0 */
/*
 * count_machine.c - a machine that is always the same, for counts that are: two CPUs, the thread
 * on the first of them, and memory functions that do not depend on the processor.
 *
 * The engine finds these instead of the C library's, because a program's own symbols come first.
 *
 *   CPU number  Valgrind knows no rseq, so the C library would fall back to a system call. Here the
 *               area exists and says CPU 0: the path that is taken without valgrind, exactly.
 *   CPUs        how many there may be decides how many pools and arenas there are.
 *   NUMA        one node.
 *   bytes       the C library chooses its memcpy by what the processor has. These run one string
 *               instruction, of which valgrind counts each repetition; from COUNT_BULK bytes on
 *               that is done in count_bulk_*, which ci/count.sh takes out of the count:
 *               moving the bytes of pages is the memory's cost, not ours.
 *
 * Their declarations stand in headers of the C library that call them reserved or constant.
 */
#include <stddef.h>
#include <stdint.h>

#define COUNT_BULK 1024

struct count_rseq {
	uint32_t cpu_id_start, cpu_id;
	uint64_t rest[3];
};

static __thread struct count_rseq area __attribute__((aligned(32)));

extern ptrdiff_t __rseq_offset;
extern unsigned __rseq_size;
ptrdiff_t __rseq_offset;
unsigned __rseq_size;

/* The offset of a thread's variable from its thread pointer is the same in every thread. */
__attribute__((constructor)) static void pin_cpu(void)
{
	__rseq_offset = (char *)&area - (char *)__builtin_thread_pointer();
	__rseq_size = sizeof(area);
}

int get_nprocs_conf(void);
int get_nprocs_conf(void)
{
	return 2;
}

int numa_available(void);
int numa_available(void)
{
	return -1;
}

static inline void copy_up(void *to, const void *from, size_t n)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
}

static inline void fill(void *to, int byte, size_t n)
{
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(byte) : "memory");
}

__attribute__((noinline)) void count_bulk_copy(void *to, const void *from, size_t n);
void count_bulk_copy(void *to, const void *from, size_t n)
{
	copy_up(to, from, n);
}

__attribute__((noinline)) void count_bulk_fill(void *to, int byte, size_t n);
void count_bulk_fill(void *to, int byte, size_t n)
{
	fill(to, byte, n);
}

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	if (n >= COUNT_BULK)
		count_bulk_copy(to, from, n);
	else
		copy_up(to, from, n);
	return to;
}

void *memset(void *to, int byte, size_t n);
void *memset(void *to, int byte, size_t n)
{
	if (n >= COUNT_BULK)
		count_bulk_fill(to, byte, n);
	else
		fill(to, byte, n);
	return to;
}

void *memmove(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;

	if ((uintptr_t)t - (uintptr_t)f >= n)
		return memcpy(to, from, n);
	while (n--) {
		t[n] = f[n];
		__asm__ volatile("" ::: "memory"); /* or the compiler makes it a call of itself */
	}
	return to;
}
