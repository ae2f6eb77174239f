/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mappable_object.h - what every mappable of ours has: references, a name, three locks, and the
 * set of its mappings.
 *
 * A mappable embeds it as its first member and puts the mappable_object_* functions below into its
 * tables of functions where it has nothing to add. It lives until its last reference is dropped:
 * its creator has one, each mapping another.
 *
 * Locks, in the order in which they nest: object (size changes), rmap (the mapping set), data
 * (offset -> page).
 */
#pragma once

#include <stdatomic.h>

#include "engine/interfaces.h"
#include "engine/mapping_set.h"

#define MAPPABLE_NAME_SIZE 256
#define MAPPABLE_CACHE_LINE __attribute__((aligned(64)))

struct mappable_object {
	struct mappable mappable;
	struct mapping_identity identity;
	/* Called with no lock held when the last reference is gone; ends in release and free. */
	void (*destroy)(struct mappable_object *o);
	uint64_t device; /* this and the next two: immutable */
	uint64_t inode;
	char name[MAPPABLE_NAME_SIZE];

	_Atomic uint64_t references MAPPABLE_CACHE_LINE;

	_Atomic uint32_t object_lock MAPPABLE_CACHE_LINE; /* the three: park.h words */
	_Atomic uint32_t rmap_lock;
	struct mapping_set *mappings GUARDED_BY(rmap_class);

	_Atomic uint32_t data_lock MAPPABLE_CACHE_LINE;
};

/* One reference, no mappings, an inode number of its own on the device of anonymous objects (1).
 * name is cut to fit. 0 or -ENOMEM. */
MM_MUST_CHECK int mappable_object_init(struct mappable_object *o, const struct mappable_ops *ops,
				       const struct mapping_identity_ops *identity_ops,
				       void (*destroy)(struct mappable_object *o),
				       const char *name);
/* Nobody uses o any more. A mapping that is left is reported through mm_fail. */
void mappable_object_release(struct mappable_object *o) MAY_LOCK_RMAP;

static inline struct mappable_object *mappable_object_of(struct mappable *m)
{
	return (struct mappable_object *)((char *)m - offsetof(struct mappable_object, mappable));
}

static inline struct mappable_object *mappable_object_of_identity(struct mapping_identity *id)
{
	return (struct mappable_object *)((char *)id - offsetof(struct mappable_object, identity));
}

/* ---- locks; site: LOCK_SITE of the caller ---- */

void mappable_object_lock(struct mappable_object *o, const char *site) ACQUIRES(object_class)
	MAY_LOCK_OBJECT;
void mappable_object_unlock(struct mappable_object *o, const char *site) RELEASES(object_class);
void mappable_object_lock_rmap(struct mappable_object *o, const char *site) ACQUIRES(rmap_class)
	MAY_LOCK_RMAP;
void mappable_object_unlock_rmap(struct mappable_object *o, const char *site) RELEASES(rmap_class);
void mappable_object_lock_data(struct mappable_object *o, const char *site) ACQUIRES(data_class)
	MAY_LOCK_DATA;
void mappable_object_unlock_data(struct mappable_object *o, const char *site) RELEASES(data_class);

/* ---- mappings ---- */

/* The end of the 2 MiB of offsets that hold offset, at most limit: one step of rule 5. */
static inline uint64_t mappable_step_end(uint64_t offset, uint64_t limit)
{
	uint64_t end = (offset & ~(MM_HUGE_SIZE - 1)) + MM_HUGE_SIZE;

	return end < limit && end ? end : limit;
}

/* Makes everyone who maps mr (aligned, may be empty) drop its translations. rmap is dropped and
 * taken again after each 2 MiB of offsets. */
void mappable_object_invalidate(struct mappable_object *o, struct mappable_range mr,
				struct invalidate_opts opts) MAY_LOCK_RMAP;
/* Parts of mappings that were added as writable. */
size_t mappable_object_writable_count(struct mappable_object *o) REQUIRES(rmap_class);

/* ---- for the tables of functions ---- */

int mappable_object_add_mapping(struct mappable *m, struct mapping_space *ms, struct addr_range ar,
				uint64_t offset, bool writable) MAY_LOCK_RMAP;
void mappable_object_remove_mapping(struct mappable *m, struct mapping_space *ms,
				    struct addr_range ar, uint64_t offset, bool writable)
	MAY_LOCK_RMAP;
int mappable_object_copy_mapping(struct mappable *m, struct mapping_space *ms,
				 struct addr_range src, struct addr_range dst, uint64_t offset,
				 bool writable) MAY_LOCK_RMAP;
void mappable_object_visit_mappings(struct mappable *m, mappable_mapping_fn visit, void *arg)
	MAY_LOCK_RMAP;
/* For those whose translations all can be saved: does nothing. */
int mappable_object_invalidate_nothing(struct mappable *m);
void mappable_object_lock_mappings(struct mappable *m) ACQUIRES(rmap_class) MAY_LOCK_RMAP;
void mappable_object_unlock_mappings(struct mappable *m) RELEASES(rmap_class);

void mappable_object_inc_ref(struct mapping_identity *id);
void mappable_object_dec_ref(struct mapping_identity *id) MAY_LOCK_ANY;
void mappable_object_mapped_name(struct mapping_identity *id, char *name, size_t size);
uint64_t mappable_object_device_id(struct mapping_identity *id);
uint64_t mappable_object_inode_id(struct mapping_identity *id);
/* For those with nothing behind their memory to write to: 0. */
int mappable_object_msync_nothing(struct mapping_identity *id, struct mappable_range mr);
