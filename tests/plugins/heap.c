/* SPDX-License-Identifier: Apache-2.0 */
/* heap.c - a fault writes over what lies beside its memory, and uses that. */
#include <stdlib.h>

#include "tests/plugins/plugin.h"

static char *volatile block, *volatile next;

PLUGIN_FAULT(block = malloc(2000); next = malloc(2000);
	     for (int i = -16; i < 2100; i++) block[i] = 0x41; free(next); free(block));
