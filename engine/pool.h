/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.h - objects of one size, named by a small index, from per-CPU free lists.
 *
 * The objects lie in one reserved, unbacked array, so that index and address are one arithmetic
 * step apart and an object that was never used costs nothing. Freed objects go to the list of the
 * freeing CPU; a list that grows long gives a batch to the common list, one that is empty takes a
 * batch from there before it takes fresh objects. In front of the list stands one object that is
 * taken and left by a single exchange: whoever frees one and soon wants one never takes a lock.
 * Index 0 is never handed out.
 *
 * Locks: leaf, one per CPU slot and one for the common list (never both at once).
 * Memory is never returned before pool_release. Any thread may call alloc and free.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/lock_order.h"
#include "engine/percpu.h"

struct pool_list {
	_Atomic uint32_t lock; /* park word, leaf */
	uint32_t head; /* index of the first free object, 0: none; linked through objects */
	uint32_t count;
	uint64_t live; /* allocated minus freed here; the sum over all lists is the truth */
	uint32_t fresh, fresh_end; /* indexes of this CPU that were never handed out */
	_Atomic uint32_t hot; /* freed last, 0: none; live to `live`; exchanged without the lock */
} __attribute__((aligned(128)));

struct pool {
	unsigned char *base; /* immutable */
	size_t object_size; /* immutable; a multiple of 64 */
	uint32_t limit; /* immutable: indexes are below */
	_Atomic uint32_t fresh; /* first index that no CPU has */
	struct pool_list common;
	struct pool_list *cpu; /* immutable: one per possible CPU */
	unsigned cpus; /* immutable */
};

/* object_size: bytes, rounded up to 64. limit: objects, at least 2. 0 or -ENOMEM. */
MM_MUST_CHECK int pool_init(struct pool *p, size_t object_size, uint32_t limit);
void pool_release(struct pool *p); /* gives all memory back, live objects or not */
/* An index, or 0 when the limit is reached. Contents: undefined. */
uint32_t pool_alloc(struct pool *p) MAY_LOCK_LEAF;
void pool_free(struct pool *p, uint32_t index) MAY_LOCK_LEAF;
uint64_t pool_live(struct pool *p) MAY_LOCK_LEAF; /* objects; exact at quiescent points */
/* Memory of the objects that were ever handed out, about if others allocate. */
uint64_t pool_bytes(struct pool *p) MAY_LOCK_LEAF;

static inline void *pool_at(const struct pool *p, uint32_t index)
{
	return p->base + (size_t)index * p->object_size;
}

static inline uint32_t pool_index(const struct pool *p, const void *object)
{
	return (uint32_t)((size_t)((const unsigned char *)object - p->base) / p->object_size);
}
