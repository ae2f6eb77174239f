/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counters.c - what the processor and the kernel count of a thread, around a window.
 */
#include "harness/counters.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	uint32_t type;
	uint64_t config;
} events[COUNTERS] = {
	[COUNTER_CYCLES] = { "cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES },
	[COUNTER_INSTRUCTIONS] = { "instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS },
	[COUNTER_CACHE_MISSES] = { "cache_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES },
	[COUNTER_BRANCH_MISSES] = { "branch_misses", PERF_TYPE_HARDWARE,
				    PERF_COUNT_HW_BRANCH_MISSES },
	[COUNTER_DTLB_MISSES] = { "dtlb_misses", PERF_TYPE_HW_CACHE,
				  PERF_COUNT_HW_CACHE_DTLB | PERF_COUNT_HW_CACHE_OP_READ << 8 |
					  PERF_COUNT_HW_CACHE_RESULT_MISS << 16 },
	[COUNTER_MIGRATIONS] = { "migrations", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS },
	[COUNTER_MINOR_FAULTS] = { .name = "minor_faults" },
	[COUNTER_MAJOR_FAULTS] = { .name = "major_faults" },
	[COUNTER_WAITS] = { .name = "voluntary_switches" },
};

const char *counter_name(enum counter counter)
{
	return events[counter].name;
}

/* A file descriptor, or -errno. */
static int open_event(enum counter counter, bool user_only)
{
	struct perf_event_attr attr = {
		.type = events[counter].type,
		.size = sizeof(attr),
		.config = events[counter].config,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
		.exclude_kernel = user_only,
		.exclude_hv = 1,
	};
	long fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

static bool is_refusal(int rc)
{
	return rc == -EACCES || rc == -EPERM;
}

void counters_open(struct counters *counters)
{
	counters->user_only = false;
	for (unsigned c = 0; c < COUNTERS_PERF; c++) {
		int fd = open_event(c, false);

		/* Migrations have no user's side: they would read 0. */
		if (is_refusal(fd) && c != COUNTER_MIGRATIONS) {
			fd = open_event(c, true);
			counters->user_only = counters->user_only || fd >= 0;
		}
		counters->fds[c] = fd < 0 ? -1 : fd;
		counters->errors[c] = fd < 0 ? -fd : 0;
	}
}

void counters_close(struct counters *counters)
{
	for (unsigned c = 0; c < COUNTERS_PERF; c++) {
		if (counters->fds[c] >= 0)
			close(counters->fds[c]);
		counters->fds[c] = -1;
	}
}

void counters_read(const struct counters *counters, struct counter_readings *out)
{
	struct rusage usage;
	int error = getrusage(RUSAGE_THREAD, &usage) ? errno : 0;

	memset(out, 0, sizeof(*out));
	for (unsigned c = 0; c < COUNTERS_PERF; c++) {
		ssize_t length;

		out->errors[c] = counters->errors[c];
		if (out->errors[c])
			continue;
		length = read(counters->fds[c], &out->of[c], sizeof(out->of[c]));
		if (length != sizeof(out->of[c]))
			out->errors[c] = length < 0 ? errno : ENODATA;
	}
	for (unsigned c = COUNTERS_PERF; c < COUNTERS; c++)
		out->errors[c] = error;
	if (error)
		return;
	out->of[COUNTER_MINOR_FAULTS].value = (uint64_t)usage.ru_minflt;
	out->of[COUNTER_MAJOR_FAULTS].value = (uint64_t)usage.ru_majflt;
	out->of[COUNTER_WAITS].value = (uint64_t)usage.ru_nvcsw;
}

int counter_between(const struct counter_reading *before, const struct counter_reading *after,
		    double *count)
{
	double value = (double)(after->value - before->value);
	uint64_t enabled = after->enabled - before->enabled;
	uint64_t running = after->running - before->running;

	if (!running)
		return -ENODATA;
	*count = running < enabled ? value * (double)enabled / (double)running : value;
	return 0;
}

void counters_between(const struct counters *counters, const struct counter_readings *before,
		      const struct counter_readings *after, struct counter_counts *out)
{
	*out = (struct counter_counts){ .user_only = counters->user_only };
	for (unsigned c = 0; c < COUNTERS; c++) {
		out->errors[c] = before->errors[c] ? before->errors[c] : after->errors[c];
		if (out->errors[c])
			continue;
		if (c < COUNTERS_PERF)
			out->errors[c] =
				-counter_between(&before->of[c], &after->of[c], &out->count[c]);
		else
			out->count[c] = (double)(after->of[c].value - before->of[c].value);
	}
}

void counters_add(struct counter_counts *to, const struct counter_counts *from)
{
	to->user_only = to->user_only || from->user_only;
	for (unsigned c = 0; c < COUNTERS; c++) {
		to->count[c] += from->count[c];
		if (!to->errors[c])
			to->errors[c] = from->errors[c];
	}
}

bool counters_sound(const struct counter_counts *counts)
{
	for (unsigned c = 0; c < COUNTERS; c++) {
		if (!isfinite(counts->count[c]) || counts->count[c] < 0 || counts->errors[c] < 0)
			return false;
	}
	return true;
}

bool counters_hardware(char *why, size_t size)
{
	int fd = open_event(COUNTER_INSTRUCTIONS, true);

	if (fd >= 0) {
		close(fd);
		return true;
	}
	snprintf(why, size, "%s", counter_reason(-fd));
	return false;
}

const char *counter_reason(int error)
{
	switch (error) {
	case ENOENT:
	case EOPNOTSUPP:
	case ENODEV:
		return "this machine has no PMU (or hides it), or one without such an event";
	case EACCES:
	case EPERM:
		return "not permitted: see the sysctl kernel.perf_event_paranoid";
	case ENOSYS:
		return "this kernel, or a filter of system calls, has no perf_event_open";
	case ENODATA:
		return "others had the PMU's counters all the time";
	default:
		return strerrordesc_np(error) ? strerrordesc_np(error) : "unknown error";
	}
}
