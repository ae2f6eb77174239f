/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call-gate - calls of a translator's batch that do nothing.
 *
 * One that lives in a runtime of its own (Go, a JVM) has to be entered by every call: what that
 * costs is in each figure of other workloads, unless parameter `batch` shares it out there.
 */
#include <errno.h>

#include "workloads/workload.h"

static uint64_t call_gate_run(struct worker *w, uint64_t count)
{
	const struct translator_batch batch = { .op = TRANSLATOR_BATCH_NOTHING, .count = 1 };
	uint64_t done;

	for (uint64_t i = 0; i < count; i++) {
		int rc = w->t->batch(w->run->engine, &batch, &done);

		if (__builtin_expect(rc != 0, 0)) {
			workload_fail(w, rc);
			return i;
		}
	}
	return count;
}

/* Nothing is needed but the engine. */
static int call_gate_setup(struct workload_run *run)
{
	return TRANSLATOR_HAS(run->t, batch) ? 0 : -EOPNOTSUPP;
}

static void call_gate_teardown(struct workload_run *run)
{
	(void)run;
}

/* It does as many of nothing as it is told. */
static int call_gate_verify(struct workload_run *run)
{
	const struct translator_batch batch = { .op = TRANSLATOR_BATCH_NOTHING, .count = 3 };
	uint64_t done;
	int rc = run->t->batch(run->engine, &batch, &done);

	return rc ? rc : done == batch.count ? 0 : -EIO;
}

const struct workload workload_call_gate = {
	.name = "call-gate",
	.description = "calls that do nothing: what it costs to enter the translator's runtime",
	.operation = "call that does nothing",
	.floor = "floor-fetch-add",
	.needs = TRANSLATOR_CAN_BATCH,
	.roles = { { .name = "caller", .run = call_gate_run } },
	.setup = call_gate_setup,
	.verify = call_gate_verify,
	.teardown = call_gate_teardown,
};
