/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_model.c - the model of the conformance check: see check_model.h.
 */
#include "harness/check_model.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "translators/translator.h"

void check_model_init(struct check_model *model)
{
	memset(model, 0, sizeof(*model));
}

/* ---- pages ---- */

static uint16_t page_create(struct check_model *m, uint8_t fill, uint8_t mark)
{
	for (uint16_t i = 1; i < CHECK_PAGES; i++) {
		if (m->pages[i].users)
			continue;
		m->pages[i] = (struct check_page){ .fill = fill, .mark = mark, .users = 1 };
		return i;
	}
	assert(!"more pages than cells");
	return 0;
}

/* Takes a page out of a cell, an object or a hold. */
static void page_clear(struct check_model *m, uint16_t *page)
{
	if (*page)
		m->pages[*page].users--;
	*page = 0;
}

unsigned check_model_sharers(const struct check_model *m, uint16_t page)
{
	unsigned sharers = 0;

	for (unsigned s = 0; s < CHECK_SPACES; s++)
		for (unsigned i = 0; i < CHECK_CELLS; i++)
			sharers += m->spaces[s].cells[i].page == page;
	return sharers;
}

static bool is_held(const struct check_model *m, uint16_t page)
{
	for (unsigned h = 0; h < CHECK_HOLDS; h++)
		if (m->holds[h].page == page)
			return true;
	return false;
}

uint16_t check_model_look(const struct check_model *m, unsigned space, unsigned at)
{
	const struct check_cell *c = &m->spaces[space].cells[at];

	if (c->page || c->object < 0 || c->offset >= CHECK_CELLS)
		return c->page;
	return m->objects[c->object].pages[c->offset];
}

static bool past_end(const struct check_model *m, const struct check_cell *c)
{
	return c->object >= 0 && c->offset >= m->objects[c->object].size;
}

int32_t check_model_access(const struct check_model *m, unsigned space, unsigned at,
			   uint32_t access)
{
	const struct check_cell *c = &m->spaces[space].cells[at];

	if (!c->mapping)
		return -EFAULT;
	if (access & ~check_effective(c->perms))
		return -EACCES;
	return past_end(m, c) ? CHECK_BUS : 0;
}

/* The page that a store at the cell goes to. */
static uint16_t page_to_store(struct check_model *m, struct check_cell *c)
{
	uint16_t *page = &c->page, old;

	if (!c->is_private)
		page = &m->objects[c->object].pages[c->offset];
	old = *page;
	if (!old && c->is_private && c->object >= 0)
		old = m->objects[c->object].pages[c->offset];
	if (*page && (!c->is_private || check_model_sharers(m, old) == 1)) {
		/* The last owner may take the page back, or copy it while we hold it. */
		if (m->pages[old].forked && is_held(m, old))
			for (unsigned h = 0; h < CHECK_HOLDS; h++)
				m->holds[h].loose |= m->holds[h].page == old;
		return old;
	}
	page_clear(m, page);
	*page = page_create(m, m->pages[old].fill, m->pages[old].mark);
	return *page;
}

uint16_t check_model_settle(struct check_model *m, unsigned space, unsigned at)
{
	return page_to_store(m, &m->spaces[space].cells[at]);
}

/* Something was faulted in: neighbours may have been, too. */
static void forget_absent(struct check_model *m, unsigned space)
{
	for (unsigned i = 0; i < CHECK_CELLS; i++)
		m->spaces[space].cells[i].absent = false;
}

/* Private memory was mapped: zeroes may be there at once, of its neighbours as well. */
static void fresh_zeroes(struct check_model *m, unsigned space)
{
	for (unsigned i = 0; i < CHECK_CELLS; i++) {
		struct check_cell *c = &m->spaces[space].cells[i];

		if (c->mapping && c->object < 0)
			c->absent = false;
	}
}

static int32_t touch(struct check_model *m, unsigned space, unsigned at, uint32_t access)
{
	int32_t rc = check_model_access(m, space, at, access);

	/* The way to the end of an object may lead past others of its pages. */
	if (!rc || rc == CHECK_BUS)
		forget_absent(m, space);
	if (rc)
		return rc;
	if (access & TRANSLATOR_WRITE)
		page_to_store(m, &m->spaces[space].cells[at]);
	return 0;
}

