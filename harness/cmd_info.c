/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_info.c - faultline info: what this machine has, what it lacks, and what that means here.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/commands.h"
#include "harness/counters.h"
#include "harness/env.h"
#include "harness/limits.h"
#include "harness/probe.h"
#include "harness/size.h"
#include "harness/translators.h"

#define ENGINE_MEMORY (UINT64_C(64) << 20)

static void put(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

static json_t *topology_json(const struct topology *t)
{
	json_t *pus = json_array();

	for (unsigned i = 0; i < t->pu_count; i++)
		json_array_append_new(pus, json_pack("{s:i, s:i, s:i, s:i, s:i}", "cpu",
						     (int)t->pus[i].os, "core", t->pus[i].core,
						     "l3", t->pus[i].l3, "package",
						     t->pus[i].package, "node", t->pus[i].node_os));
	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:o}", "cpus", (int)t->pu_count, "cores",
			 (int)t->core_count, "l3", (int)t->l3_count, "packages",
			 (int)t->package_count, "nodes", (int)t->node_count, "pus", pus);
}

/* Asks the translator that is used if none is named, as a run would: can it be had? */
static json_t *availability(const char *pages, const char *as)
{
	struct translator_engine *engine;
	struct translator_spec spec;
	char error[512] = "";
	json_t *answer;
	int rc = translator_spec_parse(&spec, option_table[OPTION_TRANSLATOR].value, error,
				       sizeof(error));

	if (!rc)
		rc = translator_spec_open(&spec, pages, as, "atomic", ENGINE_MEMORY, &engine, error,
					  sizeof(error));
	if (!rc)
		spec.translator->close(engine);
	answer = rc ? json_pack("{s:b, s:s}", "available", 0, "reason", error)
		    : json_pack("{s:b}", "available", 1);
	translator_spec_release(&spec);
	return answer;
}

static json_t *pages_json(void)
{
	static const char *const pages[] = { "4k", "thp", "2m", "1g" };
	json_t *all = json_object();

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		put(all, pages[i], availability(pages[i], "none"));
	return all;
}

static json_t *address_spaces_json(void)
{
	json_t *all = json_object();

	for (const char *const *as = option_table[OPTION_AS].choices; *as; as++)
		put(all, *as, availability("4k", *as));
	return all;
}

static json_t *timer_json(const struct clock_source *clock)
{
	json_t *timer = json_pack("{s:s, s:o, s:o, s:o}", "source", clock_source_name(clock->kind),
				  "hz", env_number(clock->hz), "step_ns",
				  env_number(clock->step_ns), "pair_ns",
				  env_number(clock->pair_ns));

	if (clock->why[0])
		put(timer, "tsc_reason", json_string(clock->why));
	return timer;
}

static json_t *costs_json(const struct clock_source *clock, const struct topology *t)
{
	double overhead = probe_overhead(clock, t);
	struct probe probe;

	probe_recording(clock, &probe);
	return json_pack("{s:f, s:f, s:f, s:o}", "record_ns", probe.record_ns, "fetch_add_ns",
			 probe.fetch_add_ns, "record_over_fetch_add",
			 probe.record_ns / probe.fetch_add_ns, "overhead_ns",
			 overhead < 0 ? json_null() : json_real(overhead));
}

static json_t *notes_json(const struct topology *t, json_t *info)
{
	json_t *notes = json_array();
	char why[256];

	if (t->pu_count == 1)
		json_array_append_new(notes, json_string("one CPU: what needs two threads is "
							 "skipped"));
	if (t->node_count == 1)
		json_array_append_new(notes, json_string("one memory node: --mem and node:N have "
							 "no choice"));
	if (env_emulated())
		json_array_append_new(notes, json_string("the processor is emulated: behaviour "
							 "holds, times do not"));
	else if (env_virtualized())
		json_array_append_new(notes, json_string("a virtual machine: the host's other "
							 "guests are part of the noise"));
	if (!counters_hardware(why, sizeof(why)))
		put(info, "counters", json_pack("{s:s}", "unavailable", why));
	else
		put(info, "counters", json_pack("{s:b}", "available", 1));
	put(info, "gnuplot", json_boolean(env_has_gnuplot()));
	if (!env_has_gnuplot())
		json_array_append_new(notes, json_string("gnuplot is missing: reports have no "
							 "pictures (install gnuplot-nox)"));
	return notes;
}

/* A value as short text. */
static void print_value(const json_t *value)
{
	if (json_is_string(value))
		fputs(json_string_value(value), stdout);
	else if (json_is_integer(value))
		printf("%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		printf("%.6g", json_real_value(value));
	else
		fputs(json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "-", stdout);
}

static void print_tree(const char *key, const json_t *value, int depth)
{
	json_t *item, *field;
	const char *name;
	size_t index;

	if (json_is_object(value)) {
		printf("%*s%s:\n", depth * 2, "", key);
		json_object_foreach((json_t *)(uintptr_t)value, name, item)
			print_tree(name, item, depth + 1);
		return;
	}
	if (json_is_array(value)) {
		printf("%*s%s:%s\n", depth * 2, "", key, json_array_size(value) ? "" : " -");
		json_array_foreach(value, index, item)
		{
			printf("%*s", depth * 2 + 2, "");
			if (!json_is_object(item)) {
				print_value(item);
			} else {
				json_object_foreach(item, name, field)
				{
					printf("%s ", name);
					print_value(field);
					fputs("  ", stdout);
				}
			}
			putchar('\n');
		}
		return;
	}
	printf("%*s%s: ", depth * 2, "", key);
	print_value(value);
	putchar('\n');
}

int cmd_info(const struct options *options)
{
	struct clock_source clock;
	struct topology t;
	char error[512];
	json_t *info, *env;
	const char *key;
	json_t *value;

	if (options->argument_count)
		return usage_error("info: takes no argument \"%s\"", options->arguments[0]);
	if (options->doctor)
		return cmd_doctor(options);
	if (options->fix || options->undo || options_given(options, OPTION_ROOT))
		return usage_error("info: --fix, --undo and --root go with --doctor");
	if (topology_load(&t, NULL, error, sizeof(error))) {
		complain("info: %s", error);
		return CODE_MACHINE;
	}
	clock_source_start(&clock, CLOCK_SOURCE_TSC);
	env = env_json(&t, &clock, "");
	info = json_object();
	json_object_foreach(env, key, value)
	{
		if (strcmp(key, "timer") != 0 && strcmp(key, "label") != 0)
			json_object_set(info, key, value);
	}
	json_decref(env);
	put(info, "topology", topology_json(&t));
	put(info, "timer", timer_json(&clock));
	put(info, "pages", pages_json());
	put(info, "as", address_spaces_json());
	put(info, "costs", costs_json(&clock, &t));
	put(info, "notes", notes_json(&t, info));
	if (options->json) {
		json_dumpf(info, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
		putchar('\n');
	} else {
		json_object_foreach(info, key, value) print_tree(key, value, 0);
	}
	json_decref(info);
	topology_release(&t);
	return CODE_OK;
}
