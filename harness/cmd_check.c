/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_check.c - faultline check TRANSLATOR: conformance, property by property.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "harness/check.h"
#include "harness/check_stop.h"
#include "harness/commands.h"
#include "harness/conformance.h"
#include "harness/plugin.h"
#include "harness/translators.h"

#define FILE_MAX (1 << 20)

static const char *const status_text[] = { "pass", "skip", "FAIL", "CRASH", "HANG" };

struct report {
	const struct options *options;
	json_t *list;
	unsigned counts[5];
};

static char *script_text(const struct check_outcome *outcome)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	check_script_print(&outcome->script, out);
	if (fclose(out))
		abort();
	return text;
}

/* The list of a failure, in a file that --replay takes. */
static void keep(const struct options *options, const struct check_property *property,
		 const struct check_outcome *outcome, const char *text)
{
	char path[300];
	FILE *out;

	snprintf(path, sizeof(path), "check-%s.ops", property->name);
	out = fopen(path, "w");
	if (!out) {
		complain("check: %s: %s", path, strerror(errno));
		return;
	}
	fprintf(out, "# faultline check %s --replay %s\n# %s: %s\n# seed %" PRIu64 "\n%s",
		options->arguments[0], path, property->name, outcome->message, outcome->seed, text);
	if (fclose(out))
		complain("check: %s: %s", path, strerror(errno));
	else if (!options->json)
		printf("        kept in %s; again: faultline check %s --replay %s\n", path,
		       options->arguments[0], path);
}

static void print_failure(const struct options *options, const struct check_property *property,
			  const struct check_outcome *outcome, const char *text)
{
	if (options->json)
		return;
	printf("        %s\n        it ought to hold: %s\n        seed %" PRIu64 ", after %" PRIu64
	       " lists and rounds\n",
	       outcome->message, property->statement, outcome->seed, outcome->tried);
	for (const char *line = text; line && *line;) {
		int length = (int)strcspn(line, "\n");

		printf("        | %.*s\n", length, line);
		line += length + (line[length] == '\n');
	}
}

static void report(void *context, const struct check_property *property,
		   const struct check_outcome *o)
{
	struct report *r = context;
	char *text = NULL;

	r->counts[o->status]++;
	if (o->status >= CHECK_FAILED && o->has_script)
		text = script_text(o);
	if (r->list)
		json_array_append_new(
			r->list, json_pack("{s:s, s:s, s:s, s:s*, s:I, s:f, s:I, s:s*}", "property",
					   property->name, "statement", property->statement,
					   "status", status_text[o->status], "message",
					   o->message[0] ? o->message : NULL, "seed",
					   (json_int_t)o->seed, "seconds", o->seconds, "tried",
					   (json_int_t)o->tried, "operations", text));
	else
		printf("%-5s  %-18s %5.1f s%s%s\n", status_text[o->status], property->name,
		       o->seconds, o->status < CHECK_FAILED && o->message[0] ? "  " : "",
		       o->status < CHECK_FAILED ? o->message : "");
	if (o->status >= CHECK_FAILED) {
		print_failure(r->options, property, o, text);
		if (text)
			keep(r->options, property, o, text);
	}
	free(text);
	fflush(stdout);
}

static int list_properties(const struct options *options)
{
	json_t *list = json_array();
	char names[200];

	for (const struct check_property *p = check_properties; p->name; p++) {
		const struct translator nothing = { 0 };

		translator_missing(&nothing, p->needs, names, sizeof(names));
		if (options->json)
			json_array_append_new(list,
					      json_pack("{s:s, s:s, s:s, s:b}", "name", p->name,
							"statement", p->statement, "needs", names,
							"concurrent", p->concurrent));
		else
			printf("%-18s %s%s\n%18s needs: %s\n", p->name, p->statement,
			       p->concurrent ? " (threads)" : "", "", *names ? names : "nothing");
	}
	if (options->json) {
		json_dumpf(list, stdout, JSON_INDENT(1));
		putchar('\n');
	}
	json_decref(list);
	return CODE_OK;
}

