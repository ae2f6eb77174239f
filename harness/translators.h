/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translators.h - the translators that can be named, and NAME:key=value... made ready to open.
 *
 * Built-in ones stand in one table, sorted. Plug-ins are named by a path; the program that plans
 * never loads them, so it knows only what a worker process told about them (describe). Not
 * thread-safe except where the ABI says so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "translators/translator.h"

/* Sorted by name, ends with NULL. */
extern const struct translator *const translator_table[];

struct translator_spec {
	char *text; /* as typed */
	/* Of a plug-in NULL until it is loaded (a worker process) or described. */
	const struct translator *translator;
	const char *path; /* of a plug-in; NULL: built in */
	char *lost; /* why it is not measured at all, owned; NULL: it is */
	bool unchecked; /* a plug-in that has not passed conformance, timed all the same */
	int lost_rc; /* -ECHILD: it crashed or hung; -EBADE: it is wrong */
	struct translator *described; /* translator, if it is only described; owned */
	char *copy; /* what path and options point into */
	struct translator_option *options; /* the user's, ends with a NULL key */
	size_t option_count;
};

/* 0, or -EINVAL with a sentence that names the place and the nearest known name.
 * translator_spec_release afterwards in both cases. */
int translator_spec_parse(struct translator_spec *spec, const char *text, char *error, size_t size)
	__attribute__((warn_unused_result));
void translator_spec_release(struct translator_spec *spec);

/* Loads a plug-in (see plugin.h); one that is built in is there already. Worker processes only. 0,
 * or -EINVAL with a sentence. */
int translator_spec_load(struct translator_spec *spec, bool allow_writable, char *error,
			 size_t size) __attribute__((warn_unused_result));
/* What a worker process told of a plug-in: a table without functions. Strings are copied. */
void translator_spec_describe(struct translator_spec *spec, const char *name, const char *version,
			      const char *description, uint64_t capabilities);
/* It is not measured, for that reason; of a plug-in that was never described nothing is known. */
void translator_spec_lose(struct translator_spec *spec, int rc, const char *reason);

/*
 * Opens an engine with the user's options and pages, as, refs, memory_max (bytes). 0 or -errno
 * with a sentence: -EINVAL an option is wrong, -ENODEV this machine lacks what was asked. Not for
 * one that is only described.
 */
int translator_spec_open(const struct translator_spec *spec, const char *pages, const char *as,
			 const char *refs, uint64_t memory_max, struct translator_engine **engine,
			 char *error, size_t size) __attribute__((warn_unused_result));

/* Names of the capability bits, in the order of the bits, ends with NULL. */
extern const char *const translator_capabilities[];

/* "spaces, touch": the set bits of needs that t lacks; returns buffer, empty if none. */
const char *translator_missing(const struct translator *t, uint64_t needs, char *buffer,
			       size_t size);
