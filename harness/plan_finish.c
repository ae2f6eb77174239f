/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_finish.c - what is made of the benchmarks of a plan: names, floors, the order of a
 * repetition.
 */
#include "harness/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void benchmark_rename(struct plan_benchmark *b)
{
	const struct options *options = b->options;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	if (b->translator)
		fprintf(out, "%s/%s/pages=%s/as=%s", b->translator->text, b->workload->name,
			b->pages, b->as);
	else
		fprintf(out, "%s", b->workload->name);
	if (strcmp(b->refs, "atomic") != 0)
		fprintf(out, "/refs=%s", b->refs);
	fprintf(out, "/place=%s", options->text[OPTION_PLACE]);
	if (strcmp(options->text[OPTION_MEM], "local") != 0)
		fprintf(out, "/mem=%s", options->text[OPTION_MEM]);
	for (unsigned k = 0; k < 8 && b->workload->params[k].name; k++) {
		if (b->params[k] != b->workload->params[k].value)
			fprintf(out, "/%s=%" PRIu64, b->workload->params[k].name, b->params[k]);
	}
	if (b->rate > 0)
		fprintf(out, "/rate=%.12g", b->rate);
	fprintf(out, "/threads=%u", b->threads);
	if (fclose(out))
		abort();
	free(b->name);
	b->name = text;
}

/* Whether threads and memory were placed by the same rule. */
static bool same_place(const struct plan_benchmark *a, const struct plan_benchmark *b)
{
	return strcmp(a->options->text[OPTION_PLACE], b->options->text[OPTION_PLACE]) == 0 &&
	       strcmp(a->options->text[OPTION_MEM], b->options->text[OPTION_MEM]) == 0;
}

/* Whether two differ in nothing but their threads. */
static bool same_but_threads(const struct plan_benchmark *a, const struct plan_benchmark *b)
{
	return a->workload == b->workload && a->translator == b->translator &&
	       strcmp(a->pages, b->pages) == 0 && strcmp(a->as, b->as) == 0 &&
	       strcmp(a->refs, b->refs) == 0 &&
	       memcmp(a->params, b->params, sizeof(a->params)) == 0 && a->rate == b->rate &&
	       same_place(a, b);
}

static size_t floor_of(const struct plan *plan, const struct plan_benchmark *b)
{
	size_t found = PLAN_NONE;

	if (!b->workload->floor || b->workload->is_floor)
		return PLAN_NONE;
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_benchmark *f = &plan->benchmarks[i];

		if (strcmp(f->workload->name, b->workload->floor) != 0 || !same_place(f, b))
			continue;
		/* A floor with a thread count of its own serves all. */
		if (f->threads == b->threads)
			return i;
		found = i;
	}
	return found;
}

void plan_finish(struct plan *plan)
{
	size_t kept = 0;

	for (size_t i = 0; i < plan->count; i++) {
		struct plan_benchmark b = plan->benchmarks[i];
		size_t j = 0;

		benchmark_rename(&b);
		while (j < kept && strcmp(plan->benchmarks[j].name, b.name) != 0)
			j++;
		if (j < kept) {
			plan->benchmarks[j].asked |= b.asked;
			plan_benchmark_release(&b);
		} else {
			plan->benchmarks[kept++] = b;
		}
	}
	plan->count = kept;
	for (size_t i = 0; i < kept; i++) {
		struct plan_benchmark *b = &plan->benchmarks[i];

		b->floor = floor_of(plan, b);
		b->fewest = PLAN_NONE;
		for (size_t j = 0; j < kept; j++) {
			const struct plan_benchmark *other = &plan->benchmarks[j];

			if (same_but_threads(b, other) && other->threads < b->threads &&
			    (b->fewest == PLAN_NONE ||
			     other->threads < plan->benchmarks[b->fewest].threads))
				b->fewest = j;
		}
	}
}

size_t plan_find(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->count; i++) {
		if (strcmp(plan->benchmarks[i].name, name) == 0)
			return i;
	}
	return PLAN_NONE;
}

uint64_t plan_total_ns(const struct plan *plan)
{
	return plan->duration_ns * plan->repeat * plan->count;
}

void plan_order(const struct plan *plan, uint64_t seed, unsigned repetition, size_t *order)
{
	struct worker state = { .seed = (seed + repetition + 1) * UINT64_C(0x9e3779b97f4a7c15) |
					1 };

	for (size_t i = 0; i < plan->count; i++)
		order[i] = i;
	for (size_t i = plan->count; i > 1; i--) {
		size_t j = worker_random(&state) % i, swap = order[i - 1];

		order[i - 1] = order[j];
		order[j] = swap;
	}
}
