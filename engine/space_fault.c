/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_fault.c - page faults and look-ups.
 *
 * The life of a fault: (1) find the entry of the page: a present word that permits the access is
 * the answer, without a lock; (2) else lock it, expanding folded ones; (3) the vma, pinned by the
 * lock, says whether the access is allowed; (4) claim the page that the address decides, or ask
 * the mappable and take a reference; (5) show it to the host if there is one; (6) install the word
 * and unlock, in one exchange. Faults never take `mapping` (lock_order rule 1).
 *
 * NO_TSA: bodies that lock in loops, or on some paths only, are not followed by Clang; their
 * contracts stand on the declarations.
 */
#include <errno.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/fault.h"
#include "engine/memory_gigantic.h"
#include "engine/mm_lookup.h"
#include "engine/node_choice.h"
#include "engine/test_points.h"

unsigned space_node(const struct mm *mm, const struct vma *v, uint64_t n)
{
	if (mm->nodes == 1)
		return 0;
	const struct numa_place *place = memory_file_place(mm->memory);
	unsigned here = mm->node_of_cpu[percpu_id()];

	if (v->numa_policy != NUMA_LOCAL && v->numa_nodes)
		return node_choice(v->numa_policy, v->numa_nodes, place->weights, here, mm->nodes,
				   n);
	return node_choice_for(place, here, mm->nodes, n);
}

int fault_show(struct mm_space *s, uint64_t first, uint64_t end, uint64_t word)
{
	struct memory_file *mf = s->mm->memory;
	uint32_t page = entry_page(word);
	enum page_class cls = memory_file_class(mf, page);
	uint64_t offset;
	struct file *file = memory_file_of(mf, page, &offset);
	int rc;

	/* Asked for the first part of a hugetlb page, the host would show all of it, over what is
	 * beside. */
	if (page_class_is_hugetlb(cls) &&
	    (page | first | end) % map_span(page_class_level(cls)) != 0)
		return -EINVAL;
	rc = s->host->ops->map(s->host, pages_to_addresses(first, end), file, offset,
			       entry_access(word), true);
	if (!rc && (entry_access(word) & MM_WRITE))
		memory_file_mark_dirty_range(mf, page, (uint32_t)(end - first));
	return rc;
}

/* Shows the unit's page to the host; sets HOSTED in *word. 0, -errno or a bus error. */
static int show(struct fault *f, uint64_t *word) REQUIRES(entry_class) MAY_LOCK_PLATFORM
{
	int rc;

	if (!f->s->host || (!f->opts.show && (*word & ENTRY_HOSTED)))
		return 0;
	if (!entry_access(*word)) /* forced: the application may not see it, and does not now */
		return 0;
	rc = fault_show(f->s, f->u.page, map_unit_end(&f->u), *word);
	if (!rc)
		*word |= ENTRY_HOSTED;
	return rc;
}

int fault_finish(struct fault *f, uint64_t word)
{
	int rc = 0;

	if (__builtin_expect(f->s->host != NULL, 0)) {
		rc = show(f, &word);
		if (rc)
			word = f->word;
	}
	map_unit_install(&f->s->map, &f->u, word);
	return rc;
}

/* ---- private anonymous memory ---- */

static int fault_anonymous(struct fault *f) NO_TSA
{
	/* NO_TSA: fault_waits_for_fork() releases in one of two outcomes. */
	if (fault_waits_for_fork(f))
		return FAULT_AGAIN;
	struct mm *mm = f->s->mm;
	unsigned node = space_node(mm, f->v, f->page);
	struct reservation *r = vma_reservation(f->v, mm->memory, mm->nodes);
	uint32_t page;
	int rc = r ? reservation_page(r, f->page, node, PAGE_4K, &page) : -ENOMEM;

	if (!rc)
		rc = memory_file_claim(mm->memory, page);
	if (rc == -EBUSY) /* somebody still reads what was here before a discard */
		rc = memory_file_alloc(mm->memory, (int)node, &page);
	if (rc) {
		map_unit_install(&f->s->map, &f->u, f->word);
		return rc;
	}
	rc = fault_finish(f, f->word | entry_of_page(page) | ENTRY_PRESENT | ENTRY_PRIVATE |
				     entry_of_access(f->v->effective));
	if (rc)
		memory_file_dec(mm->memory, page);
	return rc;
}

