/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conformance.h - which plug-ins have passed `faultline check`, and checking those that have not.
 *
 * A plug-in is known by the SHA-256 of its file and of its options; that it passed is an empty
 * file of that name in $XDG_CACHE_HOME/faultline (~/.cache/faultline), under the version of the
 * program, whose properties are what it passed. Failures are not kept: they are found again. Main
 * thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "harness/translators.h"

/* Whether the plug-in passed before; false if that cannot be known. */
bool conformance_passed(const struct translator_spec *spec);

/* Remembers that it passed. 0 or -errno; -ENOENT: there is no cache directory, nor a home. */
int conformance_remember(const struct translator_spec *spec) __attribute__((warn_unused_result));

/*
 * Checks it now, quickly (5 s), and remembers it if it passes. 0; with a sentence: -EBADE some
 * property does not hold; -ECHILD it crashed or hung in one; -EINVAL, -ENODEV: as check_run.
 */
int conformance_check(const struct translator_spec *spec, uint64_t seed, char *error, size_t size)
	__attribute__((warn_unused_result));
