/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail.c - the engine's one way to report what a correct caller can never cause.
 *
 * The text is formatted on the stack and handed to the hook. The default hook writes it with one
 * write(2), so that lines of threads that die together do not mix, and aborts. Takes no lock and
 * allocates nothing: it may be called from a signal handler or with any lock held.
 */
#include "engine/fail.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAIL_TEXT_SIZE 512

static void fail_default(const char *text)
{
	char line[FAIL_TEXT_SIZE + 16];
	int length = snprintf(line, sizeof(line), "mm: %s\n", text);

	/* Nobody is left to tell if stderr cannot be written. */
	if (length > 0 && write(STDERR_FILENO, line, (size_t)length) < 0)
		abort();
	abort();
}

static mm_fail_hook current_hook = fail_default;

mm_fail_hook mm_fail_set_hook(mm_fail_hook hook)
{
	mm_fail_hook old = current_hook;

	current_hook = hook ? hook : fail_default;
	return old;
}

_Noreturn void mm_fail(const char *format, ...)
{
	char text[FAIL_TEXT_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	current_hook(text);
	/* A hook that returns breaks its contract; going on would corrupt. */
	abort();
}
