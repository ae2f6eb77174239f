/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mappable_object.h - what every mappable of ours has: references, a name, locks, counters, and the
 * set of its mappings.
 *
 * A mappable embeds it as its first member and puts the mappable_object_* functions below into its
 * tables of functions where it has nothing to add. It lives until its last reference is dropped:
 * its creator has one, each mapping another.
 *
 * Locks, in the order in which they nest: object (size changes), rmap (the mapping set), data
 * (offset -> page). The last two are many: offsets in different 2 MiB have different ones, unless
 * their numbers are equal modulo MAPPABLE_SHARDS, and share no line that an operation on either
 * writes. Counters and the references of mappings are per CPU.
 */
#pragma once

#include <stdatomic.h>

#include "engine/interfaces.h"
#include "engine/mapping_set.h"
#include "engine/percpu.h"

#define MAPPABLE_NAME_SIZE 256
#define MAPPABLE_CACHE_LINE __attribute__((aligned(64)))

#define MAPPABLE_SHARDS 64 /* as many as a mask of them has bits */
/* More blocks of 2 MiB than this: a mapping is in `wide`, not in the shard of each. */
#define MAPPABLE_NARROW_BLOCKS 8
#define MAPPABLE_COUNTERS 5
#define MAPPABLE_ALL ((struct mappable_range){ 0, UINT64_MAX })

/* What stands for the blocks of 2 MiB of offsets whose numbers are equal modulo MAPPABLE_SHARDS. */
struct mappable_shard {
	_Atomic uint32_t rmap_lock; /* the two: park.h words */
	_Atomic uint32_t data_lock;
	uint32_t generation; /* of the mappable: under data */
	_Atomic uint32_t waiters; /* of the mappable */
	struct mapping_set mappings GUARDED_BY(rmap_class); /* each within a block */
} MAPPABLE_CACHE_LINE;
_Static_assert(sizeof(struct mappable_shard) == 64, "one cache line");

/* Of one CPU. */
struct mappable_stripe {
	_Atomic int64_t references; /* more of mappings than dropped here */
	_Atomic int64_t counter[MAPPABLE_COUNTERS]; /* of the mappable */
} MAPPABLE_CACHE_LINE;

struct mappable_object {
	struct mappable mappable;
	struct mapping_identity identity;
	/* Called with no lock held when the last reference is gone; ends in release and free. */
	void (*destroy)(struct mappable_object *o);
	uint64_t device; /* this and what follows, down to the name: immutable */
	uint64_t inode;
	struct mappable_stripe *stripes;
	unsigned stripe_count;
	char name[MAPPABLE_NAME_SIZE];

	_Atomic uint64_t references MAPPABLE_CACHE_LINE; /* see mappable_object.c */
	_Atomic uint32_t object_lock; /* the two: park.h words */
	_Atomic uint32_t size_lock; /* part of data; stands before the shards', so is taken first */

	struct mappable_shard shard[MAPPABLE_SHARDS];
	/* Mappings of many blocks: changed with the rmap locks of all shards held. */
	struct mapping_set wide GUARDED_BY(rmap_class) MAPPABLE_CACHE_LINE;
};

/* One reference, no mappings, an inode number of its own on the device of anonymous objects (1).
 * name is cut to fit. 0 or -ENOMEM. */
MM_MUST_CHECK int mappable_object_init(struct mappable_object *o, const struct mappable_ops *ops,
				       const struct mapping_identity_ops *identity_ops,
				       void (*destroy)(struct mappable_object *o),
				       const char *name);
/* Nobody uses o any more. A mapping that is left is reported through mm_fail. */
void mappable_object_release(struct mappable_object *o) MAY_LOCK_RMAP;
/* Bytes of engine memory beside the struct itself; its mappings are not included. */
uint64_t mappable_object_stripe_bytes(const struct mappable_object *o);

static inline struct mappable_object *mappable_object_of(struct mappable *m)
{
	return (struct mappable_object *)((char *)m - offsetof(struct mappable_object, mappable));
}

static inline struct mappable_object *mappable_object_of_identity(struct mapping_identity *id)
{
	return (struct mappable_object *)((char *)id - offsetof(struct mappable_object, identity));
}

