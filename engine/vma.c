/* SPDX-License-Identifier: Apache-2.0 */
/* vma.c - see vma.h. */
#include "engine/vma.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/inject.h"

int vma_make_reservation(struct vma *v, struct memory_file *mf, unsigned nodes)
{
	struct reservation *none = NULL;
	struct reservation *mine;
	int rc = reservation_create(mf, v->start, v->end, nodes, &mine);

	if (rc)
		return rc;
	if (!atomic_compare_exchange_strong_explicit(&v->reservation, &none, mine,
						     memory_order_acq_rel, memory_order_acquire))
		reservation_put(mine);
	return 0;
}

/* Takes the references of a filled-in vma and copies the name. */
static int finish(struct pool *vmas, uint32_t index, const char *name) MAY_LOCK_LEAF
{
	struct vma *v = vma_at(vmas, index);

	v->name = NULL;
	v->forked_into = 0;
	if (name) {
		v->name = MM_INJECT(INJECT_MEMORY) ? NULL : strndup(name, VMA_NAME_SIZE - 1);
		if (!v->name) {
			pool_free(vmas, index);
			return -ENOMEM;
		}
	}
	if (v->identity)
		mapping_identity_inc_mapped(v->identity);
	atomic_store_explicit(&v->entries, VMA_BUILDING, memory_order_relaxed);
	return 0;
}

int vma_create(struct pool *vmas, const struct mmap_opts *opts, uint64_t start, uint64_t end,
	       uint8_t page_class, uint32_t *out)
{
	uint32_t index = pool_alloc(vmas);

	if (!index)
		return -ENOMEM;
	struct vma *v = vma_at(vmas, index);

	v->start = start;
	v->end = end;
	v->mappable = opts->mappable;
	v->identity = opts->identity;
	v->offset = opts->mappable ? opts->offset : 0;
	atomic_store_explicit(&v->reservation, NULL, memory_order_relaxed);
	v->perms = opts->perms;
	v->effective = access_effective(opts->perms);
	v->max_perms = opts->max_perms;
	v->is_private = opts->is_private;
	v->grows_down = opts->grows_down;
	v->stack = opts->stack;
	v->dontfork = false;
	v->page_class = page_class;
	v->mlock_mode = (uint8_t)opts->mlock_mode;
	v->numa_policy = (uint8_t)opts->numa_policy;
	v->numa_nodes = opts->numa_nodes;
	*out = index;
	return finish(vmas, index, opts->name);
}

int vma_clone(struct pool *vmas, uint32_t from, uint32_t *out)
{
	uint32_t index = pool_alloc(vmas);

	if (!index)
		return -ENOMEM;
	const struct vma *old = vma_at(vmas, from);
	struct vma *v = vma_at(vmas, index);

	v->start = old->start;
	v->end = old->end;
	v->mappable = old->mappable;
	v->identity = old->identity;
	v->offset = old->offset;
	struct reservation *r = atomic_load_explicit(&old->reservation, memory_order_acquire);

	if (r)
		reservation_get(r);
	atomic_store_explicit(&v->reservation, r, memory_order_relaxed);
	v->perms = old->perms;
	v->effective = old->effective;
	v->max_perms = old->max_perms;
	v->is_private = old->is_private;
	v->grows_down = old->grows_down;
	v->stack = old->stack;
	v->dontfork = old->dontfork;
	v->page_class = old->page_class;
	v->mlock_mode = old->mlock_mode;
	v->numa_policy = old->numa_policy;
	v->numa_nodes = old->numa_nodes;
	*out = index;
	return finish(vmas, index, old->name);
}

static bool same_name(const struct vma *a, const struct vma *b)
{
	return a->name && b->name ? !strcmp(a->name, b->name) : a->name == b->name;
}

bool vma_continues(const struct vma *a, const struct vma *b)
{
	return a == b ||
	       (a->mappable == b->mappable && a->identity == b->identity &&
		(!a->mappable || vma_offset(a, b->start) == b->offset) && a->perms == b->perms &&
		a->max_perms == b->max_perms && a->is_private == b->is_private &&
		a->grows_down == b->grows_down && a->stack == b->stack &&
		a->dontfork == b->dontfork && a->page_class == b->page_class &&
		a->mlock_mode == b->mlock_mode && a->numa_policy == b->numa_policy &&
		a->numa_nodes == b->numa_nodes && same_name(a, b));
}

void vma_forget_reservation(struct vma *v)
{
	struct reservation *r = atomic_load_explicit(&v->reservation, memory_order_relaxed);

	if (r)
		reservation_put(r);
	atomic_store_explicit(&v->reservation, NULL, memory_order_relaxed);
}

void vma_add(struct pool *vmas, uint32_t vma, int64_t entries)
{
	atomic_fetch_add_explicit(&vma_at(vmas, vma)->entries, entries, memory_order_relaxed);
}

void vma_drop(struct pool *vmas, uint32_t vma, int64_t entries, uint32_t *dead)
{
	struct vma *v = vma_at(vmas, vma);
	int64_t old = atomic_load_explicit(&v->entries, memory_order_acquire);

	/* Those are all: the others are gone, and nobody is left who could add or drop. */
	if (old != entries)
		old = atomic_fetch_sub_explicit(&v->entries, entries, memory_order_acq_rel);

	MM_CHECK(old >= entries);
	if (old == entries) {
		v->next_dead = *dead;
		*dead = vma;
	}
}

void vma_free_dead(struct pool *vmas, uint32_t dead)
{
	while (dead) {
		struct vma *v = vma_at(vmas, dead);
		struct mapping_identity *identity = v->identity;
		uint32_t next = v->next_dead;

		struct reservation *r = atomic_load_explicit(&v->reservation, memory_order_acquire);

		if (r)
			reservation_put(r);
		free(v->name);
		pool_free(vmas, dead);
		if (identity)
			mapping_identity_dec_mapped(identity);
		dead = next;
	}
}
