/* SPDX-License-Identifier: Apache-2.0 */
/* short_table.c - its table ends before a function that it claims. */
#include "tests/plugins/plugin.h"

PLUGIN(.struct_size = offsetof(struct translator, fault));
