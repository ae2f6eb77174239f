/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_detail.h - the second half of report.html: how far to trust the figures, and how to get
 * them again. Each writes one <section>; every value is escaped, every missing one named with its
 * reason. No locks.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/* What each flag that occurs means, and where it was set. */
void report_detail_flags(FILE *out, const json_t *result);
/* Asked and got, a row a benchmark. */
void report_detail_placement(FILE *out, const json_t *result);
/* Parameters, distances, fairness, counters: folded, one a benchmark. */
void report_detail_benchmarks(FILE *out, const json_t *result);
/* Host, tool and env.json (NULL: there was none). */
void report_detail_environment(FILE *out, const json_t *result, const json_t *env);
/* The command line, the seed, what was skipped, job.ini (NULL: there was none). */
void report_detail_again(FILE *out, const json_t *result, const char *job);

/*
 * Numbers of CPUs as taskset takes them: "0-3,8". `cpus` is an array of integers or of objects
 * with a `cpu`; others are left out. "" if there are none. Returns text.
 */
const char *report_detail_cpus(const json_t *cpus, char *text, size_t size);
