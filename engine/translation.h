/* SPDX-License-Identifier: Apache-2.0 */
/* translation.h - what Mappable.Translate answers, and the check of every rule it must keep. */
#pragma once

#include "engine/interfaces.h"

struct translation {
	struct mappable_range source; /* translated offsets of the mappable */
	struct file *file;
	uint64_t offset; /* in file, of source.start */
	mm_access perms; /* what mappings of this piece may do */
};

static inline struct file_range translation_file_range(const struct translation *t)
{
	return (struct file_range){ t->offset, t->offset + mappable_range_length(t->source) };
}

/* The ordinary answer, which needs no further check: one piece, just what was required or all that
 * was optional, and no error. False says nothing. Arguments as check_translate_result's. */
static inline bool translate_result_is_plain(struct mappable_range required,
					     struct mappable_range optional, mm_access at,
					     const struct translation *ts, size_t count, int rc)
{
	if (rc || count != 1 || !ts->file || !page_aligned(ts->offset) ||
	    !access_superset_of(ts->perms, at))
		return false;
	return (ts->source.start == required.start && ts->source.end == required.end) ||
	       (ts->source.start == optional.start && ts->source.end == optional.end);
}

/*
 * Checks (ts, count, rc) against every post-condition of translate (the seed's
 * CheckTranslateResult). Returns NULL if all hold, else a sentence (static storage per thread)
 * that names the broken rule and the translation. Broken pre-conditions of the call itself
 * (required empty, unaligned, not inside optional) are the caller's mistake: mm_fail().
 */
const char *check_translate_result(struct mappable_range required, struct mappable_range optional,
				   mm_access at, const struct translation *ts, size_t count,
				   int rc);
