/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hlog.c - HdrHistogram V2 encoding and the text log around it.
 *
 * Layout of a payload before base64: cookie (compressed), length, zlib stream of { cookie,
 * length of the counts, normalizing offset, digits, lowest, highest, ratio, counts }, all
 * big-endian. Encoders disagree about offset and ratio (Java writes 0 and 1.0, JavaScript 1 and
 * the integer 1) and no reader of logs uses them; they are written as Java does and ignored when
 * read.
 *
 * Sizes that the input claims are checked against what the layout can need before anything is
 * allocated. No locks.
 */
#include "harness/hlog.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "harness/base64.h"

#define COOKIE 0x1c849303u
#define COOKIE_COMPRESSED 0x1c849304u
#define COOKIE_WORD 0x10u /* counts are ZigZag LEB128 */
#define COOKIE_WORD_MASK 0xf0u
#define HEADER_SIZE 40
#define ENVELOPE_SIZE 8
#define NUMBER_SIZE_MAX 9

static void put_be(uint8_t *at, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

static uint64_t get_be(const uint8_t *at, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value = value << 8 | at[i];
	return value;
}

/* LEB128 in at most 9 bytes, the ninth with all its 8 bits; returns how many. */
static size_t put_number(uint8_t *at, int64_t value)
{
	uint64_t zigzag = (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
	size_t used = 0;

	while (used < NUMBER_SIZE_MAX - 1 && zigzag > 127) {
		at[used++] = (uint8_t)(zigzag | 128);
		zigzag >>= 7;
	}
	at[used++] = (uint8_t)zigzag;
	return used;
}

/* Bytes used, or 0: the number does not end before `end`. */
static size_t get_number(const uint8_t *at, const uint8_t *end, int64_t *value)
{
	uint64_t zigzag = 0;

	for (size_t i = 0; i < NUMBER_SIZE_MAX && at + i < end; i++) {
		bool last = i == NUMBER_SIZE_MAX - 1;

		zigzag |= (uint64_t)(last ? at[i] : at[i] & 127) << 7 * i;
		if (last || !(at[i] & 128)) {
			*value = (int64_t)(zigzag >> 1 ^ (zigzag & 1 ? UINT64_MAX : 0));
			return i + 1;
		}
	}
	return 0;
}

/* Counts up to and with the last that is not 0; at has room for all. Returns bytes. */
static size_t put_counts(uint8_t *at, const struct histogram *h)
{
	unsigned limit = histogram_index(h->max) + 1;
	size_t used = 0;

	for (unsigned i = 0; i < limit;) {
		unsigned zeros = 0;

		while (i + zeros < limit && !h->counts[i + zeros])
			zeros++;
		if (zeros)
			used += put_number(at + used, zeros > 1 ? -(int64_t)zeros : 0);
		else
			used += put_number(at + used, (int64_t)h->counts[i]);
		i += zeros ? zeros : 1;
	}
	return used;
}

/* Encodes h, whose unit is 1 ns, without compression; returns bytes. */
static size_t put_histogram(uint8_t *at, const struct histogram *h)
{
	const double ratio = 1;
	uint64_t ratio_bits;
	size_t counts_size = put_counts(at + HEADER_SIZE, h);

	memcpy(&ratio_bits, &ratio, sizeof(ratio_bits));
	put_be(at, COOKIE | COOKIE_WORD, 4);
	put_be(at + 4, counts_size, 4);
	put_be(at + 8, 0, 4);
	put_be(at + 12, HISTOGRAM_DIGITS, 4);
	put_be(at + 16, 1, 8);
	put_be(at + 24, HISTOGRAM_VALUE_MAX, 8);
	put_be(at + 32, ratio_bits, 8);
	return HEADER_SIZE + counts_size;
}

/* h in nanoseconds: itself, or a converted copy in *copy that the caller destroys. */
static const struct histogram *in_ns(const struct histogram *h, struct histogram **copy)
{
	*copy = NULL;
	if (!(h->unit_ns < 1) && !(h->unit_ns > 1))
		return h;
	*copy = histogram_create(1);
	if (*copy)
		histogram_merge(*copy, h);
	return *copy;
}

int hlog_encode(const struct histogram *h, char **text)
{
	const size_t plain_max = HEADER_SIZE + HISTOGRAM_BUCKETS * NUMBER_SIZE_MAX;
	struct histogram *copy;
	uint8_t *plain = malloc(plain_max), *packed = NULL;
	uLongf packed_size = compressBound(plain_max);
	int rc = -ENOMEM;

	*text = NULL;
	h = in_ns(h, &copy);
	packed = malloc(ENVELOPE_SIZE + packed_size);
	if (!h || !plain || !packed)
		goto out;
	if (compress2(packed + ENVELOPE_SIZE, &packed_size, plain, put_histogram(plain, h),
		      Z_DEFAULT_COMPRESSION) != Z_OK)
		goto out;
	put_be(packed, COOKIE_COMPRESSED | COOKIE_WORD, 4);
	put_be(packed + 4, packed_size, 4);
	*text = malloc(base64_encoded_size(ENVELOPE_SIZE + packed_size) + 1);
	if (!*text)
		goto out;
	base64_encode(packed, ENVELOPE_SIZE + packed_size, *text);
	rc = 0;
out:
	histogram_destroy(copy);
	free(plain);
	free(packed);
	return rc;
}

int hlog_write_head(FILE *file, double start_s, const char *comment)
{
	time_t seconds = (time_t)start_s;
	char words[40] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(words, sizeof(words), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (comment)
		fprintf(file, "#%s\n", comment);
	fprintf(file, "#[Histogram log format version 1.3]\n");
	fprintf(file, "#[StartTime: %.3f (seconds since epoch), %s]\n", start_s, words);
	fprintf(file, "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
		      "\"Interval_Compressed_Histogram\"\n");
	return ferror(file) ? -EIO : 0;
}

static void write_tag(FILE *file, const char *tag)
{
	fputs("Tag=", file);
	for (unsigned i = 0; i < HLOG_TAG_MAX - 1 && tag[i]; i++)
		fputc((unsigned char)tag[i] <= ' ' || tag[i] == ',' || tag[i] == 127 ? '_' : tag[i],
		      file);
	fputc(',', file);
}

int hlog_write_encoded(FILE *file, const char *tag, double start_s, double interval_s,
		       double max_ns, const char *text)
{
	if (tag && tag[0])
		write_tag(file, tag);
	fprintf(file, "%.3f,%.3f,%.3f,%s\n", start_s, interval_s, max_ns / 1e6, text);
	return ferror(file) ? -EIO : 0;
}

int hlog_write(FILE *file, const char *tag, double start_s, double interval_s,
	       const struct histogram *h)
{
	char *text;
	int rc = hlog_encode(h, &text);

	if (rc)
		return rc;
	rc = hlog_write_encoded(file, tag, start_s, interval_s, histogram_max_ns(h), text);
	free(text);
	return rc;
}

/* The fields that follow from digits, lowest and highest. Returns the buckets, 0: impossible. */
static size_t derive_layout(struct hlog_counts *out)
{
	uint64_t resolution = 2, reach;
	size_t decades = 1;

	if (out->digits < 1 || out->digits > 5 || out->lowest < 1 ||
	    out->highest > (uint64_t)INT64_MAX || out->highest / 2 < out->lowest)
		return 0;
	for (unsigned i = 0; i < out->digits; i++)
		resolution *= 10;
	out->sub_bits = 63 - (unsigned)__builtin_clzll(resolution - 1);
	out->unit_bits = 63 - (unsigned)__builtin_clzll(out->lowest);
	if (out->unit_bits + out->sub_bits + 1 > 61)
		return 0;
	reach = UINT64_C(2) << (out->sub_bits + out->unit_bits);
	while (reach <= out->highest) {
		decades++;
		if (reach > (uint64_t)INT64_MAX / 2)
			break;
		reach <<= 1;
	}
	return (decades + 1) << out->sub_bits;
}

/* Reads the numbers of [at, end) into out->counts, which has room for `buckets`. */
static int get_counts(const uint8_t *at, const uint8_t *end, size_t buckets,
		      struct hlog_counts *out)
{
	uint64_t total = 0;
	size_t index = 0;

	while (at < end) {
		int64_t value;
		size_t used = get_number(at, end, &value);

		if (!used)
			return -EINVAL;
		at += used;
		if (value < 0) {
			if ((uint64_t) - (value + 1) >= buckets - index)
				return -EINVAL;
			index += (size_t)-value;
			continue;
		}
		if (index == buckets || __builtin_add_overflow(total, (uint64_t)value, &total))
			return -EINVAL;
		out->counts[index++] = (uint64_t)value;
	}
	out->count = index;
	return 0;
}

/* The header at `bytes`; *payload_size is what must follow it. Returns the buckets, 0: broken. */
static size_t get_header(const uint8_t *bytes, size_t *payload_size, struct hlog_counts *out)
{
	uint64_t ratio_bits = get_be(bytes + 32, 8);
	size_t buckets;

	if ((get_be(bytes, 4) & ~(uint64_t)COOKIE_WORD_MASK) != COOKIE)
		return 0;
	*payload_size = (size_t)get_be(bytes + 4, 4);
	out->digits = (unsigned)get_be(bytes + 12, 4);
	out->lowest = get_be(bytes + 16, 8);
	out->highest = get_be(bytes + 24, 8);
	memcpy(&out->ratio, &ratio_bits, sizeof(out->ratio));
	buckets = derive_layout(out);
	if (buckets > HLOG_BUCKETS_MAX || *payload_size > buckets * NUMBER_SIZE_MAX)
		return 0;
	return buckets;
}

static int decode_plain(const uint8_t *bytes, size_t size, struct hlog_counts *out)
{
	size_t buckets, payload_size;

	if (size < HEADER_SIZE)
		return -EINVAL;
	buckets = get_header(bytes, &payload_size, out);
	if (!buckets || payload_size != size - HEADER_SIZE)
		return -EINVAL;
	out->counts = calloc(buckets, sizeof(*out->counts));
	if (!out->counts)
		return -ENOMEM;
	return get_counts(bytes + HEADER_SIZE, bytes + size, buckets, out);
}

/* Inflates exactly `size` bytes. 0 or -EINVAL. */
static int inflate_exactly(z_stream *stream, uint8_t *to, size_t size)
{
	stream->next_out = to;
	stream->avail_out = (uInt)size;
	while (stream->avail_out) {
		int rc = inflate(stream, Z_NO_FLUSH);

		if (rc != Z_OK && !(rc == Z_STREAM_END && !stream->avail_out))
			return -EINVAL;
	}
	return 0;
}

/* The stream must end with the histogram: nothing may follow. */
static bool at_stream_end(z_stream *stream)
{
	uint8_t beyond;
	bool ended;

	stream->next_out = &beyond;
	stream->avail_out = 1;
	ended = inflate(stream, Z_FINISH) == Z_STREAM_END && stream->avail_out == 1;
	stream->next_out = NULL;
	return ended;
}

static int decode_compressed(const uint8_t *bytes, size_t size, struct hlog_counts *out)
{
	z_stream stream = { .next_in = (Bytef *)(uintptr_t)(bytes + ENVELOPE_SIZE),
			    .avail_in = (uInt)(size - ENVELOPE_SIZE) };
	uint8_t header[HEADER_SIZE], *plain = NULL;
	struct hlog_counts ignored = { 0 };
	size_t payload_size;
	int rc;

	if (get_be(bytes + 4, 4) != size - ENVELOPE_SIZE)
		return -EINVAL;
	if (inflateInit(&stream) != Z_OK)
		return -ENOMEM;
	rc = inflate_exactly(&stream, header, HEADER_SIZE);
	if (!rc && !get_header(header, &payload_size, &ignored))
		rc = -EINVAL;
	if (rc)
		goto out;
	plain = malloc(HEADER_SIZE + payload_size);
	if (!plain) {
		rc = -ENOMEM;
		goto out;
	}
	memcpy(plain, header, HEADER_SIZE);
	rc = inflate_exactly(&stream, plain + HEADER_SIZE, payload_size);
	if (!rc && !at_stream_end(&stream))
		rc = -EINVAL;
	if (!rc)
		rc = decode_plain(plain, HEADER_SIZE + payload_size, out);
out:
	free(plain);
	inflateEnd(&stream);
	return rc;
}

int hlog_decode(const char *text, size_t length, struct hlog_counts *out)
{
	uint8_t *bytes;
	size_t size;
	int rc;

	*out = (struct hlog_counts){ 0 };
	if (length > (size_t)HLOG_BUCKETS_MAX * NUMBER_SIZE_MAX * 2)
		return -EINVAL;
	bytes = malloc(base64_decoded_size_max(length) + 1);
	if (!bytes)
		return -ENOMEM;
	rc = base64_decode(text, length, bytes, &size);
	if (rc)
		goto out;
	if (size > ENVELOPE_SIZE &&
	    (get_be(bytes, 4) & ~(uint64_t)COOKIE_WORD_MASK) == COOKIE_COMPRESSED)
		rc = decode_compressed(bytes, size, out);
	else
		rc = decode_plain(bytes, size, out);
out:
	free(bytes);
	if (rc)
		hlog_counts_release(out);
	return rc;
}

void hlog_counts_release(struct hlog_counts *counts)
{
	free(counts->counts);
	*counts = (struct hlog_counts){ 0 };
}

/* log2 of the width of a bucket. */
static unsigned width_bits(const struct hlog_counts *counts, size_t index)
{
	size_t decade = index >> counts->sub_bits;

	return counts->unit_bits + (decade ? (unsigned)decade - 1 : 0);
}

uint64_t hlog_counts_lowest(const struct hlog_counts *counts, size_t index)
{
	size_t half = (size_t)1 << counts->sub_bits;
	size_t sub = index < half ? index : (index & (half - 1)) + half;

	return (uint64_t)sub << width_bits(counts, index);
}

uint64_t hlog_counts_total(const struct hlog_counts *counts)
{
	uint64_t total = 0;

	for (size_t i = 0; i < counts->count; i++)
		total += counts->counts[i];
	return total;
}

void hlog_counts_to_histogram(const struct hlog_counts *counts, struct histogram *h)
{
	histogram_reset(h, 1);
	for (size_t i = 0; i < counts->count; i++) {
		uint64_t half_width = (UINT64_C(1) << width_bits(counts, i)) / 2;

		if (counts->counts[i])
			histogram_record_n(h, hlog_counts_lowest(counts, i) + half_width,
					   counts->counts[i]);
	}
}

/* The number at *at, which is moved past it and its comma. 0 or -EINVAL. */
static int read_number(char **at, double *value)
{
	char *end;

	*value = strtod(*at, &end);
	if (end == *at || *end != ',' || !isfinite(*value) || *value < 0)
		return -EINVAL;
	*at = end + 1;
	return 0;
}

static int read_line(char *text, struct hlog_line *line)
{
	if (strncmp(text, "Tag=", 4) == 0) {
		size_t length = strcspn(text + 4, ",");

		if (length >= HLOG_TAG_MAX || text[4 + length] != ',')
			return -EINVAL;
		memcpy(line->tag, text + 4, length);
		text += 4 + length + 1;
	}
	if (read_number(&text, &line->start_s) || read_number(&text, &line->interval_s) ||
	    read_number(&text, &line->max))
		return -EINVAL;
	return hlog_decode(text, strlen(text), &line->counts);
}

int hlog_read(FILE *file, struct hlog_line *line)
{
	char *text = NULL;
	size_t room = 0;
	int rc = -ENODATA;

	*line = (struct hlog_line){ 0 };
	for (;;) {
		ssize_t length = getline(&text, &room, file);

		if (length < 0) {
			rc = ferror(file) ? -EIO : feof(file) ? -ENODATA : -ENOMEM;
			break;
		}
		if (memchr(text, '\0', (size_t)length)) {
			rc = -EINVAL;
			break;
		}
		text[strcspn(text, "\r\n")] = '\0';
		if (text[0] == '\0' || text[0] == '#' || text[0] == '"')
			continue;
		rc = read_line(text, line);
		break;
	}
	free(text);
	return rc;
}
