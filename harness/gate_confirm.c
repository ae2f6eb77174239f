/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_confirm.c - what two batches of pairs have to say for a gate to block.
 */
#include "harness/gate_confirm.h"

#include <stdlib.h>
#include <string.h>

/* The second batch draws other samples in its bootstrap too. */
#define SEED_STEP 7919

static void *room(size_t count, size_t size)
{
	void *memory = calloc(count + 1, size);

	if (!memory)
		abort();
	return memory;
}

size_t gate_flag(const struct pairs_finding *findings, size_t count, bool *flagged)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		flagged[i] = findings[i].verdict == PAIRS_REGRESSED;
		found += flagged[i];
	}
	return found;
}

static size_t index_of(const struct pairs *pairs, const char *name)
{
	size_t i = 0;

	while (i < pairs->count && strcmp(pairs->benchmarks[i].name, name) != 0)
		i++;
	return i;
}

size_t gate_confirm(const struct pairs *first, const bool *flagged, const struct pairs *second,
		    const struct pairs_rule *rule, bool *confirmed)
{
	size_t all = second->count * PAIRS_METRICS, found = 0;
	struct pairs_finding *findings = room(all, sizeof(*findings));
	bool *asked = room(all, sizeof(*asked));
	size_t *of = room(all, sizeof(*of));
	struct pairs_rule other = *rule;

	other.seed += SEED_STEP;
	for (size_t i = 0; i < all; i++) {
		size_t in_first = index_of(first, second->benchmarks[i / PAIRS_METRICS].name);

		of[i] = in_first * PAIRS_METRICS + i % PAIRS_METRICS;
		asked[i] = in_first < first->count && flagged[of[i]];
	}
	pairs_judge(second, &other, asked, findings);
	for (size_t i = 0; i < all; i++) {
		if (!asked[i] || findings[i].verdict != PAIRS_REGRESSED)
			continue;
		confirmed[of[i]] = true;
		found++;
	}
	free(findings);
	free(asked);
	free(of);
	return found;
}
