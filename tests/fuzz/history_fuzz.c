/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history_fuzz.c - an index may be cut, damaged or made by somebody else: it is read or refused
 * with a sentence, and no figure comes out of it that could not be one.
 *
 * An input that begins with a zero byte is damage to a good index, three bytes each: where, two of
 * them, and what is there. Any other is the index itself.
 */
#include <math.h>
#include <stdbool.h>

#include "harness/history.h"
#include "tests/fuzz/fuzz_files.h"

#define INDEX_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t good[INDEX_MAX];
static size_t good_size;

static void add_run(struct history *h, unsigned number)
{
	char text[512], error[512] = "";
	struct stored stored;
	bool again;
	int length = snprintf(text, sizeof(text),
			      "{\"schema\":\"faultline.result/1\",\"run\":{\"id\":\"r%u\","
			      "\"start\":\"2026-01-%02uT00:00:00Z\"},\"host\":{\"name\":\"h\","
			      "\"cpu\":\"c\"},\"benchmarks\":[{\"name\":\"memmap/x/threads=1\","
			      "\"throughput\":{\"ops_per_s\":%u},"
			      "\"latency\":{\"p50\":%u,\"p99\":9}}]}",
			      number, number, 900 + number, number % 5 + 1);

	if (stored_parse(&stored, "fuzz", text, (size_t)length, NULL, 0, error, sizeof(error)) ||
	    history_add(h, &stored, &again, error, sizeof(error)))
		abort();
	stored_release(&stored);
}

static void make_good(void)
{
	const char *path = fuzz_file("good", "", 0);
	char error[512] = "";
	struct history h;
	FILE *file;

	unlink(path);
	if (history_open(&h, path, true, error, sizeof(error)) ||
	    history_begin(&h, error, sizeof(error)))
		abort();
	for (unsigned i = 1; i < 20; i++)
		add_run(&h, i);
	if (history_commit(&h, error, sizeof(error)))
		abort();
	history_close(&h);
	file = fopen(path, "re");
	good_size = file ? fread(good, 1, sizeof(good), file) : 0;
	if (!good_size || fclose(file))
		abort();
}

static void check_series(const struct history_series *series)
{
	struct history_change *changes = NULL;
	size_t count = history_changes(series, &changes);

	for (size_t i = 0; i < series->count; i++) {
		for (unsigned m = 0; m < HISTORY_METRICS; m++) {
			double value = series->points[i].value[m];

			if (!isnan(value) && !(value > 0 && isfinite(value)))
				abort();
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (changes[i].point >= series->count || changes[i].before >= changes[i].point)
			abort();
	}
	free(changes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t damaged[INDEX_MAX];
	char error[1024] = "", sidecar[160];
	struct history_series *series = NULL;
	struct history h;
	const char *path;
	size_t count = 0;
	int rc;

	if (!good_size)
		make_good();
	memcpy(damaged, good, good_size);
	for (size_t i = 1; size && !data[0] && i + 2 < size; i += 3)
		damaged[(data[i] << 8 | data[i + 1]) % good_size] = data[i + 2];
	path = size && data[0] ? fuzz_file("index", data, size)
			       : fuzz_file("index", damaged, good_size);
	rc = history_open(&h, path, false, error, sizeof(error));
	if (!rc) {
		rc = history_read(&h, NULL, 0, &series, &count, error, sizeof(error));
		for (size_t i = 0; i < count && !rc; i++)
			check_series(&series[i]);
		history_series_free(series, count);
	}
	if ((rc != 0) != (error[0] != 0))
		abort();
	history_close(&h);
	snprintf(sidecar, sizeof(sidecar), "%s-journal", path);
	unlink(sidecar);
	return 0;
}
