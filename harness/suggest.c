/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest.c - optimal string alignment distance over three rows, and the choice of the nearest.
 */
#include "harness/suggest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 63

static unsigned min_of(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned suggest_distance(const char *a, const char *b)
{
	size_t a_length = strnlen(a, WORD_MAX), b_length = strnlen(b, WORD_MAX);
	unsigned rows[3][WORD_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_length; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= a_length; i++) {
		unsigned *oldest = before;

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_length; j++) {
			int x = tolower((unsigned char)a[i - 1]);
			int y = tolower((unsigned char)b[j - 1]);
			unsigned best = last[j - 1] + (x != y);

			best = min_of(best, last[j] + 1);
			best = min_of(best, row[j - 1] + 1);
			if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
			    y == tolower((unsigned char)a[i - 2]))
				best = min_of(best, before[j - 2] + 1);
			row[j] = best;
		}
		before = last;
		last = row;
		row = oldest;
	}
	return last[b_length];
}

/* The one candidate that starts with word, or NULL. */
static const char *only_completion(const char *word, const char *const *candidates, size_t count)
{
	const char *found = NULL;
	size_t length = strlen(word);

	if (length < 2)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (strncasecmp(word, candidates[i], length) != 0)
			continue;
		if (found)
			return NULL;
		found = candidates[i];
	}
	return found;
}

const char *suggest_nearest(const char *word, const char *const *candidates, size_t count)
{
	const char *nearest = only_completion(word, candidates, count);
	unsigned limit = (unsigned)strnlen(word, WORD_MAX) / 3, best;

	if (nearest || !*word)
		return nearest;
	best = (limit < 2 ? 2 : limit) + 1;
	for (size_t i = 0; i < count; i++) {
		unsigned distance = suggest_distance(word, candidates[i]);

		/* Two edits turn any word of two letters into any other. */
		if (distance < best && distance < strlen(candidates[i])) {
			best = distance;
			nearest = candidates[i];
		}
	}
	return nearest;
}

const char *suggest_text(const char *word, const char *const *candidates, size_t count,
			 char *buffer, size_t size)
{
	const char *nearest = suggest_nearest(word, candidates, count);

	buffer[0] = '\0';
	if (nearest)
		snprintf(buffer, size, " (did you mean %s?)", nearest);
	return buffer;
}
