/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hosts.h - kinds of host space in tests that run with each of them: `uffd` is not to be had
 * everywhere (a container's filter forbids it), and host_space_test.c skips with the reason then.
 */
#pragma once

#include "engine/host_space.h"

/* The kind itself; `mmap` for `uffd` where there is none. */
static inline const struct host_space_ops *host_to_be_had(const struct host_space_ops *host)
{
	const char *why;

	return host == &host_space_uffd && host_space_uffd_probe(&why) ? &host_space_mmap : host;
}
