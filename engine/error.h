/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error.h - results of the engine: 0, -errno, or a bus error that wraps an errno.
 *
 * A bus error is what should reach the thread as SIGBUS if it makes a page fault fail (BusError
 * of the seed). It is encoded below every -errno, so that one int carries both.
 */
#pragma once

#include <stdbool.h>

#define MM_BUS_ERROR_BASE 0x10000
#define MM_MUST_CHECK __attribute__((warn_unused_result))

/* errno_value: 1..4095. */
static inline int bus_error(int errno_value)
{
	return -(MM_BUS_ERROR_BASE + errno_value);
}

static inline bool is_bus_error(int rc)
{
	return rc <= -MM_BUS_ERROR_BASE;
}

/* The errno inside rc (positive), bus error or not; 0 for success. */
static inline int errno_of(int rc)
{
	return is_bus_error(rc) ? -rc - MM_BUS_ERROR_BASE : -rc;
}
