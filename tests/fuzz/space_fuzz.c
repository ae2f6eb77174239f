/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_fuzz.c - any sequence of operations on a family of spaces and a shared object does what a
 * model of arrays does: results, permissions, and every byte.
 *
 * The input is {options, four-byte instructions {operation, page, pages, access}}. Pages lie in 8
 * MiB, so that folded entries are cut, expanded and removed; the object has as many. The copy
 * unit is a page, so that a copy is made of what was written and of nothing else, and the model
 * knows when. mm_space_check() looks at the invariants after every instruction, mm_check() after
 * some; at the end every page is compared, and nothing may be left. The engine's own checks abort
 * through its failure hook.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/mm.h"
#include "engine/mm_advise.h"
#include "engine/mm_fork.h"
#include "engine/mm_io.h"
#include "engine/mm_remap.h"
#include "engine/shared_memory.h"
#include "tests/fuzz/space_model.h"
#include "tests/unit/hosts.h"

#define BASE (UINT64_C(1) << 30)
#define BUFFER_PAGES 40u /* written by one instruction at most */
#define WINDOW (UINT64_C(2) << 30)
#define INSTRUCTIONS_MAX 64
#define CHECK_EVERY 4 /* instructions: the whole family; the space that changed: after each */

enum operation {
	MAP_ANON,
	MAP_SHARED_OBJECT,
	UNMAP,
	PROTECT,
	DISCARD,
	WRITE,
	TRUNCATE,
	PUNCH,
	MAP_PRIVATE_OBJECT,
	READ,
	FORK,
	WRITE_RUN,
	INVALIDATE,
	MOVE,
	RESIZE,
	DUPLICATE,
	COPY_OUT,
	COPY_IN,
	POPULATE,
	DONT_FORK,
	OPERATIONS
};

