/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault.h - inside of the engine: what the parts of a page fault share (space_fault.c: the way of a
 * fault; space_cow.c: pages that are copied before they are written; space_ahead.c: neighbours).
 */
#pragma once

#include <errno.h>

#include "engine/fail.h"
#include "engine/space.h"

/* What a fault has in hand while it holds its unit. */
struct fault {
	struct mm_space *s;
	struct vma *v;
	struct map_unit u;
	uint64_t word; /* before; without lock bits */
	uint64_t page; /* of the address */
	mm_access at;
	struct fault_opts opts;
	bool no_gigantic; /* a 1 GiB page could not be made ready */
	bool alone; /* without neighbours */
	const char *wrong; /* with an answer of the mappable, or NULL */
};

/* Must the page of a private mapping become its own? */
static inline bool fault_needs_own(const struct fault *f)
{
	return f->v->is_private && ((f->at & MM_WRITE) || f->opts.own);
}

/* Does the unit name a part of a hugetlb page, which the host cannot show? */
static inline bool fault_is_part(const struct fault *f)
{
	enum page_class cls = memory_file_class(f->s->mm->memory, entry_page(f->word));

	return f->s->host && page_class_is_hugetlb(cls) && f->u.level < page_class_level(cls);
}

/* Is the private copy of a part of page `from` all of it? Of a hugetlb page the host could not show
 * what is left. */
static inline bool fault_copies_whole(const struct fault *f, uint32_t from)
{
	return f->s->host && page_class_is_hugetlb(memory_file_class(f->s->mm->memory, from));
}

/* Results of the parts beside 0, -errno and bus errors; never returned to callers of a fault. */
enum {
	FAULT_SMALL = -EAGAIN, /* the unit is still held: entries of the next level are wanted */
	FAULT_AGAIN = -ERESTART, /* the unit was released: begin anew */
	FAULT_ALONE = -EALREADY, /* the same, without neighbours */
};

/* Shows the page of word to the host, installs word and unlocks, in one exchange; without the
 * host's consent the old word is put back. 0 or -errno. */
MM_MUST_CHECK int fault_finish(struct fault *f, uint64_t word) RELEASES(entry_class)
	MAY_LOCK_PLATFORM;

/*
 * Is a fork of the space under way? Then a fault that is about to make a private page writable
 * waits, holding nothing, until the fork has ended, and returns true; the unit is released.
 * Otherwise a thread could write this page, which the child got as it was, and then one that the
 * child has yet to get: the child would see the later write without the earlier one. The unit is
 * held when the flag is read, and fork sets the flag before it locks the first entry: whoever
 * sees no flag is ahead of the fork at this entry.
 */
bool fault_waits_for_fork(struct fault *f);

/* The unit's page, which is marked ENTRY_COPY, is to be the mapping's own: for a write, which need
 * not be permitted (the new entry permits what the vma does), or for a pin. Unlocks, but for
 * FAULT_SMALL. */
MM_MUST_CHECK int fault_copy(struct fault *f);
/* The unit, 2 MiB of a private page, gets a 2 MiB page of its own. Unlocks, but for FAULT_SMALL:
 * there is none. */
MM_MUST_CHECK int fault_copy_huge(struct fault *f);
/* The same for an absent page of a private mapping, whose mappable answers with page `from`, valid
 * while the unit is held. The unit is one page. */
MM_MUST_CHECK int fault_copy_from(struct fault *f, uint32_t from) RELEASES(entry_class)
	MAY_LOCK_DATA;

/* The same for a unit of 2 MiB, whose mappable has it in one hugetlb page, which begins with page
 * `from`: the copy is of its class. 0, -ENOMEM: there is none left, or -errno of the host. */
MM_MUST_CHECK int fault_copy_huge_from(struct fault *f, uint32_t from) RELEASES(entry_class)
	MAY_LOCK_PLATFORM;

/* Shows address pages [first, end) to the host as pages of a file that follow one another, of which
 * the first is that of word, with word's permissions. 0, -errno or a bus error. */
MM_MUST_CHECK int fault_show(struct mm_space *s, uint64_t first, uint64_t end, uint64_t word)
	REQUIRES(entry_class) MAY_LOCK_PLATFORM;
/* Asks the mappable for one piece, which covers `required`. 0 with *t, -errno or a bus error; for
 * an answer that breaks a rule -EFAULT, and the caller calls fault_complain() when nothing is
 * held. */
MM_MUST_CHECK int fault_translate(struct fault *f, struct mappable_range required,
				  struct mappable_range optional, mm_access at,
				  struct translation *t) MAY_LOCK_DATA;

static inline void fault_complain(const struct fault *f)
{
	if (f->wrong)
		mm_fail("translate: %s", f->wrong);
}

/* The unit is one absent leaf entry: widens it by neighbours that may be filled with it. False:
 * there are none. */
bool fault_widen(struct fault *f) REQUIRES(entry_class);
/* Fills all of the wide unit, at least the fault's page, and unlocks. 0, -errno, a bus error, or
 * FAULT_ALONE. */
MM_MUST_CHECK int fault_ahead(struct fault *f) RELEASES(entry_class) MAY_LOCK_DATA;
