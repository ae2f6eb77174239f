/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairs.h - paired samples of two sides, A and B, and what can be concluded from them.
 *
 * The two samples of a pair were taken one right after the other, so what drifts slowly is in
 * both, and the logarithm of their ratio is what counts. For each of the metrics: its
 * Hodges-Lehmann shift with a paired bootstrap interval, Wilcoxon's signed-rank test, Holm's
 * correction over all metrics of all benchmarks, and a verdict in words.
 *
 * Swapping A and B negates shifts, mirrors intervals and exchanges `regressed` and `improved`;
 * nothing else changes, to the last bit. Pure functions.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/sample_noise.h"
#include "harness/statistics_bootstrap.h"

/* If one of so many pairs did not keep the rate, times are not compared: those that did are the
 * fast ones of a side that is too slow. */
#define PAIRS_RATE_MISSED 10
/* With fewer pairs nothing is concluded: six pairs of one sign are no rare event. */
#define PAIRS_MIN 8

enum pairs_metric {
	PAIRS_THROUGHPUT, /* operations per second */
	PAIRS_P50, /* ns */
	PAIRS_P99, /* ns */
	PAIRS_TAIL, /* share of operations slower than A's p99.9 */
	PAIRS_METRICS
};
extern const char *const pairs_metric_names[PAIRS_METRICS];

/* NAN: not there. Above 0 otherwise. */
struct pairs_sample {
	double value[PAIRS_METRICS];
	bool rate_missed; /* an open loop that did not keep its rate: it has a throughput only */
};

struct pairs_benchmark {
	char *name;
	size_t count;
	struct pairs_sample *a, *b; /* count of each */
	size_t rate_missed[2]; /* of these, by A and by B */
	size_t spoiled[SAMPLE_SPOILERS]; /* pairs that were taken besides, and are none */
	double tail_ns; /* A's p99.9, with which the tail is counted; NAN: not known */
};

struct pairs {
	struct pairs_benchmark *benchmarks;
	size_t count;
};

enum pairs_verdict { PAIRS_UNDECIDED, PAIRS_SAME, PAIRS_IMPROVED, PAIRS_REGRESSED };
/* "not decided", "same", "improved", "regressed". */
extern const char *const pairs_verdict_names[];

/* How much is how bad. All are shares: 0.05 for 5 %. */
struct pairs_rule {
	double allow; /* a change is one if the whole interval lies past this */
	double within; /* the same: the whole interval lies inside +- this */
	double level; /* of the family: how often a change may be reported where there is none */
	uint64_t seed; /* of the bootstrap */
};
#define PAIRS_ALLOW_DEFAULT 0.01
#define PAIRS_LEVEL_DEFAULT 0.05

struct pairs_finding {
	size_t pairs; /* that have the metric on both sides; below PAIRS_MIN the rest is NAN */
	double shift; /* log of B over A */
	struct statistics_interval interval; /* 95 %, of the same */
	double p, p_family; /* signed rank; after Holm */
	double floor; /* A/A: the size of shifts that either side shows against itself; a log */
	double detectable; /* the smallest change that 95 of 100 such would find; a log */
	enum pairs_verdict verdict;
};

/*
 * findings[benchmark * PAIRS_METRICS + metric]. `asked`, if not NULL, says for each whether it
 * belongs to the family at all; the others are left undecided.
 */
void pairs_judge(const struct pairs *pairs, const struct pairs_rule *rule, const bool *asked,
		 struct pairs_finding *findings);

/* The second half of it, for findings whose p, shift and interval are set (NAN: not there): Holm,
 * detectable, verdicts. findings[i] is of the metric i % PAIRS_METRICS. */
void pairs_conclude(struct pairs_finding *findings, size_t count, const struct pairs_rule *rule);
/* Nothing is known. */
extern const struct pairs_finding pairs_nothing;

/* Whether there would be pairs enough for a verdict, had the machine not spoiled them. */
bool pairs_too_noisy(const struct pairs_benchmark *b);
/* Why a metric of it is not decided: "the machine was too noisy (...)", "rate not reached (...)";
 * "" if it is decided, or its interval says all there is. Returns text. */
const char *pairs_reason(const struct pairs_benchmark *b, enum pairs_metric metric,
			 const struct pairs_finding *f, char *text, size_t size);

/* Half the width of the interval of the throughput so far; NAN with fewer than PAIRS_MIN. */
double pairs_precision(const struct pairs_benchmark *b, uint64_t seed);

/* Appends a benchmark, or a pair to one; both are copied. */
struct pairs_benchmark *pairs_add_benchmark(struct pairs *pairs, const char *name);
void pairs_add(struct pairs_benchmark *b, const struct pairs_sample *a,
	       const struct pairs_sample *other);
void pairs_release(struct pairs *pairs);

/* A change as people say it: a log of 0.05 is 5.13 %, one of -0.05 is -4.88 %. */
double pairs_percent(double log_ratio);
/* "same within 5 %", "regressed". */
const char *pairs_verdict_text(enum pairs_verdict verdict, const struct pairs_rule *rule,
			       char *text, size_t size);

/* The findings of a benchmark as JSON: {name, pairs, metrics{}}; a new reference. */
json_t *pairs_benchmark_json(const struct pairs_benchmark *b, const struct pairs_finding *findings);

/* A pair as a line of samples.ndjson, and back. noise: of a, then of b. */
json_t *pairs_line(const char *benchmark, size_t number, bool b_first, const struct pairs_sample *a,
		   const struct pairs_sample *b, const struct sample_noise noise[2]);
/* Adds what the lines of a file hold. 0 or, with file and line, -EBADMSG or -errno. */
int pairs_read(struct pairs *pairs, const char *path, char *error, size_t size)
	__attribute__((warn_unused_result));