/* ---- spaces ---- */

static void cell_clear(struct check_model *m, struct check_cell *c)
{
	page_clear(m, &c->page);
	if (c->mapping && c->object >= 0)
		m->objects[c->object].mapped--;
	memset(c, 0, sizeof(*c));
	c->object = -1;
	c->absent = true;
}

/* An object that nobody has any longer loses its pages. */
static void objects_sweep(struct check_model *m)
{
	for (unsigned o = 0; o < CHECK_OBJECTS; o++)
		for (unsigned i = 0; i < CHECK_CELLS; i++)
			if (!m->objects[o].open && !m->objects[o].mapped)
				page_clear(m, &m->objects[o].pages[i]);
}

static bool is_range(int at, int cells)
{
	return cells > 0 && at >= 0 && at + cells <= CHECK_CELLS;
}

/* What is left and right of a changed range are mappings of their own. */
static void renumber(struct check_model *m, unsigned space, int at, int end)
{
	struct check_cell *cells = m->spaces[space].cells;

	if (at == end)
		return;
	for (int edge = at; edge <= end; edge += end - at) {
		uint16_t old = edge < CHECK_CELLS ? cells[edge].mapping : 0;

		if (!old || !edge || cells[edge - 1].mapping != old)
			continue;
		m->mappings++;
		for (int i = edge; i < CHECK_CELLS && cells[i].mapping == old; i++)
			cells[i].mapping = m->mappings;
	}
}

static void clear_range(struct check_model *m, unsigned space, int at, int cells)
{
	renumber(m, space, at, at + cells);
	for (int i = at; i < at + cells; i++)
		cell_clear(m, &m->spaces[space].cells[i]);
	objects_sweep(m);
}

static struct check_expected map(struct check_model *m, const int16_t *a)
{
	bool is_anonymous = a[3] < 0;

	if (!m->spaces[a[0]].exists || !is_range(a[1], a[2]) ||
	    (!is_anonymous && !m->objects[a[3]].open))
		return (struct check_expected){ .rc = CHECK_PASSED_OVER };
	clear_range(m, (unsigned)a[0], a[1], a[2]);
	m->mappings++;
	for (int i = 0; i < a[2]; i++) {
		m->spaces[a[0]].cells[a[1] + i] = (struct check_cell){
			.mapping = m->mappings,
			.object = (int8_t)a[3],
			.offset = (int16_t)(is_anonymous ? 0 : a[4] + i),
			.perms = (uint8_t)a[5],
			.is_private = is_anonymous || a[6],
			.absent = true,
		};
		if (!is_anonymous)
			m->objects[a[3]].mapped++;
	}
	if (is_anonymous)
		fresh_zeroes(m, (unsigned)a[0]);
	return (struct check_expected){ 0 };
}

static int32_t protect(struct check_model *m, const int16_t *a)
{
	struct check_cell *cells = m->spaces[a[0]].cells;

	renumber(m, (unsigned)a[0], a[1], a[1] + a[2]);
	for (int i = a[1]; i < a[1] + a[2]; i++) {
		if (!cells[i].mapping)
			return -ENOMEM;
		cells[i].perms = (uint8_t)a[3];
	}
	return 0;
}

static int32_t discard(struct check_model *m, const int16_t *a)
{
	int32_t rc = 0;

	for (int i = a[1]; i < a[1] + a[2]; i++) {
		struct check_cell *c = &m->spaces[a[0]].cells[i];

		if (!c->mapping)
			rc = -ENOMEM;
		page_clear(m, &c->page);
		c->absent = true;
	}
	return rc;
}

