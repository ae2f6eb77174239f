/* SPDX-License-Identifier: Apache-2.0 */
/*
 * os_uffd.h - userfaultfd(2) as a window needs it: ranges of shared memory in which a page is seen
 * only after it was shown by name, and a touch of any other raises SIGBUS in the thread itself.
 *
 * Results are 0 or -errno. Nothing here takes a lock of the engine or allocates; all but
 * os_uffd_open are async-signal-safe.
 *
 * It is opened for faults of user mode only, which takes no privilege: with SIGBUS the kernel's own
 * touches fail (EFAULT) in either mode. It belongs to the address space that opened it: the child
 * of a fork() of the process has its ranges without the trap, and must not touch them.
 */
#pragma once

#include "engine/os.h"

/* 0 with *fd; else *why (may be NULL) says what this machine lacks, and what to do about it. */
MM_MUST_CHECK int os_uffd_open(int *fd, const char **why);
void os_uffd_close(int fd);

/*
 * Replaces a range by `bytes` of the memory file from offset, with perms, of which nothing is
 * shown. At no moment does a touch pass unnoticed: it is inaccessible until it is registered.
 * With an error the range is inaccessible. The caller sees to it that nobody else changes what is
 * mapped there.
 */
MM_MUST_CHECK int os_uffd_attach(int fd, void *at, size_t bytes, int memory_fd, uint64_t offset,
				 mm_access perms);

/*
 * Shows the pages of an attached range, without a look at those that are there already; *there says
 * whether there were any. page_bytes: of the memory file. -EFAULT: a page is not in the file's
 * memory. -ENOENT: the range is not attached any more.
 */
MM_MUST_CHECK int os_uffd_show(int fd, void *at, size_t bytes, size_t page_bytes, bool *there);
