/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.h - another program, run to its end: its exit code, and what it printed.
 *
 * It starts with our environment but for FAULTLINE_* variables, so that it does what its arguments
 * say and nothing else, and it dies with us. Several may run at once. Main thread only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
	int code; /* exit code; 128 + signal if one ended it */
	char *out, *err; /* what it printed, at most CHILD_OUTPUT_MAX of each; owned */
	/* While it runs; -1 otherwise. */
	pid_t pid;
	int pidfd, out_fd, err_fd;
	uint64_t end_ns; /* of its time, CLOCK_MONOTONIC */
};

#define CHILD_OUTPUT_MAX (16u << 20)

/*
 * Starts argv[0] (a path; argv ends with NULL) on these CPUs (kernel numbers; none: on those that
 * we may use). 0, or -errno: it could not be started. child_wait if it was, and child_release in
 * all cases.
 */
int child_start(struct child *child, char *const *argv, const unsigned *cpus, unsigned cpu_count,
		uint64_t time_box_ns) __attribute__((warn_unused_result));
/*
 * Waits for its end. 0; -ETIMEDOUT: it was ended when its time was over; -EINTR: it was ended
 * because the session was asked to stop (session_signal); -ENOEXEC: it is no program, or may not
 * run on those CPUs.
 */
int child_wait(struct child *child) __attribute__((warn_unused_result));
/* Both, on the CPUs that we may use. */
int child_run(struct child *child, char *const *argv, uint64_t time_box_ns)
	__attribute__((warn_unused_result));
void child_release(struct child *child);

/* The last line of text, without its newline; text is changed. */
char *child_last_line(char *text);
