/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interfaces.h - the tables of functions through which the engine and its objects meet: the
 * seed's Mappable, MappingSpace and MappingIdentity, as C (File: file.h).
 *
 * Objects embed the struct (struct mappable ...) as a member and point it at a const table. Call
 * them only through the inline wrappers here: Clang does not check calls through function
 * pointers, so the wrappers carry the lock contracts.
 */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/access.h"
#include "engine/error.h"
#include "engine/file.h"
#include "engine/inject.h"
#include "engine/lock_order.h"
#include "engine/range.h"

struct mappable;
struct mapping_identity;
struct mapping_space;
struct translation;

/* ---- mapping space: who maps a mappable ---- */

struct invalidate_opts {
	bool invalidate_private; /* private copies of the range are to be lost as well */
};

struct mapping_space_ops {
	void (*invalidate)(struct mapping_space *ms, struct addr_range ar,
			   struct invalidate_opts opts);
};

struct mapping_space {
	const struct mapping_space_ops *ops;
	/* Unique, and a child's higher than its parent's; the order in which spaces are
	 * invalidated. */
	uint64_t id;
};

/*
 * No translation that was returned for offsets mapped in ar is in use after this returns. ar is
 * aligned and not empty; parts that are not mapped are fine. Never fails, never allocates.
 */
static inline void mapping_space_invalidate(struct mapping_space *ms, struct addr_range ar,
					    struct invalidate_opts opts) MAY_LOCK_ENTRY
{
	ms->ops->invalidate(ms, ar, opts);
}

/* ---- mappable: offsets -> (file, offset), mutable over time ---- */

typedef void (*mappable_pages_fn)(struct mappable_range mr, uint32_t first_page, void *arg);
typedef void (*mappable_mapping_fn)(struct mappable_range mr, struct mapping_space *ms,
				    struct addr_range ar, bool writable, void *arg);

struct mappable_ops {
	/* ms maps [offset, offset + length(ar)) at ar from now on. writable: shared and could
	 * ever be written; constant for the mapping's life. May refuse (-errno): nothing done. */
	int (*add_mapping)(struct mappable *m, struct mapping_space *ms, struct addr_range ar,
			   uint64_t offset, bool writable);
	/* The mapping, or a part of it, is gone. Must exist; writable as it was added. */
	void (*remove_mapping)(struct mappable *m, struct mapping_space *ms, struct addr_range ar,
			       uint64_t offset, bool writable);
	/* The mapping at src is also made at dst (mremap); lengths may differ, src may be empty. */
	int (*copy_mapping)(struct mappable *m, struct mapping_space *ms, struct addr_range src,
			    struct addr_range dst, uint64_t offset, bool writable);
	/*
	 * Translations for at least `required` and at most `optional`, in order, at most `max` of
	 * them (max >= 1), into ts; *count says how many. With an error the prefix in ts is valid.
	 * Takes no reference: the caller, who holds the entry lock that invalidate needs, does.
	 */
	int (*translate)(struct mappable *m, struct mappable_range required,
			 struct mappable_range optional, mm_access at, struct translation *ts,
			 size_t max, size_t *count);
	int (*invalidate_unsavable)(struct mappable *m);
	/* Holds m's rmap lock of mr, so that no invalidation of these offsets runs (mremap); both
	 * NULL: m never invalidates. */
	void (*lock_mappings)(struct mappable *m, struct mappable_range mr);
	void (*unlock_mappings)(struct mappable *m, struct mappable_range mr);
	/* Makes a range a hole (MADV_REMOVE). NULL: -EOPNOTSUPP. */
	int (*punch)(struct mappable *m, struct mappable_range mr);
	/*
	 * For mm_check(), at a quiescent point: runs of pages that m holds, one reference a page,
	 * and the offsets they are at; its mappings, in parts. NULL: m holds, keeps none.
	 */
	void (*visit_pages)(struct mappable *m, mappable_pages_fn visit, void *arg);
	void (*visit_mappings)(struct mappable *m, mappable_mapping_fn visit, void *arg);
	/* Sets bit 0 of vec[i] if page i of mr is in memory, clears it if not (mincore); takes
	 * nothing in. NULL: all are. */
	void (*residency)(struct mappable *m, struct mappable_range mr, unsigned char *vec);
};

struct mappable {
	const struct mappable_ops *ops;
	struct mappable *next, **previous; /* of mappable_list.h, for those who join one */
};

static inline MM_MUST_CHECK int mappable_add_mapping(struct mappable *m, struct mapping_space *ms,
						     struct addr_range ar, uint64_t offset,
						     bool writable) MAY_LOCK_RMAP
{
	if (MM_INJECT(INJECT_MAPPING))
		return -ENOMEM;
	return m->ops->add_mapping(m, ms, ar, offset, writable);
}

static inline void mappable_remove_mapping(struct mappable *m, struct mapping_space *ms,
					   struct addr_range ar, uint64_t offset, bool writable)
	MAY_LOCK_RMAP
{
	m->ops->remove_mapping(m, ms, ar, offset, writable);
}

