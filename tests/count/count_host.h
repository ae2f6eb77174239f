/* SPDX-License-Identifier: Apache-2.0 */
/*
 * count_host.h - what operations ask of the host: calls that change mappings and files, and the
 * mappings that are left.
 *
 * Only in the program count-host, whose spaces show their pages in the host (COUNT_HOST); there the
 * linker hands the engine's calls to count_host.c. One thread.
 */
#pragma once

#include "tests/count/count.h"

#ifdef COUNT_HOST

#define COUNT_SPACE &host_space_mmap, (UINT64_C(4) << 30)
/* Before the operation; after it, which prints two lines of NAME VALUE. */
void count_host_begin(void);
void count_host_end(const struct count_op *op);
/* What callgrind's output is found by means nothing here. */
#define COUNT_LINE(pid, op) ((void)(pid), (void)(op))

#else

#define COUNT_SPACE &host_space_none, 0
static inline void count_host_begin(void)
{
}
static inline void count_host_end(const struct count_op *op)
{
	(void)op;
}
#define COUNT_LINE(pid, op) printf("%d %s %u\n", (int)(pid), (op)->name, (op)->times)

#endif
