/* SPDX-License-Identifier: Apache-2.0 */
/* good.c - the built-in null translator as a plug-in: nothing is wrong with it. */
#define translator_null faultline_translator
#include "translators/null.c"
