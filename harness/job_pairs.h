/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_pairs.h - two job files as the sides of a comparison: what stands against what.
 *
 * Each file is planned as `run --job` plans it, and so is what the command line says: it wins over
 * the files. Every benchmark of the one plan that has a partner in the other is a pair, and a
 * sample of it is a process whose arguments leave nothing to choose. Main thread only.
 */
#pragma once

#include "harness/plan.h"

struct job_pair {
	char *name; /* of both; or what tells them apart: "A against B" */
	char **arguments[2]; /* of `run`, the workload first; end with NULL */
};

struct job_pairs {
	struct job_pair *list;
	size_t count;
	uint64_t duration_ns; /* of a sample, as the files say it; 0: neither does */
};

/* Told of what has no partner, and of what this machine or a translator cannot do. */
typedef void job_pairs_tell(void *context, const char *what, const char *why);

/*
 * Reads and plans two job files, with the options and the workloads (from the third argument on)
 * that a command was given. 0 or, with a sentence, -EINVAL: a file is wrong, or nothing of one has
 * a partner; or what plan_create returns. job_pairs_release afterwards in all cases.
 */
int job_pairs_create(struct job_pairs *pairs, const char *const paths[2],
		     const struct options *command, job_pairs_tell *tell, void *context,
		     char *error, size_t size) __attribute__((warn_unused_result));
void job_pairs_release(struct job_pairs *pairs);

/*
 * Sets partner[i] for each benchmark of `a`: an index in `b`, or PLAN_NONE. Of one workload, those
 * of the same name are partners; if there are none, those whose names differ in nothing but the
 * translator; if there are none of these either, and both have as many, the first of one is the
 * partner of the first of the other, and so on in the order of the plans: what differs is then what
 * the files vary. Pure function.
 */
void job_pairs_match(const struct plan *a, const struct plan *b, size_t *partner);
