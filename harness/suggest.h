/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest.h - the known word that is nearest to what was typed. Pure functions.
 */
#pragma once

#include <stddef.h>

/* Edits (insert, delete, replace, swap neighbours) from a to b, case ignored; words longer than
 * 63 characters compare by their first 63. */
unsigned suggest_distance(const char *a, const char *b);

/* The nearest of count candidates (the first of equals), or NULL if none is near enough to be
 * what was meant: at most a third of the typed word, at least 2 edits, or a prefix of 2 letters
 * or more that fits only one. */
const char *suggest_nearest(const char *word, const char *const *candidates, size_t count);

/* " (did you mean X?)" into buffer, or the empty string; returns buffer. */
const char *suggest_text(const char *word, const char *const *candidates, size_t count,
			 char *buffer, size_t size);
