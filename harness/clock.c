/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c - calibration of the TSC against CLOCK_MONOTONIC_RAW.
 *
 * An anchor is one reading of both clocks at (nearly) the same instant: the TSC is read before
 * and after the kernel's clock, and of many tries the one with the closest bracket wins, so that
 * an interrupt in between does not count. A calibration is the slope between two anchors. On
 * 10 ms and with brackets of well under 1 us its error is below 100 ppm, usually below 5.
 *
 * No locks.
 */
#include "harness/clock.h"

#include <cpuid.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANCHOR_TRIES 32
#define CALIBRATION_NS UINT64_C(10000000)
#define CALIBRATION_TRIES 3
#define STEP_READS 4096
#define PAIR_BLOCKS 31
#define PAIR_BLOCK_PAIRS 256

int clock_source_parse(const char *text, enum clock_source_kind *out)
{
	if (strcmp(text, "tsc") == 0)
		*out = CLOCK_SOURCE_TSC;
	else if (strcmp(text, "monotonic") == 0)
		*out = CLOCK_SOURCE_MONOTONIC;
	else
		return -EINVAL;
	return 0;
}

const char *clock_source_name(enum clock_source_kind kind)
{
	return kind == CLOCK_SOURCE_TSC ? "tsc" : "monotonic";
}

bool clock_source_tsc_usable(char *why, size_t why_size)
{
	unsigned eax, ebx, ecx, edx;
	const char *missing = NULL;

	if (!__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) || !(edx & (1u << 27)))
		missing = "the processor has no RDTSCP";
	else if (!__get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) || !(edx & (1u << 8)))
		missing = "the processor does not call its TSC invariant";
	if (why)
		snprintf(why, why_size, "%s", missing ? missing : "");
	return !missing;
}

static uint64_t raw_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

struct anchor {
	uint64_t counts;
	uint64_t raw_ns;
};

static struct anchor take_anchor(const struct clock_source *source)
{
	struct anchor best = { 0, 0 };
	uint64_t closest = UINT64_MAX;

	for (int i = 0; i < ANCHOR_TRIES; i++) {
		uint64_t before = clock_source_now(source);
		uint64_t raw = raw_ns();
		uint64_t after = clock_source_now(source);

		if (after - before < closest) {
			closest = after - before;
			best.counts = before + (after - before) / 2;
			best.raw_ns = raw;
		}
	}
	return best;
}

/* Counts in a second between two anchors; 0 if no time passed. */
static double slope(struct anchor from, struct anchor to)
{
	if (to.raw_ns <= from.raw_ns || to.counts <= from.counts)
		return 0;
	return (double)(to.counts - from.counts) * 1e9 / (double)(to.raw_ns - from.raw_ns);
}

/* One calibration of CALIBRATION_NS; *end is its second anchor. */
static double calibrate(const struct clock_source *source, struct anchor *end)
{
	const struct timespec nap = { .tv_nsec = (long)CALIBRATION_NS };
	struct anchor begin = take_anchor(source);

	nanosleep(&nap, NULL);
	*end = take_anchor(source);
	return slope(begin, *end);
}

static double ppm(double a, double b)
{
	return b > 0 ? fabs(a / b - 1) * 1e6 : INFINITY;
}

/* mult in [2^31, 2^32), so that the conversion is exact to 2^-31. */
static void set_conversion(struct clock_source *source)
{
	double ns_per_count = 1e9 / source->hz;
	int exponent;

	frexp(ns_per_count, &exponent); /* ns_per_count in [2^(exponent-1), 2^exponent) */
	source->ns_shift = (uint32_t)(32 - exponent);
	source->ns_mult = (uint32_t)ldexp(ns_per_count, 32 - exponent);
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static void measure_step(struct clock_source *source)
{
	uint64_t step = 0, last = clock_source_now(source);

	for (int i = 0; i < STEP_READS; i++) {
		uint64_t now = clock_source_now(source);

		step = gcd(step, now - last);
		last = now;
	}
	source->step_counts = step ? step : 1;
	source->step_ns = (double)source->step_counts * 1e9 / source->hz;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void measure_pair(struct clock_source *source)
{
	uint64_t blocks[PAIR_BLOCKS];

	for (int b = 0; b < PAIR_BLOCKS; b++) {
		uint64_t begin = clock_source_now(source);

		for (int i = 0; i < PAIR_BLOCK_PAIRS; i++) {
			(void)clock_source_now(source);
			(void)clock_source_now(source);
		}
		blocks[b] = clock_source_now(source) - begin;
	}
	qsort(blocks, PAIR_BLOCKS, sizeof(blocks[0]), compare_u64);
	source->pair_ns = (double)blocks[PAIR_BLOCKS / 2] * 1e9 / source->hz / PAIR_BLOCK_PAIRS;
}

/* Whether two calibrations in a row agree; hz is then that over both. */
static bool calibrate_start(struct clock_source *source)
{
	for (int i = 0; i < CALIBRATION_TRIES; i++) {
		struct anchor begin = take_anchor(source), end;
		double first = calibrate(source, &end);
		double second = calibrate(source, &end);

		source->hz = slope(begin, end);
		source->start_counts = end.counts;
		source->start_raw_ns = end.raw_ns;
		if (first > 0 && ppm(second, first) <= CLOCK_SOURCE_DRIFT_PPM_MAX)
			return true;
	}
	return false;
}

static void start_monotonic(struct clock_source *source)
{
	struct anchor now;

	source->kind = CLOCK_SOURCE_MONOTONIC;
	source->hz = 1e9; /* by definition */
	now = take_anchor(source);
	source->start_counts = now.counts;
	source->start_raw_ns = now.raw_ns;
}

void clock_source_start(struct clock_source *source, enum clock_source_kind kind)
{
	*source = (struct clock_source){ .kind = kind };
	if (kind == CLOCK_SOURCE_TSC && clock_source_tsc_usable(source->why, sizeof(source->why)) &&
	    !calibrate_start(source))
		snprintf(source->why, sizeof(source->why),
			 "calibrations of the TSC differ by more than %.0f ppm",
			 CLOCK_SOURCE_DRIFT_PPM_MAX);
	if (kind == CLOCK_SOURCE_MONOTONIC || source->why[0])
		start_monotonic(source);
	set_conversion(source);
	measure_step(source);
	measure_pair(source);
}

int clock_source_finish(struct clock_source *source)
{
	const struct anchor begin = { source->start_counts, source->start_raw_ns };
	struct anchor end;

	source->verified = false;
	for (int i = 0; i < CALIBRATION_TRIES && !source->verified; i++) {
		double overall;

		source->hz_end = calibrate(source, &end);
		overall = slope(begin, end);
		source->drift_ppm = fmax(ppm(source->hz_end, source->hz), ppm(overall, source->hz));
		source->verified = source->drift_ppm <= CLOCK_SOURCE_DRIFT_PPM_MAX;
	}
	return source->verified ? 0 : -ERANGE;
}
