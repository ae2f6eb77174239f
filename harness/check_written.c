/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_written.c - plays written lists: those of one thread in several places of a space, those
 * with lanes again and again until the time is up.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/check.h"

#define ROUNDS_MAX 1000000000u
#define PASSES 3 /* over all lists: what a busy moment of the machine hides, another shows */

static const struct check_geometry geometries[] = {
	{ 16, 0, 1, 0, false, "4k" },
	{ 505, 0, 1, 0, false, "4k" }, /* across 2 MiB */
	{ 262137, 0, 1, 0, false, "4k" }, /* across 1 GiB */
};

/* Whether it came out as it must. *skipped: this machine cannot play it. */
static bool play(struct check_run *run, const char *text, unsigned number, bool *skipped)
{
	struct check_script script = { .geometry = geometries[number % 3] };
	bool is_race = false, good;

	if (check_script_parse(&script, text, run->outcome->message, sizeof(run->outcome->message)))
		abort(); /* ours */
	for (unsigned i = 0; i < script.count; i++)
		is_race |= script.ops[i].lane != 0;
	script.rounds = is_race ? ROUNDS_MAX : 0;
	check_random(&run->random);
	run->outcome->status = CHECK_PASSED;
	good = check_run_script(run, &script);
	*skipped = run->outcome->status == CHECK_SKIPPED;
	return good;
}

bool check_run_scripts(struct check_run *run, const void *data)
{
	const char *const *texts = data;
	uint64_t end = run->deadline_ns;
	struct check_trace *traces;
	unsigned count = 0, played = 0;
	bool skipped;

	while (texts[count])
		count++;
	traces = calloc((size_t)count * CHECK_LANES, sizeof(*traces));
	if (!traces)
		abort();
	for (unsigned pass = 0; pass < PASSES; pass++)
		for (unsigned i = 0; i < count; i++) {
			uint64_t now = check_now_ns(), left = end > now ? end - now : 0;

			run->traces = &traces[i * CHECK_LANES];
			run->deadline_ns = now + left / ((PASSES - pass) * count - i);
			if (!play(run, texts[i], pass, &skipped))
				return false;
			played += !skipped;
		}
	/* Those that this machine cannot play are passed over, but not all of them. */
	run->outcome->status = played ? CHECK_PASSED : CHECK_SKIPPED;
	if (played)
		run->outcome->message[0] = '\0';
	run->traces = NULL;
	free(traces);
	return true;
}
