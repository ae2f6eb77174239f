/* SPDX-License-Identifier: Apache-2.0 */
/* no_symbol.c - a shared library that is no translator. */
int odd_symbol;
