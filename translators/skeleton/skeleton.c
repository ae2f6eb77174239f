/* SPDX-License-Identifier: Apache-2.0 */
/*
 * skeleton.c - a translator for faultline, to be filled in. C99, or C++.
 *
 * As it stands it computes nothing and says so (TRANSLATOR_COMPUTES_NOTHING): it can be checked and
 * run, and no answer of it is believed. What each call must do is written beside it in
 * translator.h. A way to go:
 *   1. space_create, map, unmap, fault and lookup for private anonymous memory; then take
 *      TRANSLATOR_COMPUTES_NOTHING away, and let `faultline check ./skeleton.so` say what is wrong.
 *   2. objects, then whatever else a bit of the enum of capabilities names: set the bit, replace
 *      the NULL in the table, check again.
 * Calls come from many threads at once; the table at the head of translator.h says which.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "translator.h"

#define PAGE 4096u

struct translator_engine {
	int nothing; /* what all spaces share: memory, counts, locks */
};

struct translator_space {
	int nothing; /* what is mapped where, and the pages that are present */
};

static struct translator_engine the_engine;
static struct translator_space the_space;

/* Every option that is not known is refused by name. The first three are always given. */
static int open_engine(const struct translator_option *options, struct translator_engine **engine,
		       char *error, size_t error_size)
{
	for (; options && options->key; options++) {
		if (!strcmp(options->key, "pages") || !strcmp(options->key, "as") ||
		    !strcmp(options->key, "memory_max"))
			continue;
		snprintf(error, error_size, "skeleton has no option '%s'.", options->key);
		return -EINVAL;
	}
	*engine = &the_engine;
	return 0;
}

static void close_engine(struct translator_engine *engine)
{
	(void)engine;
}

/* Counts that are kept; the others stay TRANSLATOR_UNKNOWN. */
static int get_stat(struct translator_engine *engine, struct translator_stat *stat)
{
	(void)engine;
	stat->live_pages = 0;
	return 0;
}

static int create_space(struct translator_engine *engine, uint64_t bytes,
			struct translator_space **space)
{
	(void)engine;
	(void)bytes;
	*space = &the_space;
	return 0;
}

static void destroy_space(struct translator_space *space)
{
	(void)space;
}

static int map(struct translator_space *space, const struct translator_map_options *options)
{
	(void)space;
	(void)options;
	return 0;
}

static int unmap(struct translator_space *space, uint64_t address, uint64_t length)
{
	(void)space;
	(void)address;
	(void)length;
	return 0;
}

static int fault(struct translator_space *space, uint64_t address, uint32_t access)
{
	(void)space;
	(void)address;
	(void)access;
	return 0;
}

static int lookup(struct translator_space *space, uint64_t address, uint32_t access,
		  struct translator_translation *out)
{
	uint64_t page = address - address % PAGE;

	(void)space;
	(void)access;
	out->source.start = page;
	out->source.end = page + PAGE;
	out->file = 1;
	out->offset = page;
	out->perms = TRANSLATOR_READ | TRANSLATOR_WRITE;
	out->reserved = 0;
	return 0;
}

/* In the order of translator.h: names of members are not C++'s before C++20. */
const struct translator faultline_translator = {
	TRANSLATOR_MAGIC,
	TRANSLATOR_ABI_MAJOR,
	TRANSLATOR_ABI_MINOR,
	sizeof(struct translator),
	0, /* reserved */
	"skeleton",
	"0.1",
	"computes nothing yet",
	TRANSLATOR_CAN_SPACES | TRANSLATOR_COMPUTES_NOTHING,
	open_engine,
	close_engine,
	NULL, /* thread_enter */
	NULL, /* thread_leave */
	get_stat,
	NULL, /* prefault */
	NULL, /* placement */
	NULL, /* object_create */
	NULL, /* object_destroy */
	NULL, /* object_truncate */
	NULL, /* object_punch */
	NULL, /* object_invalidate */
	NULL, /* object_sync */
	NULL, /* translate */
	NULL, /* incref */
	NULL, /* decref */
	NULL, /* map_internal */
	create_space,
	destroy_space,
	NULL, /* space_fork */
	map,
	unmap,
	NULL, /* protect */
	NULL, /* remap */
	NULL, /* discard */
	fault,
	lookup,
	NULL, /* host_address */
	NULL, /* read */
	NULL, /* write */
	NULL, /* batch */
	NULL, /* self_check */
	NULL, /* place */
	NULL, /* move */
	NULL, /* locality */
};
