/* SPDX-License-Identifier: Apache-2.0 */
/*
 * side.h - one side of a comparison: a program, its arguments, a translator; and a sample of it.
 *
 * A side is named by a translator, a plug-in or a job file (all run by this program), or another
 * faultline binary. A sample is a process of its own: `BINARY run WORKLOAD --repeat 1 ...`, whose
 * result is read as any stored one. A binary of another version is asked what it knows (its help
 * and its lists), and gets only that. Main thread only.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "harness/child.h"
#include "harness/options.h"
#include "harness/pairs.h"

struct side {
	const char *text; /* as typed */
	char *binary; /* what is executed */
	char *version; /* what it says of itself */
	const char *translator; /* NULL: what the options say, or its default */
	bool job; /* text is a job file, which job_pairs.h reads: its name ends with .ini */
	bool knows[OPTION_COUNT]; /* options of its `run` */
	json_t *workloads; /* names, an array */
};

/* Makes out what `text` names. 0, or a negative errno with a sentence: -EINVAL it is nothing that
 * can be compared, -ECHILD the binary does not answer. side_release afterwards in all cases. */
int side_open(struct side *side, const char *text, char *error, size_t size)
	__attribute__((warn_unused_result));
void side_release(struct side *side);
/* Whether text names a job file. */
bool side_is_job(const char *text);
bool side_has_workload(const struct side *side, const char *workload);

/* A benchmark that a sample measured; in the order of its result, which is sorted. */
struct side_figures {
	char *key; /* name without the translator */
	struct pairs_sample sample; /* its tail is NAN unless tail_ns was known */
	double p999; /* ns; NAN: no histogram */
	struct sample_noise noise;
};

struct side_sample {
	struct side_figures *figures;
	size_t count;
	int code; /* exit code of a process that failed */
};

/* What one sample shall be. */
struct side_request {
	const struct options *options; /* of the command: those of `run` are handed on */
	const char *workload;
	/* Instead of both: all that `run` is told of one benchmark, ends with NULL. What its result
	 * holds is called `workload` then, whatever it calls itself. */
	char *const *arguments;
	uint64_t seed, duration_ns;
	const char *directory; /* an existing one; what is made in it is removed again */
	unsigned slot; /* another number for each that is taken at the same time */
	const unsigned *cpus; /* kernel numbers of those that it may use; NULL: all of ours */
	unsigned cpu_count;
	/* Of a benchmark, where its tail begins; NAN: not known yet. May be NULL. */
	double (*tail_ns)(const char *key, void *context);
	void *context;
};

/* One that is being taken; two may be at once, of two sides. */
struct side_run {
	const struct side *side;
	struct child child;
	char *out; /* its directory, owned */
};

/* Starts one. 0, or a negative errno with a sentence. side_end afterwards if it is 0. */
int side_begin(struct side_run *run, const struct side *side, const struct side_request *request,
	       char *error, size_t size) __attribute__((warn_unused_result));
/*
 * Awaits it and reads what it measured. 0; -EINTR: asked to stop; -EAGAIN: the machine had no time
 * for it; or another negative errno with a sentence (sample->code is the exit code of the process,
 * or 0). side_sample_release afterwards in all cases.
 */
int side_end(struct side_run *run, const struct side_request *request, struct side_sample *sample,
	     char *error, size_t size) __attribute__((warn_unused_result));
void side_sample_release(struct side_sample *sample);
