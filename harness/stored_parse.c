/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stored_parse.c - what the text of a result means, and whether it can be believed.
 *
 * Every complaint names the file and the place: line and column of what is no JSON, else the path
 * of the member ("benchmarks[3].throughput.ops_per_s").
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/stored.h"
#include "harness/view.h"

#define SCHEMA "faultline.result/1"
#define SCHEMA_ANY "faultline.result/"

/* No rate or time of this world is larger; its logarithm is safe. */
#define NUMBER_MAX 1e18

struct parser {
	struct stored *stored;
	char *error;
	size_t size;
};

static int fail(const struct parser *p, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(const struct parser *p, int rc, const char *format, ...)
{
	char what[512];
	va_list list;

	va_start(list, format);
	vsnprintf(what, sizeof(what), format, list);
	va_end(list);
	snprintf(p->error, p->size, "%s: %s", p->stored->path, what);
	return rc;
}

/* A member that is a number of at least 0, or missing with *value = NAN. */
static int not_negative(const struct parser *p, const json_t *object, const char *path,
			size_t index, double *value)
{
	const json_t *found = view_get(object, path);

	*value = NAN;
	if (!found)
		return 0;
	if (!json_is_number(found))
		return fail(p, -EBADMSG, "benchmarks[%zu].%s is not a number", index, path);
	*value = json_number_value(found);
	if (!(*value >= 0 && *value <= NUMBER_MAX))
		return fail(p, -EBADMSG, "benchmarks[%zu].%s is %g, which cannot be", index, path,
			    *value);
	return 0;
}

static char *copy(const char *text)
{
	char *made = strdup(text);

	if (!made)
		abort();
	return made;
}

/* "memmap/fault-anon/..." without "memmap/". */
static const char *key_of(const char *name, const char *translator)
{
	size_t length = translator ? strlen(translator) : 0;

	return length && strncmp(name, translator, length) == 0 && name[length] == '/'
		       ? name + length + 1
		       : name;
}

static void add_sample(struct stored_benchmark *b, struct stored_sample sample)
{
	/* Room grows by halves of what there is. */
	if ((b->count & (b->count - 1)) == 0) {
		size_t room = b->count ? 2 * b->count : 1;

		b->samples = realloc(b->samples, room * sizeof(*b->samples));
		if (!b->samples)
			abort();
	}
	b->samples[b->count++] = sample;
}

/* ---- faultline.result/1 ---- */

static int read_benchmark(const struct parser *p, const json_t *json, size_t index)
{
	struct stored_benchmark *b = &p->stored->benchmarks[index];
	const char *name = view_text(json, "name", NULL);
	struct stored_sample median = { .repetition = NAN, .noise = sample_noise_unknown };
	int rc;

	if (!json_is_object(json))
		return fail(p, -EBADMSG, "benchmarks[%zu] is not an object", index);
	if (!name || !*name)
		return fail(p, -EBADMSG, "benchmarks[%zu] has no name", index);
	b->name = copy(name);
	b->translator = view_text(json, "translator", NULL);
	b->key = copy(key_of(name, b->translator));
	if (view_get(json, "verify.error"))
		b->void_reason = view_text(json, "verify.error", "its results are void");
	b->open = view_get(json, "rate");
	median.rate_missed = b->open && !view_true(json, "rate.reached");
	rc = not_negative(p, json, "throughput.ops_per_s", index, &median.ops_per_s);
	if (!rc)
		rc = not_negative(p, json, b->open ? "response.p50" : "latency.p50", index,
				  &median.p50);
	if (!rc)
		rc = not_negative(p, json, b->open ? "response.p99" : "latency.p99", index,
				  &median.p99);
	if (rc)
		return rc;
	if (median.p50 > median.p99)
		return fail(p, -EBADMSG, "benchmarks[%zu].%s: p50 is above p99", index,
			    b->open ? "response" : "latency");
	if (isnan(median.ops_per_s) && !b->void_reason)
		b->void_reason = view_reason(view_get(json, "throughput"), "ops_per_s");
	/* So it is where the machine had no time for it. */
	if (median.ops_per_s == 0 && !b->void_reason)
		b->void_reason = STORED_NO_OPERATION;
	if (!b->void_reason)
		add_sample(b, median);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct stored_benchmark *)a)->name,
		      ((const struct stored_benchmark *)b)->name);
}

