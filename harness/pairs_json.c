/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairs_json.c - pairs as lines of a file and back, and findings as JSON.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/env.h"
#include "harness/pairs.h"
#include "harness/view.h"

#define NUMBER_MAX 1e18

static json_t *percent(double log_ratio)
{
	return env_number(pairs_percent(log_ratio));
}

static json_t *finding_json(const struct pairs_benchmark *b, enum pairs_metric metric,
			    const struct pairs_finding *f)
{
	json_t *json = json_object(), *interval = json_array();
	char reason[256];

	json_array_append_new(interval, percent(f->interval.low));
	json_array_append_new(interval, percent(f->interval.high));
	json_object_set_new(json, "verdict", json_string(pairs_verdict_names[f->verdict]));
	json_object_set_new(json, "pairs", json_integer((json_int_t)f->pairs));
	json_object_set_new(json, "change_percent", percent(f->shift));
	json_object_set_new(json, "interval_percent", interval);
	json_object_set_new(json, "p", env_number(f->p));
	json_object_set_new(json, "p_family", env_number(f->p_family));
	json_object_set_new(json, "floor_percent", percent(f->floor));
	json_object_set_new(json, "detectable_percent", percent(f->detectable));
	if (*pairs_reason(b, metric, f, reason, sizeof(reason)))
		json_object_set_new(json, "reason", json_string(reason));
	return json;
}

json_t *pairs_benchmark_json(const struct pairs_benchmark *b, const struct pairs_finding *findings)
{
	json_t *metrics = json_object(), *spoiled = json_object();

	for (unsigned m = 0; m < PAIRS_METRICS; m++)
		json_object_set_new(metrics, pairs_metric_names[m],
				    finding_json(b, m, &findings[m]));
	for (unsigned s = SAMPLE_CLEAN + 1; s < SAMPLE_SPOILERS; s++)
		json_object_set_new(spoiled, sample_spoiler_names[s],
				    json_integer((json_int_t)b->spoiled[s]));
	return json_pack("{s:s, s:I, s:o, s:o, s:o}", "name", b->name, "pairs",
			 (json_int_t)b->count, "spoiled", spoiled, "tail_ns",
			 env_number(b->tail_ns), "metrics", metrics);
}

static json_t *sample_json(const struct pairs_sample *sample, const struct sample_noise *noise)
{
	json_t *json = json_object();

	for (unsigned m = 0; m < PAIRS_METRICS; m++)
		json_object_set_new(json, pairs_metric_names[m], env_number(sample->value[m]));
	if (sample->rate_missed)
		json_object_set_new(json, "rate_missed", json_true());
	json_object_set_new(json, "noise", sample_noise_json(noise));
	return json;
}

json_t *pairs_line(const char *benchmark, size_t number, bool b_first, const struct pairs_sample *a,
		   const struct pairs_sample *b, const struct sample_noise noise[2])
{
	enum sample_spoiler spoiler = sample_noise_spoils(&noise[0], &noise[1]);

	return json_pack("{s:s, s:I, s:s, s:o, s:o, s:s*}", "benchmark", benchmark, "pair",
			 (json_int_t)number, "order", b_first ? "BA" : "AB", "a",
			 sample_json(a, &noise[0]), "b", sample_json(b, &noise[1]), "spoiled",
			 spoiler == SAMPLE_CLEAN ? NULL : sample_spoiler_names[spoiler]);
}

static bool read_sample(const json_t *json, struct pairs_sample *sample)
{
	for (unsigned m = 0; m < PAIRS_METRICS; m++) {
		double value = view_number(json, pairs_metric_names[m]);

		if (value <= 0 || value > NUMBER_MAX)
			return false;
		sample->value[m] = value;
	}
	sample->rate_missed = view_true(json, "rate_missed");
	return json_is_object(json);
}

static struct pairs_benchmark *benchmark_of(struct pairs *pairs, const char *name)
{
	for (size_t i = 0; i < pairs->count; i++) {
		if (strcmp(pairs->benchmarks[i].name, name) == 0)
			return &pairs->benchmarks[i];
	}
	return pairs_add_benchmark(pairs, name);
}

/* SAMPLE_SPOILERS: there is none of that name. */
static enum sample_spoiler spoiler_of(const char *name)
{
	unsigned s = SAMPLE_CLEAN;

	while (s < SAMPLE_SPOILERS && strcmp(sample_spoiler_names[s], name) != 0)
		s++;
	return s;
}

static bool read_line(struct pairs *pairs, const char *text)
{
	json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const char *name = view_text(line, "benchmark", NULL);
	enum sample_spoiler spoiler = spoiler_of(view_text(line, "spoiled", ""));
	struct pairs_sample a, b;
	bool good = name && spoiler != SAMPLE_SPOILERS && read_sample(view_get(line, "a"), &a) &&
		    read_sample(view_get(line, "b"), &b);

	if (good && spoiler != SAMPLE_CLEAN)
		benchmark_of(pairs, name)->spoiled[spoiler]++;
	else if (good)
		pairs_add(benchmark_of(pairs, name), &a, &b);
	json_decref(line);
	return good;
}

int pairs_read(struct pairs *pairs, const char *path, char *error, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t room = 0, number = 0;
	char *line = NULL;
	int rc = file ? 0 : -errno;

	while (!rc && getline(&line, &room, file) > 0) {
		number++;
		/* A last line that was cut has no newline, and is left out. */
		if (!read_line(pairs, line) && strchr(line, '\n'))
			rc = -EBADMSG;
	}
	if (!rc && ferror(file))
		rc = -EIO;
	if (rc)
		snprintf(error, size, "%s:%zu: %s", path, number,
			 rc == -EBADMSG ? "is not a pair of samples" : strerror(-rc));
	free(line);
	if (file)
		fclose(file);
	return rc;
}
