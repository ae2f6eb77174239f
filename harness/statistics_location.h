/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statistics_location.h - where a sample lies, by estimators that bear with wild values.
 *
 * Values are finite; that is the caller's to check. Pure functions.
 */
#pragma once

#include <stddef.h>

/* Ascending. */
void statistics_sort(double *values, size_t count);

/* Of values in ascending order. */
typedef double statistics_location(const double *sorted, size_t count);

/* The median; NAN of none. */
double statistics_median(const double *sorted, size_t count);

/*
 * The quantile at 0..1, linear between neighbours (type 7 of Hyndman and Fan 1996, the default of
 * R and NumPy); NAN of none.
 */
double statistics_quantile(const double *sorted, size_t count, double at);

/*
 * Hodges and Lehmann's estimate of one sample: the median of the averages of all pairs, each value
 * with itself too. Of log ratios of pairs it is the shift. It needs 29 % of wild values to be led
 * astray, and on normal noise it wastes 5 % of the sample where the median wastes 36 %. NAN of
 * none. Exactly -shift of the negated values. O(n log n).
 */
double statistics_shift(const double *sorted, size_t count);

/*
 * Of two samples without pairs: the median of the differences of each of b and each of a. NAN if
 * either is empty. O(n m).
 */
double statistics_shift_between(const double *a, size_t a_count, const double *b, size_t b_count);

/* The median of the distances from the median, times 1.4826: the standard deviation if the values
 * are normal. NAN of none. */
double statistics_spread(const double *sorted, size_t count);
