/* SPDX-License-Identifier: Apache-2.0 */
/*
 * size.h - sizes and times as people write them.
 *
 * Sizes take k, m or g (powers of 1024, either case), rates too (of 1000); times take ns, us, ms,
 * s, m or h, a bare number being seconds, and may have a fraction (0.5s). Pure functions.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* 0; -EINVAL: not a size; -ERANGE: does not fit 64 bits. *bytes is set only on success. */
int size_parse(const char *text, uint64_t *bytes) __attribute__((warn_unused_result));

/* A plain decimal count, all of text. 0, -EINVAL or -ERANGE. */
int count_parse(const char *text, uint64_t *count) __attribute__((warn_unused_result));

/* 0; -EINVAL: not a time; -ERANGE: more than 10 years. */
int duration_parse(const char *text, uint64_t *ns) __attribute__((warn_unused_result));

/* Operations per second: a number, perhaps with a fraction, and k, m or g for powers of 1000
 * (either case). 0; -EINVAL: not a rate; -ERANGE: not from 1 to 1e9. */
int rate_parse(const char *text, double *per_second) __attribute__((warn_unused_result));

/* The shortest exact form ("64k", "2m", "4097"); returns buffer. */
const char *size_format(uint64_t bytes, char *buffer, size_t size);

/* Three significant digits with a unit ("12.7ns", "1.30ms", "2.50s"); returns buffer. */
const char *duration_format(double ns, char *buffer, size_t size);
