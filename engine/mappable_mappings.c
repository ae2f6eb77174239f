/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mappable_mappings.c - who maps a mappable: its reverse map, sharded by offset.
 *
 * A mapping is cut at each 2 MiB of offsets, and each part stands in the shard of its block. Who
 * holds the rmap locks of a range's blocks sees all of its mappings, and nobody adds, removes or
 * invalidates there; that is what one lock over everything did for the whole object.
 *
 * A mapping of very many blocks must not cost a part for each: it stands in `wide` instead, whole.
 * That is changed only with the locks of all shards held, so any one of them is enough to read it.
 * What is removed from a wide mapping takes the rest of the blocks that it cuts into along, to
 * their shards: so it is once a block that a part of a wide mapping is removed with all locks
 * held, and further changes of the block have nothing to do with others. (A host without memory
 * for that leaves the rest wide: slower, but right.)
 *
 * An owner (space, address - offset, writable) has an offset in a shard or in `wide`, never in
 * both: what is narrow is added where `wide` has nothing of the owner, else with all locks held,
 * when it is added to `wide` and taken out of the shards. Sets of different blocks need not agree
 * on anything else, because invalidate goes block by block (lock_order rule 5), and inside a block
 * visits both sets as one, in the order that fork relies on (rule 6).
 *
 * Locks: rmap.
 */
#include "engine/fail.h"
#include "engine/mappable_object.h"

/* Offsets that one owner maps. */
struct mapping {
	struct mapping_space *space;
	struct mappable_range range;
	uint64_t delta; /* address - offset, modulo 2^64 */
	bool writable;
};

static struct addr_range addresses_of(const struct mapping *m)
{
	return (struct addr_range){ m->range.start + m->delta, m->range.end + m->delta };
}

static struct mapping make_mapping(struct mapping_space *ms, struct addr_range ar, uint64_t offset,
				   bool writable)
{
	return (struct mapping){ .space = ms,
				 .range = { offset, offset + (ar.end - ar.start) },
				 .delta = ar.start - offset,
				 .writable = writable };
}

static bool is_wide(struct mappable_range mr)
{
	return (mr.end - 1) / MM_HUGE_SIZE - mr.start / MM_HUGE_SIZE >= MAPPABLE_NARROW_BLOCKS;
}

/* The part of m that begins at `offset`, in one block. */
static struct mapping part_at(const struct mapping *m, uint64_t offset)
{
	struct mapping part = *m;

	part.range.start = offset;
	part.range.end = mappable_step_end(offset, m->range.end);
	return part;
}

/* ---- sets ---- */

static int set_add(struct mapping_set *set, const struct mapping *m) REQUIRES(rmap_class)
{
	return mapping_set_add(set, m->space, addresses_of(m), m->range.start, m->writable, NULL,
			       NULL);
}

static void set_remove(struct mapping_set *set, const struct mapping *m) REQUIRES(rmap_class)
{
	mapping_set_remove(set, m->space, addresses_of(m), m->range.start, m->writable, NULL, NULL);
}

static bool set_find(const struct mapping_set *set, const struct mapping *m,
		     struct mappable_range *found) REQUIRES(rmap_class)
{
	return mapping_set_find(set, m->space, m->delta, m->writable, m->range, found);
}

/* Takes the locks that a change of m needs, and returns the range for which: all if `wide` has, or
 * is to have, some of it. */
static struct mappable_range lock_for(struct mappable_object *o, const struct mapping *m)
	ACQUIRES(rmap_class) MAY_LOCK_RMAP
{
	struct mappable_range mr = is_wide(m->range) ? MAPPABLE_ALL : m->range;
	struct mappable_range found;

	mappable_object_lock_rmap(o, mr, LOCK_SITE);
	if (mapping_set_is_empty(&o->wide) || is_wide(mr) || !set_find(&o->wide, m, &found))
		return mr;
	mappable_object_unlock_rmap(o, mr, LOCK_SITE);
	mr = MAPPABLE_ALL;
	mappable_object_lock_rmap(o, mr, LOCK_SITE);
	return mr;
}

/* Nothing has changed if there is no memory for one of the parts. */
static int add_narrow(struct mappable_object *o, const struct mapping *m) REQUIRES(rmap_class)
{
	struct mapping part = part_at(m, m->range.start);
	uint64_t offset;
	int rc = 0;

	if (part.range.end == m->range.end) /* nearly always */
		return set_add(&mappable_object_shard(o, m->range.start)->mappings, m);
	for (offset = m->range.start; offset < m->range.end && !rc; offset = part.range.end) {
		part = part_at(m, offset);
		rc = mapping_set_reserve(&mappable_object_shard(o, offset)->mappings);
	}
	for (offset = m->range.start; offset < m->range.end && !rc; offset = part.range.end) {
		part = part_at(m, offset);
		rc = set_add(&mappable_object_shard(o, offset)->mappings, &part);
		MM_CHECK(!rc);
	}
	return rc;
}

static void remove_narrow(struct mappable_object *o, const struct mapping *m) REQUIRES(rmap_class)
{
	struct mapping part;

	/* A shard knows no offsets but those of its blocks: of many it is told at once. */
	if (is_wide(m->range)) {
		for (unsigned i = 0; i < MAPPABLE_SHARDS; i++)
			set_remove(&o->shard[i].mappings, m);
		return;
	}
	for (uint64_t offset = m->range.start; offset < m->range.end; offset = part.range.end) {
		part = part_at(m, offset);
		set_remove(&mappable_object_shard(o, offset)->mappings, &part);
	}
}

/* ---- all locks held ---- */

static int add_wide(struct mappable_object *o, const struct mapping *m) REQUIRES(rmap_class)
{
	int rc = set_add(&o->wide, m);

	if (!rc)
		remove_narrow(o, m);
	return rc;
}

