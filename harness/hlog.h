/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hlog.h - HdrHistogram V2 logs (format 1.3): written from our histograms, read from anyone's.
 *
 * A log is text: `#` comments, a legend, and one line for each histogram:
 * Tag=NAME,start,interval,max,payload. The payload is base64 of a cookie, a length and a zlib
 * stream, which holds a big-endian header and the counts as ZigZag LEB128 numbers in which a
 * negative one stands for a run of zeros.
 *
 * The reader accepts any layout (1 to 5 digits, any unit), is exact, and answers broken input
 * with -EINVAL. Values in logs that we write are nanoseconds: a histogram of another unit is
 * converted. No locks; functions may run in any threads on different objects.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/error.h"
#include "harness/histogram.h"

#define HLOG_TAG_MAX 256
/* Buckets that a decoded histogram may have at most; 5 digits over 63 bits need fewer. */
#define HLOG_BUCKETS_MAX (8u << 20)

/*
 * Writes the head of a log: format, start time (seconds since 1970, and the same in words),
 * legend. `comment` (one line without "#") may be NULL. 0 or -EIO.
 */
MM_MUST_CHECK int hlog_write_head(FILE *file, double start_s, const char *comment);

/*
 * Writes one histogram: start_s is counted from the start time of the head, interval_s is how
 * long it recorded. tag may be NULL; commas, spaces and control characters in it are written
 * as '_'. The column of the maximum is in milliseconds, as usual. 0, -EIO or -ENOMEM.
 */
MM_MUST_CHECK int hlog_write(FILE *file, const char *tag, double start_s, double interval_s,
			     const struct histogram *h);

/* The same of a histogram that hlog_encode has made text of; its maximum in ns. 0 or -EIO. */
MM_MUST_CHECK int hlog_write_encoded(FILE *file, const char *tag, double start_s, double interval_s,
				     double max_ns, const char *text);

/*
 * The payload alone: base64 of the compressed histogram in *text, freed by the caller.
 * 0 or -ENOMEM.
 */
MM_MUST_CHECK int hlog_encode(const struct histogram *h, char **text);

/* A decoded histogram of any layout. */
struct hlog_counts {
	unsigned digits; /* 1..5 */
	uint64_t lowest; /* lowest discernible value, >= 1 */
	uint64_t highest; /* highest trackable value */
	double ratio; /* of the header: integer to floating-point value */
	unsigned unit_bits; /* log2 of lowest, rounded down */
	unsigned sub_bits; /* log2 of the buckets in a power of two */
	size_t count; /* entries of counts[] that are stored; the rest are 0 */
	uint64_t *counts;
};

/*
 * Decodes a payload of `length` characters (compressed or not). 0, -EINVAL (broken; *out is
 * empty) or -ENOMEM. hlog_counts_release frees it.
 */
MM_MUST_CHECK int hlog_decode(const char *text, size_t length, struct hlog_counts *out);
void hlog_counts_release(struct hlog_counts *counts);

/* The smallest value of a bucket (index < counts->count). */
uint64_t hlog_counts_lowest(const struct hlog_counts *counts, size_t index);
/* How many values there are in all. */
uint64_t hlog_counts_total(const struct hlog_counts *counts);

/*
 * Puts the values into h (reset, unit 1 ns). Exact for logs of the layout that we write; bucket
 * middles otherwise.
 */
void hlog_counts_to_histogram(const struct hlog_counts *counts, struct histogram *h);

struct hlog_line {
	char tag[HLOG_TAG_MAX]; /* "" if none */
	double start_s, interval_s, max;
	struct hlog_counts counts;
};

/*
 * Reads the next histogram of a log, skipping comments and legends. 0; -ENODATA at the end;
 * -EINVAL: a broken line (reading may go on with the next); -EIO; -ENOMEM. After 0 the caller
 * releases line->counts.
 */
MM_MUST_CHECK int hlog_read(FILE *file, struct hlog_line *line);
