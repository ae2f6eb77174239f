/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hlog_test.c - logs of an independent encoder are read exactly, ours are read back by an
 * independent decoder, and broken ones are refused. Runs in the folder that holds tests/.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "harness/base64.h"
#include "harness/hlog.h"

#define GOLDEN "tests/golden/"

/* As generator() in make_hlog.mjs. */
static uint32_t golden_next(uint32_t *state)
{
	return *state = *state * 1664525u + 1013904223u;
}

static uint64_t golden_value(uint32_t *state, uint64_t scale)
{
	uint32_t value = golden_next(state);

	return (uint64_t)(value >> (golden_next(state) >> 27)) * scale;
}

static FILE *open_golden(const char *name)
{
	FILE *file = fopen(name, "r");

	if (!file)
		fail_msg("%s: %s (run this in the top folder)", name, strerror(errno));
	return file;
}

static void fill_ours(struct histogram *h, unsigned which)
{
	uint32_t state = 1;

	histogram_reset(h, 1);
	for (unsigned i = 0; which == 0 && i < 1000; i++)
		histogram_record(h, i);
	for (unsigned i = 0; which == 1 && i < 20000; i++)
		histogram_record(h, golden_value(&state, 1));
	if (which == 2) {
		histogram_record_n(h, 17, 3000000000);
		histogram_record_n(h, 1000000, UINT64_C(1) << 40);
		histogram_record(h, HISTOGRAM_VALUE_MAX);
	}
}

static void reads_logs_of_our_layout_exactly(void **state)
{
	static const char *const tags[] = { "flat", "memmap/fault-anon/pages=4k", "heavy",
					    "empty" };
	static const double ends[] = { 1, 2.5, 4, 5 };
	struct histogram *expected = histogram_create(1), *got = histogram_create(1);
	FILE *file = open_golden(GOLDEN "ours.hlog");
	struct hlog_line line;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(hlog_read(file, &line), 0);
		assert_string_equal(line.tag, tags[i]);
		assert_true(line.start_s + line.interval_s == ends[i]);
		assert_int_equal(line.counts.digits, HISTOGRAM_DIGITS);
		assert_true(line.counts.highest == HISTOGRAM_VALUE_MAX);
		fill_ours(expected, i);
		hlog_counts_to_histogram(&line.counts, got);
		assert_memory_equal(got->counts, expected->counts, sizeof(got->counts));
		assert_true(hlog_counts_total(&line.counts) == histogram_count(expected));
		hlog_counts_release(&line.counts);
	}
	assert_int_equal(hlog_read(file, &line), -ENODATA);
	fclose(file);
	histogram_destroy(expected);
	histogram_destroy(got);
}

