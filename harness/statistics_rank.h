/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statistics_rank.h - tests that look at ranks only, and the correction for many of them.
 *
 * Two-sided p values, as R's wilcox.test gives them: exact below 50 values without ties (and, of
 * pairs, without zeros, which are left out), else the normal approximation with continuity
 * correction and the variance that ties leave. Values are finite. Pure functions.
 */
#pragma once

#include <stddef.h>

/* Wilcoxon's signed-rank test that values (log ratios of pairs) lie symmetrically about 0; 1 if
 * all are 0 or there are none. */
double statistics_signed_rank(const double *values, size_t count);

/* The rank-sum test of Wilcoxon, Mann and Whitney that two samples come from one distribution;
 * 1 if either is empty. */
double statistics_rank_sum(const double *a, size_t a_count, const double *b, size_t b_count);

/* Holm 1979: makes p values of a family such that the chance of any false one keeps to the level
 * at which they are read; in place. */
void statistics_holm(double *p, size_t count);

/* The normal distribution: the chance of a value above x, and the value that has `below` of it
 * below (0 < below < 1). */
double statistics_normal_above(double x);
double statistics_normal_quantile(double below);
