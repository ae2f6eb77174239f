/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translate_fuzz.c - whatever a mappable answers to translate, legal or not, faults stay sound.
 *
 * The input is {options, eight-byte instructions}: either an operation on a space that maps the
 * mappable, or a fault together with the answer that it gets: a piece with any edges, offset, file,
 * permissions, and any result. A second, plain statement of the rules says whether the answer is
 * legal. If it is not, the engine must report it and have installed nothing; if it is, the fault
 * gives what it promises: the piece's page with no more than its permissions, or the error. The
 * invariants of the space hold after each instruction; at the end no reference is left.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/mappable_object.h"
#include "engine/mm.h"
#include "engine/mm_fork.h"

#define BASE (UINT64_C(1) << 30)
#define PAGES 2048u
#define WINDOW_PAGES 1024u
#define INSTRUCTIONS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An answer, and what was asked when it was given. */
struct answer {
	int start, end; /* of the source: pages from the required one, and sub-page bytes below */
	unsigned sub; /* bits: 1 start, 2 end, 4 offset are not aligned */
	unsigned page; /* that the piece says the required page is */
	bool none, no_file, huge; /* huge: that page is at its offset in a 2 MiB page */
	mm_access perms;
	int rc;
};

static struct fuzz_mappable {
	struct mappable_object object; /* first: it is the mappable */
	struct memory_file *mf;
	uint32_t first; /* of PAGES pages that it holds */
	struct answer answer;
	/* The last question, and the reply as given. */
	bool asked;
	struct mappable_range required, optional;
	mm_access at;
	struct translation given;
	size_t count;
	uint32_t page; /* of ours, as which the required one was given */
} fm;

static jmp_buf reported;

static void must(bool so)
{
	if (!so)
		abort();
}

/* ---- the mappable ---- */

static int fuzz_translate(struct mappable *m, struct mappable_range required,
			  struct mappable_range optional, mm_access at, struct translation *ts,
			  size_t max, size_t *count)
{
	const struct answer *a = &fm.answer;
	int64_t page = a->page;
	int64_t start = (int64_t)required.start + a->start * (int64_t)MM_PAGE_SIZE;
	int64_t end = (int64_t)required.start + a->end * (int64_t)MM_PAGE_SIZE;
	uint64_t offset;

	(void)m;
	must(max >= 1);
	if (a->huge)
		page = page / 512 * 512 + (int64_t)(required.start / MM_PAGE_SIZE % 512);
	if (page + a->start < 0)
		page = -a->start;
	if (page + a->end > (int)PAGES)
		page = (int)PAGES - a->end;
	fm.page = (uint32_t)page;
	fm.asked = true;
	fm.required = required;
	fm.optional = optional;
	fm.at = at;
	fm.count = *count = a->none ? 0 : 1;
	fm.given = (struct translation){ { (uint64_t)start, (uint64_t)end }, NULL, 0, a->perms };
	fm.given.file = memory_file_of(fm.mf, fm.first, &offset);
	fm.given.offset = offset + (uint64_t)(page + a->start) * MM_PAGE_SIZE;
	fm.given.source.start += a->sub & 1 ? 512 : 0;
	fm.given.source.end += a->sub & 2 ? 512 : 0;
	fm.given.offset += a->sub & 4 ? 512 : 0;
	if (a->no_file)
		fm.given.file = NULL;
	ts[0] = fm.given;
	return a->rc;
}

/* The rules, for at most one piece. */
static bool is_legal(void)
{
	struct mappable_range s = fm.given.source;

	if (fm.answer.rc > 0)
		return false;
	if (!fm.count)
		return fm.answer.rc < 0;
	if (s.start % MM_PAGE_SIZE || s.end % MM_PAGE_SIZE || fm.given.offset % MM_PAGE_SIZE)
		return false;
	if (s.start >= s.end || s.start > fm.required.start || s.end <= fm.required.start)
		return false;
	if (s.start < fm.optional.start || s.end > fm.optional.end)
		return false;
	if (!fm.given.file || (fm.given.perms & fm.at) != fm.at)
		return false;
	return fm.answer.rc < 0 || s.end >= fm.required.end;
}

