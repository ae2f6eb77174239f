/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result_fuzz.c - a stored result may hold anything: reading it ends, and what is read can be. The
 * text is a result.json; after its first NUL byte, a samples.ndjson.
 */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/stored.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct stored_benchmark *b)
{
	if (!*b->name || !b->key)
		abort();
	for (size_t i = 0; i < b->count; i++) {
		double rate = b->samples[i].ops_per_s;

		/* What a verdict would be drawn from. */
		if (b->void_reason ? !isnan(rate) : !(rate >= 0 && isfinite(rate)))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *samples = memchr(text, 0, size);
	size_t length = samples ? (size_t)(samples - text) : size;
	char error[512] = "";
	struct stored stored;
	int rc;

	if (!size)
		return 0;
	rc = stored_parse(&stored, "fuzz", text, length, samples ? samples + 1 : NULL,
			  samples ? size - length - 1 : 0, error, sizeof(error));
	if (rc != 0 && (rc != -EINVAL && rc != -EBADMSG))
		abort();
	if ((rc != 0) != (error[0] != 0))
		abort();
	for (size_t i = 0; i < stored.count && !rc; i++) {
		check(&stored.benchmarks[i]);
		if (stored_find(&stored, stored.benchmarks[i].name) != &stored.benchmarks[i])
			abort();
	}
	stored_release(&stored);
	return 0;
}
