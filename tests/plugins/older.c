/* SPDX-License-Identifier: Apache-2.0 */
/* older.c - its table ends early, and claims nothing beyond: of an older minor. */
#include "tests/plugins/plugin.h"

PLUGIN(.struct_size = offsetof(struct translator, batch));
