/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isolate_wire.h - what the program and its worker processes say to each other; private to
 * isolate.c and isolated.c.
 *
 * Questions: TRY (open and close an engine), RUN (one repetition). Answers: HELLO (unasked, once
 * the translator is loaded or refused), TRIED, RAN. Besides, both map one page of a sealed memfd:
 * the program asks to stop there, the worker says what it is doing. After that page the worker's
 * signal handler writes text about a crash. A worker inherits the socket as ISOLATE_SOCKET and the
 * memfd as ISOLATE_PAGE, and nothing else but its standard streams.
 */
#pragma once

#include <stdatomic.h>

#include "harness/frame.h"
#include "harness/runner.h"

#define ISOLATE_SOCKET 3
#define ISOLATE_PAGE 4
#define ISOLATE_PAGE_SIZE 4096
#define ISOLATE_TRACE_MAX 16384 /* bytes of text about a crash that are read */

enum isolate_type {
	ISOLATE_HELLO = 1,
	ISOLATE_TRY,
	ISOLATE_TRIED,
	ISOLATE_RUN,
	ISOLATE_RAN,
};

struct isolate_page {
	atomic_bool stop; /* set by the program */
	char phase[RUNNER_PHASE_SIZE]; /* set by the worker; need not end with a zero */
};

/* Text of a worker goes to terminals and into JSON: control characters but newlines, and whatever
 * is not ASCII, become '?'. */
void isolate_clean(char *text);

/* An answer of HELLO and TRIED; HELLO goes on with capabilities, name, version, description. */
void isolate_put_outcome(struct frame_writer *w, int rc, const char *error);
int isolate_take_outcome(struct frame_reader *r, char *error, size_t size);

/* RUN. The taken request points into *held, which isolate_held_release ends. */
struct isolate_held {
	struct plan_benchmark benchmark;
	struct topology topology;
	struct clock_source clock;
	struct memory_policy policy;
	char workload[64], name[512], pages[16], as[16], refs[16];
	unsigned *cpus;
};
void isolate_put_request(struct frame_writer *w, const struct runner_request *request);
/* 0 or -EBADMSG. */
int isolate_take_request(struct frame_reader *r, struct isolate_held *held,
			 struct runner_request *request);
void isolate_held_release(struct isolate_held *held);

/* RAN. What does not fit the request is garbled: -EBADMSG, and nothing to release. */
void isolate_put_result(struct frame_writer *w, const struct runner_result *result,
			unsigned threads_left);
int isolate_take_result(struct frame_reader *r, const struct runner_request *request,
			struct runner_result *result, unsigned *threads_left);
