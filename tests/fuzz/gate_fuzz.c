/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_fuzz.c - tables of exact counts and lines of pairs may hold anything: they are read or
 * refused with their place, and no count and no sample is made up.
 *
 * The text is the baseline's table, and after its first NUL byte the candidate's; the whole of it
 * is a file of pairs.
 */
#include <errno.h>
#include <math.h>

#include "harness/gate_exact.h"
#include "harness/pairs.h"
#include "tests/fuzz/fuzz_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tables(const uint8_t *before, size_t before_size, const uint8_t *after,
			 size_t after_size)
{
	char error[8192] = "", first[80], second[80];
	struct gate_exact e;
	int rc;

	fuzz_file("before/host.txt", before, before_size);
	fuzz_file("after/host.txt", after, after_size);
	snprintf(first, sizeof(first), "%s/before", fuzz_dir);
	snprintf(second, sizeof(second), "%s/after", fuzz_dir);
	rc = gate_exact_compare(&e, first, second, error, sizeof(error));
	if (rc && rc != -EBADMSG && rc != -ESTALE)
		abort();
	if ((rc != 0) != (error[0] != 0) || e.worse > e.count)
		abort();
	for (size_t i = 0; i < e.count; i++) {
		const struct gate_exact_row *row = &e.rows[i];

		if (!*row->name || row->before == row->after || isinf(row->before) ||
		    isinf(row->after))
			abort();
	}
	gate_exact_release(&e);
}

static void check_pairs(const uint8_t *data, size_t size)
{
	const char *path = fuzz_file("pairs", data, size);
	struct pairs pairs = { 0 };
	char error[1024] = "";
	int rc = pairs_read(&pairs, path, error, sizeof(error));

	if (rc && (rc != -EBADMSG || strncmp(error, path, strlen(path)) != 0))
		abort();
	for (size_t b = 0; b < pairs.count; b++) {
		const struct pairs_benchmark *each = &pairs.benchmarks[b];

		for (size_t i = 0; i < each->count * PAIRS_METRICS; i++) {
			double a = each->a[i / PAIRS_METRICS].value[i % PAIRS_METRICS];

			if (!isnan(a) && !(a > 0 && isfinite(a)))
				abort();
		}
	}
	pairs_release(&pairs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
	size_t first = zero ? (size_t)(zero - data) : size;

	check_tables(data, first, zero ? zero + 1 : data, zero ? size - first - 1 : 0);
	check_pairs(data, size);
	return 0;
}
