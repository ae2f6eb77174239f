/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.h - the options of the commands: one table, from which parsing, help, `list params`,
 * completion, the FAULTLINE_* variables and job.ini are all made.
 *
 * The command line wins over the job file, which wins over the environment, which wins over the
 * default. Not thread-safe; used before any worker exists.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* In the order of the table: sorted by name. */
enum option_id {
	OPTION_ALLOW,
	OPTION_ALLOW_WRITABLE,
	OPTION_ANY_MACHINE,
	OPTION_AS,
	OPTION_BARE,
	OPTION_BASELINE,
	OPTION_BUDGET,
	OPTION_CANDIDATE,
	OPTION_CLOCK,
	OPTION_DIR,
	OPTION_DOCTOR,
	OPTION_DRY_RUN,
	OPTION_DURATION,
	OPTION_FIX,
	OPTION_INDEX,
	OPTION_JOB,
	OPTION_JSON,
	OPTION_LABEL,
	OPTION_LIST,
	OPTION_MEM,
	OPTION_MEMORY_MAX,
	OPTION_ONLY,
	OPTION_OUT,
	OPTION_PAGES,
	OPTION_PAIRS,
	OPTION_PARAM,
	OPTION_PLACE,
	OPTION_PROGRESS,
	OPTION_QUICK,
	OPTION_RATE,
	OPTION_REFS,
	OPTION_REPEAT,
	OPTION_REPLAY,
	OPTION_ROOT,
	OPTION_SEED,
	OPTION_STRICT_PLACEMENT,
	OPTION_THREADS,
	OPTION_TOPOLOGY,
	OPTION_TRANSLATOR,
	OPTION_UNCHECKED,
	OPTION_UNDO,
	OPTION_WITHIN,
	OPTION_COUNT,
};

enum option_origin { ORIGIN_DEFAULT, ORIGIN_ENVIRONMENT, ORIGIN_JOB, ORIGIN_COMMAND_LINE };

/* Which commands know an option. */
enum {
	FOR_RUN = 1 << 0,
	FOR_OTHERS = 1 << 1,
	FOR_REPORT = 1 << 2,
	FOR_CHECK = 1 << 3,
	FOR_NEW = 1 << 4,
	FOR_INFO = 1 << 5,
	FOR_VERSUS = 1 << 6,
	FOR_COMPARE = 1 << 7,
	FOR_GATE = 1 << 8,
	FOR_HISTORY = 1 << 9,
};

struct options {
	char *text[OPTION_COUNT]; /* as typed, or the default; switches: "yes", "no" */
	enum option_origin origin[OPTION_COUNT];
	char **arguments; /* what is not an option, in order */
	size_t argument_count;
	char **job_arguments; /* those of them that a job file said; owned */
	size_t job_argument_count;
	char *job_path; /* NULL: no job file */
	unsigned job_line[OPTION_COUNT]; /* where the job file says it, from 1 */
	/* One for each group of benchmarks of a job file, complete; none if there is only [run].
	 * What is not `varies` is the same in all. */
	struct options *groups;
	size_t group_count;
	char *group; /* name of the section that this is of; NULL: [run], or no job file */
	bool allow_writable, any_machine, bare, doctor, dry_run, fix, help, json, strict_placement,
		unchecked, undo;
	double allow, within; /* shares: 0.05 for 5 % */
	uint64_t budget_ns;
	uint64_t duration_ns;
	uint64_t memory_max; /* bytes; 0: chosen from what is free */
	uint64_t pairs; /* 0: as many as it takes */
	double rate; /* operations per second; 0: closed loops */
	uint64_t repeat;
	uint64_t seed; /* drawn from the clock unless given */
};

struct option {
	const char *name;
	const char *metavar; /* NULL: a switch */
	const char *value; /* default text */
	const char *help;
	const char *const *choices; /* ends with NULL; NULL: any text that parse accepts */
	bool list; /* choices are separated by commas */
	bool repeats; /* given again, it adds to the list */
	bool varies; /* a section of a job file may change it */
	unsigned commands; /* FOR_ bits */
	size_t sets; /* of a switch: offset of the bool of struct options that it sets; or 0 */
	/* Stores value in options; 0, or -EINVAL with the reason in error. May be NULL. */
	int (*parse)(struct options *options, const char *value, char *error, size_t size);
};

extern const struct option option_table[OPTION_COUNT];

/*
 * Reads defaults, environment and arguments (argv[0] is the command's name) for a command whose
 * bit is `command`. 0, or -EINVAL with a sentence that names the place and the nearest known
 * word. options_release afterwards in both cases.
 */
int options_parse(struct options *options, unsigned command, int argc, char **argv, char *error,
		  size_t size) __attribute__((warn_unused_result));
void options_release(struct options *options);

static inline bool options_given(const struct options *options, enum option_id id)
{
	return options->origin[id] != ORIGIN_DEFAULT;
}

/* Replaces the text of an option, as if it had been typed. 0 or -EINVAL, as options_parse. */
int options_set(struct options *options, enum option_id id, const char *value,
		enum option_origin origin, char *error, size_t size)
	__attribute__((warn_unused_result));

/* The same for a word of the environment or of a job file, where a switch is "yes" or "no". */
int options_set_word(struct options *options, enum option_id id, const char *value,
		     enum option_origin origin, char *error, size_t size)
	__attribute__((warn_unused_result));

/* Where an option was said, to begin a sentence with: "--pages", "FAULTLINE_PAGES", or
 * "FILE:7: pages"; returns buffer. */
const char *options_where(const struct options *options, enum option_id id, char *buffer,
			  size_t size);

/* Elements of a comma list; *items is freed by options_list_free. At least one element. */
size_t options_list(const char *text, char ***items);
void options_list_free(char **items, size_t count);

/*
 * The thread counts of "1,2,4..max" with max = maximum, ascending, each once: A..B doubles from A
 * and ends with B. 0; -EINVAL: not such a list (error says where); -ERANGE: one is above limit.
 */
int options_threads(const char *text, unsigned maximum, unsigned *counts, size_t capacity,
		    size_t *count, char *error, size_t size) __attribute__((warn_unused_result));

/* FAULTLINE_MEMORY_MAX for memory-max; returns buffer. */
const char *option_variable(const struct option *option, char *buffer, size_t size);

void options_help(unsigned command, FILE *out);
/* A bash completion script; commands and workloads end with NULL. */
void options_completion(FILE *out, const char *const *commands, const char *const *workloads);
