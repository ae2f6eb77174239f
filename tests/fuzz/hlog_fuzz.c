/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hlog_fuzz.c - a histogram log may hold anything: reading it ends, within bounds, with lines that
 * are right or refused: buckets ascend, and the total is their sum.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/hlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *file = size ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
	struct hlog_line line;
	int rc = 0;

	while (file && rc != -ENODATA) {
		rc = hlog_read(file, &line);
		if (rc == -EIO || rc == -ENOMEM)
			break;
		if (rc)
			continue;
		uint64_t total = hlog_counts_total(&line.counts), sum = 0;

		for (size_t i = 0; i < line.counts.count; i++) {
			sum += line.counts.counts[i];
			if (i && hlog_counts_lowest(&line.counts, i) <=
					 hlog_counts_lowest(&line.counts, i - 1))
				abort();
		}
		if (sum != total)
			abort();
		hlog_counts_release(&line.counts);
	}
	if (file)
		fclose(file);
	return 0;
}
