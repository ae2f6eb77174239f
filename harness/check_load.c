/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_load.c - the translator under check: a built-in one, or a plug-in by its path.
 */
#include "harness/check_load.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 32

static int open_plugin(struct check_loaded *loaded, const char *path, char *error, size_t size)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	loaded->t = handle ? dlsym(handle, "faultline_translator") : NULL;
	if (!loaded->t) {
		snprintf(error, size, "%s", dlerror());
		return -EINVAL;
	}
	if (loaded->t->magic != TRANSLATOR_MAGIC || loaded->t->abi_major != TRANSLATOR_ABI_MAJOR) {
		snprintf(error, size, "%s: not a translator of ABI %d", path, TRANSLATOR_ABI_MAJOR);
		return -EINVAL;
	}
	return 0;
}

int check_load(struct check_loaded *loaded, const char *text, char *error, size_t size)
{
	static struct translator_option options[OPTIONS_MAX + 1];
	char *rest, *part;
	size_t count = 0;
	int rc;

	memset(loaded, 0, sizeof(*loaded));
	if (!strchr(text, '/')) {
		rc = translator_spec_parse(&loaded->spec, text, error, size);
		loaded->t = loaded->spec.translator;
		loaded->options = loaded->spec.options;
		return rc;
	}
	rest = strdup(text);
	if (!rest)
		abort();
	rc = open_plugin(loaded, strsep(&rest, ":"), error, size);
	while (!rc && (part = strsep(&rest, ":"))) {
		char *equals = strchr(part, '=');

		if (!equals || count == OPTIONS_MAX) {
			snprintf(error, size, "\"%s\" is not key=value", part);
			return -EINVAL;
		}
		*equals = '\0';
		options[count++] = (struct translator_option){ part, equals + 1 };
	}
	loaded->options = options;
	return rc;
}
