/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c - gates and comparisons played with recorded pairs, many times more than there is time
 * to measure.
 *
 *   gate-replay gates N PAIRS FILE...    gates of equal things: PAIRS pairs of each benchmark in
 *                                        each batch, drawn from those recorded, sides exchanged
 *                                        at random
 *   gate-replay planted N PAIRS FILE...  comparisons as recorded: how often B is found slower
 *   gate-replay swap FILE...             sides exchanged: signs change, and nothing else
 *
 * The last line says what came out: "gates: 1 of 1000" (would have blocked), "planted: 997 of
 * 1000", "swap: mirrored". Drawing pairs keeps what is in a pair together, and so whatever the
 * machine did to both.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/gate_confirm.h"
#include "workloads/workload.h"

static const struct pairs_rule usual = { .allow = PAIRS_ALLOW_DEFAULT,
					 .within = 0.05,
					 .level = PAIRS_LEVEL_DEFAULT };

static void *room(size_t count, size_t size)
{
	void *memory = calloc(count + 1, size);

	if (!memory)
		abort();
	return memory;
}

/* `count` pairs of each benchmark. */
static void draw(const struct pairs *from, size_t count, bool exchange, struct worker *random,
		 struct pairs *drawn)
{
	*drawn = (struct pairs){ 0 };
	for (size_t i = 0; i < from->count; i++) {
		const struct pairs_benchmark *b = &from->benchmarks[i];
		struct pairs_benchmark *to = pairs_add_benchmark(drawn, b->name);

		for (size_t k = 0; k < count; k++) {
			size_t at = worker_random(random) % b->count;
			bool other = exchange && worker_random(random) >> 63;

			pairs_add(to, other ? &b->b[at] : &b->a[at], other ? &b->a[at] : &b->b[at]);
		}
	}
}

/* One gate; true: it blocks. */
static bool gate_blocks(const struct pairs *recorded, size_t count, struct worker *random)
{
	struct pairs_rule rule = usual;
	struct pairs first, second;
	size_t all = recorded->count * PAIRS_METRICS, found = 0;
	struct pairs_finding *findings = room(all, sizeof(*findings));
	bool *flagged = room(all, sizeof(*flagged)), *confirmed = room(all, sizeof(*confirmed));

	rule.seed = worker_random(random);
	draw(recorded, count, true, random, &first);
	pairs_judge(&first, &rule, NULL, findings);
	if (gate_flag(findings, all, flagged)) {
		draw(recorded, count, true, random, &second);
		found = gate_confirm(&first, flagged, &second, &rule, confirmed);
		pairs_release(&second);
	}
	pairs_release(&first);
	free(findings);
	free(flagged);
	free(confirmed);
	return found;
}

static bool comparison_finds(const struct pairs *recorded, size_t count, struct worker *random)
{
	struct pairs_rule rule = usual;
	size_t all = recorded->count * PAIRS_METRICS;
	struct pairs_finding *findings = room(all, sizeof(*findings));
	bool *flagged = room(all, sizeof(*flagged));
	struct pairs drawn;
	bool found;

	rule.seed = worker_random(random);
	draw(recorded, count, false, random, &drawn);
	pairs_judge(&drawn, &rule, NULL, findings);
	found = gate_flag(findings, all, flagged);
	pairs_release(&drawn);
	free(findings);
	free(flagged);
	return found;
}

static bool is_mirrored(const struct pairs_finding *a, const struct pairs_finding *b)
{
	static const enum pairs_verdict mirror[] = { PAIRS_UNDECIDED, PAIRS_SAME, PAIRS_REGRESSED,
						     PAIRS_IMPROVED };

	if (isnan(a->shift) || isnan(b->shift))
		return isnan(a->shift) == isnan(b->shift);
	return a->shift == -b->shift && a->interval.low == -b->interval.high &&
	       a->interval.high == -b->interval.low && a->p_family == b->p_family &&
	       a->floor == b->floor && a->detectable == b->detectable &&
	       a->verdict == mirror[b->verdict];
}

static bool swap_mirrors(struct pairs *pairs)
{
	size_t all = pairs->count * PAIRS_METRICS;
	struct pairs_finding *ab = room(all, sizeof(*ab)), *ba = room(all, sizeof(*ba));
	bool mirrored = all;

	pairs_judge(pairs, &usual, NULL, ab);
	for (size_t i = 0; i < pairs->count; i++) {
		struct pairs_sample *a = pairs->benchmarks[i].a;

		pairs->benchmarks[i].a = pairs->benchmarks[i].b;
		pairs->benchmarks[i].b = a;
	}
	pairs_judge(pairs, &usual, NULL, ba);
	for (size_t i = 0; i < all; i++)
		mirrored &= is_mirrored(&ab[i], &ba[i]);
	free(ab);
	free(ba);
	return mirrored;
}

static int usage(void)
{
	fputs("usage: gate-replay gates|planted N PAIRS FILE... | swap FILE...\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	bool swap = argc > 2 && strcmp(argv[1], "swap") == 0;
	bool gates = argc > 4 && strcmp(argv[1], "gates") == 0;
	bool planted = argc > 4 && strcmp(argv[1], "planted") == 0;
	struct worker random = { .seed = UINT64_C(0x9e3779b97f4a7c15) };
	struct pairs recorded = { 0 };
	char error[512];
	size_t total = 0, found = 0;
	long times, count;

	if (!swap && !gates && !planted)
		return usage();
	for (int i = swap ? 2 : 4; i < argc; i++) {
		if (pairs_read(&recorded, argv[i], error, sizeof(error))) {
			fprintf(stderr, "gate-replay: %s\n", error);
			return 7;
		}
	}
	for (size_t i = 0; i < recorded.count; i++)
		total += recorded.benchmarks[i].count;
	printf("recorded: %zu pairs of %zu benchmarks\n", total, recorded.count);
	if (swap) {
		bool mirrored = swap_mirrors(&recorded);

		printf("swap: %s\n", mirrored ? "mirrored" : "NOT mirrored");
		pairs_release(&recorded);
		return !mirrored;
	}
	times = strtol(argv[2], NULL, 10);
	count = strtol(argv[3], NULL, 10);
	if (times < 1 || count < PAIRS_MIN || !recorded.count)
		return usage();
	for (long k = 0; k < times; k++)
		found += gates ? gate_blocks(&recorded, (size_t)count, &random)
			       : comparison_finds(&recorded, (size_t)count, &random);
	printf("%s: %zu of %ld\n", argv[1], found, times);
	pairs_release(&recorded);
	return 0;
}
