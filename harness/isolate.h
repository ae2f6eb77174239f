/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isolate.h - a translator in a process of its own, which may crash, hang or be killed.
 *
 * A worker is this program, executed anew (/proc/self/exe --worker SPECIFICATION): a fork alone
 * would keep the addresses at which everything lies, and how fast a process is depends on those
 * by some percent; what repetitions are compared by must include that. So a process serves one
 * repetition, and no repetition meets threads, memory or damage of another. It costs a few
 * milliseconds, outside of what is timed. A worker is ended by SIGKILL, with all of its process
 * group; it dies with the program that started it.
 *
 * The program believes nothing of what a worker says (frame.h, isolate_wire.h), and waits for
 * nothing longer than a deadline. Main thread only, but isolate_stop.
 */
#pragma once

#include <sys/types.h>

#include "harness/runner.h"

#define ISOLATE_ARGUMENT "--worker" /* argv[1] of a worker */

/* How a worker came to its end. */
struct isolate_failure {
	char sentence[500];
	char phase[RUNNER_PHASE_SIZE]; /* what it was doing */
	int signal; /* that it died of; 0: none */
	bool hung;
	char *trace; /* where its threads were: lines; "" if it is not known; allocated */
};

struct isolate {
	pid_t pid; /* 0: none */
	int fd, pidfd, page_fd; /* pidfd: -1 where the kernel has none */
	struct isolate_page *page;
	uint64_t oom_kills; /* of the machine, when it was started */
	struct isolate_failure failure; /* after -ECHILD and RUNNER_CRASHED, RUNNER_HUNG */
};

/*
 * Starts a worker for a translator (NULL: floors), which loads it. A plug-in that was not is then
 * described in spec. 0; -EINVAL with a sentence: it was refused; -ECHILD: it crashed or hung while
 * it was loaded, see failure; other -errno with a sentence: no process. isolate_end afterwards in
 * all cases.
 */
int isolate_start(struct isolate *w, struct translator_spec *spec, bool allow_writable, char *error,
		  size_t size) __attribute__((warn_unused_result));

/* Opens and closes an engine there: as translator_spec_open, and -ECHILD as above. */
int isolate_try(struct isolate *w, const char *pages, const char *as, uint64_t memory_max,
		char *error, size_t size) __attribute__((warn_unused_result));

/*
 * runner_run there. RUNNER_CRASHED and RUNNER_HUNG: the worker is gone, result->error is a
 * sentence, w->failure says more. *threads_left: threads that are there after the engine was
 * closed and that were not before it was opened; 0 where TRANSLATOR_KEEPS_THREADS.
 * runner_result_release in all cases.
 */
void isolate_run(struct isolate *w, const struct runner_request *request,
		 struct runner_result *result, unsigned *threads_left);

/* Ends the worker, if there is one, and frees what failure holds. */
void isolate_end(struct isolate *w);

/* Asks the worker that runs now to stop, as runner_stop; async-signal-safe. */
void isolate_stop(void);

/* A worker's main; argv[0] is its specification. Returns its exit code. */
int isolated_main(int argc, char **argv);
