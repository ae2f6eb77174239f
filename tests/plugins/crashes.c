/* SPDX-License-Identifier: Apache-2.0 */
/* crashes.c - a fault reads where nothing is. */
#include "tests/plugins/plugin.h"

PLUGIN_FAULT(return *(volatile int *)16);
