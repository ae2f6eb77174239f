/* SPDX-License-Identifier: Apache-2.0 */
/* closes.c - a fault closes every file descriptor and sleeps. */
#include <unistd.h>

#include "tests/plugins/plugin.h"

PLUGIN_FAULT(for (int fd = 3; fd < 64; fd++) close(fd); pause());
