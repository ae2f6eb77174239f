/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stored.h - the one reader of results: a directory, a result.json, or Google Benchmark's JSON.
 *
 * A file may be cut, edited by hand, hostile, or of a version to come. Whatever it holds, what is
 * read is whole and plausible, or refused with file and place: a verdict is never drawn from
 * something else. Sizes are limited, links that lead out of a directory are not followed, numbers
 * are finite and have the sign that they must have. Unknown members are ignored. Main thread only.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "harness/sample_noise.h"

/* A file that is larger, or has more benchmarks, is no result of ours. */
#define STORED_BYTES_MAX (256u << 20)
#define STORED_BENCHMARKS_MAX 20000u

/* void_reason of a benchmark of which not one operation ended in its time. */
#define STORED_NO_OPERATION "no operation ended"

/* One repetition. NAN: not there. */
struct stored_sample {
	double repetition;
	double ops_per_s;
	double p50, p99; /* ns; of an open loop, response times */
	bool rate_missed; /* an open loop that did not keep its rate: it has no percentiles */
	struct sample_noise noise;
};

struct stored_benchmark {
	char *name; /* as in the file */
	char *key; /* the name without its translator: what is the same workload elsewhere */
	const char *translator; /* NULL: a floor, or not said; lives as long as json */
	bool open; /* an open loop */
	const char *void_reason; /* why its figures are void or missing; NULL: they are not */
	struct stored_sample *samples;
	size_t count;
};

struct stored {
	char *path; /* of the JSON */
	json_t *json; /* all of it */
	bool google; /* of Google Benchmark */
	const char *host, *cpu, *commit, *start; /* "" if not said; live as long as json */
	double cpus; /* of the machine; NAN: not said */
	bool interrupted;
	struct stored_benchmark *benchmarks; /* sorted by name */
	size_t count;
	char remark[256]; /* what was left out; "" if nothing */
};

/*
 * Reads `path`, a result directory or a JSON file. 0 or, with a sentence that says file and place,
 * -EINVAL: it is no result, or of a version to come (exit 2); -EBADMSG: broken (exit 7); other
 * -errno: cannot be read (exit 7). stored_release afterwards in all cases.
 */
int stored_read(struct stored *stored, const char *path, char *error, size_t size)
	__attribute__((warn_unused_result));
void stored_release(struct stored *stored);

/* The same from memory, with `samples` as samples.ndjson (NULL: there is none). */
int stored_parse(struct stored *stored, const char *path, const char *text, size_t length,
		 const char *samples, size_t samples_length, char *error, size_t size)
	__attribute__((warn_unused_result));

/* By name, or by key; NULL if there is none. */
const struct stored_benchmark *stored_find(const struct stored *stored, const char *name);
const struct stored_benchmark *stored_find_key(const struct stored *stored, const char *key);
