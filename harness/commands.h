/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands.h - the commands of faultline, and what they return to the shell.
 *
 * A command gets its parsed options and returns an exit code. Results go to stdout, everything
 * else to stderr. Main thread only.
 */
#pragma once

#include <stdio.h>

#include "harness/options.h"

#define FAULTLINE_VERSION "0.1.0"
#ifndef FAULTLINE_COMMIT
#define FAULTLINE_COMMIT "unknown"
#endif
#ifndef FAULTLINE_VARIANT
#define FAULTLINE_VARIANT "release"
#endif

/* What the shell gets; 128 + signal for an interrupted run. */
enum exit_code {
	CODE_OK = 0,
	CODE_REGRESSED = 1,
	CODE_USAGE = 2, /* wrong usage or topology */
	CODE_VOID = 3, /* verification failed, the results are void */
	CODE_MACHINE = 4, /* this machine lacks what was asked */
	CODE_UNDECIDED = 5, /* no throughput could be decided */
	CODE_CRASHED = 6, /* a worker crashed or hung */
	CODE_FILES = 7, /* could not read or write results */
};

struct command {
	const char *name;
	const char *arguments; /* what follows the name: "[WORKLOAD...]" */
	const char *help;
	unsigned options; /* FOR_ bit */
	int (*run)(const struct options *options);
};

/* Sorted by name, ends with a NULL name. */
extern const struct command command_table[];

int cmd_check(const struct options *options);
int cmd_compare(const struct options *options);
int cmd_doctor(const struct options *options); /* info --doctor */
int cmd_export(const struct options *options);
int cmd_gate(const struct options *options);
int cmd_history(const struct options *options);
int cmd_info(const struct options *options);
int cmd_list(const struct options *options);
int cmd_new(const struct options *options);
int cmd_report(const struct options *options);
int cmd_run(const struct options *options);
int cmd_versus(const struct options *options);

/* Runs the program; argv as main has it. Returns the exit code. */
int commands_main(int argc, char **argv);

/* "faultline: ..." and a newline on stderr. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* complain, and return CODE_USAGE. */
int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The exit code for a negative errno: -EINVAL usage, -ENODEV and -ENOMEM machine, -ECHILD crashed,
 * -EBADE void, else files. */
int code_of(int rc);