static int32_t remap(struct check_model *m, const int16_t *a)
{
	int at = a[1], cells = a[2], to = a[3], to_cells = a[4];
	int kept = cells < to_cells ? cells : to_cells;
	struct check_cell *c = m->spaces[a[0]].cells, moved[CHECK_CELLS];

	if (!is_range(to, to_cells))
		return CHECK_PASSED_OVER;
	if (at < to + to_cells && to < at + cells)
		return -EINVAL;
	if (!c[at].mapping)
		return -EFAULT;
	/* Whether parts that could be one mapping are one is not for us to say. */
	for (int i = at; i < at + cells; i++)
		if (c[i].mapping != c[at].mapping)
			return CHECK_PASSED_OVER;
	clear_range(m, (unsigned)a[0], to, to_cells);
	clear_range(m, (unsigned)a[0], at + kept, cells - kept);
	renumber(m, (unsigned)a[0], at, at + kept);
	m->mappings++;
	for (int i = 0; i < to_cells; i++) {
		moved[i] = c[at + (i < kept ? i : 0)];
		moved[i].absent = i >= kept;
		moved[i].mapping = m->mappings;
		if (i < kept) {
			memset(&c[at + i], 0, sizeof(c[0]));
			c[at + i].object = -1;
			c[at + i].absent = true;
			continue;
		}
		moved[i] = moved[0];
		moved[i].absent = true;
		moved[i].page = 0;
		if (moved[0].object >= 0) {
			moved[i].offset = (int16_t)(moved[0].offset + i);
			m->objects[moved[0].object].mapped++;
		}
	}
	memcpy(c + to, moved, (size_t)to_cells * sizeof(c[0]));
	return 0;
}

static void copy_space(struct check_model *m, unsigned from, unsigned to)
{
	m->spaces[to] = m->spaces[from];
	for (unsigned i = 0; i < CHECK_CELLS; i++) {
		struct check_cell *c = &m->spaces[to].cells[i];

		c->absent = !c->mapping;
		if (c->mapping && c->object >= 0)
			m->objects[c->object].mapped++;
		if (!c->page)
			continue;
		m->pages[c->page].users++;
		m->pages[c->page].forked = true;
	}
}

/* ---- objects ---- */

/* Translations of the range go; private copies only if they are to. */
static void forget(struct check_model *m, int object, int start, int end, bool copies_too)
{
	for (unsigned s = 0; s < CHECK_SPACES; s++)
		for (unsigned i = 0; i < CHECK_CELLS; i++) {
			struct check_cell *c = &m->spaces[s].cells[i];

			if (!c->mapping || c->object != object || c->offset < start ||
			    c->offset >= end || (c->page && !copies_too))
				continue;
			page_clear(m, &c->page);
			c->absent = true;
		}
}

static void drop_pages(struct check_model *m, int object, int start, int end)
{
	for (int i = start; i < end && i < CHECK_CELLS; i++)
		page_clear(m, &m->objects[object].pages[i]);
}

static int32_t truncate(struct check_model *m, int object, int16_t size)
{
	if (size < m->objects[object].size) {
		forget(m, object, size, INT16_MAX, true);
		drop_pages(m, object, size, CHECK_CELLS);
	}
	m->objects[object].size = size;
	return 0;
}

static bool is_mapped(const struct check_model *m, int object, int offset)
{
	for (unsigned s = 0; s < CHECK_SPACES; s++)
		for (unsigned i = 0; i < CHECK_CELLS; i++) {
			const struct check_cell *c = &m->spaces[s].cells[i];

			if (c->mapping && c->object == object && c->offset == offset &&
			    !c->is_private)
				return true;
		}
	return false;
}

/* A store makes pages that must then exist; in a part that stops at the end, those before. */
static int32_t translate(struct check_model *m, const int16_t *a)
{
	int32_t rc = 0;

	for (int i = a[1]; i < a[1] + a[2]; i++)
		if (!is_mapped(m, a[0], i))
			return CHECK_PASSED_OVER;
	for (int i = a[1]; i < a[1] + a[2] && !rc; i++) {
		uint16_t *page = &m->objects[a[0]].pages[i];

		if (i >= m->objects[a[0]].size)
			rc = CHECK_BUS;
		else if ((a[5] & TRANSLATOR_WRITE) && !*page)
			*page = page_create(m, 0, 0);
	}
	return rc;
}

