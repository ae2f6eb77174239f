/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_fuzz.c - whatever a command line says, options are parsed or refused with a sentence.
 *
 * The input is a command line: arguments end with a newline. What was accepted must be accepted
 * again in the form in which job.ini keeps it, and sizes must survive being written and read.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/options.h"
#include "harness/size.h"

#define ARGUMENTS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct options *first)
{
	struct options again;
	char *none[] = { (char *)"run", NULL };
	char error[512] = "";

	if (options_parse(&again, FOR_RUN, 1, none, error, sizeof(error)))
		abort();
	for (unsigned id = 0; id < OPTION_COUNT; id++)
		if (options_given(first, id) &&
		    options_set(&again, id, first->text[id], ORIGIN_COMMAND_LINE, error,
				sizeof(error)))
			abort();
	if (again.duration_ns != first->duration_ns || again.memory_max != first->memory_max)
		abort();
	options_release(&again);
}

static void check_size(const char *text)
{
	uint64_t bytes, again;
	char buffer[64];

	if (size_parse(text, &bytes))
		return;
	if (size_parse(size_format(bytes, buffer, sizeof(buffer)), &again) || again != bytes)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *argv[ARGUMENTS_MAX + 2] = { (char *)"run" }, *place;
	struct options options;
	char error[512] = "";
	int argc = 1;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	for (char *word = strtok_r(text, "\n", &place); word && argc <= ARGUMENTS_MAX;
	     word = strtok_r(NULL, "\n", &place)) {
		check_size(word);
		argv[argc++] = word;
	}
	if (!options_parse(&options, FOR_RUN, argc, argv, error, sizeof(error)))
		check_again(&options);
	else if (!*error)
		abort();
	options_release(&options);
	free(text);
	return 0;
}
