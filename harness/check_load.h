/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_load.h - the translator under check, by NAME or PATH.so, made ready to be opened.
 *
 * Called in the process that runs it only: a plug-in is code.
 */
#pragma once

#include "harness/translators.h"

struct check_loaded {
	const struct translator *t;
	const struct translator_option *options; /* the user's, ends with a NULL key */
	struct translator_spec spec;
};

/* 0, or -errno with a sentence. What is loaded stays for the life of the process. */
int check_load(struct check_loaded *loaded, const char *text, char *error, size_t size)
	__attribute__((warn_unused_result));
