/* SPDX-License-Identifier: Apache-2.0 */
/* magic.c - its table does not start as one. */
#include "tests/plugins/plugin.h"

PLUGIN(.magic = 0x464c457f);