/* The unit is an absent, folded 2 MiB. Unlocks but for FAULT_SMALL. */
static int fault_huge(struct fault *f) NO_TSA
{
	/* NO_TSA: keeps the lock in one of three outcomes. */
	if (fault_waits_for_fork(f))
		return FAULT_AGAIN;
	struct mm *mm = f->s->mm;
	unsigned node = space_node(mm, f->v, f->u.page / map_span(1));
	struct node *spare = node_alloc(&mm->node_pool);
	uint32_t page = 0;
	int rc = spare ? 0 : -ENOMEM;

	if (!rc && !vma_reservation(f->v, mm->memory, mm->nodes))
		rc = -ENOMEM;
	if (!rc)
		rc = reservation_page(vma_reservation(f->v, mm->memory, mm->nodes), f->u.page, node,
				      mm->page_class == PAGE_1G ? PAGE_2M : mm->page_class, &page);
	if (!rc)
		rc = memory_file_claim_huge(mm->memory, page);
	if (rc) {
		if (spare)
			node_free(spare);
		/* Of 1g, what does not hold a whole 1 GiB is made of what can be had. */
		if (rc == -EBUSY || mm->page_class == PAGE_1G)
			return FAULT_SMALL;
		if (mm->allow_fallback) {
			atomic_fetch_add_explicit(&mm_here(mm)->fallbacks, 1, memory_order_relaxed);
			return FAULT_SMALL;
		}
		map_unit_install(&f->s->map, &f->u, f->word);
		return rc;
	}
	unit_deposit(f->s, page, spare);
	rc = fault_finish(f, f->word | entry_of_page(page) | ENTRY_PRESENT | ENTRY_PRIVATE |
				     ENTRY_HUGE | entry_of_access(f->v->effective));
	if (rc) {
		unit_withdraw(f->s, page, 1);
		memory_file_dec_range(mm->memory, page, MM_HUGE_PAGES);
	}
	return rc;
}

/* The unit is an absent, folded 1 GiB. Unlocks but for FAULT_SMALL. */
static int fault_gigantic(struct fault *f) NO_TSA
{
	/* NO_TSA: keeps the lock in one of three outcomes. */
	if (fault_waits_for_fork(f))
		return FAULT_AGAIN;
	struct mm *mm = f->s->mm;
	int node = (int)space_node(mm, f->v, f->u.page / map_span(2));
	uint32_t page;
	int rc = memory_gigantic_claim(mm->memory, node, &page);

	if (rc == -EAGAIN && !f->no_gigantic) {
		/* Made ready with nothing held: see memory_gigantic.h. That there is none to be had
		 * is no answer before the entry was looked at again. */
		map_unit_install(&f->s->map, &f->u, f->word);
		f->no_gigantic = memory_gigantic_make_ready(mm->memory, node) != 0;
		return FAULT_AGAIN;
	}
	if (!rc) {
		rc = unit_deposit_gigantic(f->s, page);
		if (rc)
			memory_file_dec_range(mm->memory, page, MEMORY_CHUNK_PAGES);
	}
	if (rc && mm->allow_fallback) {
		atomic_fetch_add_explicit(&mm_here(mm)->fallbacks, 1, memory_order_relaxed);
		return FAULT_SMALL;
	}
	if (rc) {
		map_unit_install(&f->s->map, &f->u, f->word);
		return -ENOMEM;
	}
	rc = fault_finish(f, f->word | entry_of_page(page) | ENTRY_PRESENT | ENTRY_PRIVATE |
				     ENTRY_HUGE | entry_of_access(f->v->effective));
	if (rc) {
		unit_withdraw(f->s, page, 2);
		memory_file_dec_range(mm->memory, page, MEMORY_CHUNK_PAGES);
	}
	return rc;
}