static int read_faultline(const struct parser *p)
{
	struct stored *s = p->stored;
	const json_t *list = view_get(s->json, "benchmarks");
	const char *schema = view_text(s->json, "schema", NULL);
	int rc = 0;

	if (!schema || strncmp(schema, SCHEMA_ANY, strlen(SCHEMA_ANY)) != 0)
		return fail(p, -EINVAL, "is not a result: there is no schema %s", SCHEMA);
	if (strcmp(schema, SCHEMA) != 0)
		return fail(p, -EINVAL,
			    "is of schema %.40s, and this version reads %s: use the faultline "
			    "that wrote it, or a newer one",
			    schema, SCHEMA);
	if (!json_is_array(list))
		return fail(p, -EBADMSG, "benchmarks is not an array");
	if (json_array_size(list) > STORED_BENCHMARKS_MAX)
		return fail(p, -EBADMSG, "%zu benchmarks, and a result has at most %u",
			    json_array_size(list), STORED_BENCHMARKS_MAX);
	s->host = view_text(s->json, "host.name", "");
	s->cpu = view_text(s->json, "host.cpu", "");
	s->commit = view_text(s->json, "tool.commit", "");
	s->start = view_text(s->json, "run.start", "");
	s->cpus = view_number(s->json, "host.cpus");
	s->interrupted = view_true(s->json, "run.interrupted");
	if (view_true(s->json, "run.synthetic"))
		return fail(p, -EINVAL, "is of a synthetic machine: nothing was measured");
	s->benchmarks = calloc(json_array_size(list) + 1, sizeof(*s->benchmarks));
	if (!s->benchmarks)
		abort();
	while (!rc && s->count < json_array_size(list)) {
		s->count++;
		rc = read_benchmark(p, json_array_get(list, s->count - 1), s->count - 1);
	}
	return rc;
}

/* Names are sorted and each there once. */
static int sort_names(const struct parser *p)
{
	struct stored *s = p->stored;

	if (s->count)
		qsort(s->benchmarks, s->count, sizeof(*s->benchmarks), compare_names);
	for (size_t i = 1; i < s->count; i++) {
		if (strcmp(s->benchmarks[i - 1].name, s->benchmarks[i].name) == 0)
			return fail(p, -EBADMSG, "benchmark %.200s is there twice",
				    s->benchmarks[i].name);
	}
	return 0;
}

/* The mean over the threads of the first role. */
static double over_threads(const json_t *line, const char *key)
{
	const json_t *threads = view_get(line, "threads");
	const char *role = view_text(json_array_get(threads, 0), "role", "");
	double total = 0, value;
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(threads); i++) {
		const json_t *t = json_array_get(threads, i);

		value = view_number(t, key);
		if (strcmp(view_text(t, "role", ""), role) != 0 || !(value > 0))
			continue;
		total += value;
		count++;
	}
	return count ? total / (double)count : NAN;
}

static int read_line(const struct parser *p, const json_t *line, size_t number)
{
	const char *name = view_text(line, "benchmark", "");
	const struct stored_benchmark *found = stored_find(p->stored, name);
	struct stored_benchmark *b = found ? &p->stored->benchmarks[found - p->stored->benchmarks]
					   : NULL;
	bool open = b && b->open;
	struct stored_sample sample = { .repetition = view_number(line, "repetition"),
					.ops_per_s = view_number(line, "ops_per_s"),
					.p50 = over_threads(line, open ? "response.p50" : "p50"),
					.p99 = over_threads(line, open ? "response.p99" : "p99"),
					.rate_missed = open && !view_true(line, "rate_reached"),
					.noise = sample_noise_read(view_get(line, "noise"),
								   p->stored->cpus) };

	/* Waiting that only grew says how long was measured. */
	if (sample.rate_missed)
		sample.p50 = sample.p99 = NAN;
	/* Lines of benchmarks that came to nothing, or are not in the result any more. */
	if (!b || b->void_reason || view_get(line, "error") || sample.ops_per_s == 0)
		return 0;
	if (!(sample.ops_per_s > 0 && sample.ops_per_s <= NUMBER_MAX) || sample.p99 > NUMBER_MAX)
		return fail(p, -EBADMSG, "samples.ndjson:%zu: the figures cannot be", number);
	add_sample(b, sample);
	return 0;
}

