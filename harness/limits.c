/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.c - limits of the machine and of all control groups above this process.
 *
 * Page cache that was not used lately (inactive_file) counts as free in a group, as MemAvailable
 * counts it for the machine: a group that has just been compiled in would else look full.
 * No locks.
 */
#include "harness/limits.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>

#include "harness/cgroup.h"
#include "harness/kernel_file.h"

/* cgroup v1 says "no limit" by a number just below 2^63. */
#define V1_UNLIMITED (UINT64_C(1) << 62)
#define CPUS_MAX 65536u

static unsigned count_cpus(void)
{
	for (unsigned max = 1024; max <= CPUS_MAX; max *= 4) {
		size_t size = CPU_ALLOC_SIZE(max);
		cpu_set_t *set = CPU_ALLOC(max);
		int count = 0;

		if (set && sched_getaffinity(0, size, set) == 0)
			count = CPU_COUNT_S(size, set);
		CPU_FREE(set);
		if (count > 0)
			return (unsigned)count;
	}
	return 1;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Takes the memory limits of one group into account. */
static void read_memory(const char *root, const struct cgroup_path *path, bool v2,
			struct limits *limits)
{
	uint64_t max = LIMITS_NONE, high, used, cache = 0;
	char text[8192];

	if (cgroup_read_number(root, path, v2 ? "memory.max" : "memory.limit_in_bytes", &max))
		max = LIMITS_NONE;
	if (v2 && !cgroup_read_number(root, path, "memory.high", &high))
		max = smaller(max, high);
	if (max >= V1_UNLIMITED)
		return;
	limits->memory_max = smaller(limits->memory_max, max);
	if (cgroup_read_number(root, path, v2 ? "memory.current" : "memory.usage_in_bytes", &used))
		return;
	if (!cgroup_read(root, path, "memory.stat", text, sizeof(text)) &&
	    kernel_file_value(text, v2 ? "inactive_file" : "total_inactive_file", &cache))
		cache = 0;
	used -= smaller(used, cache);
	limits->memory_left = smaller(limits->memory_left, max - smaller(max, used));
}

/* Takes the CPU quota of one group into account. */
static void read_quota(const char *root, const struct cgroup_path *path, bool v2,
		       struct limits *limits)
{
	unsigned long long quota = 0, period = 0;
	uint64_t value;
	char text[128];

	if (v2) {
		if (cgroup_read(root, path, "cpu.max", text, sizeof(text)) ||
		    sscanf(text, "%llu %llu", &quota, &period) != 2)
			return;
	} else {
		if (cgroup_read_number(root, path, "cpu.cfs_quota_us", &value))
			return; /* also -1: no limit */
		quota = value;
		if (cgroup_read_number(root, path, "cpu.cfs_period_us", &value))
			return;
		period = value;
	}
	if (quota && period &&
	    (limits->cpu_quota <= 0 || (double)quota / (double)period < limits->cpu_quota))
		limits->cpu_quota = (double)quota / (double)period;
}

static void walk(const char *root, const char *controller, struct limits *limits,
		 void (*look)(const char *, const struct cgroup_path *, bool, struct limits *))
{
	struct cgroup_path path;

	if (cgroup_find(root, controller, &path))
		return;
	if (!limits->cgroup[0])
		snprintf(limits->cgroup, sizeof(limits->cgroup), "%.255s", path.dir);
	do {
		look(root, &path, !controller, limits);
	} while (cgroup_up(&path));
}

static uint64_t read_kib(const char *text, const char *key)
{
	uint64_t value;

	return kernel_file_value(text, key, &value) ? LIMITS_NONE : value * 1024;
}

void limits_read(struct limits *limits, const char *root)
{
	char text[8192];

	*limits = (struct limits){
		.cpu_count = count_cpus(),
		.memory_max = LIMITS_NONE,
		.memory_left = LIMITS_NONE,
		.memory_available = LIMITS_NONE,
		.memory_total = LIMITS_NONE,
	};
	if (!kernel_file_read(root, "/proc/meminfo", text, sizeof(text))) {
		limits->memory_available = read_kib(text, "MemAvailable");
		limits->memory_total = read_kib(text, "MemTotal");
	}
	walk(root, "memory", limits, read_memory);
	walk(root, "cpu", limits, read_quota);
	walk(root, NULL, limits, read_memory);
	walk(root, NULL, limits, read_quota);
}

uint64_t limits_memory_free(const struct limits *limits)
{
	return smaller(smaller(limits->memory_available, limits->memory_total),
		       smaller(limits->memory_left, limits->memory_max));
}

int limits_memory_cap(const struct limits *limits, uint64_t asked, uint64_t *cap, char *why,
		      size_t why_size)
{
	uint64_t left = limits_memory_free(limits);
	bool group = left != limits->memory_available && left != limits->memory_total;

	if (left == LIMITS_NONE) {
		/* Nothing is known: what was asked for, or little. */
		*cap = asked ? asked : UINT64_C(256) << 20;
		return 0;
	}
	if (!asked) {
		*cap = left / 2;
		return 0;
	}
	if (asked > left - left / 16) {
		snprintf(why, why ? why_size : 0, "%llu MiB asked, but only %llu MiB are free %s%s",
			 (unsigned long long)(asked >> 20),
			 (unsigned long long)((left - left / 16) >> 20),
			 group ? "within the memory limit of control group " : "on this machine",
			 group ? limits->cgroup : "");
		return -ENOMEM;
	}
	*cap = asked;
	return 0;
}
