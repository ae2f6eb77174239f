/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_doctor.c - faultline info --doctor: what spoils measurements here, and setting it right.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/commands.h"
#include "harness/doctor.h"
#include "harness/json_set.h"

static const char *const state_names[] = { "good", "bad", "note", "absent" };

static json_t *findings_json(const struct doctor_finding *list, size_t count)
{
	json_t *all = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *o = json_pack("{s:s, s:s, s:s, s:b}", "name", list[i].name, "state",
				      state_names[list[i].state], "sentence", list[i].sentence,
				      "settable", list[i].settable);

		if (*list[i].command)
			json_set(o, "command", json_string(list[i].command));
		json_array_append_new(all, o);
	}
	return all;
}

static void print_findings(const struct doctor_finding *list, size_t count)
{
	size_t bad = 0, settable = 0;

	for (size_t i = 0; i < count; i++) {
		const struct doctor_finding *f = &list[i];

		printf("%-7s %-15s %s\n", state_names[f->state], f->name, f->sentence);
		if (*f->command)
			printf("%24s$ %s\n", "", f->command);
		bad += f->state == DOCTOR_BAD;
		settable += f->settable;
	}
	if (!bad)
		puts("\nNothing here spoils measurements that a setting could change.");
	else if (settable)
		printf("\n%zu of %zu can be set by: faultline info --doctor --fix (as root; --undo "
		       "puts back what was)\n",
		       settable, bad);
}

static const char *reason(int rc)
{
	return rc == -EIO		       ? "the kernel took it and shows another value"
	       : rc == -EACCES || rc == -EPERM ? "permission denied: run it as root"
	       : rc == -EROFS		       ? "read-only here: set it outside of the container"
					       : strerror(-rc);
}

static json_t *changes_json(const struct doctor_change *list, size_t count)
{
	json_t *all = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *o = json_pack("{s:s, s:s, s:s, s:b}", "path", list[i].path, "from",
				      list[i].from, "to", list[i].to, "done", list[i].rc == 0);

		if (list[i].rc)
			json_set(o, "reason", json_string(reason(list[i].rc)));
		json_array_append_new(all, o);
	}
	return all;
}

static void print_changes(const struct doctor_change *list, size_t count, const char *none)
{
	for (size_t i = 0; i < count; i++) {
		printf("%-7s %s: %s -> %s%s", list[i].rc ? "failed" : "set", list[i].path,
		       list[i].from, list[i].to, list[i].rc ? ": " : "\n");
		if (list[i].rc)
			printf("%s\n", reason(list[i].rc));
	}
	if (!count)
		puts(none);
}

static void print_json(const char *key, json_t *list)
{
	json_t *root = json_pack("{s:o}", key, list);

	json_dumpf(root, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(root);
}

static int look(const struct options *options, const char *root)
{
	struct doctor_finding *list;
	size_t count;

	if (doctor_look(root, &list, &count)) {
		complain("info: no memory");
		return CODE_MACHINE;
	}
	if (options->json)
		print_json("findings", findings_json(list, count));
	else
		print_findings(list, count);
	free(list);
	return CODE_OK;
}

static int change(const struct options *options, const char *root)
{
	struct doctor_change *list = NULL;
	char error[512] = "no memory";
	size_t count, failed = 0;
	int rc = options->fix ? doctor_fix(root, &list, &count, error, sizeof(error))
			      : doctor_undo(root, &list, &count, error, sizeof(error));

	if (rc) {
		complain("info: --%s: %s", options->fix ? "fix" : "undo", error);
		free(list);
		return rc == -EACCES || rc == -EROFS || rc == -EPERM ? CODE_MACHINE : CODE_FILES;
	}
	if (options->json)
		print_json("changes", changes_json(list, count));
	else
		print_changes(list, count,
			      options->fix
				      ? "Nothing to set: all that can be set is as it should be."
				      : "Nothing to put back: --fix has changed nothing.");
	for (size_t i = 0; i < count; i++)
		failed += list[i].rc != 0;
	free(list);
	return failed ? CODE_MACHINE : CODE_OK;
}

int cmd_doctor(const struct options *options)
{
	const char *root = options->text[OPTION_ROOT];

	if (!*root)
		root = NULL;
	if (options->fix && options->undo)
		return usage_error("info: --fix or --undo, not both");
	if (root && access(root, X_OK))
		return usage_error("info: --root: %s: %s", root, strerror(errno));
	return options->fix || options->undo ? change(options, root) : look(options, root);
}
