/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vma.h - what the application asked for: the properties of a mapping.
 *
 * A vma is immutable once an entry names it. It counts the entries that do (in batches); the last
 * one gone, it is freed: reservation, identity and slot. To change a property of a range, another
 * vma is made and installed. start is where the mapping was created: offsets are computed from it;
 * which addresses a vma still covers is known by the address map alone.
 *
 * A vma is read only under the lock of an entry that names it, or with the entry's range of
 * `mapping` held (either pins it), so a freed slot needs no grace period.
 */
#pragma once

#include "engine/memory_file.h"
#include "engine/mmap_opts.h"
#include "engine/pool.h"
#include "engine/reservation.h"

#define VMA_NAME_SIZE 88 /* a name of 79 characters, "[anon:" and "]" around it, and the NUL */

struct vma {
	/* What faults read, a line of its own. */
	uint64_t start; /* page number of the address that shows `offset` */
	uint64_t end; /* page behind the range that it was made for */
	struct mappable *mappable; /* NULL: private anonymous memory */
	struct mapping_identity *identity; /* referenced; may be NULL */
	uint64_t offset; /* bytes, in mappable */
	/* Of private anonymous memory; made by the first fault, then immutable; referenced. */
	_Atomic(struct reservation *) reservation;
	uint64_t numa_nodes;
	mm_access perms, effective, max_perms;
	bool is_private, grows_down, stack;
	uint8_t page_class; /* enum page_class of its anonymous memory */
	uint8_t numa_policy;
	/* What those use who change mappings. */
	_Alignas(64) _Atomic int64_t entries; /* that name it, and VMA_BUILDING while it is
						 installed */
	bool dontfork;
	uint8_t mlock_mode;
	char *name; /* owned; NULL: the identity's */
	uint32_t next_dead; /* list of vma_drop, or of a fork's clones while they are made */
	/* The clone that fork made for the space of this id; of whoever holds all of `mapping`. */
	uint32_t forked_as;
	uint64_t forked_into;
} __attribute__((aligned(64)));

/* Added to the count while a vma is being installed, so that it does not die on the way. */
#define VMA_BUILDING (INT64_C(1) << 40)

/* A vma for opts at address pages [start, end), counted VMA_BUILDING. Takes references. 0 or
 * -ENOMEM. */
MM_MUST_CHECK int vma_create(struct pool *vmas, const struct mmap_opts *opts, uint64_t start,
			     uint64_t end, uint8_t page_class, uint32_t *out) MAY_LOCK_LEAF;
/* Makes the reservation of v, unless somebody else does. 0 or -ENOMEM. */
MM_MUST_CHECK int vma_make_reservation(struct vma *v, struct memory_file *mf, unsigned nodes)
	MAY_LOCK_ARENA;
/* A copy, counted VMA_BUILDING, that shares the reservation: until an entry names it, its maker may
 * change its fields. 0 or -ENOMEM. */
MM_MUST_CHECK int vma_clone(struct pool *vmas, uint32_t from, uint32_t *out) MAY_LOCK_LEAF;
/* Are address pages of a, followed by pages of b, one mapping to the application: equal in all but
 * range? */
bool vma_continues(const struct vma *a, const struct vma *b);
/* Before an entry names the vma: it will make a reservation of its own. */
void vma_forget_reservation(struct vma *v) MAY_LOCK_ARENA;
/* Changes the count; the caller knows that it stays above zero. */
void vma_add(struct pool *vmas, uint32_t vma, int64_t entries);
/* Takes `entries` away. The last one gone, the vma joins the list *dead (0: empty): its pieces may
 * only be freed with no lock held, by vma_free_dead. */
void vma_drop(struct pool *vmas, uint32_t vma, int64_t entries, uint32_t *dead);
/* Instead of adding `entries` and dropping VMA_BUILDING: each is of one page, and `mapping` of all
 * is held, so nobody else can change the count yet. */
static inline void vma_installed(struct vma *v, int64_t entries)
{
	atomic_store_explicit(&v->entries, entries, memory_order_relaxed);
}
/* Frees the vmas of a list: reservations, identities, slots. */
void vma_free_dead(struct pool *vmas, uint32_t dead) MAY_LOCK_ANY;

/* The reservation of v, made now if need be; NULL: no memory. The caller holds an entry of v. */
static inline struct reservation *vma_reservation(struct vma *v, struct memory_file *mf,
						  unsigned nodes) MAY_LOCK_ARENA
{
	struct reservation *r = atomic_load_explicit(&v->reservation, memory_order_acquire);

	if (__builtin_expect(!r, 0) && !vma_make_reservation(v, mf, nodes))
		r = atomic_load_explicit(&v->reservation, memory_order_acquire);
	return r;
}

static inline void vma_set_perms(struct vma *v, mm_access perms)
{
	v->perms = perms;
	v->effective = access_effective(perms);
}

static inline struct vma *vma_at(const struct pool *vmas, uint32_t index)
{
	return pool_at(vmas, index);
}

/* Shared, and could ever be written: what mappables are told. */
static inline bool vma_writable(const struct vma *v)
{
	return !v->is_private && (v->max_perms & MM_WRITE);
}

/* Counts against RLIMIT_DATA: what only this space can have written. */
static inline bool vma_is_data(const struct vma *v)
{
	return v->is_private && (v->perms & MM_WRITE) && !v->grows_down;
}

/* Code and stacks: a copy on write is of one page, without neighbours. */
static inline bool vma_copies_one_page(const struct vma *v)
{
	return (v->effective & MM_EXEC) || v->stack || v->grows_down;
}

/* Offset in the mappable of an address page. */
static inline uint64_t vma_offset(const struct vma *v, uint64_t page)
{
	return v->offset + ((page - v->start) << MM_PAGE_SHIFT);
}
