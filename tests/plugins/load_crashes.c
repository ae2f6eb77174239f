/* SPDX-License-Identifier: Apache-2.0 */
/* load_crashes.c - aborts as soon as it is loaded. */
#include <stdlib.h>

#include "tests/plugins/plugin.h"

static __attribute__((constructor)) void odd(void)
{
	abort();
}

PLUGIN(.reserved = 0);
