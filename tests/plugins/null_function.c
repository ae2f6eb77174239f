/* SPDX-License-Identifier: Apache-2.0 */
/* null_function.c - claims what it has no function for. */
#include "tests/plugins/plugin.h"

PLUGIN(.capabilities = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_DISCARD);