/* A part of a hugetlb page, left by a split that had no memory, or too much to copy: the host
 * cannot show it. */
static int fault_part(struct fault *f) NO_TSA
{
	/* NO_TSA: keeps the lock for FAULT_SMALL. */
	if (f->u.level)
		return fault_copy_huge(f);
	struct memory_file *mf = f->s->mm->memory;
	uint32_t part = entry_page(f->word);
	uint32_t page;
	int rc = memory_file_alloc(mf, memory_file_node(mf, part), &page);

	if (rc) {
		map_unit_install(&f->s->map, &f->u, f->word);
		return rc;
	}
	memcpy(memory_file_memory(mf, page), memory_file_memory(mf, part), MM_PAGE_SIZE);
	memory_file_mark_dirty(mf, page);
	uint64_t rest = f->word & ~(~UINT64_C(0) << ENTRY_PAGE_SHIFT);

	rc = fault_finish(f, rest | entry_of_page(page));
	memory_file_dec(mf, rc ? page : part);
	return rc;
}

/* ---- mappables ---- */

/* Does t cover the whole folded unit, whose first page shows offset base? */
static bool covers_unit(const struct fault *f, const struct translation *t, uint64_t base)
{
	return f->u.level == 1 && t->source.start <= base && t->source.end >= base + MM_HUGE_SIZE;
}

int fault_translate(struct fault *f, struct mappable_range required, struct mappable_range optional,
		    mm_access at, struct translation *t)
{
	size_t count = 0;
	int rc = mappable_translate(f->v->mappable, required, optional, at, t, 1, &count);

	MM_TEST_POINT(fault_translated);
	if (__builtin_expect(translate_result_is_plain(required, optional, at, t, count, rc), 1))
		return 0;
	f->wrong = check_translate_result(required, optional, at, t, count, rc);
	if (f->wrong)
		return -EFAULT;
	return count ? 0 : rc;
}

/*
 * A translation from the mappable becomes the entry's. The entry of a private mapping never permits
 * writing by it: its page is to be copied. Unlocks, but for FAULT_SMALL: the unit is folded and the
 * answer is not.
 */
static int fault_mappable(struct fault *f) NO_TSA
{
	/* NO_TSA: keeps the lock in one of three outcomes. */
	struct memory_file *mf = f->s->mm->memory;
	bool is_private = f->v->is_private;
	bool copy = fault_needs_own(f);
	mm_access at = copy ? MM_READ : access_effective(f->at);
	uint64_t first = vma_offset(f->v, f->page);
	struct mappable_range required = { first, first + MM_PAGE_SIZE };
	struct mappable_range optional = required;
	struct translation t;

	if (f->u.level == 1) {
		optional.start = vma_offset(f->v, f->u.page);
		optional.end = optional.start + MM_HUGE_SIZE;
	}
	/* Without a host the copy is of one page: see fault_copies_whole. */
	if (f->u.level > (copy && !f->s->host ? 0 : 1))
		return FAULT_SMALL;
	if (copy && fault_waits_for_fork(f))
		return FAULT_AGAIN;
	int rc = fault_translate(f, required, optional, at, &t);

	if (__builtin_expect(rc != 0, 0)) {
		map_unit_install(&f->s->map, &f->u, f->word);
		fault_complain(f);
		return rc;
	}
	uint64_t base = f->u.level ? vma_offset(f->v, f->u.page) : first;

	if (f->u.level && !covers_unit(f, &t, base))
		return FAULT_SMALL;
	uint32_t page = memory_file_page_at(mf, t.file, t.offset + base - t.source.start);
	uint64_t pages = map_span(f->u.level);

	if (f->u.level && page % MM_HUGE_PAGES != 0)
		return FAULT_SMALL;
	if (copy && f->u.level)
		return fault_copies_whole(f, page) ? fault_copy_huge_from(f, page) : FAULT_SMALL;
	if (copy)
		return fault_copy_from(f, page);
	if (pages == 1)
		memory_file_inc(mf, page);
	else
		memory_file_inc_range(mf, page, (uint32_t)pages);
	if (f->word & ENTRY_PRESENT) { /* more permissions: of the same page, or of another */
		if (f->word & ENTRY_HOSTED)
			f->s->host->ops->unmap(f->s->host,
					       pages_to_addresses(f->u.page, map_unit_end(&f->u)));
		memory_file_dec_range(mf, entry_page(f->word), (uint32_t)pages);
		f->word &= ~ENTRY_TRANSLATION_MASK;
	}
	uint64_t word = f->word | entry_of_page(page) | ENTRY_PRESENT |
			(f->u.level ? ENTRY_HUGE : 0) | (is_private ? ENTRY_COPY : 0);

	rc = fault_finish(f, word | entry_of_access(unit_access(word, t.perms & f->v->effective)));
	if (rc)
		memory_file_dec_range(mf, page, (uint32_t)pages);
	return rc;
}

