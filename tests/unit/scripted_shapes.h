/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scripted_shapes.h - the answers to a translate question that the scripted mappable can give, as
 * data: one or two pieces, each between two edges of the question.
 */
#pragma once

#include "engine/translation.h"

enum scripted_shape {
	/* Legal, if the question lies within the pages. */
	SCRIPT_EXACT, /* one piece: required */
	SCRIPT_WIDEST, /* one piece: optional */
	SCRIPT_PAGES, /* required, one piece a page */
	SCRIPT_SPLIT, /* optional in two pieces, cut after the first page of required */
	SCRIPT_READ_ONLY, /* required, with no more permissions than asked */
	SCRIPT_PREFIX, /* required without its last page (nothing if it has one), and error */
	SCRIPT_ERROR, /* nothing, and error */
	SCRIPT_COVERED_ERROR, /* all of required, and error all the same */
	/* Illegal, each by one rule of check_translate_result. */
	SCRIPT_NOTHING, /* no pieces and no error */
	SCRIPT_SHORT, /* the same without an error */
	SCRIPT_LATE, /* starts one page after required does */
	SCRIPT_WIDER, /* one page more than optional */
	SCRIPT_UNALIGNED_SOURCE,
	SCRIPT_UNALIGNED_OFFSET,
	SCRIPT_EMPTY_SOURCE, /* a second piece of no length */
	SCRIPT_GAP, /* the second piece leaves a page out */
	SCRIPT_SWAPPED, /* the second piece precedes the first */
	SCRIPT_UNASKED, /* a second piece wholly outside required */
	SCRIPT_NO_FILE,
	SCRIPT_LESS_PERMS, /* one permission less than asked (at must have one) */
	SCRIPT_POSITIVE, /* required, and a positive result */
	SCRIPT_SHAPES,
	SCRIPT_FIRST_ILLEGAL = SCRIPT_NOTHING,
};

/* A piece runs from one edge of the question, plus pages, to another. */
enum scripted_edge { R_START, R_END, O_START, O_END };

struct scripted_rule {
	unsigned count;
	struct {
		signed char from, plus, to, plus_to;
	} piece[2];
};

static const struct scripted_rule scripted_rules[SCRIPT_SHAPES] = {
	[SCRIPT_EXACT] = { 1, { { R_START, 0, R_END, 0 } } },
	[SCRIPT_WIDEST] = { 1, { { O_START, 0, O_END, 0 } } },
	[SCRIPT_SPLIT] = { 2, { { O_START, 0, R_START, 1 }, { R_START, 1, O_END, 0 } } },
	[SCRIPT_READ_ONLY] = { 1, { { R_START, 0, R_END, 0 } } },
	[SCRIPT_PREFIX] = { 1, { { R_START, 0, R_END, -1 } } },
	[SCRIPT_COVERED_ERROR] = { 1, { { R_START, 0, R_END, 0 } } },
	[SCRIPT_SHORT] = { 1, { { R_START, 0, R_END, -1 } } },
	[SCRIPT_LATE] = { 1, { { R_START, 1, R_END, 1 } } },
	[SCRIPT_WIDER] = { 1, { { O_START, 0, O_END, 1 } } },
	[SCRIPT_UNALIGNED_SOURCE] = { 1, { { R_START, 0, R_END, 0 } } },
	[SCRIPT_UNALIGNED_OFFSET] = { 1, { { R_START, 0, R_END, 0 } } },
	[SCRIPT_EMPTY_SOURCE] = { 2, { { R_START, 0, R_END, 0 }, { R_END, 0, R_END, 0 } } },
	[SCRIPT_GAP] = { 2, { { R_START, 0, R_START, 1 }, { R_START, 2, R_END, 2 } } },
	[SCRIPT_SWAPPED] = { 2, { { R_START, 0, R_START, 1 }, { R_START, -1, R_START, 0 } } },
	[SCRIPT_UNASKED] = { 2, { { R_START, 0, R_END, 0 }, { R_END, 0, R_END, 1 } } },
	[SCRIPT_NO_FILE] = { 1, { { R_START, 0, R_END, 0 } } },
	[SCRIPT_LESS_PERMS] = { 1, { { R_START, 0, R_END, 0 } } },
	[SCRIPT_POSITIVE] = { 1, { { R_START, 0, R_END, 0 } } },
};

/* base moved and stretched to [start, end). */
static inline struct translation scripted_piece(const struct translation *base, uint64_t start,
						uint64_t end)
{
	return (struct translation){
		{ start, end }, base->file, base->offset + start, base->perms
	};
}

/* The pieces of a shape into ts, at most `most` of them; how many there are. base: the translation
 * of offset 0. */
static inline size_t scripted_pieces(const struct translation *base, enum scripted_shape shape,
				     struct mappable_range r, struct mappable_range o, mm_access at,
				     struct translation *ts, size_t most)
{
	uint64_t edges[] = { r.start, r.end, o.start, o.end };
	size_t n = 0;

	if (shape == SCRIPT_PAGES) {
		for (; n < most && r.start < r.end; n++, r.start += MM_PAGE_SIZE)
			ts[n] = scripted_piece(base, r.start, r.start + MM_PAGE_SIZE);
		return n;
	}
	if (shape == SCRIPT_SPLIT && r.end - r.start == MM_PAGE_SIZE)
		shape = SCRIPT_WIDEST; /* a cut would leave a piece that nobody asked for */
	const struct scripted_rule *rule = &scripted_rules[shape];

	for (; n < rule->count && n < most; n++)
		ts[n] = scripted_piece(base,
				       edges[(int)rule->piece[n].from] +
					       (uint64_t)rule->piece[n].plus * MM_PAGE_SIZE,
				       edges[(int)rule->piece[n].to] +
					       (uint64_t)rule->piece[n].plus_to * MM_PAGE_SIZE);
	/* Nothing: the shape, or required has one page and the shape leaves it out. */
	if (!n || ts[0].source.start == ts[0].source.end)
		return 0;
	if (shape == SCRIPT_READ_ONLY)
		ts[0].perms = at;
	if (shape == SCRIPT_LESS_PERMS)
		ts[0].perms &= (mm_access) ~(at & -at);
	if (shape == SCRIPT_NO_FILE)
		ts[0].file = NULL;
	ts[0].source.end += shape == SCRIPT_UNALIGNED_SOURCE;
	ts[0].offset += shape == SCRIPT_UNALIGNED_OFFSET;
	return n;
}
