/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress.h - how far a run is, on stderr: a live line, plain lines, JSON lines, or nothing.
 *
 * Written between repetitions only, so that it disturbs none. Main thread only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum progress_mode { PROGRESS_NONE, PROGRESS_TTY, PROGRESS_PLAIN, PROGRESS_JSON };

struct progress {
	enum progress_mode mode;
	size_t total, done; /* repetitions of benchmarks */
	uint64_t start_ns; /* CLOCK_MONOTONIC */
	uint64_t shown_ns; /* of the last plain line */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: it ends with the last step */
	uint64_t expected_ns; /* before anything is known: of one step */
};

/* word: auto, tty, plain, json or none; auto is tty where stderr is a terminal, else plain. */
void progress_begin(struct progress *p, const char *word, size_t total, uint64_t step_ns);
/* It ends at that time (CLOCK_MONOTONIC), however many steps that are. */
void progress_until(struct progress *p, uint64_t deadline_ns);
/* A repetition of the benchmark begins. */
void progress_step(struct progress *p, const char *benchmark, unsigned repetition);
/* It has ended. */
void progress_advance(struct progress *p);
/* Removes a live line. */
void progress_end(struct progress *p);
/* Nanoseconds that are still to come, by the pace so far. */
uint64_t progress_left_ns(const struct progress *p, uint64_t now_ns);
