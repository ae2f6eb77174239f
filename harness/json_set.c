/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_set.c - members of JSON objects that may be missing.
 */
#include "harness/json_set.h"

#include <math.h>
#include <stdio.h>

#define CURVE_PER_HALF 5

void json_set(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

void json_set_missing(json_t *object, const char *key, const char *reason)
{
	char name[96];

	json_set(object, key, json_null());
	snprintf(name, sizeof(name), "%s_reason", key);
	json_set(object, name, json_string(reason));
}

void json_set_number(json_t *object, const char *key, double value, const char *reason)
{
	if (isfinite(value))
		json_set(object, key, json_real(value));
	else
		json_set_missing(object, key, reason);
}

json_t *json_count(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *latency_json(const struct histogram *h)
{
	struct histogram_point points[HISTOGRAM_CURVE_MAX];
	json_t *latency = json_object(), *curve = json_array();
	size_t count = histogram_curve(h, CURVE_PER_HALF, points, HISTOGRAM_CURVE_MAX);

	json_set(latency, "n", json_count(histogram_count(h)));
	json_set(latency, "min", json_real(histogram_min_ns(h)));
	json_set(latency, "p50", json_real(histogram_percentile_ns(h, 50)));
	json_set(latency, "p90", json_real(histogram_percentile_ns(h, 90)));
	json_set(latency, "p99", json_real(histogram_percentile_ns(h, 99)));
	json_set(latency, "p999", json_real(histogram_percentile_ns(h, 99.9)));
	json_set(latency, "p9999", json_real(histogram_percentile_ns(h, 99.99)));
	json_set(latency, "max", json_real(histogram_max_ns(h)));
	json_set(latency, "mean", json_real(histogram_mean_ns(h)));
	for (size_t i = 0; i < count; i++)
		json_array_append_new(curve,
				      json_pack("[f,f]", points[i].percentile, points[i].ns));
	json_set(latency, "curve", curve);
	return latency;
}

void json_set_latency(json_t *object, const char *key, const struct histogram *h,
		      const char *reason)
{
	if (h && histogram_count(h))
		json_set(object, key, latency_json(h));
	else
		json_set_missing(object, key, reason);
}

void json_set_quantiles(json_t *object, const struct histogram *h, const char *reason)
{
	if (!h || !histogram_count(h)) {
		json_set(object, "n", json_integer(0));
		json_set_missing(object, "p50", reason);
		json_set_missing(object, "p99", reason);
		return;
	}
	json_set(object, "n", json_count(histogram_count(h)));
	json_set(object, "p50", json_real(histogram_percentile_ns(h, 50)));
	json_set(object, "p99", json_real(histogram_percentile_ns(h, 99)));
}
