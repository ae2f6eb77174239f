/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translation.c - every rule that an answer of Mappable.Translate must keep, checked in one place.
 *
 * The rules are those of the seed's CheckTranslateResult, in its order, so that the first broken
 * one is named. The sentence is kept per thread: the check runs on every fault of debug builds
 * and must neither allocate nor take a lock.
 */
#include "engine/translation.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "engine/fail.h"

#define SENTENCE_SIZE 320

static _Thread_local char sentence[SENTENCE_SIZE];

static const char *broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *broken(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	return sentence;
}

#define RANGE_FORMAT "[%#" PRIx64 ", %#" PRIx64 ")"
#define TRANSLATION_FORMAT \
	"translation %zu {source " RANGE_FORMAT ", offset %#" PRIx64 ", perms %u}"
#define TRANSLATION_ARGS(i, t) i, (t)->source.start, (t)->source.end, (t)->offset, (t)->perms

static void check_preconditions(struct mappable_range required, struct mappable_range optional)
{
	if (required.start >= required.end)
		mm_fail("translate: invalid required range " RANGE_FORMAT, required.start,
			required.end);
	if (!mappable_range_page_aligned(required))
		mm_fail("translate: unaligned required range " RANGE_FORMAT, required.start,
			required.end);
	if (!mappable_range_superset_of(optional, required))
		mm_fail("translate: optional range " RANGE_FORMAT
			" is not a superset of required range " RANGE_FORMAT,
			optional.start, optional.end, required.start, required.end);
	if (!mappable_range_page_aligned(optional))
		mm_fail("translate: unaligned optional range " RANGE_FORMAT, optional.start,
			optional.end);
}

/* What a translation must be by itself, whatever was asked. */
static const char *check_one(const struct translation *t, size_t i)
{
	if (t->source.start >= t->source.end)
		return broken(TRANSLATION_FORMAT " has an invalid source", TRANSLATION_ARGS(i, t));
	if (!mappable_range_page_aligned(t->source))
		return broken(TRANSLATION_FORMAT " has an unaligned source",
			      TRANSLATION_ARGS(i, t));
	if (!t->file)
		return broken(TRANSLATION_FORMAT " has no file", TRANSLATION_ARGS(i, t));
	if (!page_aligned(t->offset))
		return broken(TRANSLATION_FORMAT " has an unaligned offset",
			      TRANSLATION_ARGS(i, t));
	return NULL;
}

/* What it must be beside its predecessor and the question. */
static const char *check_fits(struct mappable_range required, struct mappable_range optional,
			      mm_access at, const struct translation *ts, size_t i)
{
	const struct translation *t = &ts[i];

	if (i > 0 && ts[i - 1].source.end != t->source.start)
		return broken(TRANSLATION_FORMAT
			      " is not contiguous with its predecessor " RANGE_FORMAT,
			      TRANSLATION_ARGS(i, t), ts[i - 1].source.start, ts[i - 1].source.end);
	if (!mappable_range_overlaps(t->source, required))
		return broken(TRANSLATION_FORMAT
			      " lies entirely outside the required range " RANGE_FORMAT,
			      TRANSLATION_ARGS(i, t), required.start, required.end);
	if (!mappable_range_superset_of(optional, t->source))
		return broken(TRANSLATION_FORMAT " lies outside the optional range " RANGE_FORMAT,
			      TRANSLATION_ARGS(i, t), optional.start, optional.end);
	if (!access_superset_of(t->perms, at))
		return broken(TRANSLATION_FORMAT " does not permit all requested access types %u",
			      TRANSLATION_ARGS(i, t), at);
	return NULL;
}

const char *check_translate_result(struct mappable_range required, struct mappable_range optional,
				   mm_access at, const struct translation *ts, size_t count, int rc)
{
	check_preconditions(required, optional);

	if (count > 0 && !mappable_range_contains(ts[0].source, required.start))
		return broken(TRANSLATION_FORMAT
			      " does not cover the start of the required range " RANGE_FORMAT,
			      TRANSLATION_ARGS((size_t)0, &ts[0]), required.start, required.end);
	for (size_t i = 0; i < count; i++) {
		const char *text = check_one(&ts[i], i);

		if (!text)
			text = check_fits(required, optional, at, ts, i);
		if (text)
			return text;
	}
	if (rc > 0)
		return broken("the result %d is neither 0 nor an error", rc);
	if (rc < 0)
		return NULL;
	if (count == 0)
		return broken("no translations and no error");
	if (!mappable_range_contains(ts[count - 1].source, required.end - 1))
		return broken(TRANSLATION_FORMAT " is the last and does not reach the end of the "
						 "required range " RANGE_FORMAT ", but no error",
			      TRANSLATION_ARGS(count - 1, &ts[count - 1]), required.start,
			      required.end);
	return NULL;
}