/* The repetitions stand in for the medians. A last line that is cut is left out, and said. */
static int read_samples(const struct parser *p, const char *text, size_t length)
{
	const char *end = text + length;
	size_t number = 0;
	int rc = 0;

	for (size_t i = 0; i < p->stored->count; i++)
		p->stored->benchmarks[i].count = 0;
	while (text < end && !rc) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t size = newline ? (size_t)(newline - text) : (size_t)(end - text);
		json_error_t where;
		json_t *line = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);

		number++;
		if (json_is_object(line))
			rc = read_line(p, line, number);
		else if (newline)
			rc = fail(p, -EBADMSG, "samples.ndjson:%zu:%d: %s", number,
				  line ? 1 : where.column, line ? "not an object" : where.text);
		else
			snprintf(p->stored->remark, sizeof(p->stored->remark),
				 "samples.ndjson:%zu is cut, and left out", number);
		json_decref(line);
		text = newline ? newline + 1 : end;
	}
	return rc;
}

/* ---- Google Benchmark ---- */

static double unit_ns(const char *unit)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].name) == 0)
			return units[i].ns;
	}
	return NAN;
}

/* An entry is a repetition of its run_name; aggregates are made of those. */
static int read_entry(const struct parser *p, const json_t *json, size_t index)
{
	const char *name = view_text(json, "run_name", view_text(json, "name", NULL));
	const char *unit = view_text(json, "time_unit", "ns");
	struct stored *s = p->stored;
	struct stored_benchmark *b = s->benchmarks;
	double time, rate;
	int rc;

	if (!json_is_object(json) || !name || !*name)
		return fail(p, -EBADMSG, "benchmarks[%zu] has no name", index);
	if (strcmp(view_text(json, "run_type", "iteration"), "iteration") != 0)
		return 0;
	rc = not_negative(p, json, "real_time", index, &time);
	if (!rc)
		rc = not_negative(p, json, "items_per_second", index, &rate);
	if (rc)
		return rc;
	if (!(time * unit_ns(unit) > 0) || rate == 0)
		return fail(p, -EBADMSG, "benchmarks[%zu]: no real_time in ns, us, ms or s", index);
	/* Repetitions of one stand together, but for random interleaving. */
	for (b = s->benchmarks + s->count; b > s->benchmarks && strcmp(b[-1].name, name); b--)
		;
	if (b == s->benchmarks) {
		b = &s->benchmarks[s->count++];
		b->name = copy(name);
		b->key = copy(name);
	} else {
		b--;
	}
	add_sample(b, (struct stored_sample){
			      .repetition = NAN,
			      .ops_per_s = isnan(rate) ? 1e9 / (time * unit_ns(unit)) : rate,
			      .p50 = NAN,
			      .p99 = NAN,
			      .noise = sample_noise_unknown,
		      });
	return 0;
}

static int read_google(const struct parser *p)
{
	struct stored *s = p->stored;
	const json_t *list = view_get(s->json, "benchmarks");
	int rc = 0;

	s->google = true;
	s->host = view_text(s->json, "context.host_name", "");
	s->start = view_text(s->json, "context.date", "");
	s->cpu = s->commit = "";
	if (!json_is_array(list))
		return fail(p, -EBADMSG, "benchmarks is not an array");
	if (json_array_size(list) > STORED_BENCHMARKS_MAX)
		return fail(p, -EBADMSG, "%zu entries, at most %u are read", json_array_size(list),
			    STORED_BENCHMARKS_MAX);
	s->benchmarks = calloc(json_array_size(list) + 1, sizeof(*s->benchmarks));
	if (!s->benchmarks)
		abort();
	for (size_t i = 0; i < json_array_size(list) && !rc; i++)
		rc = read_entry(p, json_array_get(list, i), i);
	return rc;
}

int stored_parse(struct stored *stored, const char *path, const char *text, size_t length,
		 const char *samples, size_t samples_length, char *error, size_t size)
{
	struct parser p = { .stored = stored, .error = error, .size = size };
	json_error_t where;
	int rc;

	*stored = (struct stored){
		.path = copy(path), .host = "", .cpu = "", .commit = "", .start = ""
	};
	stored->json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
	if (!stored->json) {
		snprintf(error, size, "%s:%d:%d: %s", path, where.line, where.column, where.text);
		return -EBADMSG;
	}
	if (!json_is_object(stored->json))
		return fail(&p, -EINVAL, "is not a result: not an object");
	if (json_is_object(json_object_get(stored->json, "context")))
		rc = read_google(&p);
	else
		rc = read_faultline(&p);
	if (!rc)
		rc = sort_names(&p);
	if (!rc && samples && !stored->google)
		rc = read_samples(&p, samples, samples_length);
	return rc;
}
