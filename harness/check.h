/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h - conformance: whether a translator does what its ABI promises.
 *
 * A list of properties, each tried in a child process of its own, with a time box: a translator
 * that crashes or hangs is reported, not suffered. It is driven by its table of functions only,
 * and known by no name. A failure comes with the seed, and with a list of operations, as short as
 * it could be made, that can be played again.
 *
 * The parent side (check_run, check_replay) belongs to a process without other threads.
 */
#pragma once

#include "harness/check_play.h"

enum check_status {
	CHECK_PASSED,
	CHECK_SKIPPED, /* not claimed, or not to be had on this machine: see message */
	CHECK_FAILED,
	CHECK_CRASHED,
	CHECK_HUNG,
};

struct check_outcome {
	enum check_status status;
	uint64_t seed;
	double seconds;
	uint64_t capabilities; /* of the translator */
	int refused; /* -errno: it cannot be loaded, or opened with these options: see message */
	uint64_t tried; /* scripts, and rounds of scripts with lanes */
	/* Who asked for pages of 2 MiB last: they come from a pool that is not ours alone. */
	enum { CHECK_NO_POOL, CHECK_POOL_BY_LIST, CHECK_POOL_BY_USER } pool;
	char message[CHECK_MESSAGE];
	bool has_script;
	struct check_script script; /* the shortest that failed */
};

/* What a property has at hand, in its own process. */
struct check_run {
	const struct translator *t;
	const struct translator_option *options;
	uint64_t random; /* state of check_random */
	uint64_t deadline_ns; /* when it should have ended */
	struct check_trace *traces; /* of the script that is played next; NULL: none is held */
	bool quick;
	bool without_pool; /* as in the request */
	struct check_outcome *outcome; /* seen by the parent, whatever becomes of us */
	struct check_progress *progress; /* in outcome->script; seen by the parent as well */
};

struct check_property {
	const char *name;
	const char *statement; /* one line: what holds */
	uint64_t needs; /* capability bits */
	bool concurrent; /* by several threads */
	unsigned share; /* of the time */
	/* false: it does not hold, and outcome says why. */
	bool (*run)(struct check_run *run, const void *data);
	const void *data;
};

/* All properties, in the order in which they are tried; ends with a NULL name. */
extern const struct check_property check_properties[];

struct check_request {
	const char *translator; /* NAME or PATH.so with its :key=value options */
	bool quick; /* 5 s and not 60 */
	uint64_t seed;
	const char *only; /* one property; NULL: all */
	bool without_pool; /* lists that ask for 2 MiB pages themselves are passed over */
};

typedef void check_report(void *context, const struct check_property *property,
			  const struct check_outcome *outcome);

/*
 * Tries the properties, and reports each as it is done. 0: all that were tried hold. 1: some do
 * not. -EINVAL, -ENODEV with a sentence: nothing was tried, since the translator, the property, or
 * an option is not known, or this machine lacks what is asked for; -ENODEV also if others took the
 * huge pages meanwhile that a property needs, so that it is not known. -EFAULT with a sentence: the
 * translator could not even be opened.
 */
int check_run(const struct check_request *request, check_report *report, void *context, char *error,
	      size_t size) __attribute__((warn_unused_result));
/* Plays one script alone, and shortens nothing. The same results. */
int check_replay(const struct check_request *request, const struct check_script *script,
		 struct check_outcome *outcome, char *error, size_t size)
	__attribute__((warn_unused_result));

/* ---- for properties: all false when it parted, with the outcome filled in ---- */

/* Notes the script for the parent, and plays it. A machine that lacks something: skipped. */
bool check_run_script(struct check_run *run, const struct check_script *script);
/* Before an engine is opened: geometry->pages becomes the class that the user's options name, if
 * they name one. false: this machine has too few of them, and the outcome says so: skipped. */
bool check_run_pages(struct check_run *run, struct check_geometry *geometry);

/* Random lists of operations. data: a struct check_family. */
struct check_family {
	uint8_t weights[CHECK_KINDS];
	uint8_t file_percent; /* of objects that are files, if claimed */
	bool touch; /* as=mmap */
	bool far; /* across 2 MiB and 1 GiB edges */
	uint8_t lanes; /* 0; or the operations at the end run at once in so many */
	uint16_t ops;
};
bool check_run_family(struct check_run *run, const void *data);

/* Written lists. data: an array of strings, which ends with NULL; each is tried in every geometry
 * that suits, those with lanes in turn until the time is up. */
bool check_run_scripts(struct check_run *run, const void *data);

/* check_calls.c: what is not a matter of lists. */
bool check_run_arguments(struct check_run *run, const void *data);
bool check_run_close(struct check_run *run, const void *data);
bool check_run_sizes(struct check_run *run, const void *data);
bool check_run_engines(struct check_run *run, const void *data);
bool check_run_table(struct check_run *run, const void *data);

/* ---- inside (check_child.c, check_shrink.c) ---- */

/* Runs a property, or if it is NULL the script alone, in a child. budget_ns: when it should end;
 * a few seconds later it is killed. */
void check_child(const struct check_request *request, const struct check_property *property,
		 const struct check_script *script, uint64_t seed, uint64_t budget_ns,
		 struct check_outcome *outcome);
/* Makes outcome->script shorter, while it still fails, for so long. */
void check_shrink(const struct check_request *request, struct check_outcome *outcome,
		  uint64_t budget_ns);
