/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_list.c - values that are lists: elements between commas, and thread counts.
 */
#include "harness/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness/size.h"

size_t options_list(const char *text, char ***items)
{
	size_t count = 1;
	char **list;

	for (const char *p = text; *p; p++)
		count += *p == ',';
	list = calloc(count, sizeof(*list));
	if (!list)
		abort();
	for (size_t i = 0; i < count; i++) {
		size_t length = strcspn(text, ",");

		list[i] = strndup(text, length);
		if (!list[i])
			abort();
		text += length + 1;
	}
	*items = list;
	return count;
}

void options_list_free(char **items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(items[i]);
	free(items);
}

/* Adds one count in its place, once. */
static int add_count(unsigned value, unsigned *counts, size_t capacity, size_t *count)
{
	size_t at = 0;

	while (at < *count && counts[at] < value)
		at++;
	if (at < *count && counts[at] == value)
		return 0;
	if (*count == capacity)
		return -EINVAL;
	memmove(counts + at + 1, counts + at, (*count - at) * sizeof(*counts));
	counts[at] = value;
	++*count;
	return 0;
}

/* "N" or "max". */
static int thread_count(const char *text, size_t length, unsigned maximum, unsigned *value)
{
	char word[16];
	uint64_t number;

	if (length >= sizeof(word))
		return -EINVAL;
	snprintf(word, sizeof(word), "%.*s", (int)length, text);
	if (strcmp(word, "max") == 0) {
		*value = maximum;
		return 0;
	}
	if (count_parse(word, &number) || number < 1)
		return -EINVAL;
	if (number > maximum)
		return -ERANGE;
	*value = (unsigned)number;
	return 0;
}

int options_threads(const char *text, unsigned maximum, unsigned *counts, size_t capacity,
		    size_t *count, char *error, size_t size)
{
	char **items;
	size_t item_count = options_list(text, &items), i;
	int rc = 0;

	*count = 0;
	for (i = 0; i < item_count && !rc; i++) {
		const char *dots = strstr(items[i], "..");
		unsigned first, last;

		rc = thread_count(items[i], dots ? (size_t)(dots - items[i]) : strlen(items[i]),
				  maximum, &first);
		last = first;
		if (!rc && dots)
			rc = thread_count(dots + 2, strlen(dots + 2), maximum, &last);
		if (!rc && last < first)
			rc = -EINVAL;
		for (unsigned n = first; !rc && n < last; n *= 2)
			rc = add_count(n, counts, capacity, count);
		if (!rc)
			rc = add_count(last, counts, capacity, count);
	}
	if (rc == -ERANGE)
		snprintf(error, size, "\"%s\" is more than the %u CPUs that may be used",
			 items[i - 1], maximum);
	else if (rc)
		snprintf(error, size, "has no thread counts in \"%s\" (numbers, A..B, max)",
			 items[i - 1]);
	options_list_free(items, item_count);
	return rc;
}
