/* SPDX-License-Identifier: Apache-2.0 */
/* hangs.c - a fault that does not end. */
#include <unistd.h>

#include "tests/plugins/plugin.h"

PLUGIN_FAULT(for (;;) pause());
