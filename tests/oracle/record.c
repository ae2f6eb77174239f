/* SPDX-License-Identifier: Apache-2.0 */
/* record.c - see record.h. */
#include "tests/oracle/record.h"

#include <string.h>

bool record_continues(const struct line *a, const struct line *b)
{
	return a->end == b->start && a->object == b->object && a->prot == b->prot &&
	       a->shared == b->shared && a->flags == b->flags &&
	       (a->object < 0 || a->offset + (a->end - a->start) == b->offset);
}

void record_line(struct side *side, struct record *r, struct line line)
{
	struct line *last = r->line_count ? &r->lines[r->line_count - 1] : NULL;

	if (line.object < 0)
		line.offset = 0;
	if (last && record_continues(last, &line))
		last->end = line.end;
	else if (r->line_count < LINES_MAX)
		r->lines[r->line_count++] = line;
	else
		side->overflow = true;
}

void record_resident(struct record *r, const unsigned char *vec, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		r->resident[i / 64] |= (uint64_t)(vec[i] & 1) << i % 64;
}

uint64_t record_hash(const void *bytes, size_t length)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ length;

	for (size_t i = 0; i < length; i += sizeof(uint64_t)) {
		uint64_t word = 0;

		memcpy(&word, (const char *)bytes + i,
		       length - i < sizeof(word) ? length - i : sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	return hash | 2;
}

struct page_sum *record_state(struct side *side, struct record *r)
{
	if (side->states == STATES_MAX)
		return NULL;
	r->state = (int32_t)side->states++;
	return side->pages[r->state];
}
