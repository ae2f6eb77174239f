/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_look.c - the whole state of a translator against the model, while nothing runs.
 *
 * By lookup every cell says whether it is present and which page it shows; a page is known by the
 * pair (file, offset). Then: nothing is present that was taken away; what is shown holds the
 * right bytes; a page that can be stored to is shown by nobody who must not see the store; those
 * who share a page show the same.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "harness/check_subject.h"

#define PAGE UINT64_C(4096)
#define MARK_AT 8
#define SEEN_MAX (CHECK_SPACES * CHECK_CELLS + CHECK_HOLDS)

struct seen {
	uint64_t file, offset;
	uint16_t page; /* of the model */
	bool writable;
	int8_t space; /* -1: a hold */
	uint8_t at;
};

struct look {
	struct check_subject *s;
	struct check_model *m;
	struct seen seen[SEEN_MAX];
	unsigned count;
	char *message;
	size_t size;
};

static uint64_t page_address(const struct check_subject *s, unsigned at)
{
	const struct check_geometry *g = &s->geometry;

	return (g->base + (uint64_t)at * g->stride + g->look) * PAGE;
}

/* The bytes of a present page, through a reference of ours. */
static bool contents(struct look *l, const char *who, unsigned space, unsigned at, uint64_t file,
		     uint64_t offset, const struct check_page *expected)
{
	const struct translator *t = l->s->t;
	const unsigned char *bytes;
	static const unsigned places[] = { 0, 1, 2047, 4095 };
	bool good = true;

	if (!(t->capabilities & TRANSLATOR_CAN_REFERENCES))
		return true;
	t->incref(l->s->engine, file, offset, PAGE);
	bytes = t->map_internal(l->s->engine, file, offset, PAGE, TRANSLATOR_READ);
	for (unsigned i = 0; bytes && good && i < 4; i++) {
		good = bytes[places[i]] == expected->fill;
		if (!good)
			snprintf(l->message, l->size,
				 "%s %u cell %u: byte %u of its page is %d and not %d", who, space,
				 at, places[i], bytes[places[i]], expected->fill);
	}
	if (bytes && good && bytes[MARK_AT] != expected->mark) {
		snprintf(l->message, l->size, "%s %u cell %u: byte %d of its page is %d and not %d",
			 who, space, at, MARK_AT, bytes[MARK_AT], expected->mark);
		good = false;
	}
	t->decref(l->s->engine, file, offset, PAGE);
	return good;
}

/* What a lookup for `access` says of a cell: whether it is present; false: it must not be. */
static bool present(struct look *l, unsigned space, unsigned at, uint32_t access,
		    struct translator_translation *out, bool *is)
{
	const struct check_cell *c = &l->m->spaces[space].cells[at];
	uint64_t address = page_address(l->s, at);
	int rc;

	memset(out, 0, sizeof(*out));
	rc = l->s->t->lookup(l->s->spaces[space], address, access, out);
	*is = rc == 0;
	if (rc == -ENOENT)
		return true;
	if (rc) {
		snprintf(l->message, l->size, "space %u cell %u: lookup says %d", space, at, rc);
		return false;
	}
	if (check_model_access(l->m, space, at, access) || c->absent) {
		snprintf(l->message, l->size, "space %u cell %u: present for access %u, but %s",
			 space, at, access,
			 !c->mapping ? "nothing is mapped there"
			 : c->absent ? "its page was taken away"
			 : access & ~check_effective(c->perms)
				 ? "its permissions forbid that"
				 : "it is past the end of its object");
		return false;
	}
	if (out->source.start != address || out->source.end != address + PAGE ||
	    access & ~out->perms || out->perms & ~check_effective(c->perms)) {
		snprintf(l->message, l->size,
			 "space %u cell %u: lookup shows permissions %u, pages %lx..%lx", space, at,
			 out->perms, (unsigned long)out->source.start,
			 (unsigned long)out->source.end);
		return false;
	}
	return true;
}

static bool look_at_cell(struct look *l, unsigned space, unsigned at)
{
	struct translator_translation r, w;
	bool readable, writable;
	uint16_t page;

	if (!present(l, space, at, TRANSLATOR_READ, &r, &readable) ||
	    !present(l, space, at, TRANSLATOR_WRITE, &w, &writable))
		return false;
	if (!readable)
		return true;
	if (writable && (r.file != w.file || r.offset != w.offset)) {
		snprintf(l->message, l->size, "space %u cell %u: one page to read, one to write",
			 space, at);
		return false;
	}
	/* A writable page is one's own: if it is not, compare will find who else has it. */
	page = writable ? check_model_settle(l->m, space, at) : check_model_look(l->m, space, at);
	l->seen[l->count++] =
		(struct seen){ r.file, r.offset, page, writable, (int8_t)space, (uint8_t)at };
	return contents(l, "space", space, at, r.file, r.offset, &l->m->pages[page]);
}