/* ---- the fault ---- */

/* What the fault may ask for. */
static inline mm_access permitted(const struct fault *f)
{
	mm_access most = f->v->effective;

	if (__builtin_expect(f->opts.force, 0)) {
		most |= f->v->max_perms;
		if (!f->v->is_private && !(f->v->effective & MM_WRITE))
			most &= ~(mm_access)MM_WRITE;
	}
	return most;
}

/* The unit of f is held. Unlocks, but for FAULT_SMALL. */
static int resolve(struct fault *f) NO_TSA
{
	/* NO_TSA: keeps the lock in one outcome. */
	if (__builtin_expect(!access_superset_of(permitted(f), f->at), 0)) {
		map_unit_install(&f->s->map, &f->u, f->word);
		return -EACCES;
	}
	if (f->word & ENTRY_PRESENT) {
		if ((f->word & ENTRY_COPY) && fault_needs_own(f))
			return fault_copy(f);
		if ((f->word & ENTRY_PRIVATE) && fault_is_part(f))
			return fault_part(f);
		if (access_superset_of(entry_access(f->word), f->at))
			return fault_finish(f, f->word);
		if (f->word & ENTRY_PRIVATE)
			return fault_finish(
				f, (f->word & ~ENTRY_ACCESS_MASK) |
					   entry_of_access(unit_access(f->word, f->v->effective)));
		return fault_mappable(f);
	}
	if (!f->u.level && f->s->mm->ahead_pages > 1 && !f->alone && fault_widen(f))
		return fault_ahead(f);
	if (f->v->mappable)
		return fault_mappable(f);
	if (!f->u.level)
		return fault_anonymous(f);
	if (f->v->page_class == PAGE_4K)
		return FAULT_SMALL;
	return f->u.level > 1 ? fault_gigantic(f) : fault_huge(f);
}

/* The leaf entry of a mappable's page is held already: what fault_slow would come to. */
static __attribute__((noinline)) int fault_held(struct mm_space *s, uint64_t page, mm_access at,
						entry_t *entry, uint64_t word) NO_TSA
{
	/* NO_TSA: its caller locked the entry, in one of two outcomes. */
	unsigned slot = map_slot(page, 0);
	struct node *node = (struct node *)(entry - slot); /* entries come first in a node */
	struct fault f = {
		.s = s,
		.v = vma_at(&s->mm->vma_pool, entry_vma(word)),
		.u = { .node = node, .first = slot, .last = slot, .page = page },
		.word = word,
		.page = page,
		.at = at,
	};

	return resolve(&f);
}

/*
 * The ordinary cases without detours: a free, absent leaf entry that the host need not show. 0, an
 * error, or FAULT_AGAIN: nothing has changed, take the long way.
 */
