/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.c - reading a result.json that may lack anything.
 *
 * Every question is answered by walking the JSON once; results hold some hundred benchmarks at
 * most, so nothing is indexed. No locks.
 */
#include "harness/view.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const json_t *view_get(const json_t *value, const char *path)
{
	char key[64];

	while (value && *path) {
		size_t length = strcspn(path, ".");

		if (length >= sizeof(key))
			return NULL;
		memcpy(key, path, length);
		key[length] = '\0';
		value = json_object_get(value, key);
		path += length;
		if (*path == '.')
			path++;
	}
	return json_is_null(value) ? NULL : value;
}

const char *view_text(const json_t *value, const char *path, const char *fallback)
{
	const json_t *found = view_get(value, path);

	return json_is_string(found) ? json_string_value(found) : fallback;
}

double view_number(const json_t *value, const char *path)
{
	const json_t *found = view_get(value, path);

	return json_is_number(found) ? json_number_value(found) : NAN;
}

int view_true(const json_t *value, const char *path)
{
	return json_is_true(view_get(value, path));
}

int view_flagged(const json_t *benchmark, const char *flag)
{
	const json_t *flags = view_get(benchmark, "flags");
	size_t i;
	json_t *each;

	json_array_foreach(flags, i, each) if (json_is_string(each) &&
					       strcmp(json_string_value(each), flag) == 0) return 1;
	return 0;
}

const char *view_reason(const json_t *object, const char *key)
{
	char name[96];
	const char *text;

	snprintf(name, sizeof(name), "%s_reason", key);
	text = json_string_value(json_object_get(object, name));
	if (!text)
		text = json_string_value(
			json_object_get(json_object_get(object, key), "unavailable"));
	return text ? text : "no reason given";
}

const json_t *view_benchmark(const json_t *result, const char *name)
{
	const json_t *all = view_get(result, "benchmarks");
	size_t i;
	json_t *each;

	if (!name)
		return NULL;
	json_array_foreach(all, i,
			   each) if (strcmp(view_text(each, "name", ""), name) == 0) return each;
	return NULL;
}

/* Three significant digits, without an exponent for anything from 0.001 to 999,999. */
static void three_digits(double value, const char *unit, char *text)
{
	double size = fabs(value);
	int decimals = size > 0 && size < 0.0995 ? 3 : size < 9.995 ? 2 : size < 99.95 ? 1 : 0;

	snprintf(text, VIEW_TEXT_SIZE, "%.*f%s", decimals, value, unit);
}

static const char *scaled(double value, const char *const units[], unsigned count, char *text)
{
	unsigned i = 0;

	if (!isfinite(value))
		return strcpy(text, "–");
	while (i + 1 < count && fabs(value) >= 999.5) {
		value /= 1000;
		i++;
	}
	three_digits(value, units[i], text);
	return text;
}

const char *view_format_ns(double ns, char *text)
{
	static const char *const units[] = { " ns", " µs", " ms", " s" };

	return scaled(ns, units, 4, text);
}

const char *view_format_rate(double per_second, char *text)
{
	static const char *const units[] = { " /s", " k/s", " M/s", " G/s", " T/s" };

	return scaled(per_second, units, 5, text);
}

const char *view_format_ratio(double ratio, char *text)
{
	if (!isfinite(ratio))
		return strcpy(text, "–");
	three_digits(ratio, "×", text);
	return text;
}

const char *view_format_count(double count, char *text)
{
	char digits[VIEW_TEXT_SIZE];
	size_t length, used = 0;

	if (!isfinite(count) || fabs(count) >= 1e15)
		return strcpy(text, "–");
	snprintf(digits, sizeof(digits), "%.0f", fabs(count));
	length = strlen(digits);
	if (count <= -0.5)
		text[used++] = '-';
	for (size_t i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			text[used++] = ',';
		text[used++] = digits[i];
	}
	text[used] = '\0';
	return text;
}
