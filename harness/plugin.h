/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugin.h - translators from files: what is looked at before any of their code runs, and loading.
 *
 * Loading runs the file's constructors, and whatever it does is then done by us. So the program
 * that plans and keeps results only ever inspects a plug-in; it is loaded in a worker process, and
 * inspected there once more. A file that anybody may write, or replace, is code of anybody: it is
 * refused. No locks; one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "translators/translator.h"

/* Whether a translator's name is the path of a plug-in: it has a '/'. */
bool plugin_is_path(const char *name);

/*
 * Looks at the file alone: a regular file, a shared library of this machine, and, unless
 * allow_writable, written by its owner or group only, as is its directory (a sticky one may be
 * anybody's); of a symbolic link also that of the link. 0 or, with a sentence that says what to
 * do, -EINVAL.
 */
int plugin_inspect(const char *path, bool allow_writable, char *error, size_t size)
	__attribute__((warn_unused_result));

/*
 * Loads it, to stay until the process ends, and checks its table. *translator is a copy in which
 * members that the plug-in's table is too short for are NULL; it stays as well. 0 or, with a
 * sentence, -EINVAL. In worker processes only.
 */
int plugin_load(const char *path, const struct translator **translator, char *error, size_t size)
	__attribute__((warn_unused_result));

/*
 * Checks a table of which `bytes` bytes can be read: magic, version, length, what every translator
 * has, and what its capability bits promise. 0 or, with a sentence, -EINVAL.
 */
int plugin_check_table(const struct translator *table, size_t bytes, char *error, size_t size)
	__attribute__((warn_unused_result));
