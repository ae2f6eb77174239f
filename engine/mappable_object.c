/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mappable_object.c - references, names, locks and mappings of a mappable.
 *
 * A reference is counted by a mapping before it is added and dropped after it is removed, so the
 * last reference finds an empty mapping set; a set that is not is a lost mapping and is reported.
 * Invalidating goes 2 MiB of offsets at a time with rmap free in between: what a truncate or a
 * punch took out of the object before cannot come back, so nothing is missed by that.
 *
 * NO_TSA: a lock here is a word and its class a phantom, so the bodies cannot be analysed.
 */
#include "engine/mappable_object.h"

#include <stdio.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/park.h"

/* ---- locks ---- */

static struct lock_key key_of(_Atomic uint32_t *lock)
{
	return (struct lock_key){ 0, (uintptr_t)lock };
}

/* NO_TSA on the six bodies: the classes are phantoms, the lock words are not capabilities. */
void mappable_object_lock(struct mappable_object *o, const char *site) NO_TSA
{
	lock_rank_push(RANK_OBJECT, key_of(&o->object_lock), site);
	park_lock_raw(&o->object_lock);
}

void mappable_object_unlock(struct mappable_object *o, const char *site) NO_TSA
{
	park_unlock_raw(&o->object_lock);
	lock_rank_pop(RANK_OBJECT, key_of(&o->object_lock), site);
}

void mappable_object_lock_rmap(struct mappable_object *o, const char *site) NO_TSA
{
	lock_rank_push(RANK_RMAP, key_of(&o->rmap_lock), site);
	park_lock_raw(&o->rmap_lock);
}

void mappable_object_unlock_rmap(struct mappable_object *o, const char *site) NO_TSA
{
	park_unlock_raw(&o->rmap_lock);
	lock_rank_pop(RANK_RMAP, key_of(&o->rmap_lock), site);
}

void mappable_object_lock_data(struct mappable_object *o, const char *site) NO_TSA
{
	lock_rank_push(RANK_DATA, key_of(&o->data_lock), site);
	park_lock_raw(&o->data_lock);
}

void mappable_object_unlock_data(struct mappable_object *o, const char *site) NO_TSA
{
	park_unlock_raw(&o->data_lock);
	lock_rank_pop(RANK_DATA, key_of(&o->data_lock), site);
}

/* ---- life ---- */

/* NO_TSA: `mappings` is set before anyone else can know the object. */
int mappable_object_init(struct mappable_object *o, const struct mappable_ops *ops,
			 const struct mapping_identity_ops *identity_ops,
			 void (*destroy)(struct mappable_object *o), const char *name) NO_TSA
{
	static _Atomic uint64_t last_inode;
	int rc;

	*o = (struct mappable_object){ 0 };
	rc = mapping_set_create(&o->mappings);
	if (rc)
		return rc;
	o->mappable.ops = ops;
	o->identity.ops = identity_ops;
	o->destroy = destroy;
	o->device = 1;
	o->inode = atomic_fetch_add_explicit(&last_inode, 1, memory_order_relaxed) + 1;
	snprintf(o->name, sizeof(o->name), "%s", name);
	atomic_init(&o->references, 1);
	return 0;
}

void mappable_object_release(struct mappable_object *o)
{
	bool unmapped;

	mappable_object_lock_rmap(o, LOCK_SITE);
	unmapped = mapping_set_is_empty(o->mappings);
	if (unmapped)
		mapping_set_destroy(o->mappings);
	mappable_object_unlock_rmap(o, LOCK_SITE);
	if (!unmapped)
		mm_fail("mappable: \"%s\" lost its last reference while it is mapped", o->name);
}

void mappable_object_inc_ref(struct mapping_identity *id)
{
	atomic_fetch_add_explicit(&mappable_object_of_identity(id)->references, 1,
				  memory_order_relaxed);
}

void mappable_object_dec_ref(struct mapping_identity *id)
{
	struct mappable_object *o = mappable_object_of_identity(id);

	lock_rank_assert_none(LOCK_SITE);
	if (atomic_fetch_sub_explicit(&o->references, 1, memory_order_acq_rel) == 1)
		o->destroy(o);
}

void mappable_object_mapped_name(struct mapping_identity *id, char *name, size_t size)
{
	snprintf(name, size, "%s", mappable_object_of_identity(id)->name);
}

uint64_t mappable_object_device_id(struct mapping_identity *id)
{
	return mappable_object_of_identity(id)->device;
}

uint64_t mappable_object_inode_id(struct mapping_identity *id)
{
	return mappable_object_of_identity(id)->inode;
}

int mappable_object_msync_nothing(struct mapping_identity *id, struct mappable_range mr)
{
	(void)id, (void)mr;
	return 0;
}

/* ---- mappings ---- */

int mappable_object_add_mapping(struct mappable *m, struct mapping_space *ms, struct addr_range ar,
				uint64_t offset, bool writable)
{
	struct mappable_object *o = mappable_object_of(m);
	int rc;

	mappable_object_lock_rmap(o, LOCK_SITE);
	rc = mapping_set_add(o->mappings, ms, ar, offset, writable, NULL, NULL);
	mappable_object_unlock_rmap(o, LOCK_SITE);
	return rc;
}

void mappable_object_remove_mapping(struct mappable *m, struct mapping_space *ms,
				    struct addr_range ar, uint64_t offset, bool writable)
{
	struct mappable_object *o = mappable_object_of(m);

	mappable_object_lock_rmap(o, LOCK_SITE);
	mapping_set_remove(o->mappings, ms, ar, offset, writable, NULL, NULL);
	mappable_object_unlock_rmap(o, LOCK_SITE);
}

int mappable_object_copy_mapping(struct mappable *m, struct mapping_space *ms,
				 struct addr_range src, struct addr_range dst, uint64_t offset,
				 bool writable)
{
	(void)src; /* stays until it is removed itself */
	return m->ops->add_mapping(m, ms, dst, offset, writable);
}

void mappable_object_visit_mappings(struct mappable *m, mappable_mapping_fn visit, void *arg)
{
	struct mappable_object *o = mappable_object_of(m);
	struct mappable_range all = { 0, UINT64_MAX };

	mappable_object_lock_rmap(o, LOCK_SITE);
	mapping_set_visit(o->mappings, all, visit, arg);
	mappable_object_unlock_rmap(o, LOCK_SITE);
}

int mappable_object_invalidate_nothing(struct mappable *m)
{
	(void)m;
	return 0;
}

void mappable_object_lock_mappings(struct mappable *m)
{
	mappable_object_lock_rmap(mappable_object_of(m), LOCK_SITE);
}

void mappable_object_unlock_mappings(struct mappable *m)
{
	mappable_object_unlock_rmap(mappable_object_of(m), LOCK_SITE);
}

void mappable_object_invalidate(struct mappable_object *o, struct mappable_range mr,
				struct invalidate_opts opts)
{
	uint64_t next;

	for (uint64_t offset = mr.start; offset < mr.end; offset = next) {
		next = mappable_step_end(offset, mr.end);
		mappable_object_lock_rmap(o, LOCK_SITE);
		mapping_set_invalidate(o->mappings, (struct mappable_range){ offset, next }, opts);
		mappable_object_unlock_rmap(o, LOCK_SITE);
	}
}

size_t mappable_object_writable_count(struct mappable_object *o)
{
	return mapping_set_writable_count(o->mappings);
}
