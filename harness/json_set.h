/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_set.h - members of JSON objects that may be missing.
 *
 * Nothing missing is ever 0: it is null, with <key>_reason beside it.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "harness/histogram.h"

/* Takes over the reference. */
void json_set(json_t *object, const char *key, json_t *value);
/* null, and why. */
void json_set_missing(json_t *object, const char *key, const char *reason);
/* A number, or what is not finite as missing. */
void json_set_number(json_t *object, const char *key, double value, const char *reason);
/* A new reference. */
json_t *json_count(uint64_t value);

/* n, quantiles, extremes, mean and curve; missing if h is NULL or empty. */
void json_set_latency(json_t *object, const char *key, const struct histogram *h,
		      const char *reason);
/* p50, p99 and n of a histogram that may be NULL, as members of the object. */
void json_set_quantiles(json_t *object, const struct histogram *h, const char *reason);
