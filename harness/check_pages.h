/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_pages.h - which pages a check is made with: those that each list names, unless the user's
 * options name others (pages=2m), and whether this machine has as many as a list may need.
 *
 * Pages of 2 MiB come from a pool that others use and change. A check that fails for want of them
 * says nothing about the translator: they are counted before a list is played, and again when one
 * came out wrong.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "harness/check_script.h"
#include "translators/translator.h"

/* The class that options name last, as the ABI reads them; NULL: none. options: ends with a NULL
 * key; NULL: there are none. */
const char *check_pages_asked(const struct translator_option *options);
/* Makes it a geometry of this class, unless it is: cells become as large as its pages, so that what
 * happens to one cell cannot happen to another's bytes. */
void check_pages_become(struct check_geometry *geometry, const char *pages);
/* Whether pages of the class come from the pool of 2 MiB. */
bool check_pages_pooled(const char *pages);
/* Whether enough of them are free, for lists that name the class themselves or, by_user, for all;
 * true for classes without this pool. false with a sentence that says what to do. */
bool check_pages_suffice(const char *pages, bool by_user, char *error, size_t size);
