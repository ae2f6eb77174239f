/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_parse.c - the layers of options: defaults, environment, job file, command line.
 *
 * Where a job file lies is known only after the command line was read. So that is read twice: the
 * second time on top of what the job file says, once for each of its groups.
 */
#include "harness/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness/job.h"
#include "harness/suggest.h"

static int parse_environment(struct options *options, unsigned command, char *error, size_t size)
{
	char variable[64];
	int rc = 0;

	for (unsigned id = 0; id < OPTION_COUNT && !rc; id++) {
		const char *value =
			getenv(option_variable(&option_table[id], variable, sizeof(variable)));

		if (value && (option_table[id].commands & command))
			rc = options_set_word(options, id, value, ORIGIN_ENVIRONMENT, error, size);
	}
	return rc;
}

static int find_option(unsigned command, const char *name, size_t length, enum option_id *found,
		       char *error, size_t size)
{
	const char *names[OPTION_COUNT + 1];
	char word[64], hint[96];
	const char *nearest;
	size_t count = 0;

	snprintf(word, sizeof(word), "%.*s", (int)length, name);
	for (unsigned id = 0; id < OPTION_COUNT; id++) {
		if (!(option_table[id].commands & command))
			continue;
		if (strcmp(option_table[id].name, word) == 0) {
			*found = id;
			return 0;
		}
		names[count++] = option_table[id].name;
	}
	names[count++] = "help";
	nearest = suggest_nearest(word, names, count);
	snprintf(hint, sizeof(hint), " (did you mean --%s?)", nearest ? nearest : "");
	snprintf(error, size, "unknown option --%s%s", word, nearest ? hint : "");
	return -EINVAL;
}

/* argv[*at] starts with "--"; moves *at on to the last argument that it used. */
static int parse_long(struct options *options, unsigned command, int argc, char **argv, int *at,
		      char *error, size_t size)
{
	const char *name = argv[*at] + 2, *equals = strchr(name, '=');
	size_t length = equals ? (size_t)(equals - name) : strlen(name);
	const struct option *option;
	enum option_id id;
	int rc;

	if (strcmp(name, "help") == 0) {
		options->help = true;
		return 0;
	}
	rc = find_option(command, name, length, &id, error, size);
	if (rc)
		return rc;
	option = &option_table[id];
	if (!option->metavar) {
		if (equals) {
			snprintf(error, size, "--%s takes no value", option->name);
			return -EINVAL;
		}
		return options_set(options, id, "yes", ORIGIN_COMMAND_LINE, error, size);
	}
	if (!equals && *at + 1 == argc) {
		snprintf(error, size, "--%s needs a value: %s", option->name, option->metavar);
		return -EINVAL;
	}
	return options_set(options, id, equals ? equals + 1 : argv[++*at], ORIGIN_COMMAND_LINE,
			   error, size);
}

static int parse_arguments(struct options *options, unsigned command, int argc, char **argv,
			   char *error, size_t size)
{
	bool only_arguments = false;
	int rc = 0;

	for (int i = 1; i < argc && !rc; i++) {
		if (only_arguments || argv[i][0] != '-' || !argv[i][1]) {
			options->arguments[options->argument_count++] = argv[i];
		} else if (strcmp(argv[i], "--") == 0) {
			only_arguments = true;
		} else if (strcmp(argv[i], "-h") == 0) {
			options->help = true;
		} else if (argv[i][1] == '-') {
			rc = parse_long(options, command, argc, argv, &i, error, size);
		} else {
			snprintf(error, size, "unknown option %s: options begin with --", argv[i]);
			rc = -EINVAL;
		}
	}
	return rc;
}

/* All layers, the job's as its section has it (job may be NULL). */
static int parse_layers(struct options *options, unsigned command, int argc, char **argv,
			const struct job *job, size_t section, char *error, size_t size)
{
	int rc = 0;

	memset(options, 0, sizeof(*options));
	options->arguments = calloc((size_t)argc + 1, sizeof(*options->arguments));
	if (!options->arguments)
		abort();
	for (unsigned id = 0; id < OPTION_COUNT && !rc; id++)
		rc = options_set(options, id, option_table[id].value, ORIGIN_DEFAULT, error, size);
	if (!rc)
		rc = parse_environment(options, command, error, size);
	if (!rc && job)
		rc = job_apply(job, section, options, error, size);
	if (!rc)
		rc = parse_arguments(options, command, argc, argv, error, size);
	if (!rc && !options->argument_count && options->job_argument_count) {
		free(options->arguments);
		options->argument_count = options->job_argument_count;
		options->arguments = calloc(options->argument_count, sizeof(char *));
		if (!options->arguments)
			abort();
		memcpy(options->arguments, options->job_arguments,
		       options->argument_count * sizeof(char *));
	}
	return rc;
}

/* Once more, with the job file between the environment and the command line. */
static int parse_with_job(struct options *options, unsigned command, int argc, char **argv,
			  char *error, size_t size)
{
	struct job job;
	int rc = job_read(&job, options->text[OPTION_JOB], error, size);

	if (!rc) {
		options_release(options);
		rc = parse_layers(options, command, argc, argv, &job, 0, error, size);
	}
	if (!rc && job.count > 1) {
		options->groups = calloc(job.count - 1, sizeof(*options->groups));
		if (!options->groups)
			abort();
	}
	for (size_t i = 1; i < job.count && !rc; i++) {
		struct options *group = &options->groups[options->group_count++];

		rc = parse_layers(group, command, argc, argv, &job, i, error, size);
		if (!rc)
			group->seed = options->seed;
	}
	job_release(&job);
	return rc;
}

int options_parse(struct options *options, unsigned command, int argc, char **argv, char *error,
		  size_t size)
{
	int rc = parse_layers(options, command, argc, argv, NULL, 0, error, size);

	if (rc || options->help || !*options->text[OPTION_JOB])
		return rc;
	return parse_with_job(options, command, argc, argv, error, size);
}

void options_release(struct options *options)
{
	for (size_t i = 0; i < options->group_count; i++)
		options_release(&options->groups[i]);
	for (unsigned id = 0; id < OPTION_COUNT; id++)
		free(options->text[id]);
	options_list_free(options->job_arguments, options->job_argument_count);
	free(options->groups);
	free(options->group);
	free(options->job_path);
	free(options->arguments);
	memset(options, 0, sizeof(*options));
}
