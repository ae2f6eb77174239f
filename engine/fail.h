/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail.h - how the engine reports a broken invariant or a programmer's mistake.
 *
 * The engine returns errors (0 or -errno) for everything that can happen to a correct caller.
 * What cannot is reported here, once, with both sites or both ranges in the text, and does not
 * return: the default hook prints the text to stderr and aborts.
 */
#pragma once

/* A hook must not return: it may abort, exit or longjmp (tests do the last). */
typedef void (*mm_fail_hook)(const char *text);

/* Replaces the hook (NULL: the default again) and returns the old one. Not thread-safe. */
mm_fail_hook mm_fail_set_hook(mm_fail_hook hook);

/* Formats at most 511 bytes and calls the hook. Never returns. Async-signal-safe enough to die. */
_Noreturn void mm_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* An invariant that costs nothing to check, in every build. */
#define MM_CHECK(condition)                                                           \
	do {                                                                          \
		if (__builtin_expect(!(condition), 0))                                \
			mm_fail("%s:%d: not so: %s", __FILE__, __LINE__, #condition); \
	} while (0)
