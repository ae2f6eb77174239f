/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_list.c - faultline list: everything that can be named on the command line.
 *
 * Each list becomes JSON first, and the text is made from that: they cannot differ.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/commands.h"
#include "harness/memory_policy.h"
#include "harness/placement.h"
#include "harness/size.h"
#include "harness/suggest.h"
#include "harness/translators.h"
#include "harness/view.h"
#include "workloads/workload.h"

static json_t *capabilities_json(uint64_t bits)
{
	json_t *list = json_array();

	for (unsigned bit = 0; translator_capabilities[bit]; bit++) {
		if (bits & (UINT64_C(1) << bit))
			json_array_append_new(list, json_string(translator_capabilities[bit]));
	}
	return list;
}

static json_t *workloads_json(void)
{
	json_t *list = json_array();

	for (const struct workload *const *w = workload_list; *w; w++) {
		json_t *roles = json_array();

		for (unsigned r = 0; r < WORKLOAD_MAX_ROLES && (*w)->roles[r].name; r++)
			json_array_append_new(roles, json_string((*w)->roles[r].name));
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:b, s:s?, s:o, s:o}", "name",
						(*w)->name, "description", (*w)->description,
						"operation", (*w)->operation, "is_floor",
						(*w)->is_floor, "floor", (*w)->floor, "roles",
						roles, "needs", capabilities_json((*w)->needs)));
	}
	return list;
}

static json_t *translators_json(void)
{
	json_t *list = json_array();

	for (const struct translator *const *t = translator_table; *t; t++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "name", (*t)->name,
						      "description", (*t)->description, "version",
						      (*t)->version, "capabilities",
						      capabilities_json((*t)->capabilities)));
	return list;
}

/* "word\twhat it does" lines as objects. */
static void append_words(json_t *list, const char *option, const char *const *words)
{
	for (; *words; words++) {
		const char *tab = strchr(*words, '\t');
		size_t length = tab ? (size_t)(tab - *words) : strlen(*words);

		json_array_append_new(list,
				      json_pack("{s:s, s:s%, s:s}", "option", option, "name",
						*words, length, "description", tab ? tab + 1 : ""));
	}
}

static json_t *placements_json(void)
{
	json_t *list = json_array();

	append_words(list, "--place", placement_words);
	append_words(list, "--mem", memory_policy_words);
	return list;
}

static json_t *pages_json(void)
{
	static const char *const words[] = {
		"4k\tbase pages",
		"thp\ttransparent huge pages, where the kernel makes them",
		"2m\thuge pages of the reserved pool (sysctl vm.nr_hugepages)",
		"1g\thuge pages of their own reserved pool; regions are then multiples of 1 GiB",
		"auto\tthe first of 2m, thp, 4k that can be had",
		NULL
	};
	json_t *list = json_array();

	append_words(list, "--pages", words);
	return list;
}

static json_t *params_json(void)
{
	json_t *list = json_array();
	char variable[64], text[32];

	for (unsigned id = 0; id < OPTION_COUNT; id++) {
		const struct option *o = &option_table[id];

		if (!(o->commands & FOR_RUN))
			continue;
		json_array_append_new(list,
				      json_pack("{s:s, s:s+, s:s?, s:s, s:s, s:s}", "kind",
						"option", "name", "--", o->name, "values",
						o->metavar, "default", o->value, "variable",
						option_variable(o, variable, sizeof(variable)),
						"description", o->help));
	}
	for (const struct workload *const *w = workload_list; *w; w++) {
		for (unsigned k = 0; k < 8 && (*w)->params[k].name; k++) {
			const struct workload_param *p = &(*w)->params[k];

			json_array_append_new(
				list,
				json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "kind", "param",
					  "workload", (*w)->name, "name", p->name, "default",
					  size_format(p->value, text, sizeof(text)), "value",
					  (json_int_t)p->value, "description", p->description));
		}
	}
	return list;
}

static const struct {
	const char *name;
	json_t *(*make)(void);
} lists[] = {
	{ "pages", pages_json },	   { "params", params_json },
	{ "placements", placements_json }, { "translators", translators_json },
	{ "workloads", workloads_json },
};
#define LIST_COUNT (sizeof(lists) / sizeof(lists[0]))

static void print_list(const char *name, const json_t *list)
{
	printf("%s:\n", name);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		const char *option = view_text(item, "option", NULL);
		const char *workload = view_text(item, "workload", NULL);
		const char *floor = view_text(item, "floor", NULL);
		const char *value = view_text(item, "default", "");
		char left[96];

		snprintf(left, sizeof(left), "%s%s%s%s",
			 option	    ? option
			 : workload ? workload
				    : "",
			 option || workload ? " " : "", view_text(item, "name", ""),
			 workload ? "=" : "");
		if (workload)
			strncat(left, value, sizeof(left) - strlen(left) - 1);
		printf("  %-28s %s", left, view_text(item, "description", ""));
		if (floor)
			printf(" [floor: %s]", floor);
		if (view_text(item, "variable", NULL))
			printf(" [%s]", view_text(item, "variable", ""));
		putchar('\n');
	}
}

int cmd_list(const struct options *options)
{
	const char *asked = options->argument_count ? options->arguments[0] : NULL;
	const char *names[LIST_COUNT];
	json_t *all = json_object();
	char hint[96];
	bool found = false;

	for (size_t i = 0; i < LIST_COUNT; i++) {
		names[i] = lists[i].name;
		if (asked && strcmp(asked, names[i]) != 0)
			continue;
		found = true;
		json_object_set_new(all, names[i], lists[i].make());
		if (!options->json)
			print_list(names[i], json_object_get(all, names[i]));
	}
	if (options->json && found) {
		json_dumpf(asked ? json_object_get(all, asked) : all, stdout, JSON_INDENT(1));
		putchar('\n');
	}
	json_decref(all);
	if (options->argument_count > 1)
		return usage_error("list: one list at a time");
	if (!found)
		return usage_error("list: unknown list \"%s\"%s", asked,
				   suggest_text(asked, names, LIST_COUNT, hint, sizeof(hint)));
	return CODE_OK;
}
