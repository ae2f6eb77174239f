/* SPDX-License-Identifier: Apache-2.0 */
/* load_exits.c - ends the process as soon as it is loaded. */
#include <unistd.h>

#include "tests/plugins/plugin.h"

static __attribute__((constructor)) void odd(void)
{
	_exit(0);
}

PLUGIN(.reserved = 0);
