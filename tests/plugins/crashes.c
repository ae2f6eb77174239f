/* SPDX-License-Identifier: Apache-2.0 */
/* crashes.c - a fault reads where nothing is. */
#include "tests/plugins/plugin.h"

static volatile int *volatile nowhere = (volatile int *)16; /* the compiler shall not know */

PLUGIN_FAULT(return *nowhere);