static inline struct mappable_shard *mappable_object_shard(struct mappable_object *o,
							   uint64_t offset)
{
	return &o->shard[offset / MM_HUGE_SIZE % MAPPABLE_SHARDS];
}

static inline struct mappable_stripe *mappable_object_stripe(struct mappable_object *o)
{
	return &o->stripes[percpu_id() % o->stripe_count];
}

/* ---- counters: each a number below MAPPABLE_COUNTERS, whose meaning is the mappable's ---- */

static inline void mappable_object_count(struct mappable_object *o, unsigned counter, int64_t more)
{
	if (more)
		atomic_fetch_add_explicit(&mappable_object_stripe(o)->counter[counter], more,
					  memory_order_relaxed);
}

/* The sum; exact when nobody counts meanwhile. */
uint64_t mappable_object_counted(const struct mappable_object *o, unsigned counter);

/*
 * ---- locks; site: LOCK_SITE of the caller ----
 *
 * rmap and data: those of the offsets of mr (not empty), in ascending order. One call holds one
 * range of either.
 */

void mappable_object_lock(struct mappable_object *o, const char *site) ACQUIRES(object_class)
	MAY_LOCK_OBJECT;
void mappable_object_unlock(struct mappable_object *o, const char *site) RELEASES(object_class);
void mappable_object_lock_rmap(struct mappable_object *o, struct mappable_range mr,
			       const char *site) ACQUIRES(rmap_class) MAY_LOCK_RMAP;
void mappable_object_unlock_rmap(struct mappable_object *o, struct mappable_range mr,
				 const char *site) RELEASES(rmap_class);
void mappable_object_lock_data(struct mappable_object *o, struct mappable_range mr,
			       const char *site) ACQUIRES(data_class) MAY_LOCK_DATA;
void mappable_object_unlock_data(struct mappable_object *o, struct mappable_range mr,
				 const char *site) RELEASES(data_class);

/* The part of data that guards what concerns the size as a whole. */
void mappable_object_lock_size(struct mappable_object *o, const char *site) ACQUIRES(data_class)
	MAY_LOCK_DATA;
void mappable_object_unlock_size(struct mappable_object *o, const char *site) RELEASES(data_class);
/* With the size's part held: the data of mr as well. */
void mappable_object_widen_data(struct mappable_object *o, struct mappable_range mr,
				const char *site) REQUIRES(data_class);
void mappable_object_narrow_data(struct mappable_object *o, struct mappable_range mr,
				 const char *site) REQUIRES(data_class);

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
/* Parts of mappings, or of those that were added as writable; rmap of MAPPABLE_ALL is held. */
size_t mappable_object_mapping_count(struct mappable_object *o, bool writable_only)
	REQUIRES(rmap_class);
/* Tells the parts of mappings in mr, in no order; its rmap is held. */
void mappable_object_visit_range(struct mappable_object *o, struct mappable_range mr,
				 mapping_set_element_fn visit, void *arg) REQUIRES(rmap_class);
/* With no mappings, or after mm_fail: frees what they took. rmap of MAPPABLE_ALL is held. */
void mappable_object_release_mappings(struct mappable_object *o) REQUIRES(rmap_class);

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
void mappable_object_lock_mappings(struct mappable *m, struct mappable_range mr)
	ACQUIRES(rmap_class) MAY_LOCK_RMAP;
void mappable_object_unlock_mappings(struct mappable *m, struct mappable_range mr)
	RELEASES(rmap_class);

void mappable_object_inc_ref(struct mapping_identity *id);
void mappable_object_dec_ref(struct mapping_identity *id) MAY_LOCK_ANY;
void mappable_object_inc_mapped(struct mapping_identity *id);
void mappable_object_dec_mapped(struct mapping_identity *id) MAY_LOCK_ANY;
void mappable_object_mapped_name(struct mapping_identity *id, char *name, size_t size);
uint64_t mappable_object_device_id(struct mapping_identity *id);
uint64_t mappable_object_inode_id(struct mapping_identity *id);
/* For those with nothing behind their memory to write to: 0. */
int mappable_object_msync_nothing(struct mapping_identity *id, struct mappable_range mr);
