/* SPDX-License-Identifier: Apache-2.0 */
/* stops.c - a fault that stops the whole process. */
#include <signal.h>

#include "tests/plugins/plugin.h"

PLUGIN_FAULT(raise(SIGSTOP));
