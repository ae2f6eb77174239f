/* SPDX-License-Identifier: Apache-2.0 */
/* exits.c - calls exit in the middle of a fault. */
#include <stdlib.h>

#include "tests/plugins/plugin.h"

PLUGIN_FAULT(exit(3));