/* By bits 4 and 2 of the options. */
static const struct host_space_ops *const hosts[2][2] = {
	{ &host_space_none, &host_space_mmap },
	{ &host_space_none, &host_space_uffd },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct machine {
	struct mm *mm;
	struct mm_space *space[MODEL_SPACES];
	struct shared_memory *object;
	struct model model;
	unsigned char next_value;
};

static void must(bool so)
{
	if (!so)
		abort();
}

/* The byte of a page of space s after a fault, or what the fault said. */
static int touch(struct machine *m, unsigned s, uint64_t page, mm_access at, unsigned char **byte)
{
	uint64_t address = BASE + page * MM_PAGE_SIZE;
	mm_access perms;
	uint32_t number;
	int rc = mm_fault(m->space[s], address, at);

	if (rc)
		return rc;
	must(!mm_lookup(m->space[s], address, at, &number, &perms));
	if (at & MM_WRITE)
		memory_file_mark_dirty(mm_memory_file(m->mm), number);
	*byte = memory_file_memory(mm_memory_file(m->mm), number);
	return 0;
}

static void read_page(struct machine *m, unsigned s, uint64_t page)
{
	unsigned char *byte;
	int rc = touch(m, s, page, MM_READ, &byte);
	int expected = model_read(&m->model, s, page);

	must(expected < 0 ? rc == expected : !rc && *byte == expected);
}

static void write_page(struct machine *m, unsigned s, uint64_t page)
{
	unsigned char *byte;
	int rc = touch(m, s, page, MM_WRITE, &byte);

	must(rc == model_write(&m->model, s, page, m->next_value));
	if (!rc)
		*byte = m->next_value;
	m->next_value++;
}

static void map(struct machine *m, unsigned s, uint64_t page, uint64_t pages, mm_access perms,
		bool object, bool is_private)
{
	uint64_t address = BASE + page * MM_PAGE_SIZE;
	struct mmap_opts o = { .length = pages * MM_PAGE_SIZE,
			       .address = address,
			       .fixed = true,
			       .unmap = true,
			       .perms = perms,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = is_private };
	uint64_t first = page ^ 8; /* the object's page: elsewhere, and not always aligned alike */

	if (object) {
		o.mappable = shared_memory_mappable(m->object);
		o.identity = shared_memory_identity(m->object);
		o.offset = first * MM_PAGE_SIZE;
	}
	must(!mm_mmap(m->space[s], &o, &address));
	model_map(&m->model, s, page, pages, perms, object ? (int)first : -1, is_private);
}

static void fork_space(struct machine *m, unsigned from, unsigned to)
{
	if (from == to)
		return;
	if (m->space[to])
		mm_space_destroy(m->space[to]);
	must(!mm_fork(m->space[from], &m->space[to]));
	model_fork(&m->model, from, to);
}

static uint64_t address_of(uint64_t page)
{
	return BASE + page * MM_PAGE_SIZE;
}

/* To a place that does not overlap, from where something is mapped. */
static void move(struct machine *m, unsigned s, uint64_t page, uint64_t pages, uint64_t to)
{
	uint64_t got;

	if (to + pages > MODEL_PAGES || (to < page + pages && page < to + pages) ||
	    !m->model.space[s].page[page].mapped)
		return;
	must(!mm_mremap(m->space[s], address_of(page), pages * MM_PAGE_SIZE, pages * MM_PAGE_SIZE,
			MREMAP_FIXED_MOVE, address_of(to), &got));
	must(got == address_of(to));
	model_move(&m->model, s, page, pages, to);
}

/* In place, to `more` pages: grows only if that is one mapping with room behind it. */
static void resize(struct machine *m, unsigned s, uint64_t page, uint64_t pages, uint64_t more)
{
	uint64_t got;
	int rc = mm_mremap(m->space[s], address_of(page), pages * MM_PAGE_SIZE, more * MM_PAGE_SIZE,
			   MREMAP_IN_PLACE, 0, &got);

	if (rc)
		return;
	if (more <= pages) {
		model_unmap(&m->model, s, page + more, pages - more);
		return;
	}
	must(model_all_mapped(&m->model, s, page, pages));
	for (uint64_t i = pages; i < more; i++)
		must(!m->model.space[s].page[page + i].mapped);
	model_grow(&m->model, s, page, pages, more);
}

/* Maps a shared mapping a second time. */
static void duplicate(struct machine *m, unsigned s, uint64_t page, uint64_t pages, uint64_t to)
{
	const struct model_page *p = &m->model.space[s].page[page];
	bool dontfork = p->dontfork;
	uint64_t got;

	if (to + pages > MODEL_PAGES || (to < page + pages && page < to + pages) || !p->mapped ||
	    p->is_private)
		return;
	must(!mm_mremap(m->space[s], address_of(page), 0, pages * MM_PAGE_SIZE, MREMAP_FIXED_MOVE,
			address_of(to), &got));
	model_map(&m->model, s, to, pages, p->perms, p->object_page, false);
	for (uint64_t i = 0; i < pages; i++)
		m->model.space[s].page[to + i].dontfork = dontfork;
}

static unsigned char buffer[BUFFER_PAGES * MM_PAGE_SIZE];

/* The kernel writes every byte: as far as all permit it. */
static void copy_out(struct machine *m, unsigned s, uint64_t page, uint64_t pages)
{
	uint64_t done;
	uint64_t ok = 0;

	memset(buffer, m->next_value, pages * MM_PAGE_SIZE);
	int rc = mm_copy_out(m->space[s], address_of(page), buffer, pages * MM_PAGE_SIZE,
			     (struct mm_io_opts){ 0 }, &done);

	while (ok < pages && !model_write(&m->model, s, page + ok, m->next_value))
		ok++;
	must(rc == (ok < pages ? -EFAULT : 0) && done == ok * MM_PAGE_SIZE);
	m->next_value++;
}

static void copy_in(struct machine *m, unsigned s, uint64_t page, uint64_t pages)
{
	uint64_t done;
	uint64_t ok = 0;
	int rc = mm_copy_in(m->space[s], address_of(page), buffer, pages * MM_PAGE_SIZE,
			    (struct mm_io_opts){ 0 }, &done);

	for (; ok < pages && model_read(&m->model, s, page + ok) >= 0; ok++)
		must(buffer[ok * MM_PAGE_SIZE] == model_read(&m->model, s, page + ok));
	must(rc == (ok < pages ? -EFAULT : 0) && done == ok * MM_PAGE_SIZE);
}

/* As if each page were written what it has: private ones are copied. */
static void populate(struct machine *m, unsigned s, uint64_t page, uint64_t pages)
{
	int rc = mm_madvise(m->space[s], address_of(page), pages * MM_PAGE_SIZE,
			    MM_ADVISE_POPULATE_WRITE);
	uint64_t ok = 0;

	for (; ok < pages; ok++) {
		int now = model_read(&m->model, s, page + ok);

		if (now < 0 || model_write(&m->model, s, page + ok, (unsigned char)now))
			break;
	}
	must((rc == 0) == (ok == pages));
}

static void dont_fork(struct machine *m, unsigned s, uint64_t page, uint64_t pages, bool dont)
{
	if (!model_all_mapped(&m->model, s, page, pages))
		return;
	must(!mm_madvise(m->space[s], address_of(page), pages * MM_PAGE_SIZE,
			 dont ? MM_ADVISE_DONTFORK : MM_ADVISE_DOFORK));
	for (uint64_t i = 0; i < pages; i++)
		m->model.space[s].page[page + i].dontfork = dont;
}

/* mremap, advice, and the kernel's own access. */
static void step_more(struct machine *m, unsigned s, enum operation operation, uint64_t page,
		      uint64_t pages, uint8_t code)
{
	uint64_t to = (page + 520u + (code & 31)) % MODEL_PAGES;
	uint64_t more = 1 + (code & 31) * UINT64_C(16);
	uint64_t few = pages < BUFFER_PAGES ? pages : BUFFER_PAGES;

	switch (operation) {
	case MOVE:
		move(m, s, page, pages, to);
		break;
	case RESIZE:
		if (page + more <= MODEL_PAGES)
			resize(m, s, page, pages, more);
		break;
	case DUPLICATE:
		duplicate(m, s, page, pages, to);
		break;
	case COPY_OUT:
		copy_out(m, s, page, few);
		break;
	case COPY_IN:
		copy_in(m, s, page, few);
		break;
	case POPULATE:
		populate(m, s, page, few);
		break;
	case DONT_FORK:
		dont_fork(m, s, page, pages, code & 1);
		break;
	default:
		break;
	}
}

static void step(struct machine *m, const uint8_t *code)
{
	unsigned s = m->space[code[0] >> 6] ? code[0] >> 6 : 0;
	uint64_t page = code[1] * UINT64_C(8) + (code[3] >> 5);
	uint64_t pages = code[2] ? code[2] * UINT64_C(4) : 512;
	mm_access access = access_effective(code[3] & 3);
	uint64_t address, length;

	if (pages > MODEL_PAGES - page)
		pages = MODEL_PAGES - page;
	address = address_of(page);
	length = pages * MM_PAGE_SIZE;
	switch ((enum operation)((code[0] & 0x3f) % OPERATIONS)) {
	case MAP_ANON:
		map(m, s, page, pages, access, false, true);
		break;
	case MAP_SHARED_OBJECT:
		map(m, s, page, pages, access, true, false);
		break;
	case MAP_PRIVATE_OBJECT:
		map(m, s, page, pages, access, true, true);
		break;
	case UNMAP:
		must(!mm_munmap(m->space[s], address, length));
		model_unmap(&m->model, s, page, pages);
		break;
	case PROTECT:
		must(mm_mprotect(m->space[s], address, length, access) ==
		     model_protect(&m->model, s, page, pages, access));
		break;
	case DISCARD:
		must(mm_discard(m->space[s], address, length) ==
		     model_discard(&m->model, s, page, pages));
		break;
	case READ:
		read_page(m, s, page);
		break;
	case WRITE:
		write_page(m, s, page);
		break;
	case WRITE_RUN:
		for (uint64_t i = 0; i < pages && i < BUFFER_PAGES; i++)
			write_page(m, s, page + i);
		break;
	case FORK:
		fork_space(m, s, code[1] % MODEL_SPACES);
		break;
	case TRUNCATE:
		must(!shared_memory_truncate(m->object, page * MM_PAGE_SIZE));
		model_truncate(&m->model, page);
		break;
	case PUNCH:
		must(!shared_memory_punch(
			m->object, (struct mappable_range){ page * MM_PAGE_SIZE,
							    (page + pages) * MM_PAGE_SIZE }));
		model_punch(&m->model, page, pages);
		break;
	case INVALIDATE: /* drops translations: nobody sees a difference, but for private copies */
		shared_memory_invalidate(m->object,
					 (struct mappable_range){ page * MM_PAGE_SIZE,
								  (page + pages) * MM_PAGE_SIZE },
					 (struct invalidate_opts){ .invalidate_private = code[3] &
											 4 });
		if (code[3] & 4)
			model_drop_copies(&m->model, page, page + pages);
		break;
	default:
		step_more(m, s, (enum operation)((code[0] & 0x3f) % OPERATIONS), page, pages,
			  code[3]);
		break;
	}
	mm_space_check(m->space[s]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct machine m;
	uint8_t options = size ? data[0] : 0;
	struct mm_opts opts = { .page_class = options & 1 ? PAGE_THP : PAGE_4K,
				.memory = { .span_bytes = UINT64_C(4) << 30 },
				.copy_bytes = MM_PAGE_SIZE,
				.ahead_bytes = options & 8 ? 8 * MM_PAGE_SIZE : 0 };
	enum page_class unit_class = options & 2 ? PAGE_THP : PAGE_4K;
	struct mm_stat stat;

	memset(&m, 0, sizeof(m));
	model_init(&m.model, unit_class == PAGE_4K ? 1 : MM_HUGE_PAGES);
	if (mm_thread_enter() || mm_create(&opts, &m.mm) ||
	    mm_space_create(m.mm, host_to_be_had(hosts[options >> 4 & 1][options >> 2 & 1]), WINDOW,
			    &m.space[0]) ||
	    shared_memory_create(mm_memory_file(m.mm), MODEL_PAGES * MM_PAGE_SIZE, unit_class, NULL,
				 &m.object))
		abort();
	for (size_t i = 1; i + 4 <= size && i < INSTRUCTIONS_MAX * 4; i += 4) {
		step(&m, data + i);
		if (i / 4 % CHECK_EVERY == CHECK_EVERY - 1)
			mm_check(m.mm);
	}
	for (unsigned s = 0; s < MODEL_SPACES; s++)
		for (uint64_t page = 0; m.space[s] && page < MODEL_PAGES; page++)
			if (m.model.space[s].page[page].mapped)
				read_page(&m, s, page);
	mm_check(m.mm);
	for (unsigned s = 0; s < MODEL_SPACES; s++)
		if (m.space[s])
			mm_space_destroy(m.space[s]);
	mapping_identity_dec_ref(shared_memory_identity(m.object));
	mm_get_stat(m.mm, &stat);
	must(!stat.memory.live_pages && !stat.vmas);
	mm_destroy(m.mm);
	mm_thread_leave();
	return 0;
}