static int32_t on_object(struct check_model *m, const struct check_op *op)
{
	const int16_t *a = op->arg;
	bool in_use = m->objects[a[0]].open || m->objects[a[0]].mapped;

	if (op->kind == CHECK_OBJECT) {
		if (in_use || a[1] < 1 || a[1] > CHECK_CELLS)
			return CHECK_PASSED_OVER;
		memset(&m->objects[a[0]], 0, sizeof(m->objects[0]));
		m->objects[a[0]].open = true;
		m->objects[a[0]].is_file = a[2];
		m->objects[a[0]].size = a[1];
		return 0;
	}
	if (!m->objects[a[0]].open)
		return CHECK_PASSED_OVER;
	if (op->kind == CHECK_CLOSE) {
		m->objects[a[0]].open = false;
		objects_sweep(m);
		return 0;
	}
	if (op->kind == CHECK_TRUNCATE)
		return truncate(m, a[0], a[1]);
	if (!is_range(a[1], a[2]))
		return CHECK_PASSED_OVER;
	switch (op->kind) {
	case CHECK_PUNCH:
		forget(m, a[0], a[1], a[1] + a[2], false);
		drop_pages(m, a[0], a[1], a[1] + a[2]);
		return 0;
	case CHECK_INVALIDATE:
		forget(m, a[0], a[1], a[1] + a[2], false);
		return 0;
	case CHECK_SYNC:
		return 0;
	default:
		return translate(m, a);
	}
}

/* ---- holds ---- */

static int32_t take(struct check_model *m, const int16_t *a)
{
	const struct check_cell *c = &m->spaces[a[1]].cells[a[2]];
	uint16_t page;
	int32_t rc;

	if (m->holds[a[0]].page || !m->spaces[a[1]].exists || !(c->perms & TRANSLATOR_WRITE))
		return CHECK_PASSED_OVER;
	rc = touch(m, (unsigned)a[1], (unsigned)a[2], TRANSLATOR_WRITE);
	if (rc)
		return rc;
	page = check_model_look(m, (unsigned)a[1], (unsigned)a[2]);
	m->holds[a[0]].page = page;
	m->holds[a[0]].loose = false;
	m->pages[page].users++;
	return 0;
}

static int32_t on_hold(struct check_model *m, const struct check_op *op)
{
	const int16_t *a = op->arg;

	if (op->kind == CHECK_REF)
		return a[2] < CHECK_CELLS ? take(m, a) : CHECK_PASSED_OVER;
	if (!m->holds[a[0]].page)
		return CHECK_PASSED_OVER;
	if (op->kind == CHECK_UNREF) {
		page_clear(m, &m->holds[a[0]].page);
		return 0;
	}
	if (m->holds[a[1]].page)
		return CHECK_PASSED_OVER;
	m->holds[a[1]] = m->holds[a[0]];
	m->pages[m->holds[a[0]].page].users++;
	return 0;
}

/* ---- the application ---- */

static struct check_expected copy(struct check_model *m, const struct check_op *op)
{
	const int16_t *a = op->arg;
	uint32_t access = op->kind == CHECK_WRITE ? TRANSLATOR_WRITE : TRANSLATOR_READ;
	struct check_expected e = { 0 };

	for (int i = a[1]; i < a[1] + a[2]; i++) {
		if (touch(m, (unsigned)a[0], (unsigned)i, access)) {
			e.rc = -EFAULT;
			break;
		}
		e.done++;
		if (op->kind == CHECK_WRITE) {
			uint16_t page = check_model_look(m, (unsigned)a[0], (unsigned)i);

			m->pages[page].fill = m->pages[page].mark = (uint8_t)a[3];
		}
	}
	return e;
}

static struct check_expected one(struct check_model *m, const struct check_op *op)
{
	const int16_t *a = op->arg;
	unsigned space = (unsigned)a[0], at = (unsigned)a[1];
	struct check_expected e = { 0 };

