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
};

/* Measures all repetitions, writing as it goes. Returns false if a worker hangs: then the process
 * must end without releasing anything. session->code is set. */
bool session_measure(struct session *s);
/* Writes result.json as it stands. An error is CODE_FILES in session->code, said once. */
void session_save(struct session *s);
/* hist/, result.json; not the report. */
void session_save_all(struct session *s);
/* The signal that ended the run, or 0. */
int session_signal(void);
/* From here on SIGINT and SIGTERM end the measuring, a second one the process; a crash says in
 * which benchmark and exits 6. */
void session_catch_signals(void);
