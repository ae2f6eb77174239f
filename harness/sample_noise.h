/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample_noise.h - how noisy one repetition was, and which pairs of them the machine spoiled.
 *
 * The rule looks at what the machine did around and during a sample, and never at what was measured
 * in it: so what it leaves out cannot lean to a result. Both samples of a pair are judged by the
 * same limits, and go together. How often a thread was switched out is no part of it: that is what
 * some workloads do by themselves. Pure functions.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* NAN: not known, which spoils nothing. */
struct sample_noise {
	double lost_part; /* of the sentinel's time before and after the window */
	double throttled_part; /* of the window, by the cgroup's quota */
	double stolen_part; /* of the time of all CPUs in the window, by the hypervisor */
	double speed_ratio; /* of the CPU, after the window over before */
};

/* Most of the time, a CPU belonged to something else. */
#define SAMPLE_LOST_MAX 0.5
#define SAMPLE_THROTTLED_MAX 0.05
#define SAMPLE_STOLEN_MAX 0.25
/* And its inverse. */
#define SAMPLE_SPEED_MIN 0.8

enum sample_spoiler {
	SAMPLE_CLEAN,
	SAMPLE_LOST,
	SAMPLE_THROTTLED,
	SAMPLE_STOLEN,
	SAMPLE_SPEED,
	SAMPLE_SPOILERS
};
/* "lost time"; that of SAMPLE_CLEAN is "". */
extern const char *const sample_spoiler_names[SAMPLE_SPOILERS];

/* Nothing is known. */
extern const struct sample_noise sample_noise_unknown;

/* The first that spoils a pair, in the order of the enum; the order of a and b is none. */
enum sample_spoiler sample_noise_spoils(const struct sample_noise *a, const struct sample_noise *b);

/* From `noise` of a line of samples.ndjson (NULL: there is none), on a machine of so many CPUs. */
struct sample_noise sample_noise_read(const json_t *noise, double cpus);
/* A new reference. */
json_t *sample_noise_json(const struct sample_noise *noise);

/* The sum of what each spoiled, and "9: lost time 8, throttling 1" (returns text). */
size_t sample_noise_total(const size_t spoiled[SAMPLE_SPOILERS]);
const char *sample_noise_text(const size_t spoiled[SAMPLE_SPOILERS], char *text, size_t size);
