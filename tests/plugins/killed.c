/* SPDX-License-Identifier: Apache-2.0 */
/* killed.c - a fault in which the process is killed, as for want of memory. */
#include <signal.h>

#include "tests/plugins/plugin.h"

PLUGIN_FAULT(raise(SIGKILL));
