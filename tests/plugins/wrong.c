/* SPDX-License-Identifier: Apache-2.0 */
/* wrong.c - answers nothing, and says that its answers are to be believed. */
#include "tests/plugins/plugin.h"

PLUGIN(.capabilities = TRANSLATOR_CAN_SPACES);
