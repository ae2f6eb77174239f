/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outliers.c - operations that took over 50 us, and what happened to their thread meanwhile.
 *
 * A reading costs a third of a microsecond, outside what is timed, and what a system call leaves
 * behind in caches and predictors, which the next batch feels: hence rarely. Throttling is read
 * from files, hence only if the thread was switched out, which throttling does.
 */
#include "harness/outliers.h"

#include <math.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#define ORDINARY_BATCHES 100

const char *outlier_cause_name(enum outlier_cause cause)
{
	static const char *const names[OUTLIER_CAUSES] = {
		[OUTLIER_THROTTLED] = "throttled",     [OUTLIER_MIGRATED] = "migrated",
		[OUTLIER_PREEMPTED] = "preempted",     [OUTLIER_WAITED] = "waited",
		[OUTLIER_MAJOR_FAULT] = "major_fault", [OUTLIER_MINOR_FAULT] = "minor_fault",
		[OUTLIER_UNEXPLAINED] = "unexplained",
	};

	return names[cause];
}

/* How often it happened between the two. */
static uint64_t happened(enum outlier_cause cause, const struct outlier_state *before,
			 const struct outlier_state *after)
{
	switch (cause) {
	case OUTLIER_THROTTLED:
		return after->throttled_us - before->throttled_us;
	case OUTLIER_MIGRATED:
		return after->cpu != before->cpu;
	case OUTLIER_PREEMPTED:
		return after->preempted - before->preempted;
	case OUTLIER_WAITED:
		return after->waited - before->waited;
	case OUTLIER_MAJOR_FAULT:
		return after->major_faults - before->major_faults;
	case OUTLIER_MINOR_FAULT:
		return after->minor_faults - before->minor_faults;
	default:
		return 0;
	}
}

enum outlier_cause outlier_cause_of(const struct outlier_state *before,
				    const struct outlier_state *after, unsigned ordinary)
{
	for (unsigned c = 0; c < OUTLIER_UNEXPLAINED; c++) {
		if (!(ordinary & 1u << c) && happened(c, before, after))
			return c;
	}
	return OUTLIER_UNEXPLAINED;
}

unsigned outlier_ordinary(const struct outlier_state *before, const struct outlier_state *after,
			  uint64_t batches)
{
	unsigned ordinary = 0;

	/* Others take a CPU away; only what the thread itself does can be its way of working. */
	for (unsigned c = OUTLIER_WAITED; c < OUTLIER_UNEXPLAINED; c++) {
		uint64_t times = happened(c, before, after);

		if (times && times * ORDINARY_BATCHES >= batches)
			ordinary |= 1u << c;
	}
	return ordinary;
}

/* Among the longest, if it is. */
static void keep(struct outliers *outliers, const struct outlier *outlier)
{
	unsigned at = outliers->longest_count;

	while (at && outliers->longest[at - 1].took_ns < outlier->took_ns)
		at--;
	if (at == OUTLIERS_LONGEST)
		return;
	outliers->longest_count += outliers->longest_count < OUTLIERS_LONGEST;
	memmove(&outliers->longest[at + 1], &outliers->longest[at],
		(outliers->longest_count - at - 1) * sizeof(*outlier));
	outliers->longest[at] = *outlier;
}

void outliers_note(struct outliers *outliers, const struct outlier *outlier)
{
	outliers->count[outlier->cause]++;
	outliers->took_ns[outlier->cause] += outlier->took_ns;
	keep(outliers, outlier);
}

void outliers_merge(struct outliers *to, const struct outliers *from, unsigned repetition)
{
	to->over_ns = from->over_ns > to->over_ns ? from->over_ns : to->over_ns;
	for (unsigned c = 0; c < OUTLIER_CAUSES; c++) {
		to->count[c] += from->count[c];
		to->took_ns[c] += from->took_ns[c];
	}
	for (unsigned i = 0; i < from->longest_count; i++) {
		struct outlier outlier = from->longest[i];

		outlier.repetition = repetition;
		keep(to, &outlier);
	}
}

uint64_t outliers_count(const struct outliers *outliers)
{
	uint64_t count = 0;

	for (unsigned c = 0; c < OUTLIER_CAUSES; c++)
		count += outliers->count[c];
	return count;
}

bool outliers_sound(const struct outliers *outliers)
{
	if (outliers->longest_count > OUTLIERS_LONGEST)
		return false;
	for (unsigned i = 0; i < outliers->longest_count; i++) {
		if (outliers->longest[i].cause >= OUTLIER_CAUSES)
			return false;
	}
	return true;
}

static void read_state(const struct outlier_watch *watch, struct outlier_state *state)
{
	uint64_t switched = state->preempted;
	struct rusage usage;

	state->cpu = sched_getcpu();
	if (getrusage(RUSAGE_THREAD, &usage))
		return;
	state->preempted = (uint64_t)usage.ru_nivcsw;
	state->waited = (uint64_t)usage.ru_nvcsw;
	state->major_faults = (uint64_t)usage.ru_majflt;
	state->minor_faults = (uint64_t)usage.ru_minflt;
	if (state->preempted != switched && watch->throttle->count)
		state->throttled_us = noise_throttle_us(watch->throttle);
}

void outlier_watch_read(struct outlier_watch *watch)
{
	read_state(watch, &watch->last);
}

void outlier_watch_warm_up(struct outlier_watch *watch, const struct clock_source *clock,
			   const struct noise_throttle *throttle, struct outliers *outliers)
{
	*watch = (struct outlier_watch){ .look = UINT64_MAX,
					 .over = UINT64_MAX,
					 .clock = clock,
					 .throttle = throttle,
					 .outliers = outliers };
	watch->last.throttled_us = noise_throttle_us(throttle);
	outlier_watch_read(watch);
}

void outlier_watch_settle(struct outlier_watch *watch, uint64_t batches, double typical_ns)
{
	struct outlier_state before = watch->last;
	double usual = isfinite(typical_ns) ? OUTLIER_TIMES * typical_ns : 0;

	outlier_watch_read(watch);
	watch->ordinary = outlier_ordinary(&before, &watch->last, batches);
	watch->outliers->over_ns = (uint64_t)fmax(OUTLIER_NS, usual);
	watch->over = clock_source_counts(watch->clock, watch->outliers->over_ns);
	watch->look = clock_source_counts(watch->clock, (uint64_t)fmax(OUTLIER_WATCH_NS, usual));
}

void outlier_watch_begin(struct outlier_watch *watch, uint64_t start)
{
	watch->start = start;
	outlier_watch_read(watch);
}

void outlier_watch_look(struct outlier_watch *watch, uint64_t begin, uint64_t took)
{
	struct outlier_state before = watch->last;
	/* The first batch may have begun before the window. */
	uint64_t at = begin > watch->start ? begin - watch->start : 0;

	outlier_watch_read(watch);
	if (took <= watch->over)
		return;
	outliers_note(watch->outliers,
		      &(struct outlier){
			      .at_ns = clock_source_ns(watch->clock, at),
			      .took_ns = clock_source_ns(watch->clock, took),
			      .cause = outlier_cause_of(&before, &watch->last, watch->ordinary),
			      .cpu = watch->last.cpu,
		      });
}
