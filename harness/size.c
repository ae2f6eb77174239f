/* SPDX-License-Identifier: Apache-2.0 */
/*
 * size.c - sizes and times as people write them.
 *
 * Digits are read by hand rather than by strtoull, which takes signs, white space and a locale.
 */
#include "harness/size.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Reads digits; *end is what follows. -EINVAL without one. */
static int digits_parse(const char *text, uint64_t *value, const char **end)
{
	uint64_t total = 0;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++) {
		if (__builtin_mul_overflow(total, UINT64_C(10), &total) ||
		    __builtin_add_overflow(total, (uint64_t)(*text - '0'), &total))
			return -ERANGE;
	}
	*value = total;
	*end = text;
	return 0;
}

int count_parse(const char *text, uint64_t *count)
{
	const char *end;
	uint64_t value;
	int rc = digits_parse(text, &value, &end);

	if (rc)
		return rc;
	if (*end)
		return -EINVAL;
	*count = value;
	return 0;
}

int size_parse(const char *text, uint64_t *bytes)
{
	const char *end;
	uint64_t value, unit = 1;
	int rc = digits_parse(text, &value, &end);

	if (rc)
		return rc;
	switch (*end) {
	case 'k':
	case 'K':
		unit = UINT64_C(1) << 10;
		break;
	case 'm':
	case 'M':
		unit = UINT64_C(1) << 20;
		break;
	case 'g':
	case 'G':
		unit = UINT64_C(1) << 30;
		break;
	case '\0':
		*bytes = value;
		return 0;
	default:
		return -EINVAL;
	}
	if (end[1])
		return -EINVAL;
	if (__builtin_mul_overflow(value, unit, &value))
		return -ERANGE;
	*bytes = value;
	return 0;
}

static const struct {
	const char *name;
	double ns;
} units[] = {
	{ "", 1e9 },  { "ns", 1 },   { "us", 1e3 },   { "ms", 1e6 },
	{ "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 },
};

/* Digits, and perhaps a point and more digits. */
static int fraction_parse(const char *text, double *value, const char **end)
{
	uint64_t whole;
	double scale = 0.1;
	int rc = digits_parse(text, &whole, end);

	if (rc)
		return rc;
	*value = (double)whole;
	if (**end != '.')
		return 0;
	++*end;
	if (!isdigit((unsigned char)**end))
		return -EINVAL;
	for (; isdigit((unsigned char)**end); ++*end, scale /= 10)
		*value += scale * (**end - '0');
	return 0;
}

int rate_parse(const char *text, double *per_second)
{
	static const char suffixes[] = "kmg";
	const char *end, *suffix;
	double value;
	int rc = fraction_parse(text, &value, &end);

	if (rc)
		return rc;
	if (*end) {
		suffix = strchr(suffixes, tolower((unsigned char)*end));
		if (!suffix || end[1])
			return -EINVAL;
		value *= pow(1000, (double)(suffix - suffixes) + 1);
	}
	if (value < 1 || value > 1e9)
		return -ERANGE;
	*per_second = value;
	return 0;
}

int duration_parse(const char *text, uint64_t *ns)
{
	const char *end;
	double value;
	int rc = fraction_parse(text, &value, &end);

	if (rc)
		return rc;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		value = round(value * units[i].ns);
		if (value > 10 * 365.25 * 24 * 3600e9)
			return -ERANGE;
		*ns = (uint64_t)value;
		return 0;
	}
	return -EINVAL;
}

const char *size_format(uint64_t bytes, char *buffer, size_t size)
{
	static const char suffixes[] = "\0kmg";
	unsigned power = 0;

	while (power < 3 && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		power++;
	}
	snprintf(buffer, size, "%" PRIu64 "%.1s", bytes, suffixes + power);
	return buffer;
}

const char *duration_format(double ns, char *buffer, size_t size)
{
	static const struct {
		const char *name;
		double ns;
	} steps[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
	unsigned step = 0;
	double value;

	/* 999.5 would print as 1000: it belongs to the next unit. */
	while (step < 3 && ns / steps[step].ns >= 999.5)
		step++;
	value = ns / steps[step].ns;
	snprintf(buffer, size, "%.*f%s",
		 value < 9.995	 ? 2
		 : value < 99.95 ? 1
				 : 0,
		 value, steps[step].name);
	return buffer;
}