static bool look_at_hold(struct look *l, unsigned hold)
{
	uint64_t file = l->s->holds[hold].file - 1, offset = l->s->holds[hold].offset;
	uint16_t page = l->m->holds[hold].page;

	if (!page || !l->s->holds[hold].file || l->m->holds[hold].loose)
		return true;
	l->seen[l->count++] = (struct seen){ file, offset, page, false, -1, (uint8_t)hold };
	return contents(l, "hold", hold, 0, file, offset, &l->m->pages[page]);
}

/* Who can store to a page shows it to those alone that are to see it. */
static bool compare(struct look *l, const struct seen *writer, const struct seen *other)
{
	bool same = writer->file == other->file && writer->offset == other->offset;
	bool is_hold = other->space < 0;

	if (same == (writer->page == other->page))
		return true;
	snprintf(l->message, l->size, "%s %d cell %u and space %d cell %u %s",
		 is_hold ? "hold" : "space", is_hold ? (int)other->at : (int)other->space,
		 is_hold ? 0u : (unsigned)other->at, (int)writer->space, (unsigned)writer->at,
		 same ? "have the same page: it was handed out twice"
		      : "share a page, but show different ones");
	return false;
}

static bool look_at_counts(struct look *l)
{
	const struct check_geometry *g = &l->s->geometry;
	unsigned least = check_model_pages_min(l->m);
	uint64_t most = (uint64_t)check_model_cells_max(l->m) * g->stride;
	struct translator_stat stat;

	memset(&stat, 0xff, sizeof(stat));
	if (!l->s->counts || !l->s->t->stat || l->s->t->stat(l->s->engine, &stat) ||
	    stat.live_pages == TRANSLATOR_UNKNOWN)
		return true;
	if (stat.live_pages < least) {
		snprintf(l->message, l->size, "%lu pages have references, %u are in use",
			 (unsigned long)stat.live_pages, least);
		return false;
	}
	/* Below the first cell of an object pages may be made ahead. */
	if (stat.live_pages > most && g->object_base == 0 && strcmp(g->pages, "4k") == 0) {
		snprintf(l->message, l->size, "%lu pages have references, %lu could be in use",
			 (unsigned long)stat.live_pages, (unsigned long)most);
		return false;
	}
	return true;
}

bool check_subject_look(struct check_subject *s, struct check_model *m, char *message, size_t size)
{
	struct look l = { .s = s, .m = m, .message = message, .size = size };

	for (unsigned space = 0; space < CHECK_SPACES; space++)
		for (unsigned at = 0; m->spaces[space].exists && at < CHECK_CELLS; at++)
			if (!look_at_cell(&l, space, at))
				return false;
	for (unsigned hold = 0; hold < CHECK_HOLDS; hold++)
		if (!look_at_hold(&l, hold))
			return false;
	/* Only now is it known which pages exist. */
	for (unsigned i = 0; i < l.count; i++)
		if (l.seen[i].space >= 0)
			l.seen[i].page =
				check_model_look(m, (unsigned)l.seen[i].space, l.seen[i].at);
	for (unsigned i = 0; i < l.count; i++)
		for (unsigned j = 0; l.seen[i].writable && j < l.count; j++)
			if (i != j && !compare(&l, &l.seen[i], &l.seen[j]))
				return false;
	return look_at_counts(&l);
}

bool check_subject_look_all(struct check_subject *s, struct check_model *m, char *message,
			    size_t size)
{
	for (int space = 0; space < CHECK_SPACES; space++)
		for (int at = 0; m->spaces[space].exists && at < CHECK_CELLS; at++) {
			struct check_op op = { .kind = CHECK_FAULT,
					       .arg = { (int16_t)space, (int16_t)at,
							TRANSLATOR_READ } };
			struct check_answer answer;
			int32_t expected = check_model_step(m, &op).rc;
			char got[32], want[32];

			check_subject_call(s, &op, m, &answer);
			if (answer.wrong[0] || answer.rc != expected) {
				snprintf(message, size,
					 "at the end, space %d cell %d: a fault to read says %s "
					 "and not %s%s%s",
					 space, at, check_rc_text(answer.rc, got, sizeof(got)),
					 check_rc_text(expected, want, sizeof(want)),
					 answer.wrong[0] ? "; " : "", answer.wrong);
				return false;
			}
		}
	return check_subject_look(s, m, message, size);
}
