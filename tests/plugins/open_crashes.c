/* SPDX-License-Identifier: Apache-2.0 */
/* open_crashes.c - open calls what is not there. */
#include "tests/plugins/plugin.h"

static int odd_open(const struct translator_option *options, struct translator_engine **engine,
		    char *error, size_t size)
{
	int (*volatile nothing)(void) = NULL;

	(void)options, (void)engine, (void)error, (void)size;
	return nothing();
}

PLUGIN(.open = odd_open);
