/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_run.c - the properties one after the other, each with its share of the time.
 *
 * The first one looks at the table of functions, and opens an engine: only then is it known which
 * others can be tried. What a property does not use of its time, the later ones have.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "harness/check.h"
#include "harness/check_load.h"
#include "harness/suggest.h"

#define NAMES_MAX 64
#define QUICK_NS UINT64_C(3500000000)
#define FULL_NS UINT64_C(46000000000)
#define QUICK_SHRINK_NS UINT64_C(700000000)
#define FULL_SHRINK_NS UINT64_C(8000000000)
#define HANGS_MAX 3 /* each takes its whole time box */
#define WITHOUT_ANSWERS 2 /* the first properties: true of one that computes nothing, too */

static const struct check_property *find(const char *name, char *error, size_t size)
{
	const char *names[NAMES_MAX];
	char hint[96];
	size_t count = 0;

	for (; check_properties[count].name && count < NAMES_MAX; count++) {
		names[count] = check_properties[count].name;
		if (strcmp(names[count], name) == 0)
			return &check_properties[count];
	}
	snprintf(error, size, "--only \"%s\": no such property%s", name,
		 suggest_text(name, names, count, hint, sizeof(hint)));
	return NULL;
}

/* Whether it cannot be tried, and why. */
static bool must_skip(const struct check_property *property, uint64_t capabilities,
		      struct check_outcome *outcome)
{
	const struct translator claims = { .capabilities = capabilities };
	char missing[200];

	memset(outcome, 0, sizeof(*outcome));
	outcome->status = CHECK_SKIPPED;
	if ((capabilities & TRANSLATOR_COMPUTES_NOTHING) &&
	    property - check_properties >= WITHOUT_ANSWERS) {
		snprintf(outcome->message, sizeof(outcome->message),
			 "it computes nothing, by its own account");
		return true;
	}
	if (!(property->needs & ~capabilities))
		return false;
	snprintf(outcome->message, sizeof(outcome->message), "not claimed: %s",
		 translator_missing(&claims, property->needs, missing, sizeof(missing)));
	return true;
}

static uint64_t seed_of(const struct check_request *request, const struct check_property *property)
{
	uint64_t state = request->seed + (uint64_t)(property - check_properties);

	return check_random(&state);
}

/* The first property, which says what can be done with the others. 0 or -errno. */
static int look_at_table(const struct check_request *request, struct check_outcome *outcome,
			 char *error, size_t size)
{
	const struct check_property *table = &check_properties[0];

	check_child(request, table, NULL, seed_of(request, table), QUICK_NS, outcome);
	if (!outcome->refused)
		return 0;
	snprintf(error, size, "%s", outcome->message);
	return outcome->refused;
}

static uint64_t shares_from(const struct check_property *property, uint64_t capabilities)
{
	struct check_outcome ignored;
	uint64_t sum = 0;

	for (; property->name; property++)
		if (!must_skip(property, capabilities, &ignored))
			sum += property->share;
	return sum;
}

struct times {
	uint64_t until_ns; /* all properties */
	uint64_t shrink_ns; /* the next failure */
	uint64_t capabilities;
	unsigned hangs;
	bool failed;
	char lack[CHECK_MESSAGE]; /* what a property could not be tried for, or "" */
};

static bool lacks_pages(const struct check_outcome *outcome)
{
	return outcome->status == CHECK_SKIPPED && outcome->pool != CHECK_NO_POOL;
}

/* One property, and what is left of its list if it does not hold. */
static void try_one(const struct check_request *request, const struct check_property *property,
		    struct times *t, bool alone, struct check_outcome *outcome)
{
	uint64_t begin = check_now_ns(), budget = 0;

	if (begin < t->until_ns)
		budget = t->until_ns - begin;
	if (alone)
		budget /= 4;
	else
		budget = budget * property->share / shares_from(property, t->capabilities);
	check_child(request, property, NULL, seed_of(request, property), budget, outcome);
	if (lacks_pages(outcome)) {
		struct check_request without = *request;

		without.without_pool = true;
		check_child(&without, property, NULL, seed_of(request, property), budget, outcome);
	}
	if (lacks_pages(outcome))
		snprintf(t->lack, sizeof(t->lack), "%s", outcome->message);
	if (outcome->status < CHECK_FAILED)
		return;
	t->hangs += outcome->status == CHECK_HUNG;
	begin = check_now_ns();
	if (outcome->has_script)
		check_shrink(request, outcome, t->shrink_ns);
	/* The others may well fail for the same reason: they get little time from here on. */
	t->shrink_ns /= 2;
	t->until_ns += check_now_ns() - begin;
	if (t->until_ns > check_now_ns() + QUICK_NS)
		t->until_ns = check_now_ns() + QUICK_NS;
	t->failed = true;
}

static void skip_for_hangs(struct check_outcome *outcome)
{
	memset(outcome, 0, sizeof(*outcome));
	outcome->status = CHECK_SKIPPED;
	snprintf(outcome->message, sizeof(outcome->message), "it has hung too often");
}

int check_run(const struct check_request *request, check_report *report, void *context, char *error,
	      size_t size)
{
	static struct check_outcome outcome;
	const struct check_property *only = NULL;
	struct times t = {
		.until_ns = check_now_ns() + (request->quick ? QUICK_NS : FULL_NS),
		.shrink_ns = request->quick ? QUICK_SHRINK_NS : FULL_SHRINK_NS,
	};
	bool failed;
	int rc;

	if (request->only && !(only = find(request->only, error, size)))
		return -EINVAL;
	rc = look_at_table(request, &outcome, error, size);
	if (rc)
		return rc;
	t.capabilities = outcome.capabilities;
	failed = outcome.status >= CHECK_FAILED;
	if (!only || only == check_properties)
		report(context, &check_properties[0], &outcome);
	/* A table that is wrong is not to be called through. */
	for (const struct check_property *p = check_properties + 1; p->name && !failed; p++) {
		if (only && p != only)
			continue;
		if (must_skip(p, t.capabilities, &outcome)) {
			report(context, p, &outcome);
			continue;
		}
		if (t.hangs == HANGS_MAX)
			skip_for_hangs(&outcome);
		else
			try_one(request, p, &t, only != NULL, &outcome);
		report(context, p, &outcome);
	}
	if (failed || t.failed || !*t.lack)
		return failed || t.failed;
	snprintf(error, size, "%s", t.lack);
	return -ENODEV;
}

int check_replay(const struct check_request *request, const struct check_script *script,
		 struct check_outcome *outcome, char *error, size_t size)
{
	int rc = look_at_table(request, outcome, error, size);

	if (rc)
		return rc;
	if (outcome->status < CHECK_FAILED)
		check_child(request, NULL, script, request->seed,
			    request->quick ? QUICK_NS : FULL_NS, outcome);
	return outcome->status >= CHECK_FAILED;
}
