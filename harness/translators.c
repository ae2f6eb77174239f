/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translators.c - the table of built-in translators and the reading of NAME:key=value...
 */
#include "harness/translators.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/plugin.h"
#include "harness/suggest.h"

#define OPTIONS_MAX 32
#define TABLE_MAX 64

extern const struct translator translator_biglock, translator_delay, translator_linux,
	translator_memmap, translator_null;

const struct translator *const translator_table[] = {
	&translator_biglock, &translator_delay, &translator_linux,
	&translator_memmap,  &translator_null,	NULL,
};

const char *const translator_capabilities[] = {
	"objects",    "references",    "spaces",
	"protect",    "discard",       "touch",
	"huge-2m",    "thp",	       "computes-nothing",
	"fork",	      "remap",	       "io",
	"private",    "files",	       "batch",
	"self-check", "keeps-threads", "sharded-references",
	"huge-1g",    "move",	       NULL,
};

static int find_translator(struct translator_spec *spec, const char *name, char *error, size_t size)
{
	const char *names[TABLE_MAX];
	char hint[96];
	size_t count = 0, length = strlen(name);

	if (plugin_is_path(name)) {
		spec->path = name;
		return 0;
	}
	for (; translator_table[count]; count++) {
		names[count] = translator_table[count]->name;
		if (strcmp(names[count], name) == 0) {
			spec->translator = translator_table[count];
			return 0;
		}
	}
	if (length > 3 && strcmp(name + length - 3, ".so") == 0)
		snprintf(error, size,
			 "--translator \"%s\": a plug-in is named by its path: ./%s, if it is in "
			 "this directory",
			 spec->text, name);
	else
		snprintf(error, size, "--translator \"%s\": unknown translator \"%s\"%s",
			 spec->text, name, suggest_text(name, names, count, hint, sizeof(hint)));
	return -EINVAL;
}

int translator_spec_parse(struct translator_spec *spec, const char *text, char *error, size_t size)
{
	char *rest, *part;
	int rc;

	memset(spec, 0, sizeof(*spec));
	spec->text = strdup(text);
	spec->copy = strdup(text);
	/* Room for what is always passed, too. */
	spec->options = calloc(OPTIONS_MAX + 4, sizeof(*spec->options));
	if (!spec->text || !spec->copy || !spec->options)
		abort();
	rest = spec->copy;
	rc = find_translator(spec, strsep(&rest, ":"), error, size);
	while (!rc && rest) {
		/* The translator within takes the rest, colons and all. */
		if (strncmp(rest, "inner=", 6) == 0) {
			part = rest;
			rest = NULL;
		} else {
			part = strsep(&rest, ":");
		}
		char *equals = strchr(part, '=');

		if (!equals || equals == part || spec->option_count == OPTIONS_MAX) {
			snprintf(error, size, "--translator \"%s\": \"%s\" is not key=value", text,
				 part);
			return -EINVAL;
		}
		*equals = '\0';
		spec->options[spec->option_count].key = part;
		spec->options[spec->option_count++].value = equals + 1;
	}
	return rc;
}

void translator_spec_release(struct translator_spec *spec)
{
	if (spec->described) {
		free((char *)spec->described->name);
		free((char *)spec->described->version);
		free((char *)spec->described->description);
	}
	free(spec->described);
	free(spec->lost);
	free(spec->text);
	free(spec->copy);
	free(spec->options);
	memset(spec, 0, sizeof(*spec));
}

int translator_spec_load(struct translator_spec *spec, bool allow_writable, char *error,
			 size_t size)
{
	char why[700] = "";
	int rc = 0;

	if (spec->translator)
		return 0;
	rc = plugin_inspect(spec->path, allow_writable, why, sizeof(why));
	if (!rc)
		rc = plugin_load(spec->path, &spec->translator, why, sizeof(why));
	if (rc)
		snprintf(error, size, "--translator %s", why);
	return rc;
}

void translator_spec_describe(struct translator_spec *spec, const char *name, const char *version,
			      const char *description, uint64_t capabilities)
{
	struct translator told = { .magic = TRANSLATOR_MAGIC,
				   .abi_major = TRANSLATOR_ABI_MAJOR,
				   .abi_minor = TRANSLATOR_ABI_MINOR,
				   .struct_size = sizeof(told),
				   .name = strdup(name),
				   .version = strdup(version),
				   .description = strdup(description),
				   .capabilities = capabilities };

	spec->described = malloc(sizeof(told));
	if (!spec->described || !told.name || !told.version || !told.description)
		abort();
	memcpy(spec->described, &told, sizeof(told));
	spec->translator = spec->described;
}

void translator_spec_lose(struct translator_spec *spec, int rc, const char *reason)
{
	if (!spec->translator)
		translator_spec_describe(spec, spec->text, "unknown", "could not be loaded", 0);
	free(spec->lost);
	spec->lost_rc = rc;
	spec->lost = strdup(reason);
	if (!spec->lost)
		abort();
}

int translator_spec_open(const struct translator_spec *spec, const char *pages, const char *as,
			 const char *refs, uint64_t memory_max, struct translator_engine **engine,
			 char *error, size_t size)
{
	struct translator_option options[OPTIONS_MAX + 5] = { { 0 } };
	char bytes[32], reason[400] = "";
	size_t count = 0;
	int rc;

	snprintf(bytes, sizeof(bytes), "%" PRIu64, memory_max);
	options[count++] = (struct translator_option){ "pages", pages };
	options[count++] = (struct translator_option){ "as", as };
	options[count++] = (struct translator_option){ "memory_max", bytes };
	if (strcmp(refs, "atomic") != 0) /* what all do; an older plug-in need not know the word */
		options[count++] = (struct translator_option){ "refs", refs };
	/* The user's come last, so that pages=2m in a specification wins. */
	memcpy(options + count, spec->options, spec->option_count * sizeof(options[0]));
	rc = spec->translator->open(options, engine, reason, sizeof(reason));
	if (rc)
		snprintf(error, size, "translator %s: %s", spec->text,
			 reason[0] ? reason : strerror(-rc));
	return rc;
}

const char *translator_missing(const struct translator *t, uint64_t needs, char *buffer,
			       size_t size)
{
	size_t used = 0;

	buffer[0] = '\0';
	for (unsigned bit = 0; translator_capabilities[bit]; bit++) {
		if (!(needs & ~t->capabilities & (UINT64_C(1) << bit)) || used >= size)
			continue;
		used += (size_t)snprintf(buffer + used, size - used, "%s%s", used ? ", " : "",
					 translator_capabilities[bit]);
	}
	return buffer;
}
