/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - the clock that measures: the invariant TSC, or CLOCK_MONOTONIC.
 *
 * A clock source counts in its own unit (counts). It is calibrated against CLOCK_MONOTONIC_RAW
 * when it is started and again when it is finished; two calibrations that disagree void what was
 * timed with it. No frequency is assumed or taken from the system.
 *
 * Concurrency: after clock_source_start a source is only read, by any number of threads;
 * clock_source_finish writes only hz_end, drift_ppm and verified. No locks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <x86intrin.h>

#include "engine/error.h"

/* Calibrations at the start and the end may differ by this much, in parts per million. */
#define CLOCK_SOURCE_DRIFT_PPM_MAX 500.0
#define CLOCK_SOURCE_WHY_SIZE 160

enum clock_source_kind {
	CLOCK_SOURCE_TSC,
	CLOCK_SOURCE_MONOTONIC,
};

struct clock_source {
	enum clock_source_kind kind;
	uint32_t ns_mult; /* ns = counts * ns_mult >> ns_shift */
	uint32_t ns_shift;
	double hz; /* counts in a second, measured at the start */
	double hz_end; /* the same at the end; 0 before clock_source_finish */
	double drift_ppm; /* how far hz_end lies from hz, absolute; 0 before finish */
	uint64_t step_counts; /* smallest step in which it advances (gcd of its differences) */
	double step_ns;
	double pair_ns; /* cost of two clock_source_now() back to back, median */
	bool verified; /* finish found that both calibrations agree */
	char why[CLOCK_SOURCE_WHY_SIZE]; /* why the TSC was refused; "" if it was not */
	uint64_t start_counts; /* anchor of clock_source_finish */
	uint64_t start_raw_ns;
};

/*
 * 0, or -EINVAL: `text` is neither "tsc" nor "monotonic".
 */
MM_MUST_CHECK int clock_source_parse(const char *text, enum clock_source_kind *out);

/* "tsc" or "monotonic". */
const char *clock_source_name(enum clock_source_kind kind);

/*
 * Whether this processor says (CPUID 0x80000007, EDX bit 8) that its TSC is invariant and has
 * RDTSCP. If not, why (may be NULL) says what is missing.
 */
bool clock_source_tsc_usable(char *why, size_t why_size);

/*
 * Opens and calibrates a clock; takes about 25 ms. A TSC that is not invariant, or that two
 * short calibrations do not agree on, is refused: the source is then CLOCK_SOURCE_MONOTONIC and
 * source->why says why. A caller whose user insisted on the TSC checks source->kind.
 */
void clock_source_start(struct clock_source *source, enum clock_source_kind kind);

/*
 * Calibrates again: for 10 ms, and over everything since the start. 0, or -ERANGE: either differs
 * from the first calibration by more than CLOCK_SOURCE_DRIFT_PPM_MAX, and times measured since are
 * void.
 */
MM_MUST_CHECK int clock_source_finish(struct clock_source *source);

/* CLOCK_MONOTONIC in ns; for the MONOTONIC source and for deadlines of the harness. */
static inline uint64_t clock_source_monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

/* The TSC; everything before it is done, nothing after it has begun. */
static inline uint64_t clock_source_tsc(void)
{
	unsigned aux;
	uint64_t counts = __rdtscp(&aux);

	_mm_lfence();
	return counts;
}

/* The present time in counts. Only differences have a meaning. */
static inline uint64_t clock_source_now(const struct clock_source *source)
{
	if (__builtin_expect(source->kind == CLOCK_SOURCE_TSC, 1))
		return clock_source_tsc();
	return clock_source_monotonic_ns();
}

__extension__ typedef unsigned __int128 clock_source_wide;

/* A difference of counts in ns, rounded down. Exact to 1e-9 for up to 2^63 counts. */
static inline uint64_t clock_source_ns(const struct clock_source *source, uint64_t counts)
{
	return (uint64_t)(((clock_source_wide)counts * source->ns_mult) >> source->ns_shift);
}

/* A difference of counts in 1/16 ns, for histograms with unit_ns = HISTOGRAM_UNIT_BATCH. */
static inline uint64_t clock_source_ns16(const struct clock_source *source, uint64_t counts)
{
	return (uint64_t)(((clock_source_wide)counts * source->ns_mult) >> (source->ns_shift - 4));
}

/* ns in counts, rounded down. */
static inline uint64_t clock_source_counts(const struct clock_source *source, uint64_t ns)
{
	return (uint64_t)((double)ns * source->hz / 1e9);
}
