/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands.c - the table of commands, and the way from argv to one of them.
 */
#include "harness/commands.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/export.h"
#include "harness/isolate.h"
#include "harness/suggest.h"
#include "workloads/workload.h"

#define WORDS_MAX 256

const struct command command_table[] = {
	{ "check", "TRANSLATOR", "conformance: whether it does what the plug-in ABI promises",
	  FOR_CHECK, cmd_check },
	{ "compare", "BASE NEW", "two stored results, also of Google Benchmark", FOR_COMPARE,
	  cmd_compare },
	{ "export", EXPORT_FORMATS " DIR", "a result in another format, on standard output",
	  FOR_OTHERS, cmd_export },
	{ "gate", "--baseline X [--candidate Y] [WORKLOAD...]",
	  "whether a change may go in: exact counts, then pairs, confirmed", FOR_GATE, cmd_gate },
	{ "history", "add DIR... | show [BENCHMARK...] | changes [BENCHMARK...]",
	  "results over time: trends, and where they changed", FOR_HISTORY, cmd_history },
	{ "info", "", "this machine: topology, timer, pages, limits, and what is missing", FOR_INFO,
	  cmd_info },
	{ "list", "[workloads|translators|placements|pages|params]", "what can be named",
	  FOR_OTHERS, cmd_list },
	{ "new", "translator NAME", "the start of a plug-in: a skeleton and its header", FOR_NEW,
	  cmd_new },
	{ "report", "DIR...", "write summary, plots and report.html of results anew", FOR_REPORT,
	  cmd_report },
	{ "run", "[WORKLOAD...]", "measure; no workload named: the quick suite", FOR_RUN, cmd_run },
	{ "versus", "A B [WORKLOAD...]",
	  "which of two is faster, in pairs: translators, binaries or job files", FOR_VERSUS,
	  cmd_versus },
	{ 0 },
};

void complain(const char *format, ...)
{
	va_list list;

	fputs("faultline: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
}

int usage_error(const char *format, ...)
{
	va_list list;

	fputs("faultline: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	return CODE_USAGE;
}

int code_of(int rc)
{
	switch (rc) {
	case 0:
		return CODE_OK;
	case -EINVAL:
		return CODE_USAGE;
	case -ENODEV:
	case -ENOMEM:
	case -EPERM:
	case -ENOSYS:
		return CODE_MACHINE;
	case -EBADE:
		return CODE_VOID;
	case -ECHILD:
		return CODE_CRASHED;
	default:
		return CODE_FILES;
	}
}

/* Twenty lines: what it is, the commands, how to begin. */
static void help(FILE *out)
{
	fputs("faultline - times and stresses translators: programs that map addresses to\n"
	      "offsets in memory-mappable objects, and those to pages of host files.\n\n"
	      "Usage: faultline COMMAND [OPTION...] [ARGUMENT...], where COMMAND is one of\n",
	      out);
	for (const struct command *c = command_table; c->name; c++)
		fprintf(out, "  %-8s %s\n", c->name, c->help);
	fputs("\nBegin with: faultline run (everything, in a minute), faultline list workloads\n"
	      "Exit codes: 0 fine, 1 regressed, 2 usage, 3 wrong answers, 4 the machine lacks\n"
	      "something, 5 not decided, 6 crash or hang, 7 files, 130 interrupted.\n"
	      "Every command takes --json and --help; see also faultline --help, --version.\n",
	      out);
}

static void help_command(const struct command *command, FILE *out)
{
	fprintf(out, "Usage: faultline %s%s%s%s\n%s\n\nOptions:\n", command->name,
		command->options == FOR_OTHERS ? " [--json]" : " [OPTION...]",
		*command->arguments ? " " : "", command->arguments, command->help);
	options_help(command->options, out);
}

static int version(bool json)
{
	if (json)
		printf("{\"name\": \"faultline\", \"version\": \"%s\", \"commit\": \"%s\", "
		       "\"abi\": \"%d.%d\", \"variant\": \"%s\"}\n",
		       FAULTLINE_VERSION, FAULTLINE_COMMIT, TRANSLATOR_ABI_MAJOR,
		       TRANSLATOR_ABI_MINOR, FAULTLINE_VARIANT);
	else
		printf("faultline %s (commit %s, translator ABI %d.%d, %s build)\n",
		       FAULTLINE_VERSION, FAULTLINE_COMMIT, TRANSLATOR_ABI_MAJOR,
		       TRANSLATOR_ABI_MINOR, FAULTLINE_VARIANT);
	return CODE_OK;
}

static int completion(void)
{
	const char *commands[WORDS_MAX], *workloads[WORDS_MAX];
	size_t count = 0;

	for (; command_table[count].name && count < WORDS_MAX - 1; count++)
		commands[count] = command_table[count].name;
	commands[count] = NULL;
	for (count = 0; workload_list[count] && count < WORDS_MAX - 1; count++)
		workloads[count] = workload_list[count]->name;
	workloads[count] = NULL;
	options_completion(stdout, commands, workloads);
	return CODE_OK;
}

static int unknown_command(const char *word)
{
	static const char *const globals[] = { "--help", "--version", "--completion" };
	const char *words[WORDS_MAX];
	char hint[96];
	size_t count = 0;

	for (; command_table[count].name && count < WORDS_MAX - 3; count++)
		words[count] = command_table[count].name;
	for (size_t i = 0; i < 3; i++)
		words[count++] = globals[i];
	return usage_error("unknown %s \"%s\"%s", word[0] == '-' ? "option" : "command", word,
			   suggest_text(word, words, count, hint, sizeof(hint)));
}

static int run_command(const struct command *command, int argc, char **argv)
{
	struct options options;
	char error[512] = "";
	int code;

	if (options_parse(&options, command->options, argc, argv, error, sizeof(error))) {
		code = usage_error("%s: %s", command->name, error);
	} else if (options.help) {
		help_command(command, stdout);
		code = CODE_OK;
	} else {
		code = command->run(&options);
	}
	options_release(&options);
	return code;
}

int commands_main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "--help";
	bool json = argc > 2 && strcmp(argv[2], "--json") == 0;
	int code = -1;

	if (argc > 2 && strcmp(word, "--json") == 0 && strcmp(argv[2], "--version") == 0) {
		json = true;
		word = "--version";
	}
	/* For the program itself, hence in no list. */
	if (argc > 2 && strcmp(word, ISOLATE_ARGUMENT) == 0)
		return isolated_main(argc - 2, argv + 2);
	if (argc < 2) {
		help(stdout);
		code = CODE_OK;
	} else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
		   strcmp(word, "help") == 0) {
		help(stdout);
		fputs("\nOptions of run:\n", stdout);
		options_help(FOR_RUN, stdout);
		code = CODE_OK;
	} else if (strcmp(word, "--version") == 0) {
		code = version(json);
	} else if (strcmp(word, "--completion") == 0) {
		code = completion();
	}
	for (const struct command *c = command_table; code < 0 && c->name; c++) {
		if (strcmp(word, c->name) == 0)
			code = run_command(c, argc - 1, argv + 1);
	}
	if (code < 0)
		code = unknown_command(word);
	if (fflush(stdout) || ferror(stdout)) {
		complain("standard output: %s", strerror(errno));
		code = code ? code : CODE_FILES;
	}
	return code;
}
