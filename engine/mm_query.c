/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_query.c - see mm_query.h.
 *
 * Locks: `mapping` of what is asked about, for as long as the vma is looked at; none while others
 * are called.
 */
#include "engine/mm_query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/space_change.h"
#include "engine/space_range.h"

#define NAME_SIZE_MAX 80 /* with the NUL; Linux's ANON_VMA_NAME_MAX_LEN */
#define STACK_DEFAULT (UINT64_C(8) << 20)
#define STACK_MAX (UINT64_C(128) << 20)

/* ---- names ---- */

static int look_name(const struct space_change *c, const struct vma *v)
{
	if (v->mappable)
		return -EBADF;
	return v->name && c->name ? strcmp(v->name, c->name) == 0 : v->name == c->name;
}

static int edit_name(const struct space_change *c, struct vma *v)
{
	char *name = c->name ? strdup(c->name) : NULL;

	if (c->name && !name)
		return -ENOMEM;
	free(v->name);
	v->name = name;
	return 0;
}

static bool name_is_good(const char *name)
{
	if (strlen(name) >= NAME_SIZE_MAX)
		return false;
	for (const char *c = name; *c; c++)
		if (*c < ' ' || *c > '~' || strchr("\\`$[]", *c))
			return false;
	return true;
}

int mm_set_name(struct mm_space *s, uint64_t address, uint64_t length, const char *name)
{
	char full[VMA_NAME_SIZE];
	struct space_change c = {
		.look = look_name, .edit = edit_name, .over_holes = true, .hole_error = -ENOMEM
	};
	struct range_held held;
	uint64_t start;
	uint64_t end;
	uint32_t dead = 0;

	if (space_range_pages(address, length, &start, &end) || (name && !name_is_good(name)))
		return -EINVAL;
	if (name) {
		snprintf(full, sizeof(full), "[anon:%s]", name);
		c.name = full;
	}
	bool cut = space_range_cut(s, &start, &end);

	if (start == end)
		return cut ? -ENOMEM : 0;
	range_lock_lock(&s->mapping, pages_to_addresses(start, end), &held);
	int rc = space_change(s, start, end, &c, &dead);

	range_lock_unlock(&held);
	vma_free_dead(&s->mm->vma_pool, dead);
	return rc ? rc : cut ? -ENOMEM : 0;
}

/* ---- one mapping ---- */

/* The vma at an address, with `mapping` of its page held if there is one. */
static const struct vma *hold_vma(struct mm_space *s, uint64_t address, struct range_held *held)
	TRY_ACQUIRES(true, mapping_class) MAY_LOCK_MAPPING NO_TSA
{
	/* NO_TSA: keeps the lock in one of two outcomes. */
	uint64_t page = address >> MM_PAGE_SHIFT;
	uint64_t after;

	if (page >= s->end_page)
		return NULL;
	range_lock_lock(&s->mapping, pages_to_addresses(page, page + 1), held);
	uint32_t vma = space_vma_at(s, page, &after);

	if (vma)
		return vma_at(&s->mm->vma_pool, vma);
	range_lock_unlock(held);
	return NULL;
}

int mm_numa_policy(struct mm_space *s, uint64_t address, enum numa_policy *policy, uint64_t *nodes)
{
	struct range_held held;
	const struct vma *v = hold_vma(s, address, &held);

	if (!v)
		return -EFAULT;
	*policy = (enum numa_policy)v->numa_policy;
	*nodes = v->numa_nodes;
	range_lock_unlock(&held);
	return 0;
}

int mm_futex_key(struct mm_space *s, uint64_t address, struct mm_futex_key *key)
{
	struct range_held held;

	if (address % sizeof(uint32_t))
		return -EINVAL;
	const struct vma *v = hold_vma(s, address, &held);

	if (!v)
		return -EFAULT;
	int rc = v->effective & MM_READ ? 0 : -EFAULT;

	*key = (struct mm_futex_key){ .offset = address };
	if (!rc && !v->is_private) {
		key->mappable = v->mappable;
		key->identity = v->identity;
		key->offset =
			vma_offset(v, address >> MM_PAGE_SHIFT) + (address & (MM_PAGE_SIZE - 1));
		if (key->identity)
			mapping_identity_inc_mapped(key->identity);
	}
	range_lock_unlock(&held);
	return rc;
}

/* ---- a stack ---- */

/* RLIMIT_STACK. */
static uint64_t stack_limit(struct mm_space *s) MAY_LOCK_MAPPING
{
	struct range_held held;

	range_lock_lock(&s->mapping, pages_to_addresses(0, 1), &held);
	uint64_t limit = s->usage.limits.stack;

	range_lock_unlock(&held);
	return limit;
}

int mm_map_stack(struct mm_space *s, uint64_t *address)
{
	uint64_t limit = stack_limit(s);
	uint64_t bytes = limit == UINT64_MAX ? STACK_DEFAULT
			 : limit < STACK_MAX ? limit
					     : STACK_MAX;
	uint64_t end = s->end_page << MM_PAGE_SHIFT;
	struct mmap_opts o = {
		.perms = MM_READ | MM_WRITE,
		.max_perms = MM_ANY_ACCESS,
		.is_private = true,
		.grows_down = true,
		.stack = true,
		.name = "[stack]",
	};

	if (!page_round_up(bytes, &o.length) || !o.length || o.length > end / 2)
		return -ENOMEM;
	o.address = end - o.length; /* a hint: another place if that is taken */
	return mm_mmap(s, &o, address);
}

/* ---- saving ---- */

/* The next mapping of a mappable at or after *page, with a reference to its identity. */
static struct mappable *next_mappable(struct mm_space *s, uint64_t *page,
				      struct mapping_identity **identity) MAY_LOCK_MAPPING
{
	struct mappable *m = NULL;
	struct range_held held;

	range_lock_all(&s->mapping, &held);
	while (*page < s->end_page && !m) {
		uint32_t vma;

		*page = space_next_mapped(s, *page, s->end_page);
		if (*page == s->end_page)
			break;
		*page = space_run_end(s, *page, s->end_page, &vma);
		const struct vma *v = vma_at(&s->mm->vma_pool, vma);

		m = v->mappable;
		*identity = v->identity;
		if (m && v->identity)
			mapping_identity_inc_mapped(v->identity);
	}
	range_lock_unlock(&held);
	return m;
}

int mm_invalidate_unsavable(struct mm_space *s)
{
	struct mapping_identity *identity;
	struct mappable *m;
	uint64_t page = 0;
	int rc = 0;

	while (!rc && (m = next_mappable(s, &page, &identity))) {
		rc = mappable_invalidate_unsavable(m);
		if (identity)
			mapping_identity_dec_mapped(identity);
	}
	return rc;
}
