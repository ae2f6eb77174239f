/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_script.c - lists of operations as text, both ways.
 */
#include "harness/check_script.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "translators/translator.h"

#define SPACES TRANSLATOR_CAN_SPACES
#define OBJECTS TRANSLATOR_CAN_OBJECTS

const struct check_kind_info check_kinds[CHECK_KINDS] = {
	[CHECK_CLOSE] = { "close", { "object" }, OBJECTS },
	[CHECK_DISCARD] = { "discard", { "space", "at", "cells" }, TRANSLATOR_CAN_DISCARD },
	[CHECK_DROP] = { "drop", { "space" }, SPACES },
	[CHECK_DUP] = { "dup", { "hold", "to" }, TRANSLATOR_CAN_REFERENCES },
	[CHECK_FAULT] = { "fault", { "space", "at", "access" }, SPACES },
	[CHECK_FORK] = { "fork", { "space", "to" }, TRANSLATOR_CAN_FORK },
	[CHECK_INVALIDATE] = { "invalidate", { "object", "at", "cells" }, OBJECTS },
	[CHECK_LOAD] = { "load", { "space", "at" }, TRANSLATOR_CAN_TOUCH },
	[CHECK_LOOKUP] = { "lookup", { "space", "at", "access" }, SPACES },
	[CHECK_MAP] = { "map",
			{ "space", "at", "cells", "object", "offset", "perms", "private" },
			SPACES },
	[CHECK_MARK] = { "mark", { "space", "at", "value" }, TRANSLATOR_CAN_IO },
	[CHECK_OBJECT] = { "object", { "object", "cells", "file" }, OBJECTS },
	[CHECK_PEEK] = { "peek", { "space", "at" }, TRANSLATOR_CAN_IO },
	[CHECK_PROTECT] = { "protect",
			    { "space", "at", "cells", "perms" },
			    TRANSLATOR_CAN_PROTECT },
	[CHECK_PUNCH] = { "punch", { "object", "at", "cells" }, OBJECTS },
	[CHECK_READ] = { "read", { "space", "at", "cells" }, TRANSLATOR_CAN_IO },
	[CHECK_REF] = { "ref", { "hold", "space", "at" }, SPACES | TRANSLATOR_CAN_REFERENCES },
	[CHECK_REMAP] = { "remap",
			  { "space", "at", "cells", "to", "to-cells" },
			  TRANSLATOR_CAN_REMAP },
	[CHECK_SPACE] = { "space", { "space" }, SPACES },
	[CHECK_STORE] = { "store", { "space", "at", "value" }, TRANSLATOR_CAN_TOUCH },
	[CHECK_SYNC] = { "sync", { "object", "at", "cells" }, TRANSLATOR_CAN_FILES },
	[CHECK_TRANSLATE] = { "translate",
			      { "object", "at", "cells", "before", "after", "access" },
			      OBJECTS },
	[CHECK_TRUNCATE] = { "truncate", { "object", "cells" }, OBJECTS },
	[CHECK_UNMAP] = { "unmap", { "space", "at", "cells" }, SPACES },
	[CHECK_UNREF] = { "unref", { "hold" }, TRANSLATOR_CAN_REFERENCES },
	[CHECK_WRITE] = { "write", { "space", "at", "cells", "value" }, TRANSLATOR_CAN_IO },
};

void check_script_add(struct check_script *script, const struct check_op *op)
{
	assert(script->count < CHECK_OPS_MAX);
	script->ops[script->count++] = *op;
}

void check_op_print(const struct check_op *op, FILE *out)
{
	const struct check_kind_info *info = &check_kinds[op->kind];

	if (op->lane)
		fprintf(out, "%u: ", op->lane);
	fputs(info->name, out);
	for (unsigned i = 0; info->args[i]; i++)
		fprintf(out, " %s=%d", info->args[i], op->arg[i]);
	fputc('\n', out);
}

void check_script_print(const struct check_script *script, FILE *out)
{
	const struct check_geometry *g = &script->geometry;

	fprintf(out,
		"geometry base=%" PRIu64 " object-base=%" PRIu64
		" stride=%u look=%u touch=%d pages=%s rounds=%u\n",
		g->base, g->object_base, g->stride, g->look, g->touch, g->pages, script->rounds);
	for (unsigned i = 0; i < script->count; i++)
		check_op_print(&script->ops[i], out);
}

