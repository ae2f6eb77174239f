/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.h - another program, run to its end: its exit code, and what it printed.
 *
 * It starts with our environment but for FAULTLINE_* variables, so that it does what its arguments
 * say and nothing else, and it dies with us. Main thread only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct child {
	int code; /* exit code; 128 + signal if one ended it */
	char *out, *err; /* what it printed, at most CHILD_OUTPUT_MAX of each; owned */
};

#define CHILD_OUTPUT_MAX (16u << 20)

/*
 * Runs argv[0] (a path; argv ends with NULL). 0; -ETIMEDOUT: it was ended after time_box_ns;
 * -EINTR: it was ended because the session was asked to stop (session_signal); other -errno: it
 * could not be started. child_release afterwards in all cases.
 */
int child_run(struct child *child, char *const *argv, uint64_t time_box_ns)
	__attribute__((warn_unused_result));
void child_release(struct child *child);

/* The last line of text, without its newline; text is changed. */
char *child_last_line(char *text);
