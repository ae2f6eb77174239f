/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_shrink.c - delta debugging: takes operations out of a list while it still fails.
 *
 * Ever smaller parts are left out, down to single operations; a list that still fails, in whatever
 * way, takes the place of the longer one. Each trial is a child of its own, so a crash is as good
 * as a wrong answer. A list with lanes fails by chance: a trial that passes may have been bad
 * luck, and then only leaves the list longer than it could be.
 */
#include <string.h>

#include "harness/check.h"

#define TRIAL_NS UINT64_C(300000000)

static bool still_fails(const struct check_request *request, const struct check_script *script,
			struct check_outcome *outcome)
{
	static struct check_outcome trial;

	check_child(request, NULL, script, outcome->seed, TRIAL_NS, &trial);
	if (trial.status < CHECK_FAILED)
		return false;
	trial.seed = outcome->seed;
	trial.tried = outcome->tried;
	trial.seconds = outcome->seconds;
	trial.script = *script;
	*outcome = trial;
	return true;
}

static bool has_lane(const struct check_script *script)
{
	for (unsigned i = 0; i < script->count; i++)
		if (script->ops[i].lane)
			return true;
	return false;
}

void check_shrink(const struct check_request *request, struct check_outcome *outcome,
		  uint64_t budget_ns)
{
	static struct check_script shorter;
	uint64_t until = check_now_ns() + budget_ns;
	unsigned part = outcome->script.count;
	uint32_t rounds = outcome->script.rounds;

	/* One that hangs takes its whole time box each time. */
	if (outcome->status == CHECK_HUNG)
		return;
	if (rounds)
		outcome->script.rounds = 4 * rounds + 2000;
	while (part && check_now_ns() < until) {
		bool changed = false;

		for (unsigned first = 0; first < outcome->script.count && check_now_ns() < until;) {
			unsigned left = outcome->script.count - first;
			unsigned gone = part < left ? part : left;

			shorter = outcome->script;
			memmove(shorter.ops + first, shorter.ops + first + gone,
				(left - gone) * sizeof(shorter.ops[0]));
			shorter.count -= gone;
			if (shorter.count && (!rounds || has_lane(&shorter)) &&
			    still_fails(request, &shorter, outcome))
				changed = true;
			else
				first += gone;
		}
		if (part == 1 && !changed)
			break;
		part = part > 1 ? (part + 1) / 2 : 1;
	}
}
