/* SPDX-License-Identifier: Apache-2.0 */
/* major.c - of another major version. */
#include "tests/plugins/plugin.h"

PLUGIN(.abi_major = TRANSLATOR_ABI_MAJOR + 1);
