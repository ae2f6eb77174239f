/* SPDX-License-Identifier: Apache-2.0 */
/*
 * os_memory.h - every system call that the memory files make, behind one header.
 *
 * Results are 0 or -errno unless said otherwise; sizes and offsets are in bytes and must be
 * multiples of the page size (of 2 MiB for huge memory). Nothing here takes a lock, allocates or
 * keeps state; all functions may be called by any thread at any time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

/* A memfd, of huge pages of 2^huge_shift bytes unless that is 0. The descriptor or -errno (-ENODEV:
 * the kernel has no such pages). */
MM_MUST_CHECK int os_memory_memfd(const char *name, unsigned huge_shift);
MM_MUST_CHECK int os_memory_resize(int fd, uint64_t size);
/* Bytes of the host's memory that the file holds (st_blocks), 0 if that cannot be told. */
uint64_t os_memory_file_bytes(int fd);
void os_memory_close(int fd);

/* Address space that is not backed, zero when read (writable) or not accessible (otherwise);
 * align is a power of two. NULL when the limit of address space is reached. */
void *os_memory_reserve(uint64_t size, uint64_t align, bool writable);
void os_memory_release(void *address, uint64_t size);
/* Shared, readable, if so asked writable, unreserved mapping of the file over what is there. */
MM_MUST_CHECK int os_memory_map(void *address, uint64_t size, int fd, uint64_t offset,
				bool writable);
/* Whether the pool has `size` of huge pages of the file left, without making any: 0 or -errno. */
MM_MUST_CHECK int os_memory_try_huge(int fd, uint64_t size);
/* Inaccessible address space over what is there. Best effort: a failure leaves it. */
void os_memory_hide(void *address, uint64_t size);
/* Memory policy of a mapping that nobody touched yet; strict: this node or none. A kernel without
 * NUMA (ENOSYS) is not an error. */
MM_MUST_CHECK int os_memory_bind(void *address, uint64_t size, int node, bool strict);
/* The calling thread's policy: MPOL_ mode without flags, and its nodes, those below 64, as bits. */
MM_MUST_CHECK int os_memory_thread_policy(int *mode, uint64_t *nodes);
/* Huge pages wanted or not in this mapping; a kernel without them is left as it is. */
void os_memory_advise_huge(void *address, uint64_t size, bool huge);
/* Makes the pages present, as a write (or read) of each would, but with -errno for a SIGBUS. */
MM_MUST_CHECK int os_memory_populate(void *address, uint64_t size, bool write);
/* Replaces 2 MiB of present small pages by one huge page. */
MM_MUST_CHECK int os_memory_collapse(void *address, uint64_t size);
/* Gives a part of the file back to the host: it reads zero afterwards. */
MM_MUST_CHECK int os_memory_punch(int fd, uint64_t offset, uint64_t size);

/* The node of the page mapped at address, or -errno (-ENOENT: not mapped). */
int os_memory_node_of(void *address);
/* Bit 0 of vec[i]: is page i of the mapped range in memory? */
MM_MUST_CHECK int os_memory_residency(void *address, uint64_t size, unsigned char *vec);
/* How many 4 KiB pages of the range are in memory; -errno. At most 1 GiB. */
int64_t os_memory_resident(void *address, uint64_t size);
/* A field of the mapping that holds address in /proc/self/smaps, in bytes, or -errno. */
int64_t os_memory_smaps_field(const void *address, const char *field);
/* A decimal number in a one-line file of sysfs or procfs, or -errno. */
int64_t os_memory_read_number(const char *path);

/* The machine's nodes as these functions see them, so that a test can play a machine of several.
 * Change only while no other thread runs. */
struct os_numa {
	int (*node_count)(int max);
	int (*current_node)(void);
	int (*node_of_cpu)(int cpu); /* or below 0 */
	int (*bind)(void *address, uint64_t size, int node, bool strict);
	int (*node_of)(void *address);
};
extern struct os_numa os_numa;

/* Highest node number of this machine + 1, 1 .. max. */
int os_memory_node_count(int max);
int os_memory_current_node(void);
/* The calling thread runs on the CPUs of the node from now on. Best effort. */
void os_memory_run_on_node(int node);

/* Zeroes 2 MiB past the caches. */
void os_memory_clear_huge(void *address);