const char *check_script_pages(const char *name)
{
	static const char *const classes[] = { "4k", "thp", "2m" };

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strcmp(name, classes[i]) == 0)
			return classes[i];
	return NULL;
}

static int parse_geometry(struct check_script *script, const char *line)
{
	struct check_geometry *g = &script->geometry;
	char pages[8];
	int touch;

	if (sscanf(line,
		   "geometry base=%" SCNu64 " object-base=%" SCNu64
		   " stride=%u look=%u touch=%d pages=%7s rounds=%u",
		   &g->base, &g->object_base, &g->stride, &g->look, &touch, pages,
		   &script->rounds) != 7 ||
	    !g->base || !g->stride || g->stride > 1u << 18 || g->look >= g->stride ||
	    g->base > UINT64_C(1) << 24 || g->object_base > UINT64_C(1) << 24)
		return -EINVAL;
	g->touch = touch != 0;
	g->pages = check_script_pages(pages);
	return g->pages ? 0 : -EINVAL;
}

/* The largest value that an argument may have: what is beyond would be outside our tables. */
static int argument_max(const char *name)
{
	static const struct {
		const char *name;
		int max;
	} limits[] = {
		{ "space", CHECK_SPACES - 1 },
		{ "object", CHECK_OBJECTS - 1 },
		{ "hold", CHECK_HOLDS - 1 },
		{ "perms", 7 },
		{ "access", 7 },
		{ "value", 255 },
		{ "file", 1 },
		{ "private", 1 },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (strcmp(limits[i].name, name) == 0)
			return limits[i].max;
	return CHECK_CELLS;
}

static int parse_op(struct check_op *op, char *line)
{
	const struct check_kind_info *info = NULL;
	char *word = strsep(&line, " ");

	memset(op, 0, sizeof(*op));
	if (word[0] >= '1' && word[0] <= '0' + CHECK_LANES && word[1] == ':' && !word[2]) {
		op->lane = (uint8_t)(word[0] - '0');
		word = strsep(&line, " ");
	}
	for (unsigned kind = 0; word && kind < CHECK_KINDS && !info; kind++)
		if (strcmp(check_kinds[kind].name, word) == 0) {
			info = &check_kinds[kind];
			op->kind = (uint8_t)kind;
		}
	if (!info)
		return -EINVAL;
	for (unsigned i = 0; info->args[i]; i++) {
		size_t length = strlen(info->args[i]);
		char *end;
		long value;

		word = strsep(&line, " ");
		if (!word || strncmp(word, info->args[i], length) != 0 || word[length] != '=')
			return -EINVAL;
		value = strtol(word + length + 1, &end, 10);
		if (*end || end == word + length + 1 || value > argument_max(info->args[i]) ||
		    value < (strcmp(info->args[i], "object") == 0 ? -1 : 0))
			return -EINVAL;
		op->arg[i] = (int16_t)value;
	}
	/* "to" is a space, a hold or a cell; only MAP has no object. */
	if ((op->kind == CHECK_FORK && op->arg[1] >= CHECK_SPACES) ||
	    (op->kind == CHECK_DUP && op->arg[1] >= CHECK_HOLDS) ||
	    (op->kind != CHECK_MAP && op->kind != CHECK_REMAP && op->arg[0] < 0))
		return -EINVAL;
	return line ? -EINVAL : 0;
}

int check_script_parse(struct check_script *script, const char *text, char *error, size_t size)
{
	char *copy = strdup(text), *rest = copy, *line;
	unsigned number = 0;
	int rc = 0;

	if (!copy)
		abort();
	script->count = 0;
	while (!rc && (line = strsep(&rest, "\n"))) {
		char shown[64];
		struct check_op op;

		number++;
		if (!*line || *line == '#')
			continue;
		snprintf(shown, sizeof(shown), "%s", line);
		if (strncmp(line, "geometry ", 9) == 0) {
			rc = parse_geometry(script, line);
		} else {
			rc = script->count == CHECK_OPS_MAX ? -EINVAL : parse_op(&op, line);
			if (!rc)
				check_script_add(script, &op);
		}
		if (rc)
			snprintf(error, size, "line %u: \"%s\" is not an operation", number, shown);
	}
	free(copy);
	return rc;
}
