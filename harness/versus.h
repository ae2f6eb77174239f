/* SPDX-License-Identifier: Apache-2.0 */
/*
 * versus.h - pairs of samples of two sides, for as long as there is time and they are needed.
 *
 * Rounds go over the workloads in a random order; in each a pair of every workload is taken, A and
 * B right after one another, in an order that is random in one round and swapped in the next. So a
 * drift of the machine is in both, and whatever comes of being first is in both as often. Each
 * sample is a process of its own. A pair that the machine spoiled (sample_noise.h) is kept in the
 * file and counted, but it is no pair of the result: another is drawn while there is time. Main
 * thread only.
 *
 * A machine that has halves (cpu_halves.h) takes both samples of a pair at the same time, side by
 * side on disjoint CPUs: they see the same moments, and there are twice as many. Being first is
 * then being on the first half, which is swapped in the same way.
 */
#pragma once

#include "harness/cpu_halves.h"
#include "harness/job_pairs.h"
#include "harness/progress.h"
#include "harness/result_dir.h"
#include "harness/side.h"

#define VERSUS_WORKLOADS_MAX 256
/* A fifth of what counts as the same: then a change as large as that is not missed. */
#define VERSUS_PRECISION 5
/* With --pairs N: clean pairs are looked for among so many times N. */
#define VERSUS_REDRAWS 4
/* Short samples and many of them: noise comes and goes in the time of a few. */
#define VERSUS_DURATION_NS UINT64_C(100000000)

struct versus {
	const char *command; /* for messages: "versus", "gate" */
	const struct options *options;
	const struct side *sides; /* A, B */
	const char **workloads;
	size_t workload_count;
	const struct job_pairs *jobs; /* workloads are the names of these; NULL: no job files */
	uint64_t seed, duration_ns, deadline_ns; /* deadline: CLOCK_MONOTONIC */
	double precision; /* a benchmark has enough when its interval is this narrow to each side */
	const struct cpu_halves *halves; /* count 0: one sample after the other */
	struct result_dir *dir; /* pairs are appended to its samples.ndjson */
	struct pairs pairs; /* the result */
	json_t *notes; /* array of what is not compared, and why; owned by the caller */
	int code; /* of what failed, CODE_OK if nothing did */
	bool interrupted;
};

/* Both sides are job files: workloads become their pairs, which outlive this; 0 or -EINVAL with a
 * sentence. */
int versus_choose_jobs(struct versus *versus, const struct job_pairs *jobs, char *error,
		       size_t size) __attribute__((warn_unused_result));

/* --duration, or VERSUS_DURATION_NS. */
uint64_t versus_duration(const struct options *options);

/* Takes pairs until each benchmark has enough, or the time is over, or it is asked to stop. */
void versus_measure(struct versus *versus);

/*
 * The workloads to compare: those that were named, or all that both sides have and are no floors.
 * What only one of them has is noted. 0, or -EINVAL with a sentence.
 */
int versus_choose(struct versus *versus, char *const *named, size_t count, char *error, size_t size)
	__attribute__((warn_unused_result));
/*
 * The halves on which these workloads are measured side by side. None: the machine has none, they
 * are too small for the threads that are needed or asked for, or the options say which CPUs, or ask
 * for pages of a reserved pool.
 */
struct cpu_halves versus_halves(const struct versus *versus);
/* {"cpus": TEXT}, or null. */
json_t *versus_halves_json(const struct cpu_halves *halves);
/* Options that were given and one of the sides does not know, noted. */
void versus_note_options(struct versus *versus);
void versus_note(struct versus *versus, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
