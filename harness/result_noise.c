/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result_noise.c - of a result: how noisy its repetitions were, its outliers, what was counted.
 *
 * Of the threads of a repetition the worst stands for all: one slow CPU is enough to spoil it. Of
 * the repetitions of a benchmark there are the median and the worst.
 */
#include "harness/result_noise.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/json_set.h"

#define NOT_SPUN "the sentinel did not run, or saw nothing but gaps"
#define NO_FREQUENCY "the kernel does not say a CPU's frequency (no cpufreq)"
#define NO_PRESSURE "the kernel does not say (/proc/pressure/cpu)"
#define NO_GROUP_PRESSURE "there is no cgroup v2 with cpu.pressure"
#define NO_THROTTLING "no cgroup counts throttling (cpu.stat)"
#define NO_STEAL "the kernel does not say (/proc/stat)"

/* fmax and fmin take the number where the other is NAN. */
static void merge_around(struct result_noise *noise, const struct noise_around *around)
{
	noise->lost_part = fmax(noise->lost_part, noise_lost_part(around));
	noise->speed_ratio = fmin(noise->speed_ratio, noise_speed_ratio(around));
	if (around->after.block_ns > 0)
		noise->block_ns = fmax(noise->block_ns, around->after.block_ns);
	if (around->khz_before < noise->frequency_khz)
		noise->frequency_khz = around->khz_before;
	if (around->khz_after < noise->frequency_khz)
		noise->frequency_khz = around->khz_after;
}

void result_noise_merge(struct result_benchmark *b, const struct runner_result *run,
			struct result_sample *sample)
{
	struct result_noise *noise = &sample->noise;

	*noise = (struct result_noise){ .lost_part = NAN,
					.speed_ratio = NAN,
					.block_ns = NAN,
					.frequency_khz = NOISE_MISSING,
					.change = run->change };
	for (unsigned i = 0; i < run->thread_count; i++) {
		const struct runner_thread *t = &run->threads[i];

		merge_around(noise, &t->around);
		noise->preempted += t->preempted;
		noise->migrated += t->noise & NOISE_MIGRATED ? 1 : 0;
		noise->outlier_count += outliers_count(&t->outliers);
		for (unsigned c = 0; c < OUTLIER_CAUSES; c++)
			noise->outlier_ns += t->outliers.took_ns[c];
		outliers_merge(&b->outliers, &t->outliers, sample->repetition);
		counters_add(&b->counts, &t->counts);
	}
}

static void set_count(json_t *object, const char *key, uint64_t value, const char *reason)
{
	if (value == NOISE_MISSING)
		json_set_missing(object, key, reason);
	else
		json_set(object, key, json_count(value));
}

json_t *result_noise_sample_json(const struct result_noise *noise)
{
	json_t *o = json_object();

	json_set_number(o, "lost_part", noise->lost_part, NOT_SPUN);
	json_set_number(o, "speed_ratio", noise->speed_ratio, NOT_SPUN);
	json_set_number(o, "block_ns", noise->block_ns, NOT_SPUN);
	set_count(o, "frequency_khz", noise->frequency_khz, NO_FREQUENCY);
	json_set(o, "preempted", json_count(noise->preempted));
	json_set(o, "migrated", json_integer(noise->migrated));
	json_set(o, "elapsed_ns", json_count(noise->change.elapsed_ns));
	set_count(o, "psi_some_cpu_us", noise->change.pressure_us, NO_PRESSURE);
	set_count(o, "psi_group_cpu_us", noise->change.group_pressure_us, NO_GROUP_PRESSURE);
	set_count(o, "throttled_us", noise->change.throttled_us, NO_THROTTLING);
	set_count(o, "steal_ticks", noise->change.steal_ticks, NO_STEAL);
	json_set(o, "outliers", json_count(noise->outlier_count));
	json_set(o, "outliers_ns", json_count(noise->outlier_ns));
	return o;
}

static double lost_of(const struct result_noise *noise)
{
	return noise->lost_part;
}

static double speed_of(const struct result_noise *noise)
{
	return noise->speed_ratio;
}

static double frequency_of(const struct result_noise *noise)
{
	return noise->frequency_khz == NOISE_MISSING ? NAN : (double)noise->frequency_khz;
}

