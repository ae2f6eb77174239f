/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translators.h - the translators that can be named, and NAME:key=value... made ready to open.
 *
 * Built-in ones stand in one table, sorted. Not thread-safe except where the ABI says so.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "translators/translator.h"

/* Sorted by name, ends with NULL. */
extern const struct translator *const translator_table[];

struct translator_spec {
	char *text; /* as typed */
	const struct translator *translator;
	char *copy; /* what the options point into */
	struct translator_option *options; /* the user's, ends with a NULL key */
	size_t option_count;
};

/* 0, or -EINVAL with a sentence that names the place and the nearest known name.
 * translator_spec_release afterwards in both cases. */
int translator_spec_parse(struct translator_spec *spec, const char *text, char *error, size_t size)
	__attribute__((warn_unused_result));
void translator_spec_release(struct translator_spec *spec);

/*
 * Opens an engine with the user's options and pages, as, memory_max (bytes). 0 or -errno with a
 * sentence: -EINVAL an option is wrong, -ENODEV this machine lacks what was asked.
 */
int translator_spec_open(const struct translator_spec *spec, const char *pages, const char *as,
			 uint64_t memory_max, struct translator_engine **engine, char *error,
			 size_t size) __attribute__((warn_unused_result));

/* Names of the capability bits, in the order of the bits, ends with NULL. */
extern const char *const translator_capabilities[];

/* "spaces, touch": the set bits of needs that t lacks; returns buffer, empty if none. */
const char *translator_missing(const struct translator *t, uint64_t needs, char *buffer,
			       size_t size);
