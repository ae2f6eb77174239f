/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample_noise.c - how noisy a repetition was, and which pairs the machine spoiled.
 */
#include "harness/sample_noise.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "harness/env.h"
#include "harness/view.h"

/* Of /proc/stat. What is counted is rounded: one tick says nothing. */
#define TICK_NS 1e7

const char *const sample_spoiler_names[SAMPLE_SPOILERS] = { "", "lost time", "throttling",
							    "stolen time", "changed speed" };
const struct sample_noise sample_noise_unknown = { NAN, NAN, NAN, NAN };

static bool spoils(const struct sample_noise *noise, enum sample_spoiler spoiler)
{
	switch (spoiler) {
	case SAMPLE_LOST:
		return noise->lost_part > SAMPLE_LOST_MAX;
	case SAMPLE_THROTTLED:
		return noise->throttled_part > SAMPLE_THROTTLED_MAX;
	case SAMPLE_STOLEN:
		return noise->stolen_part > SAMPLE_STOLEN_MAX;
	case SAMPLE_SPEED:
		return noise->speed_ratio < SAMPLE_SPEED_MIN ||
		       noise->speed_ratio > 1 / SAMPLE_SPEED_MIN;
	case SAMPLE_CLEAN:
	case SAMPLE_SPOILERS:
		break;
	}
	return false;
}

enum sample_spoiler sample_noise_spoils(const struct sample_noise *a, const struct sample_noise *b)
{
	for (unsigned s = SAMPLE_CLEAN + 1; s < SAMPLE_SPOILERS; s++) {
		if (spoils(a, s) || spoils(b, s))
			return s;
	}
	return SAMPLE_CLEAN;
}

struct sample_noise sample_noise_read(const json_t *noise, double cpus)
{
	double window_ns = view_number(noise, "elapsed_ns");
	struct sample_noise n = sample_noise_unknown;

	n.lost_part = view_number(noise, "lost_part");
	n.speed_ratio = view_number(noise, "speed_ratio");
	if (!(window_ns > 0))
		return n;
	n.throttled_part = view_number(noise, "throttled_us") * 1e3 / window_ns;
	n.stolen_part = (view_number(noise, "steal_ticks") - 1) * TICK_NS / window_ns / cpus;
	if (n.stolen_part < 0)
		n.stolen_part = 0;
	return n;
}

json_t *sample_noise_json(const struct sample_noise *noise)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "lost_part", env_number(noise->lost_part),
			 "throttled_part", env_number(noise->throttled_part), "stolen_part",
			 env_number(noise->stolen_part), "speed_ratio",
			 env_number(noise->speed_ratio));
}

size_t sample_noise_total(const size_t spoiled[SAMPLE_SPOILERS])
{
	size_t total = 0;

	for (unsigned s = SAMPLE_CLEAN + 1; s < SAMPLE_SPOILERS; s++)
		total += spoiled[s];
	return total;
}

const char *sample_noise_text(const size_t spoiled[SAMPLE_SPOILERS], char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size, "%zu", sample_noise_total(spoiled));
	const char *before = ": ";

	for (unsigned s = SAMPLE_CLEAN + 1; s < SAMPLE_SPOILERS && used < size; s++) {
		if (!spoiled[s])
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%s %zu", before,
					 sample_spoiler_names[s], spoiled[s]);
		before = ", ";
	}
	return text;
}
