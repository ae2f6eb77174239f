/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refcount_pieces.c - pages that follow each other in a file are one piece. Not timed; no lock.
 */
#include "workloads/refcount_pieces.h"

int refcount_gather(struct worker *w, uint64_t start, uint64_t most, struct refcount_range *r)
{
	int rc = 0;

	r->count = 0;
	for (uint64_t at = start; at < start + REFCOUNT_RANGE && !rc; at += 4096) {
		struct translator_translation t, *last = r->count ? &r->piece[r->count - 1] : NULL;

		rc = w->t->lookup(w->run->space, at, TRANSLATOR_READ, &t);
		t.source = (struct translator_range){ at, at + 4096 };
		if (last && last->file == t.file && at - last->source.start < most &&
		    last->offset + (at - last->source.start) == t.offset)
			last->source.end = at + 4096;
		else
			r->piece[r->count++] = t;
	}
	return rc;
}