	switch (op->kind) {
	case CHECK_FAULT:
		e.rc = a[2] ? touch(m, space, at, (uint32_t)a[2]) : CHECK_PASSED_OVER;
		return e;
	case CHECK_LOOKUP:
		if (!a[2])
			e.rc = CHECK_PASSED_OVER;
		else if (check_model_access(m, space, at, (uint32_t)a[2]) ||
			 m->spaces[space].cells[at].absent)
			e.rc = -ENOENT;
		e.page = check_model_look(m, space, at);
		return e;
	case CHECK_LOAD:
	case CHECK_PEEK:
		e.rc = touch(m, space, at, TRANSLATOR_READ);
		e.value = m->pages[check_model_look(m, space, at)].mark;
		break;
	default:
		e.rc = touch(m, space, at, TRANSLATOR_WRITE);
		if (!e.rc)
			m->pages[check_model_look(m, space, at)].mark = (uint8_t)a[2];
		break;
	}
	if (e.rc && (op->kind == CHECK_MARK || op->kind == CHECK_PEEK))
		e.rc = -EFAULT;
	return e;
}

static int32_t on_space(struct check_model *m, const struct check_op *op)
{
	const int16_t *a = op->arg;
	unsigned space = (unsigned)a[0];

	if (op->kind == CHECK_SPACE) {
		if (m->spaces[space].exists)
			return CHECK_PASSED_OVER;
		clear_range(m, space, 0, CHECK_CELLS);
		m->spaces[space].exists = true;
		return 0;
	}
	if (!m->spaces[space].exists)
		return CHECK_PASSED_OVER;
	if (op->kind == CHECK_DROP) {
		clear_range(m, space, 0, CHECK_CELLS);
		m->spaces[space].exists = false;
		return 0;
	}
	if (op->kind == CHECK_FORK) {
		if (m->spaces[a[1]].exists)
			return CHECK_PASSED_OVER;
		copy_space(m, space, (unsigned)a[1]);
		return 0;
	}
	if (!is_range(a[1], a[2]))
		return CHECK_PASSED_OVER;
	switch (op->kind) {
	case CHECK_UNMAP:
		clear_range(m, space, a[1], a[2]);
		return 0;
	case CHECK_PROTECT:
		return protect(m, a);
	case CHECK_DISCARD:
		return discard(m, a);
	default:
		return remap(m, a);
	}
}

struct check_expected check_model_step(struct check_model *m, const struct check_op *op)
{
	const struct check_expected passed_over = { .rc = CHECK_PASSED_OVER };
	struct check_expected e = { 0 };

	switch (op->kind) {
	case CHECK_MAP:
		return map(m, op->arg);
	case CHECK_READ:
	case CHECK_WRITE:
		return m->spaces[op->arg[0]].exists && is_range(op->arg[1], op->arg[2])
			       ? copy(m, op)
			       : passed_over;
	case CHECK_FAULT:
	case CHECK_LOAD:
	case CHECK_LOOKUP:
	case CHECK_MARK:
	case CHECK_PEEK:
	case CHECK_STORE:
		if (!m->spaces[op->arg[0]].exists || op->arg[1] >= CHECK_CELLS)
			return passed_over;
		return one(m, op);
	case CHECK_REF:
	case CHECK_DUP:
	case CHECK_UNREF:
		e.rc = on_hold(m, op);
		break;
	case CHECK_CLOSE:
	case CHECK_INVALIDATE:
	case CHECK_OBJECT:
	case CHECK_PUNCH:
	case CHECK_SYNC:
	case CHECK_TRANSLATE:
	case CHECK_TRUNCATE:
		e.rc = on_object(m, op);
		break;
	default:
		e.rc = on_space(m, op);
		break;
	}
	return e;
}

/* ---- bounds ---- */

unsigned check_model_pages_min(const struct check_model *m)
{
	unsigned pages = 0;

	for (unsigned i = 1; i < CHECK_PAGES; i++)
		pages += m->pages[i].users != 0;
	return pages;
}

unsigned check_model_cells_max(const struct check_model *m)
{
	unsigned cells = 0;

	for (unsigned s = 0; s < CHECK_SPACES; s++)
		for (unsigned i = 0; m->spaces[s].exists && i < CHECK_CELLS; i++)
			cells += m->spaces[s].cells[i].mapping && m->spaces[s].cells[i].is_private;
	for (unsigned o = 0; o < CHECK_OBJECTS; o++)
		if (m->objects[o].open || m->objects[o].mapped)
			cells += (unsigned)m->objects[o].size;
	for (unsigned h = 0; h < CHECK_HOLDS; h++)
		cells += m->holds[h].page != 0;
	return cells;
}
