/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.h - what this process may use: CPUs, CPU time and memory, by affinity and cgroups.
 *
 * Read from the kernel's files below a prefix, so that tests can show it any machine. Limits of
 * cgroup v2 and v1 hold along the whole path from the process's group to the root: the smallest
 * one counts. Both hierarchies are looked at where both are mounted.
 * No locks; any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

#define LIMITS_NONE UINT64_MAX /* no limit, or not known */

struct limits {
	unsigned cpu_count; /* CPUs in the affinity mask of this process, >= 1 */
	double cpu_quota; /* CPUs' worth of time that the cgroups grant; 0: no limit */
	uint64_t memory_max; /* bytes, smallest along the path; LIMITS_NONE */
	uint64_t memory_left; /* bytes until the nearest limit on the path; LIMITS_NONE */
	uint64_t memory_available; /* bytes, MemAvailable; LIMITS_NONE if unreadable */
	uint64_t memory_total; /* bytes, MemTotal */
	char cgroup[256]; /* path of the group, "" if none */
};

/* root: prefix of /proc and /sys; NULL or "" for this machine. Never fails: see LIMITS_NONE. */
void limits_read(struct limits *limits, const char *root);

/* Bytes that can be taken without reclaim or an OOM kill: machine and cgroups together. */
uint64_t limits_memory_free(const struct limits *limits);

/*
 * How much memory a run may use. asked: bytes, 0 = nothing asked: the cap is then half of what
 * is free. 0 with the cap in *cap, or -ENOMEM: more was asked than is free (a sixteenth is kept
 * back); `why` (may be NULL) names the limit that stands in the way.
 */
MM_MUST_CHECK int limits_memory_cap(const struct limits *limits, uint64_t asked, uint64_t *cap,
				    char *why, size_t why_size);