/* The bucket of a value in any layout, by search: independent of the arithmetic of either side. */
static size_t bucket_of(const struct hlog_counts *counts, uint64_t value)
{
	size_t low = 0, high = counts->count;

	while (low + 1 < high) {
		size_t middle = (low + high) / 2;

		if (hlog_counts_lowest(counts, middle) <= value)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void reads_logs_of_other_layouts_exactly(void **state)
{
	static const struct {
		const char *tag;
		unsigned digits, count;
		uint64_t lowest;
	} logs[] = {
		{ "one", 1, 5000, 1 },	     { "three", 3, 5000, 1 }, { "five", 5, 5000, 1 },
		{ "coarse", 3, 5000, 1000 }, { "", 2, 100, 1 },
	};
	FILE *file = open_golden(GOLDEN "others.hlog");
	struct hlog_line line;

	(void)state;
	for (unsigned i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
		uint32_t random = i + 2;

		assert_int_equal(hlog_read(file, &line), 0);
		assert_string_equal(line.tag, logs[i].tag);
		assert_int_equal(line.counts.digits, logs[i].digits);
		assert_int_equal(line.counts.lowest, logs[i].lowest);
		assert_int_equal(hlog_counts_total(&line.counts), logs[i].count);
		for (unsigned j = 0; j < logs[i].count; j++) {
			uint64_t value = golden_value(&random, logs[i].lowest);
			size_t bucket = bucket_of(&line.counts, value);

			assert_true(line.counts.counts[bucket]-- > 0);
		}
		assert_int_equal(hlog_counts_total(&line.counts), 0);
		hlog_counts_release(&line.counts);
	}
	assert_int_equal(hlog_read(file, &line), -ENODATA);
	fclose(file);
}

/* What is inside of a payload: *size bytes, freed by the caller. */
static uint8_t *unpack(const char *text, size_t *size)
{
	uint8_t *packed = malloc(base64_decoded_size_max(strlen(text)));
	uLongf plain_size = 1 << 20;
	uint8_t *plain = malloc(plain_size);

	assert_int_equal(base64_decode(text, strlen(text), packed, size), 0);
	assert_int_equal(uncompress(plain, &plain_size, packed + 8, *size - 8), Z_OK);
	free(packed);
	*size = plain_size;
	return plain;
}

static void encodes_the_same_bytes_as_others(void **state)
{
	struct histogram *h = histogram_create(1);
	FILE *file = open_golden(GOLDEN "ours.hlog");
	char *line = NULL;
	size_t room = 0;
	unsigned which = 0;

	(void)state;
	while (getline(&line, &room, file) > 0) {
		char *text, *payload = strrchr(line, ',');
		size_t size, expected_size;
		uint8_t *plain, *expected;

		if (strncmp(line, "Tag=", 4))
			continue;
		payload[strcspn(payload, "\n")] = '\0';
		expected = unpack(payload + 1, &expected_size);
		fill_ours(h, which++);
		assert_int_equal(hlog_encode(h, &text), 0);
		plain = unpack(text, &size);
		assert_int_equal(size, expected_size);
		/* All but normalizing offset and ratio, where JavaScript deviates from Java. */
		assert_memory_equal(plain, expected, 8);
		assert_memory_equal(plain + 12, expected + 12, 20);
		assert_memory_equal(plain + 40, expected + 40, size - 40);
		free(text);
		free(plain);
		free(expected);
	}
	assert_int_equal(which, 4);
	free(line);
	fclose(file);
	histogram_destroy(h);
}

static void reads_what_it_wrote(void **state)
{
	struct histogram *h = histogram_create(HISTOGRAM_UNIT_BATCH), *got = histogram_create(1);
	FILE *file = tmpfile();
	struct hlog_line line;

	(void)state;
	assert_int_equal(hlog_write_head(file, 1700000000.5, "a comment"), 0);
	histogram_record_n(h, 16 * 100, 7); /* 100 ns */
	histogram_record_n(h, 16 * 3 + 1, 2); /* 3 ns and a sixteenth */
	assert_int_equal(hlog_write(file, "a b,c", 0.25, 1.5, h), 0);
	assert_int_equal(hlog_write(file, NULL, 2, 1, h), 0);
	rewind(file);
	assert_int_equal(hlog_read(file, &line), 0);
	assert_string_equal(line.tag, "a_b_c");
	assert_true(line.start_s == 0.25 && line.interval_s == 1.5);
	hlog_counts_to_histogram(&line.counts, got);
	assert_int_equal(got->counts[100], 7);
	assert_int_equal(got->counts[3], 2);
	assert_int_equal(histogram_count(got), 9);
	hlog_counts_release(&line.counts);
	assert_int_equal(hlog_read(file, &line), 0);
	assert_string_equal(line.tag, "");
	hlog_counts_release(&line.counts);
	assert_int_equal(hlog_read(file, &line), -ENODATA);
	fclose(file);
	histogram_destroy(h);
	histogram_destroy(got);
}

/* Compares the decoder's lines with the histograms that were written. */
static void compare_listing(FILE *listing, struct histogram *h, bool *compared)
{
	static const char *const tags[] = { "zero", "one", "two" };
	char tag[64], start[64], min[64];
	uint64_t count, max;

	for (unsigned which = 0; which < 3; which++) {
		if (fscanf(listing, "%63s %63s %" SCNu64 " %63s %" SCNu64, tag, start, &count, min,
			   &max) != 5)
			return;
		fill_ours(h, which);
		assert_string_equal(tag, tags[which]);
		assert_true(count == histogram_count(h));
		for (uint64_t seen = 0, here; seen < count; seen += here) {
			uint64_t value;

			assert_int_equal(fscanf(listing, "%" SCNu64 " %" SCNu64, &value, &here), 2);
			assert_true(h->counts[histogram_index(value)] == here);
			assert_true(histogram_lowest(histogram_index(value)) == value);
		}
	}
	*compared = true;
}

static void independent_decoder_reads_ours(void **state)
{
	struct histogram *h = histogram_create(1);
	char name[] = "/tmp/hlog_test.XXXXXX", command[128];
	FILE *file = fdopen(mkstemp(name), "w"), *listing;
	bool compared = false;
	int status;

	(void)state;
	assert_non_null(file);
	assert_int_equal(hlog_write_head(file, 1700000000, NULL), 0);
	fill_ours(h, 0);
	assert_int_equal(hlog_write(file, "zero", 0, 1, h), 0);
	fill_ours(h, 1);
	assert_int_equal(hlog_write(file, "one", 1, 1, h), 0);
	fill_ours(h, 2);
	assert_int_equal(hlog_write(file, "two", 2, 1, h), 0);
	fclose(file);
	snprintf(command, sizeof(command), "node " GOLDEN "read_hlog.mjs %s 2>/dev/null", name);
	listing = popen(command, "r");
	assert_non_null(listing);
	compare_listing(listing, h, &compared);
	status = pclose(listing);
	unlink(name);
	histogram_destroy(h);
	if (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127)
		skip(); /* no node, or no hdr-histogram-js */
	assert_int_equal(status, 0);
	assert_true(compared);
}

static void refuses_broken_lines(void **state)
{
	static const char *const lines[] = {
		"Tag=x",
		"Tag=x,1,2",
		"1,2,3",
		"1,2,3,",
		"a,2,3,HISTFAAAAA==",
		"nan,2,3,HISTFAAAAA==",
		"-1,2,3,HISTFAAAAA==",
		"1,2,3,HISTFAAAAA==",
		"1,2,3,HIS!",
		"1,2,3,HISTFAAAAC14nJNpmSzMwMD4i4GBgZGBgYGJAQJAbN4f7hEMMD7TCAcsAww4BgwAAHhxC7s",
	};
	struct hlog_line line;

	(void)state;
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		FILE *file = fmemopen((void *)(uintptr_t)lines[i], strlen(lines[i]), "r");

		assert_int_equal(hlog_read(file, &line), -EINVAL);
		assert_null(line.counts.counts);
		fclose(file);
	}
}

/* A payload without compression: 2 digits, `highest`, and the bytes of the counts. */
static int decode_plain(uint64_t highest, const uint8_t *counts, size_t size,
			struct hlog_counts *out)
{
	uint8_t bytes[64] = { 0x1c, 0x84, 0x93, 0x13, 0, 0, 0, (uint8_t)size };
	char text[128];

	bytes[15] = 2;
	bytes[23] = 1;
	for (unsigned i = 0; i < 8; i++)
		bytes[24 + i] = (uint8_t)(highest >> (56 - 8 * i));
	memcpy(bytes + 40, counts, size);
	base64_encode(bytes, 40 + size, text);
	return hlog_decode(text, strlen(text), out);
}

static void checks_numbers_against_the_layout(void **state)
{
	static const uint8_t good[] = { 0x0e, 0x03, 0x80, 0x01 }; /* 7, two zeros, 64 */
	static const uint8_t huge_run[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t past_end[] = { 0xff, 0x3f, 0x02 };
	static const uint8_t unfinished[] = { 0x02, 0x80 };
	static const uint8_t overflow[] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					    0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff,
					    0xff, 0xff, 0xff, 0xff, 0x08 };
	struct hlog_counts counts;

	(void)state;
	assert_int_equal(decode_plain(1000, good, sizeof(good), &counts), 0);
	assert_int_equal(counts.count, 4);
	assert_int_equal(counts.counts[0], 7);
	assert_int_equal(counts.counts[3], 64);
	hlog_counts_release(&counts);
	assert_int_equal(decode_plain(1000, huge_run, sizeof(huge_run), &counts), -EINVAL);
	assert_int_equal(decode_plain(1000, past_end, sizeof(past_end), &counts), -EINVAL);
	assert_int_equal(decode_plain(1000, unfinished, sizeof(unfinished), &counts), -EINVAL);
	assert_int_equal(decode_plain(1000, overflow, sizeof(overflow), &counts), -EINVAL);
	assert_int_equal(decode_plain(1, good, sizeof(good), &counts), -EINVAL);
	assert_int_equal(decode_plain(UINT64_MAX, good, sizeof(good), &counts), -EINVAL);
	assert_int_equal(decode_plain(INT64_MAX, good, sizeof(good), &counts), 0);
	hlog_counts_release(&counts);
}

/* Random damage to a payload, packed or not, is either refused or decodes to something valid. */
static void survives_damage(void **state)
{
	struct histogram *h = histogram_create(1);
	uint32_t random = 99;
	char *text;

	(void)state;
	fill_ours(h, 1);
	assert_int_equal(hlog_encode(h, &text), 0);
	for (unsigned plain = 0; plain < 2; plain++) {
		size_t size, length = strlen(text);
		uint8_t *bytes = malloc(length);
		char *damaged;

		if (plain) {
			free(bytes);
			bytes = unpack(text, &size);
		} else {
			assert_int_equal(base64_decode(text, length, bytes, &size), 0);
		}
		damaged = malloc(base64_encoded_size(size) + 1);
		for (unsigned i = 0; i < 4000; i++) {
			size_t at = golden_next(&random) % (i % 2 ? size : 48);
			uint8_t before = bytes[at];
			size_t cut = i % 8 ? size : golden_next(&random) % size;
			struct hlog_counts counts;
			int rc;

			bytes[at] ^= (uint8_t)(1 << (golden_next(&random) >> 29));
			base64_encode(bytes, cut, damaged);
			rc = hlog_decode(damaged, strlen(damaged), &counts);
			assert_true(rc == 0 || rc == -EINVAL);
			if (rc)
				assert_null(counts.counts);
			hlog_counts_release(&counts);
			bytes[at] = before;
		}
		free(damaged);
		free(bytes);
	}
	free(text);
	histogram_destroy(h);
}

static void base64_is_strict(void **state)
{
	static const char *const bad[] = { "A",	   "AA=",  "A===",     "AB==", "AAB=",
					   "AA=A", "A AA", "AAA=AAAA", "====" };
	static const char *const good[] = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYmFy" };
	static const char *const plain[] = { "", "f", "fo", "foo", "foobar" };
	uint8_t bytes[16];
	char text[16];
	size_t size;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(base64_decode(bad[i], strlen(bad[i]), bytes, &size), -EINVAL);
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(base64_decode(good[i], strlen(good[i]), bytes, &size), 0);
		assert_int_equal(size, strlen(plain[i]));
		assert_memory_equal(bytes, plain[i], size);
		base64_encode(bytes, size, text);
		assert_string_equal(text, good[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_logs_of_our_layout_exactly),
		cmocka_unit_test(reads_logs_of_other_layouts_exactly),
		cmocka_unit_test(encodes_the_same_bytes_as_others),
		cmocka_unit_test(reads_what_it_wrote),
		cmocka_unit_test(independent_decoder_reads_ours),
		cmocka_unit_test(refuses_broken_lines),
		cmocka_unit_test(checks_numbers_against_the_layout),
		cmocka_unit_test(survives_damage),
		cmocka_unit_test(base64_is_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
