/* SPDX-License-Identifier: Apache-2.0 */
/*
 * os.h - the system calls by which windows of this process are reserved, shown and hidden.
 *
 * All take page-aligned addresses and lengths in bytes, return 0 or -errno, take no lock of the
 * engine, and are as thread-safe as the calls they make. Async-signal-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/access.h"
#include "engine/error.h"
#include "engine/range.h"

/* The kernel calls, so that tests can make one fail. Change only while no other thread runs. */
struct os_calls {
	void *(*mmap)(void *at, size_t bytes, int prot, int flags, int fd, off_t offset);
	int (*munmap)(void *at, size_t bytes);
	int (*mprotect)(void *at, size_t bytes, int prot);
	int (*madvise)(void *at, size_t bytes, int advice);
	int (*userfaultfd)(int flags);
	int (*ioctl)(int fd, unsigned long request, void *argument);
};
extern struct os_calls os_calls;

/* Reserves bytes of address space, inaccessible, without swap or memory behind it; *out is a
 * multiple of align (a power of two). */
MM_MUST_CHECK int os_reserve(size_t bytes, size_t align, void **out);
/* Gives address space back. -ENOMEM: would split a mapping, and vm.max_map_count is reached. */
MM_MUST_CHECK int os_release(void *at, size_t bytes);
/* PROT_* of an access; a write implies reading. */
int os_prot(mm_access perms);
/* Shows bytes of fd from offset at `at`, shared, replacing what is there in one step. On failure
 * nothing has changed. populate: fill the page tables now (best effort). */
MM_MUST_CHECK int os_map_file(void *at, size_t bytes, int fd, uint64_t offset, mm_access perms,
			      bool populate);
/* Makes the range inaccessible reserved address space again, in one step. -ENOMEM as above. */
MM_MUST_CHECK int os_map_nothing(void *at, size_t bytes);
/* Takes all access from a range; what is mapped there stays. -ENOMEM as above. */
MM_MUST_CHECK int os_protect_nothing(void *at, size_t bytes);
/* Empties the page table of a range whose mapping stays. */
MM_MUST_CHECK int os_forget(void *at, size_t bytes);
/* Makes the pages of a range present; -EFAULT: reading one would raise SIGBUS. */
MM_MUST_CHECK int os_read_ahead(void *at, size_t bytes);

/*
 * The first mapping of this process that permits any access and overlaps `in`: its whole extent
 * into *found (which may reach beyond `in`). -ENOENT: there is none. Reads /proc/self/maps
 * without allocating; other threads may have changed it since.
 */
MM_MUST_CHECK int os_find_accessible(struct addr_range in, struct addr_range *found);