static double pressure_of(const struct result_noise *noise)
{
	const struct noise_change *c = &noise->change;

	return c->pressure_us == NOISE_MISSING || !c->elapsed_ns
		       ? NAN
		       : (double)c->pressure_us * 1e3 / (double)c->elapsed_ns;
}

/* {median, worst} over the repetitions that have it. */
static void set_spread(json_t *object, const char *key, const struct result_benchmark *b,
		       double (*of)(const struct result_noise *), bool less_is_worse,
		       const char *reason)
{
	double *values = calloc(b->sample_count + 1, sizeof(*values)), median, worst;
	size_t count = 0;

	if (!values)
		abort();
	for (size_t i = 0; i < b->sample_count; i++) {
		values[count] = of(&b->samples[i].noise);
		count += isfinite(values[count]) ? 1 : 0;
	}
	if (count) {
		median = result_median(values, count);
		worst = values[less_is_worse ? 0 : count - 1];
		json_set(object, key, json_pack("{s:f, s:f}", "median", median, "worst", worst));
	} else {
		json_set_missing(object, key, reason);
	}
	free(values);
}

static json_t *noise_json(const struct result_benchmark *b)
{
	uint64_t migrated = 0, throttled = NOISE_MISSING;
	json_t *noise = json_object();

	for (size_t i = 0; i < b->sample_count; i++) {
		const struct result_noise *n = &b->samples[i].noise;

		migrated += n->migrated;
		if (n->change.throttled_us != NOISE_MISSING)
			throttled = (throttled == NOISE_MISSING ? 0 : throttled) +
				    n->change.throttled_us;
	}
	set_spread(noise, "lost_part", b, lost_of, false, NOT_SPUN);
	set_spread(noise, "speed_ratio", b, speed_of, true, NOT_SPUN);
	set_spread(noise, "pressure_part", b, pressure_of, false, NO_PRESSURE);
	set_spread(noise, "frequency_khz", b, frequency_of, true, NO_FREQUENCY);
	json_set(noise, "preempted", json_count(b->preempted));
	json_set(noise, "migrated", json_count(migrated));
	set_count(noise, "throttled_us", throttled, NO_THROTTLING);
	return noise;
}

static json_t *outliers_json(const struct result_benchmark *b)
{
	const struct outliers *all = &b->outliers;
	json_t *causes = json_object(), *longest = json_array();
	uint64_t took_ns = 0;

	for (unsigned c = 0; c < OUTLIER_CAUSES; c++) {
		took_ns += all->took_ns[c];
		if (all->count[c])
			json_set(causes, outlier_cause_name(c), json_count(all->count[c]));
	}
	for (unsigned i = 0; i < all->longest_count; i++) {
		const struct outlier *o = &all->longest[i];

		json_array_append_new(longest, json_pack("{s:i, s:i, s:f, s:I, s:s}", "repetition",
							 (int)o->repetition, "cpu", o->cpu, "at_s",
							 (double)o->at_ns / 1e9, "ns",
							 (json_int_t)o->took_ns, "cause",
							 outlier_cause_name(o->cause)));
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "over_ns", json_count(all->over_ns), "count",
			 json_count(outliers_count(all)), "ns", json_count(took_ns), "causes",
			 causes, "longest", longest);
}

void result_noise_json(json_t *benchmark, const struct result_benchmark *b)
{
	if (!b->sample_count) {
		json_set_missing(benchmark, "noise", "not measured");
		json_set_missing(benchmark, "outliers", "not measured");
		return;
	}
	json_set(benchmark, "noise", noise_json(b));
	json_set(benchmark, "outliers", outliers_json(b));
}

void result_noise_counters(json_t *counters, const struct result_benchmark *b)
{
	uint64_t ops = 0;
	char name[64];

	for (unsigned i = 0; i < b->plan->threads; i++)
		ops += b->workers[i].ops;
	for (unsigned c = 0; c < COUNTERS; c++) {
		const char *why = b->counts.errors[c] ? counter_reason(b->counts.errors[c])
						      : "no operation was done";

		snprintf(name, sizeof(name), "%s_per_op", counter_name(c));
		json_set(counters, name,
			 ops && !b->counts.errors[c] ? json_real(b->counts.count[c] / (double)ops)
						     : json_pack("{s:s}", "unavailable", why));
	}
	if (b->counts.user_only)
		json_set(counters, "hardware_events_in_the_kernel",
			 json_pack("{s:s}", "unavailable", counter_reason(EACCES)));
}