static void on_fail(const char *text)
{
	must(!strncmp(text, "translate: ", 11) && fm.asked && !is_legal());
	longjmp(reported, 1);
}

static void fuzz_destroy(struct mappable_object *o)
{
	mappable_object_release(o);
	memory_file_dec_range(fm.mf, fm.first, PAGES);
	memory_file_unreserve(fm.mf, fm.first, PAGES);
}

static const struct mappable_ops fuzz_ops = {
	.add_mapping = mappable_object_add_mapping,
	.remove_mapping = mappable_object_remove_mapping,
	.copy_mapping = mappable_object_copy_mapping,
	.translate = fuzz_translate,
	.invalidate_unsavable = mappable_object_invalidate_nothing,
	.lock_mappings = mappable_object_lock_mappings,
	.unlock_mappings = mappable_object_unlock_mappings,
};

static const struct mapping_identity_ops fuzz_identity_ops = {
	.inc_ref = mappable_object_inc_ref,
	.dec_ref = mappable_object_dec_ref,
	.inc_mapped = mappable_object_inc_mapped,
	.dec_mapped = mappable_object_dec_mapped,
	.mapped_name = mappable_object_mapped_name,
	.device_id = mappable_object_device_id,
	.inode_id = mappable_object_inode_id,
	.msync = mappable_object_msync_nothing,
};

/* ---- instructions ---- */

struct machine {
	struct mm *mm;
	struct mm_space *space[2]; /* the second: NULL, or forked of the first */
};

static void map(struct mm_space *s, uint64_t page, uint64_t pages, mm_access perms, bool is_private)
{
	struct mmap_opts o = { .length = pages * MM_PAGE_SIZE,
			       .address = BASE + page * MM_PAGE_SIZE,
			       .fixed = true,
			       .unmap = true,
			       .perms = perms,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = is_private,
			       .mappable = &fm.object.mappable,
			       .identity = &fm.object.identity,
			       .offset = page * MM_PAGE_SIZE };
	uint64_t got;

	must(!mm_mmap(s, &o, &got));
}

/* A fault with the answer that stands in fm.answer. */
static void fault(struct machine *m, struct mm_space *s, uint64_t page, mm_access at)
{
	uint64_t address = BASE + page * MM_PAGE_SIZE;
	volatile bool was_there;
	mm_access perms;
	uint32_t got;

	fm.asked = false;
	was_there = !mm_lookup(s, address, at, &got, &perms);
	if (setjmp(reported)) { /* nothing was installed that permits more than before */
		must(was_there == !mm_lookup(s, address, at, &got, &perms));
		return;
	}
	int rc = mm_fault(s, address, at);

	if (!fm.asked) {
		must(!rc || rc == -EFAULT || rc == -EACCES);
		return;
	}
	must(is_legal());
	if (!fm.count) {
		must(rc == fm.answer.rc);
		return;
	}
	must(!rc && !mm_lookup(s, address, at, &got, &perms));
	uint32_t mine = fm.first + fm.page;

	if (got == mine)
		must((fm.given.perms & perms) == perms);
	else /* a copy, or the large page that a part of was wanted before */
		must(got < fm.first || got >= fm.first + PAGES);
	must(memory_file_count(mm_memory_file(m->mm), got) >= 1);
}

