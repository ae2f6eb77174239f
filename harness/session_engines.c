/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_engines.c - before anything is measured: what plug-ins are, and whether every engine of
 * the plan can be opened. All of it in worker processes; a translator that crashes there is not
 * measured, the others are. No locks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness/conformance.h"
#include "harness/isolate.h"
#include "harness/plugin.h"
#include "harness/session.h"

/* A plug-in that did not pass conformance is checked before it is timed. 0, also if it is lost; or
 * -errno with a sentence. */
static int check_first(struct translator_spec *spec, const struct options *options, char *error,
		       size_t size)
{
	int rc;

	/* Where nothing is timed, nothing is to be checked. */
	if (options->dry_run || *options->text[OPTION_TOPOLOGY] || conformance_passed(spec))
		return 0;
	if (options->unchecked) {
		spec->unchecked = true;
		return 0;
	}
	complain("%s has not passed check; checking it (--unchecked: not)", spec->text);
	rc = conformance_check(spec, options->seed, error, size);

	if (rc != -EBADE && rc != -ECHILD)
		return rc;
	translator_spec_lose(spec, rc, error);
	return 0;
}

int session_describe(struct translator_spec *spec, const struct options *options, char *error,
		     size_t size)
{
	struct isolate w;
	char why[1024] = "";
	int rc = plugin_inspect(spec->path, options->allow_writable, why, sizeof(why));

	if (rc) {
		snprintf(error, size, "--translator %s", why);
		return rc;
	}
	rc = isolate_start(&w, spec, options->allow_writable, why, sizeof(why));
	isolate_end(&w);
	if (rc == -ECHILD) {
		translator_spec_lose(spec, rc, why);
		return 0;
	}
	if (!rc)
		rc = check_first(spec, options, why, sizeof(why));
	if (rc)
		snprintf(error, size, "%s", why);
	return rc;
}

/* Opens and closes an engine, to learn whether that works. */
static int try_open(struct session *s, const struct plan_benchmark *b, const char *pages,
		    char *error, size_t size)
{
	struct translator_spec *spec = &s->plan.translators[b->translator - s->plan.translators];
	struct isolate w;
	int rc = isolate_start(&w, spec, s->options->allow_writable, error, size);

	if (!rc)
		rc = isolate_try(&w, pages, b->as, s->memory_max, error, size);
	isolate_end(&w);
	return rc;
}

/* The largest pages that can be had, for a benchmark that asked for "auto". */
static int resolve_auto(struct session *s, struct plan_benchmark *b, char *error, size_t size)
{
	static const struct {
		const char *pages;
		uint64_t needs;
	} tries[] = { { "2m", TRANSLATOR_CAN_HUGE_2M },
		      { "thp", TRANSLATOR_CAN_THP },
		      { "4k", 0 } };
	int rc = -ENODEV;

	for (size_t i = 0; i < 3 && rc; i++) {
		if (tries[i].needs & ~b->translator->translator->capabilities)
			continue;
		rc = try_open(s, b, tries[i].pages, error, size);
		if (!rc)
			b->pages = tries[i].pages;
		/* Only what the machine lacks is a reason to take less. */
		else if (rc != -ENODEV && rc != -ENOMEM)
			return rc;
	}
	return rc;
}

/* uffd was refused, for the reason in error: by mmap, then, if that is not refused as well. */
static int fall_back(struct session *s, struct plan_benchmark *b, char *error, size_t size)
{
	char again[1024] = "";
	int rc;

	b->as = "mmap";
	rc = try_open(s, b, b->pages, again, sizeof(again));
	if (rc) {
		snprintf(error, size, "%s", again);
		return rc;
	}
	b->as_reason = strdup(error);
	if (!b->as_reason)
		abort();
	complain("--as uffd: mmap instead: %s", error);
	result_note(&s->result, "--as uffd: mmap instead: %s", error);
	return 0;
}

/* The same engine was tried for an earlier benchmark. */
static bool is_tried(const struct session *s, struct plan_benchmark *b)
{
	for (const struct plan_benchmark *other = s->plan.benchmarks; other < b; other++) {
		if (other->translator == b->translator &&
		    strcmp(other->pages_asked, b->pages_asked) == 0 &&
		    strcmp(other->as_asked, b->as_asked) == 0) {
			b->pages = other->pages;
			b->as = other->as;
			b->as_reason = other->as_reason ? strdup(other->as_reason) : NULL;
			return true;
		}
	}
	return false;
}

/* None of its benchmarks is started. */
static void lose(struct session *s, const struct translator_spec *spec, const char *why)
{
	session_raise(s, CODE_CRASHED);
	complain("%s: %s; the others are measured", spec->text, why);
	result_note(&s->result, "%s: %s", spec->text, why);
	for (size_t i = 0; i < s->plan.count; i++) {
		struct result_benchmark *b = &s->result.benchmarks[i];

		if (b->plan->translator == spec)
			snprintf(b->error, sizeof(b->error), "%.500s", why);
	}
}

int session_try_engines(struct session *s)
{
	const char *resolved = NULL;
	bool changed = false;
	char error[1024] = "";

	for (size_t i = 0; i < s->plan.count; i++) {
		struct plan_benchmark *b = &s->plan.benchmarks[i];
		bool is_auto = strcmp(b->pages, "auto") == 0;
		int rc;

		/* Bare runs find out when they measure. */
		if (s->options->bare && !is_auto)
			continue;
		/* Floors have no engine. */
		if (!b->translator || is_tried(s, b) || s->result.benchmarks[i].error[0])
			continue;
		rc = is_auto ? resolve_auto(s, b, error, sizeof(error))
			     : try_open(s, b, b->pages, error, sizeof(error));
		if ((rc == -ENODEV || rc == -EINVAL) && strcmp(b->as, "uffd") == 0) {
			rc = fall_back(s, b, error, sizeof(error));
			changed = true;
		}
		if (rc == -ECHILD) {
			lose(s, b->translator, error);
			continue;
		}
		if (rc) {
			complain("run: %s", error);
			return rc == -EINVAL ? CODE_USAGE : CODE_MACHINE;
		}
		if (is_auto)
			resolved = b->pages;
	}
	if (resolved) {
		complain("--pages auto: %s", resolved);
		result_note(&s->result, "--pages auto: %s", resolved);
	}
	if (resolved || changed)
		plan_finish(&s->plan);
	return CODE_OK;
}
