/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_model.h - what a family of spaces and one object are to do, as arrays: one byte stands for
 * a page. No locks, one thread.
 *
 * A private mapping of the object shows the object's byte until its page is written (the copy unit
 * is one page); a discard forgets the copy, a truncate forgets those behind the new end.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "engine/access.h"
#include "engine/error.h"

#define MODEL_PAGES 2048u
#define MODEL_SPACES 4u
#define MODEL_OBJECT_PAGES (64 * MODEL_PAGES)

struct model_page {
	bool mapped, is_private, dontfork;
	bool copied; /* a private page of the object that has bytes of its own */
	mm_access perms; /* effective */
	int object_page; /* -1: anonymous */
	unsigned char value; /* anonymous, or copied */
};

struct model_space {
	struct model_page page[MODEL_PAGES];
};

struct model {
	struct model_space space[MODEL_SPACES];
	unsigned char object[MODEL_OBJECT_PAGES]; /* mappings may reach behind the end */
	uint64_t object_pages, unit; /* size; pages that come and go together */
};

static inline void model_init(struct model *m, uint64_t unit)
{
	memset(m, 0, sizeof(*m));
	m->object_pages = MODEL_PAGES;
	m->unit = unit;
}

static inline uint64_t model_unit_up(const struct model *m, uint64_t page)
{
	return (page + m->unit - 1) / m->unit * m->unit;
}

/* The byte that a read sees, or the fault's error. */
static inline int model_read(const struct model *m, unsigned s, uint64_t page)
{
	const struct model_page *p = &m->space[s].page[page];

	if (!p->mapped)
		return -EFAULT;
	if (!(p->perms & MM_READ))
		return -EACCES;
	if (p->object_page < 0 || p->copied)
		return p->value;
	if ((uint64_t)p->object_page >= model_unit_up(m, m->object_pages))
		return bus_error(ENXIO);
	return m->object[p->object_page];
}

/* Writes, and says what the fault does. */
static inline int model_write(struct model *m, unsigned s, uint64_t page, unsigned char value)
{
	struct model_page *p = &m->space[s].page[page];

	if (!p->mapped)
		return -EFAULT;
	if (!(p->perms & MM_WRITE))
		return -EACCES;
	if (p->object_page >= 0 && !p->copied &&
	    (uint64_t)p->object_page >= model_unit_up(m, m->object_pages))
		return bus_error(ENXIO);
	if (p->object_page >= 0 && !p->is_private) {
		m->object[p->object_page] = value;
	} else {
		p->copied = p->object_page >= 0;
		p->value = value;
	}
	return 0;
}

static inline void model_unmap(struct model *m, unsigned s, uint64_t page, uint64_t pages)
{
	memset(&m->space[s].page[page], 0, pages * sizeof(struct model_page));
}

static inline void model_map(struct model *m, unsigned s, uint64_t page, uint64_t pages,
			     mm_access perms, int object_page, bool is_private)
{
	for (uint64_t i = 0; i < pages; i++)
		m->space[s].page[page + i] =
			(struct model_page){ .mapped = true,
					     .is_private = is_private,
					     .perms = perms,
					     .object_page =
						     object_page < 0 ? -1 : object_page + (int)i };
}

/* Stops at a hole. */
static inline int model_protect(struct model *m, unsigned s, uint64_t page, uint64_t pages,
				mm_access perms)
{
	for (uint64_t i = 0; i < pages; i++) {
		struct model_page *p = &m->space[s].page[page + i];

		if (!p->mapped)
			return -ENOMEM;
		p->perms = perms;
	}
	return 0;
}

/* Passes over holes, and tells of them. */
static inline int model_discard(struct model *m, unsigned s, uint64_t page, uint64_t pages)
{
	int rc = 0;

	for (uint64_t i = 0; i < pages; i++) {
		struct model_page *p = &m->space[s].page[page + i];

		if (!p->mapped)
			rc = -ENOMEM;
		p->copied = false;
		p->value = 0;
	}
	return rc;
}

/* Private copies of the object's pages [first, end) are gone. */
static inline void model_drop_copies(struct model *m, uint64_t first, uint64_t end)
{
	for (unsigned s = 0; s < MODEL_SPACES; s++)
		for (uint64_t i = 0; i < MODEL_PAGES; i++) {
			struct model_page *p = &m->space[s].page[i];

			if (p->object_page >= 0 && (uint64_t)p->object_page >= first &&
			    (uint64_t)p->object_page < end)
				p->copied = false;
		}
}

static inline void model_punch(struct model *m, uint64_t page, uint64_t pages)
{
	memset(&m->object[page], 0, pages);
}

static inline void model_truncate(struct model *m, uint64_t pages)
{
	uint64_t old = m->object_pages;

	if (pages < old) {
		memset(&m->object[pages], 0, sizeof(m->object) - pages);
		model_drop_copies(m, model_unit_up(m, pages), MODEL_OBJECT_PAGES);
	} else {
		/* stored behind the end by mappings, within its unit: no data */
		memset(&m->object[old], 0, sizeof(m->object) - old);
	}
	m->object_pages = pages;
}

static inline void model_fork(struct model *m, unsigned from, unsigned to)
{
	m->space[to] = m->space[from];
	for (uint64_t i = 0; i < MODEL_PAGES; i++)
		if (m->space[to].page[i].dontfork)
			m->space[to].page[i] = (struct model_page){ 0 };
}

static inline bool model_all_mapped(const struct model *m, unsigned s, uint64_t page,
				    uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i++)
		if (!m->space[s].page[page + i].mapped)
			return false;
	return true;
}

/* Pages with their bytes go elsewhere, gaps as well; the places do not overlap. */
static inline void model_move(struct model *m, unsigned s, uint64_t page, uint64_t pages,
			      uint64_t to)
{
	/* As in Linux: where the source has a gap, what stands at the destination stays. */
	for (uint64_t i = 0; i < pages; i++)
		if (m->space[s].page[page + i].mapped)
			m->space[s].page[to + i] = m->space[s].page[page + i];
	model_unmap(m, s, page, pages);
}

/* [page + pages, page + more) continues the mapping of the page before it. */
static inline void model_grow(struct model *m, unsigned s, uint64_t page, uint64_t pages,
			      uint64_t more)
{
	for (uint64_t i = page + pages; i < page + more; i++) {
		struct model_page *p = &m->space[s].page[i];

		*p = m->space[s].page[i - 1];
		p->copied = false;
		p->value = 0;
		if (p->object_page >= 0)
			p->object_page++;
	}
}