static inline MM_MUST_CHECK int mappable_copy_mapping(struct mappable *m, struct mapping_space *ms,
						      struct addr_range src, struct addr_range dst,
						      uint64_t offset, bool writable) MAY_LOCK_RMAP
{
	if (MM_INJECT(INJECT_MAPPING))
		return -ENOMEM;
	return m->ops->copy_mapping(m, ms, src, dst, offset, writable);
}

/* Invariant: never concurrent with any other method of m. */
static inline MM_MUST_CHECK int mappable_invalidate_unsavable(struct mappable *m) MAY_LOCK_ANY
{
	return m->ops->invalidate_unsavable(m);
}

static inline MM_MUST_CHECK int mappable_translate(struct mappable *m,
						   struct mappable_range required,
						   struct mappable_range optional, mm_access at,
						   struct translation *ts, size_t max,
						   size_t *count) MAY_LOCK_DATA
{
	return m->ops->translate(m, required, optional, at, ts, max, count);
}

static inline void mappable_lock_mappings(struct mappable *m, struct mappable_range mr)
	ACQUIRES(rmap_class) NO_TSA /* a call through a table */
{
	if (m->ops->lock_mappings)
		m->ops->lock_mappings(m, mr);
}

static inline void mappable_unlock_mappings(struct mappable *m, struct mappable_range mr)
	RELEASES(rmap_class) NO_TSA /* a call through a table */
{
	if (m->ops->unlock_mappings)
		m->ops->unlock_mappings(m, mr);
}

static inline MM_MUST_CHECK int mappable_punch(struct mappable *m, struct mappable_range mr)
	MAY_LOCK_ANY
{
	return m->ops->punch ? m->ops->punch(m, mr) : -EOPNOTSUPP;
}

static inline void mappable_residency(struct mappable *m, struct mappable_range mr,
				      unsigned char *vec) MAY_LOCK_DATA
{
	if (m->ops->residency) {
		m->ops->residency(m, mr, vec);
		return;
	}
	for (uint64_t i = 0; i < (mr.end - mr.start) >> MM_PAGE_SHIFT; i++)
		vec[i] |= 1;
}

/* See mappable_ops. */
static inline void mappable_visit_pages(struct mappable *m, mappable_pages_fn visit, void *arg)
	MAY_LOCK_RMAP
{
	if (m->ops->visit_pages)
		m->ops->visit_pages(m, visit, arg);
}

static inline void mappable_visit_mappings(struct mappable *m, mappable_mapping_fn visit, void *arg)
	MAY_LOCK_RMAP
{
	if (m->ops->visit_mappings)
		m->ops->visit_mappings(m, visit, arg);
}

/* ---- mapping identity: lifetime and names of a mappable ---- */

struct mapping_identity_ops {
	void (*inc_ref)(struct mapping_identity *id); /* any context, never blocks */
	void (*dec_ref)(struct mapping_identity *id); /* may destroy: no lock held */
	/* The same for references of mappings, which come and go on all CPUs, or NULL both. */
	void (*inc_mapped)(struct mapping_identity *id);
	void (*dec_mapped)(struct mapping_identity *id);
	/* Writes the name for maps listings, NUL-terminated, at most size bytes. */
	void (*mapped_name)(struct mapping_identity *id, char *name, size_t size);
	uint64_t (*device_id)(struct mapping_identity *id);
	uint64_t (*inode_id)(struct mapping_identity *id);
	int (*msync)(struct mapping_identity *id, struct mappable_range mr);
};

struct mapping_identity {
	const struct mapping_identity_ops *ops;
};

static inline void mapping_identity_inc_ref(struct mapping_identity *id)
{
	id->ops->inc_ref(id);
}

static inline void mapping_identity_dec_ref(struct mapping_identity *id) MAY_LOCK_ANY
{
	id->ops->dec_ref(id);
}

static inline void mapping_identity_inc_mapped(struct mapping_identity *id)
{
	(id->ops->inc_mapped ? id->ops->inc_mapped : id->ops->inc_ref)(id);
}

static inline void mapping_identity_dec_mapped(struct mapping_identity *id) MAY_LOCK_ANY
{
	(id->ops->dec_mapped ? id->ops->dec_mapped : id->ops->dec_ref)(id);
}

static inline void mapping_identity_mapped_name(struct mapping_identity *id, char *name,
						size_t size)
{
	id->ops->mapped_name(id, name, size);
}

static inline uint64_t mapping_identity_device_id(struct mapping_identity *id)
{
	return id->ops->device_id(id);
}

static inline uint64_t mapping_identity_inode_id(struct mapping_identity *id)
{
	return id->ops->inode_id(id);
}

/* Writes mr back, as fsync(data) would; the engine calls it with no lock held. */
static inline MM_MUST_CHECK int mapping_identity_msync(struct mapping_identity *id,
						       struct mappable_range mr) MAY_LOCK_ANY
{
	return id->ops->msync(id, mr);
}
