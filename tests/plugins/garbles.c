/* SPDX-License-Identifier: Apache-2.0 */
/* garbles.c - a fault writes to every file descriptor. */
#include <unistd.h>

#include "tests/plugins/plugin.h"

PLUGIN_FAULT(for (int fd = 3; fd < 64;
		  fd++) if (write(fd, "not what was meant to be said", 29) < 0) continue);
