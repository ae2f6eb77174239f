/* SPDX-License-Identifier: Apache-2.0 */
/* access.h - access types: sets of READ, WRITE and EXEC (hostarch.AccessType of the original). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef uint8_t mm_access;

enum { MM_NONE = 0, MM_READ = 1, MM_WRITE = 2, MM_EXEC = 4, MM_ANY_ACCESS = 7 };

/* What the hardware really allows: write and execute imply read. */
static inline mm_access access_effective(mm_access a)
{
	return a & (MM_WRITE | MM_EXEC) ? a | MM_READ : a;
}

static inline bool access_superset_of(mm_access a, mm_access b)
{
	return (a & b) == b;
}