/* What `wide` has of the owner of m in [start, end), inside one block, goes to its shard. */
static void sink(struct mappable_object *o, const struct mapping *m, uint64_t start, uint64_t end)
	REQUIRES(rmap_class)
{
	struct mapping rest = *m;

	rest.range = (struct mappable_range){ start, end };
	while (start < end && set_find(&o->wide, &rest, &rest.range)) {
		if (set_add(&mappable_object_shard(o, start)->mappings, &rest))
			return;
		set_remove(&o->wide, &rest);
		rest.range = (struct mappable_range){ start, end };
	}
}

static void remove_wide(struct mappable_object *o, const struct mapping *m) REQUIRES(rmap_class)
{
	struct mappable_range mr = m->range;

	remove_narrow(o, m);
	set_remove(&o->wide, m);
	sink(o, m, mr.start & ~(MM_HUGE_SIZE - 1), mr.start);
	sink(o, m, mr.end, mappable_step_end(mr.end - 1, UINT64_MAX));
}

/* ---- the interface ---- */

int mappable_object_add_mapping(struct mappable *m, struct mapping_space *ms, struct addr_range ar,
				uint64_t offset, bool writable)
{
	struct mappable_object *o = mappable_object_of(m);
	struct mapping mapping = make_mapping(ms, ar, offset, writable);
	struct mappable_range held = lock_for(o, &mapping);
	int rc = is_wide(held) ? add_wide(o, &mapping) : add_narrow(o, &mapping);

	mappable_object_unlock_rmap(o, held, LOCK_SITE);
	return rc;
}

void mappable_object_remove_mapping(struct mappable *m, struct mapping_space *ms,
				    struct addr_range ar, uint64_t offset, bool writable)
{
	struct mappable_object *o = mappable_object_of(m);
	struct mapping mapping = make_mapping(ms, ar, offset, writable);
	struct mappable_range held = lock_for(o, &mapping);

	if (is_wide(held))
		remove_wide(o, &mapping);
	else
		remove_narrow(o, &mapping);
	mappable_object_unlock_rmap(o, held, LOCK_SITE);
}

int mappable_object_copy_mapping(struct mappable *m, struct mapping_space *ms,
				 struct addr_range src, struct addr_range dst, uint64_t offset,
				 bool writable)
{
	(void)src; /* stays until it is removed itself */
	return m->ops->add_mapping(m, ms, dst, offset, writable);
}

/* One block, or a part of it. */
static void invalidate_step(struct mappable_object *o, struct mappable_range mr,
			    struct invalidate_opts opts) MAY_LOCK_RMAP
{
	struct mapping_set *narrow = &mappable_object_shard(o, mr.start)->mappings;
	bool done = true;

	mappable_object_lock_rmap(o, mr, LOCK_SITE);
	if (mapping_set_is_empty(&o->wide))
		mapping_set_invalidate(narrow, NULL, mr, opts);
	else
		done = mapping_set_invalidate_shared(narrow, &o->wide, mr, opts);
	mappable_object_unlock_rmap(o, mr, LOCK_SITE);
	if (done)
		return;
	mappable_object_lock_rmap(o, MAPPABLE_ALL, LOCK_SITE);
	mapping_set_invalidate(narrow, &o->wide, mr, opts);
	mappable_object_unlock_rmap(o, MAPPABLE_ALL, LOCK_SITE);
}

void mappable_object_invalidate(struct mappable_object *o, struct mappable_range mr,
				struct invalidate_opts opts)
{
	uint64_t next;

	for (uint64_t offset = mr.start; offset < mr.end; offset = next) {
		next = mappable_step_end(offset, mr.end);
		invalidate_step(o, (struct mappable_range){ offset, next }, opts);
	}
}

size_t mappable_object_mapping_count(struct mappable_object *o, bool writable_only)
{
	size_t (*count)(const struct mapping_set *) = writable_only ? mapping_set_writable_count
								    : mapping_set_count;
	size_t n = count(&o->wide);

	for (unsigned i = 0; i < MAPPABLE_SHARDS; i++)
		n += count(&o->shard[i].mappings);
	return n;
}

void mappable_object_visit_range(struct mappable_object *o, struct mappable_range mr,
				 mapping_set_element_fn visit, void *arg)
{
	uint64_t first = mr.start / MM_HUGE_SIZE;
	uint64_t last = (mr.end - 1) / MM_HUGE_SIZE;

	for (uint64_t i = first; i <= last && i < first + MAPPABLE_SHARDS; i++)
		mapping_set_visit(&o->shard[i % MAPPABLE_SHARDS].mappings, mr, visit, arg);
	mapping_set_visit(&o->wide, mr, visit, arg);
}

void mappable_object_visit_mappings(struct mappable *m, mappable_mapping_fn visit, void *arg)
{
	struct mappable_object *o = mappable_object_of(m);

	mappable_object_lock_rmap(o, MAPPABLE_ALL, LOCK_SITE);
	mappable_object_visit_range(o, MAPPABLE_ALL, visit, arg);
	mappable_object_unlock_rmap(o, MAPPABLE_ALL, LOCK_SITE);
}

void mappable_object_release_mappings(struct mappable_object *o)
{
	for (unsigned i = 0; i < MAPPABLE_SHARDS; i++)
		mapping_set_release(&o->shard[i].mappings);
	mapping_set_release(&o->wide);
}

void mappable_object_lock_mappings(struct mappable *m, struct mappable_range mr)
{
	mappable_object_lock_rmap(mappable_object_of(m), mr, LOCK_SITE);
}

void mappable_object_unlock_mappings(struct mappable *m, struct mappable_range mr)
{
	mappable_object_unlock_rmap(mappable_object_of(m), mr, LOCK_SITE);
}
