/* SPDX-License-Identifier: Apache-2.0 */
/* longjmps.c - a fault jumps back into an open that has returned. */
#include <setjmp.h>

#include "tests/plugins/plugin.h"

static jmp_buf place;

static int odd_open(const struct translator_option *options, struct translator_engine **engine,
		    char *error, size_t size)
{
	if (setjmp(place))
		return -5;
	return null_open(options, engine, error, size);
}

static int odd_fault(struct translator_space *space, uint64_t address, uint32_t access)
{
	(void)space, (void)address, (void)access;
	longjmp(place, 1);
}

PLUGIN(.open = odd_open, .fault = odd_fault);