static void step(struct machine *m, const uint8_t *code)
{
	static const int results[] = { 0, 0, 0, 0, -EIO, -ENOMEM, -(MM_BUS_ERROR_BASE + 6), 1 };
	static const int edges[] = {
		-511, -16, -1, 0, 0, 1, 2, 512, 513, -512, 3, 511, 16, 5, 1, 0
	};
	struct mm_space *s = m->space[code[0] >> 7] ? m->space[code[0] >> 7] : m->space[0];
	uint64_t page = (code[1] | code[2] << 8) % WINDOW_PAGES;
	uint64_t pages = code[6] * UINT64_C(4) + 1;
	mm_access access = access_effective(code[3] & 3);

	if (pages > WINDOW_PAGES - page)
		pages = WINDOW_PAGES - page;
	fm.answer = (struct answer){ .start = edges[code[4] & 15],
				     .end = edges[code[4] >> 4],
				     .page = code[5] * 8u,
				     .sub = code[6] >> 5 == 7 ? code[6] & 7 : 0,
				     .none = code[7] >> 5 == 1,
				     .no_file = code[7] >> 5 == 2,
				     .huge = code[7] >> 5 == 3,
				     .perms = code[3] & 16 ? (code[3] >> 2) & 3 : MM_ANY_ACCESS,
				     .rc = results[code[7] & 7] };
	if (fm.answer.huge) { /* all of the 2 MiB that the page lies in */
		fm.answer.start = -(int)(page % 512);
		fm.answer.end = fm.answer.start + 512;
	}
	switch ((code[0] & 0x7f) % 16) {
	case 0:
		map(s, page, pages, access, false);
		break;
	case 1:
		map(s, page, pages, access, true);
		break;
	case 2:
		must(!mm_munmap(s, BASE + page * MM_PAGE_SIZE, pages * MM_PAGE_SIZE));
		break;
	case 3:
		(void)!mm_mprotect(s, BASE + page * MM_PAGE_SIZE, pages * MM_PAGE_SIZE, access);
		break;
	case 4:
		(void)!mm_discard(s, BASE + page * MM_PAGE_SIZE, pages * MM_PAGE_SIZE);
		break;
	case 5:
		mappable_object_invalidate(&fm.object,
					   (struct mappable_range){ page * MM_PAGE_SIZE,
								    (page + pages) * MM_PAGE_SIZE },
					   (struct invalidate_opts){ .invalidate_private = code[3] &
											   4 });
		break;
	case 6:
		if (m->space[1])
			mm_space_destroy(m->space[1]);
		must(!mm_fork(m->space[0], &m->space[1]));
		s = m->space[1];
		break;
	default:
		fault(m, s, page, access & MM_WRITE ? MM_WRITE : MM_READ);
		break;
	}
	mm_space_check(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mm_opts opts = { .page_class = size && data[0] & 1 ? PAGE_THP : PAGE_4K,
				.memory = { .span_bytes = UINT64_C(4) << 30 } };
	struct machine m = { 0 };
	struct mm_stat stat;

	memset(&fm, 0, sizeof(fm));
	mm_fail_set_hook(on_fail);
	must(!mm_thread_enter() && !mm_create(&opts, &m.mm) &&
	     !mm_space_create(m.mm, &host_space_none, 0, &m.space[0]));
	fm.mf = mm_memory_file(m.mm);
	must(!memory_file_reserve(fm.mf, MEMORY_NODE_ANY, PAGE_THP, PAGES, 0, &fm.first));
	for (uint32_t i = 0; i < PAGES; i++)
		must(!memory_file_claim(fm.mf, fm.first + i));
	must(!mappable_object_init(&fm.object, &fuzz_ops, &fuzz_identity_ops, fuzz_destroy,
				   "fuzz"));
	map(m.space[0], 0, WINDOW_PAGES, MM_READ | MM_WRITE, size && data[0] & 2);
	for (size_t i = 1; i + 8 <= size && i < INSTRUCTIONS_MAX * 8; i += 8)
		step(&m, data + i);
	for (unsigned s = 0; s < 2; s++)
		if (m.space[s])
			mm_space_destroy(m.space[s]);
	for (uint32_t i = 0; i < PAGES; i++) /* every reference that a fault took is gone */
		must(memory_file_count(fm.mf, fm.first + i) == 1);
	memory_file_check(fm.mf);
	mapping_identity_dec_ref(&fm.object.identity);
	mm_get_stat(m.mm, &stat);
	must(!stat.memory.live_pages && !stat.vmas);
	mm_destroy(m.mm);
	mm_thread_leave();
	return 0;
}
