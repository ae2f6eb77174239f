/* SPDX-License-Identifier: Apache-2.0 */
/*
 * side_files.h - the directory that a sample leaves: its histogram, and its end.
 */
#pragma once

/*
 * The share of operations of the benchmark's first role that took longer than tail_ns (in an open
 * loop: from their intended start), with half an operation more so that it is never 0; NAN if
 * tail_ns is, or without a histogram. *p999: where the slowest thousandth begins, ns; NAN without a
 * histogram.
 */
double side_files_tail(const char *directory, const char *benchmark, double tail_ns, double *p999);

/* Removes a result directory that we had made: plain files, two levels deep, and nothing that a
 * link leads to. */
void side_files_remove(const char *directory);
