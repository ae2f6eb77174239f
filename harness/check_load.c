/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_load.c - the translator under check: a built-in one, or a plug-in by its path.
 */
#include "harness/check_load.h"

#include <string.h>

int check_load(struct check_loaded *loaded, const char *text, char *error, size_t size)
{
	int rc;

	memset(loaded, 0, sizeof(*loaded));
	rc = translator_spec_parse(&loaded->spec, text, error, size);
	/* Who may write the file was looked at by the command. */
	if (!rc)
		rc = translator_spec_load(&loaded->spec, true, error, size);
	loaded->t = loaded->spec.translator;
	loaded->options = loaded->spec.options;
	return rc;
}
