/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - one `faultline run`: what its steps share. Private to cmd_run.c and session.c.
 */
#pragma once

#include "harness/commands.h"
#include "harness/plan.h"
#include "harness/progress.h"
#include "harness/result.h"
#include "harness/result_dir.h"

struct session {
	const struct options *options;
	struct topology topology;
	struct clock_source clock;
	struct plan plan;
	struct result result;
	struct result_dir dir;
	struct progress progress;
	uint64_t memory_max; /* bytes */
	int code; /* the worst exit code so far */
	unsigned *failures; /* of each translator of the plan: crashed or hung workers */
};

/* Describes a plug-in for the plan: it is loaded in a worker process, and lost if that crashes. */
plan_describe session_describe;
/* Every engine of the plan can be opened, and pages=auto are chosen. An exit code. */
int session_try_engines(struct session *s);
/* Measures all repetitions, each in a worker process, writing as it goes. session->code is set. */
void session_measure(struct session *s);
/* Sets session->code unless it is worse already: files, crashed, void, then the others. */
void session_raise(struct session *s, int code);
/* Writes result.json as it stands. An error is CODE_FILES in session->code, said once. */
void session_save(struct session *s);
/* hist/, result.json; not the report. */
void session_save_all(struct session *s);
/* The signal that ended the run, or 0. */
int session_signal(void);
/* From here on SIGINT and SIGTERM end the measuring, a second one the process; a crash says in
 * which benchmark and exits 6. */
void session_catch_signals(void);
