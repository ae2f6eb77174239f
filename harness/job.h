/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job.h - job files: the options of a run and its workloads, in INI.
 *
 *	[run]                   the base of all sections
 *	workload = fault-anon, translate
 *	repeat = 10
 *	[shared]                a group of benchmarks: what it changes
 *	threads = 1,2,4..max
 *	[shared-huge]
 *	inherit = shared        a section above, instead of [run]
 *	pages = thp
 *
 * Keys are the names of the options of `run`, and `workload`. With [run] alone its options are the
 * run; with more sections each of those is a group of benchmarks, and [run] only their base. All
 * groups are measured in one run, interleaved. What holds for a whole run (its seed, its
 * repetitions) stands in [run]. Lines that begin with ; or # say nothing. A value in double quotes
 * is taken as it stands, with \" \\ and \n. Main thread only.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "harness/options.h"

/* A file that is larger, or has more sections, is no job file. */
#define JOB_BYTES_MAX (1u << 20)
#define JOB_SECTIONS_MAX 256u

struct job_value {
	char *text; /* NULL: not said */
	unsigned line; /* from 1 */
};

struct job_section {
	char *name;
	unsigned line;
	size_t parent; /* index; of [run] itself: 0 */
	unsigned inherit_line; /* that says so; 0: none, it is [run] */
	struct job_value values[OPTION_COUNT];
	struct job_value workload;
};

struct job {
	char *path;
	struct job_section *sections; /* [run] first */
	size_t count;
};

/* Reads a job file. 0, or -EINVAL with a sentence that names file and line, and the nearest known
 * word. job_release afterwards in all cases. */
int job_read(struct job *job, const char *path, char *error, size_t size)
	__attribute__((warn_unused_result));
/* The same from memory. */
int job_parse(struct job *job, const char *path, const char *text, size_t length, char *error,
	      size_t size) __attribute__((warn_unused_result));
void job_release(struct job *job);

/* Sets in options what a section says and inherits. 0, or -EINVAL with a sentence as above. */
int job_apply(const struct job *job, size_t section, struct options *options, char *error,
	      size_t size) __attribute__((warn_unused_result));

struct plan;

/* Everything that decides what a run does, with nothing left to choose: a job file of the plan. */
void job_write(const struct options *options, const struct plan *plan, FILE *out);