static int finish(struct report *r, const struct check_request *request, int rc, const char *error)
{
	if (rc < 0) {
		complain("check: %s", error);
		json_decref(r->list);
		return rc == -EINVAL ? CODE_USAGE : rc == -ENODEV ? CODE_MACHINE : CODE_VOID;
	}
	if (r->list) {
		json_t *all = json_pack("{s:s, s:s, s:I, s:b, s:b, s:o}", "schema",
					"faultline.check/1", "translator", request->translator,
					"seed", (json_int_t)request->seed, "quick", request->quick,
					"conforms", rc == 0, "properties", r->list);

		json_dumpf(all, stdout, JSON_INDENT(1));
		putchar('\n');
		json_decref(all);
	} else {
		printf("%s: %s; %u hold, %u do not, %u skipped; seed %" PRIu64 "\n",
		       request->translator, rc ? "does not conform" : "conforms",
		       r->counts[CHECK_PASSED],
		       r->counts[CHECK_FAILED] + r->counts[CHECK_CRASHED] + r->counts[CHECK_HUNG],
		       r->counts[CHECK_SKIPPED], request->seed);
	}
	if (!rc)
		return CODE_OK;
	return r->counts[CHECK_FAILED] ? CODE_VOID : CODE_CRASHED;
}

static int read_script(const char *path, struct check_script *script, char *error, size_t size)
{
	FILE *in = fopen(path, "r");
	char *text = malloc(FILE_MAX);
	size_t length;
	int rc = 0;

	if (!text)
		abort();
	if (!in || (length = fread(text, 1, FILE_MAX - 1, in), ferror(in))) {
		snprintf(error, size, "--replay %s: %s", path, strerror(errno));
		rc = -EIO;
	}
	if (!rc) {
		static const struct check_geometry usual = { 16, 0, 1, 0, false, "4k" };
		char what[200];

		text[length] = '\0';
		script->geometry = usual;
		rc = check_script_parse(script, text, what, sizeof(what));
		if (rc)
			snprintf(error, size, "--replay %s: %s", path, what);
	}
	if (in)
		fclose(in);
	free(text);
	return rc;
}

static int replay(struct report *r, const struct check_request *request, const char *path)
{
	static const struct check_property replayed = { .name = "replay",
							.statement = "the list comes out as it "
								     "must" };
	static struct check_outcome outcome;
	static struct check_script script;
	char error[512] = "";
	int rc = read_script(path, &script, error, sizeof(error));

	if (rc) {
		complain("check: %s", error);
		return rc == -EINVAL ? CODE_USAGE : CODE_FILES;
	}
	rc = check_replay(request, &script, &outcome, error, sizeof(error));
	if (rc >= 0) {
		/* It is kept already. */
		outcome.has_script = false;
		report(r, &replayed, &outcome);
	}
	return finish(r, request, rc, error);
}

/* Before anything of a plug-in runs. 0 or -EINVAL with a sentence. */
static int look_at(struct translator_spec *spec, const struct options *options, char *error,
		   size_t size)
{
	int rc = translator_spec_parse(spec, options->arguments[0], error, size);

	if (!rc && spec->path)
		rc = plugin_inspect(spec->path, options->allow_writable, error, size);
	return rc;
}

int cmd_check(const struct options *options)
{
	struct check_request request = {
		.quick = strcmp(options->text[OPTION_QUICK], "yes") == 0,
		.seed = options->seed,
		.only = *options->text[OPTION_ONLY] ? options->text[OPTION_ONLY] : NULL,
	};
	struct report r = { .options = options };
	struct translator_spec spec;
	char error[1024] = "";
	int rc, code;

	if (strcmp(options->text[OPTION_LIST], "yes") == 0)
		return list_properties(options);
	if (options->argument_count != 1)
		return usage_error("check: one TRANSLATOR is needed (see list translators)");
	rc = look_at(&spec, options, error, sizeof(error));
	if (rc) {
		translator_spec_release(&spec);
		return usage_error("check: %s", error);
	}
	request.translator = options->arguments[0];
	if (!check_stop_is_cheap())
		complain("check: the system permits no breakpoints (perf_event_open): a call to "
			 "be held in the middle steps to there, which is slow, and a race of a few "
			 "instructions may be missed");
	if (options->json)
		r.list = json_array();
	if (*options->text[OPTION_REPLAY]) {
		code = replay(&r, &request, options->text[OPTION_REPLAY]);
	} else {
		rc = check_run(&request, report, &r, error, sizeof(error));
		code = finish(&r, &request, rc, error);
		/* What passed all of it need not be checked before it is timed. */
		if (!code && spec.path && !request.only)
			rc = conformance_remember(&spec);
		if (!code && rc)
			complain("check: that it passed could not be kept: %s", strerror(-rc));
	}
	translator_spec_release(&spec);
	return code;
}