static inline int fault_quick(struct mm_space *s, uint64_t page, mm_access at, uint64_t enough)
	NO_TSA /* released by a call in one of two outcomes */
{
	entry_t *entry;
	uint64_t word;
	uint32_t got;
	bool done;

	if (!address_map_try_leaf(&s->map, page, enough, &entry, &word, &done))
		return done ? 0 : FAULT_AGAIN;
	struct vma *v = vma_at(&s->mm->vma_pool, entry_vma(word));
	struct reservation *r = atomic_load_explicit(&v->reservation, memory_order_acquire);

	if (r && access_superset_of(v->effective, at) &&
	    !atomic_load_explicit(&s->forking, memory_order_seq_cst) &&
	    !reservation_page(r, page, space_node(s->mm, v, page), PAGE_4K, &got) &&
	    !memory_file_claim(s->mm->memory, got)) {
		word |= entry_of_page(got) | ENTRY_PRESENT | ENTRY_PRIVATE |
			entry_of_access(v->effective);
		done = true;
	} else if (v->mappable) {
		return fault_held(s, page, at, entry, word);
	}
	address_map_unlock_leaf(&s->map, page, entry, word);
	return done ? 0 : FAULT_AGAIN;
}

static __attribute__((noinline)) int fault_slow(struct mm_space *s, uint64_t address, mm_access at,
						struct fault_opts opts) NO_TSA
{
	/* NO_TSA: resolve() keeps the lock when small entries are wanted. */
	struct fault f = { .s = s, .page = address >> MM_PAGE_SHIFT, .at = at, .opts = opts };
	unsigned level = page_class_level(s->mm->page_class);
	uint64_t enough = opts.show || opts.own ? 0 : ENTRY_PRESENT | entry_of_access(at);
	int rc;

	if (enough && s->host)
		enough |= ENTRY_HOSTED;

	for (;;) {
		if (!address_map_lock_page(&s->map, f.page, level, enough, &f.u, &f.word, &rc))
			return rc;
		f.word &= ~ENTRY_LOCK;
		f.v = vma_at(&s->mm->vma_pool, entry_vma(f.word));
		rc = resolve(&f);
		if (rc == FAULT_AGAIN)
			continue;
		if (rc == FAULT_ALONE) {
			f.alone = true;
			continue;
		}
		if (__builtin_expect(rc != FAULT_SMALL, 1))
			return rc;
		if (f.u.level && (f.word & ENTRY_PRESENT)) {
			/* a huge piece of a mappable that is in pieces now, or that one page is
			 * to be copied of */
			level = f.u.level - 1;
			unit_split(s, &f.u, 0, 0);
			continue;
		}
		level = f.u.level ? f.u.level - 1 : 0;
		map_unit_install(&s->map, &f.u, f.word);
	}
}

int space_fault_with(struct mm_space *s, uint64_t address, mm_access at, struct fault_opts opts)
{
	if (__builtin_expect(address >> MM_PAGE_SHIFT >= s->end_page, 0))
		return -EFAULT;
	return fault_slow(s, address, at, opts);
}

int mm_fault(struct mm_space *s, uint64_t address, mm_access at)
{
	uint64_t page = address >> MM_PAGE_SHIFT;

	if (__builtin_expect(page >= s->end_page, 0))
		return -EFAULT;
	int rc = s->goes_slow ? FAULT_AGAIN
			      : fault_quick(s, page, at, ENTRY_PRESENT | entry_of_access(at));

	if (rc == FAULT_AGAIN)
		rc = fault_slow(s, address, at, (struct fault_opts){ 0 });
	if (__builtin_expect(rc == -EFAULT, 0)) /* a stack may grow */
		rc = space_fault_or_grow(s, address, at, (struct fault_opts){ 0 });
	return rc;
}

static __attribute__((noinline)) int lookup_slow(struct mm_space *s, uint64_t address, mm_access at,
						 uint32_t *page, mm_access *perms)
{
	unsigned level;
	uint64_t address_page = address >> MM_PAGE_SHIFT;

	if (address_page >= s->end_page)
		return -ENOENT;
	uint64_t word = address_map_peek(&s->map, address_page, &level);

	if (!entry_permits(word, at))
		return -ENOENT;
	mm_lookup_word(word, level, address, page, perms);
	return 0;
}

int mm_lookup(struct mm_space *s, uint64_t address, mm_access at, uint32_t *page, mm_access *perms)
{
	if (mm_lookup_quick(s, address, at, page, perms))
		return 0;
	return lookup_slow(s, address, at, page, perms);
}
