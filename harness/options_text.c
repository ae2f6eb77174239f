/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_text.c - what is written from the option table: help, completion.
 */
#include "harness/options.h"

#include <string.h>

void options_help(unsigned command, FILE *out)
{
	for (unsigned id = 0; id < OPTION_COUNT; id++) {
		const struct option *option = &option_table[id];
		char left[96];

		if (!(option->commands & command))
			continue;
		snprintf(left, sizeof(left), "--%s %s", option->name,
			 option->metavar ? option->metavar : "");
		if (strlen(left) > 30)
			fprintf(out, "  %s\n  %-30s %s", left, "", option->help);
		else
			fprintf(out, "  %-30s %s", left, option->help);
		if (option->metavar && *option->value)
			fprintf(out, " [%s]", option->value);
		fputc('\n', out);
	}
	fprintf(out, "  %-30s %s\n", "--help", "this text");
}

void options_completion(FILE *out, const char *const *commands, const char *const *workloads)
{
	fputs("# bash completion for faultline: eval \"$(faultline --completion)\"\n", out);
	fputs("_faultline()\n{\n\tlocal word=${COMP_WORDS[COMP_CWORD]} words\n"
	      "\tlocal before=${COMP_WORDS[COMP_CWORD - 1]}\n\tcase $before in\n",
	      out);
	for (unsigned id = 0; id < OPTION_COUNT; id++) {
		const struct option *option = &option_table[id];

		if (!option->choices)
			continue;
		fprintf(out, "\t--%s) words=\"", option->name);
		for (size_t i = 0; option->choices[i]; i++)
			fprintf(out, "%s%s", i ? " " : "", option->choices[i]);
		fputs("\" ;;\n", out);
	}
	fputs("\t--out) compopt -o default; return ;;\n\tfaultline|*/faultline) words=\"", out);
	for (size_t i = 0; commands[i]; i++)
		fprintf(out, "%s%s", i ? " " : "", commands[i]);
	fputs("\" ;;\n\t*) words=\"", out);
	for (unsigned id = 0; id < OPTION_COUNT; id++)
		fprintf(out, "--%s ", option_table[id].name);
	for (size_t i = 0; workloads[i]; i++)
		fprintf(out, "%s ", workloads[i]);
	fputs("--help\" ;;\n\tesac\n"
	      "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\n"
	      "complete -o default -F _faultline faultline\n",
	      out);
}
