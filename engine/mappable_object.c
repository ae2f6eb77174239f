/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mappable_object.c - references, names, locks and counters of a mappable.
 *
 * A reference is counted by a mapping before it is added and dropped after it is removed, so the
 * last reference finds an empty mapping set; a set that is not is a lost mapping and is reported.
 *
 * Owners' references (the creator's) stand in one word, those of mappings in a word per CPU, where
 * they are dropped again, on whichever CPU that is: only the sum says how many there are. As long
 * as an owner is left nobody needs the sum. The last owner closes the words, each by an exchange
 * that leaves STRIPE_CLOSED in it and tells what was there, and adds the sum to the one word;
 * whoever finds a word closed counts there too. Until the sum is in, the one word holds CLOSING,
 * far more than references there can be, so that it is not zero too early; and it is the exchange
 * of OPEN + 1 for CLOSING that decides who is the last owner. So exactly one decrement makes the
 * word zero, and that one destroys. After a decrement that did not the object is not touched again:
 * it may be gone.
 *
 * NO_TSA: a lock here is a word and its class a phantom, so the bodies cannot be analysed.
 */
#include "engine/mappable_object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/park.h"
#include "engine/test_points.h"

/* Beside the references in the one word: mappings are counted elsewhere; that is being ended. */
#define OPEN (UINT64_C(1) << 62)
#define CLOSING (UINT64_C(1) << 61)
#define STRIPE_CLOSED INT64_MIN

/* ---- locks ---- */

static struct lock_key key_of(_Atomic uint32_t *lock)
{
	return (struct lock_key){ 0, (uintptr_t)lock };
}

static bool in_one_block(struct mappable_range mr)
{
	return mr.start / MM_HUGE_SIZE == (mr.end - 1) / MM_HUGE_SIZE;
}

static unsigned first_shard(struct mappable_range mr)
{
	return mr.start / MM_HUGE_SIZE % MAPPABLE_SHARDS;
}

/* Bit i: mr has offsets of shard i. */
static uint64_t shards_of(struct mappable_range mr)
{
	uint64_t more = (mr.end - 1) / MM_HUGE_SIZE - mr.start / MM_HUGE_SIZE;
	unsigned turn = first_shard(mr);
	uint64_t run;

	if (more >= MAPPABLE_SHARDS - 1)
		return ~UINT64_C(0);
	run = (UINT64_C(2) << more) - 1;
	return turn ? run << turn | run >> (MAPPABLE_SHARDS - turn) : run;
}

static inline void lock_word(_Atomic uint32_t *lock, enum lock_rank rank, const char *site)
{
	lock_rank_push(rank, key_of(lock), site);
	park_lock_raw(lock);
}

static inline void unlock_word(_Atomic uint32_t *lock, enum lock_rank rank, const char *site)
{
	park_unlock_raw(lock);
	lock_rank_pop(rank, key_of(lock), site);
}

/* NO_TSA on the bodies that take or release: the classes are phantoms, the lock words are not
 * capabilities. */
void mappable_object_lock(struct mappable_object *o, const char *site) NO_TSA
{
	lock_word(&o->object_lock, RANK_OBJECT, site);
}

void mappable_object_unlock(struct mappable_object *o, const char *site) NO_TSA
{
	unlock_word(&o->object_lock, RANK_OBJECT, site);
}

void mappable_object_lock_size(struct mappable_object *o, const char *site) NO_TSA
{
	lock_word(&o->size_lock, RANK_DATA, site);
}

void mappable_object_unlock_size(struct mappable_object *o, const char *site) NO_TSA
{
	unlock_word(&o->size_lock, RANK_DATA, site);
}

static _Atomic uint32_t *shard_lock(struct mappable_object *o, unsigned i, enum lock_rank rank)
{
	return rank == RANK_RMAP ? &o->shard[i].rmap_lock : &o->shard[i].data_lock;
}

static inline void lock_shards(struct mappable_object *o, struct mappable_range mr,
			       enum lock_rank rank, const char *site)
{
	if (in_one_block(mr)) { /* nearly always */
		lock_word(shard_lock(o, first_shard(mr), rank), rank, site);
		return;
	}
	for (uint64_t left = shards_of(mr); left; left &= left - 1)
		lock_word(shard_lock(o, (unsigned)__builtin_ctzll(left), rank), rank, site);
}

static inline void unlock_shards(struct mappable_object *o, struct mappable_range mr,
				 enum lock_rank rank, const char *site)
{
	if (in_one_block(mr)) {
		unlock_word(shard_lock(o, first_shard(mr), rank), rank, site);
		return;
	}
	for (uint64_t left = shards_of(mr); left; left &= left - 1)
		unlock_word(shard_lock(o, (unsigned)__builtin_ctzll(left), rank), rank, site);
}

void mappable_object_lock_rmap(struct mappable_object *o, struct mappable_range mr,
			       const char *site) NO_TSA
{
	lock_shards(o, mr, RANK_RMAP, site);
}

void mappable_object_unlock_rmap(struct mappable_object *o, struct mappable_range mr,
				 const char *site) NO_TSA
{
	unlock_shards(o, mr, RANK_RMAP, site);
}

void mappable_object_lock_data(struct mappable_object *o, struct mappable_range mr,
			       const char *site) NO_TSA
{
	lock_shards(o, mr, RANK_DATA, site);
}

void mappable_object_unlock_data(struct mappable_object *o, struct mappable_range mr,
				 const char *site) NO_TSA
{
	unlock_shards(o, mr, RANK_DATA, site);
}

void mappable_object_widen_data(struct mappable_object *o, struct mappable_range mr,
				const char *site)
{
	lock_shards(o, mr, RANK_DATA, site);
}

void mappable_object_narrow_data(struct mappable_object *o, struct mappable_range mr,
				 const char *site)
{
	unlock_shards(o, mr, RANK_DATA, site);
}

/* ---- life ---- */

uint64_t mappable_object_stripe_bytes(const struct mappable_object *o)
{
	return o->stripe_count * sizeof(o->stripes[0]);
}

/* percpu_count() reads a file: once is enough. */
static unsigned stripes_wanted(void)
{
	static _Atomic unsigned known;
	unsigned n = atomic_load_explicit(&known, memory_order_relaxed);

	if (!n) {
		n = percpu_count();
		atomic_store_explicit(&known, n, memory_order_relaxed);
	}
	return n;
}

int mappable_object_init(struct mappable_object *o, const struct mappable_ops *ops,
			 const struct mapping_identity_ops *identity_ops,
			 void (*destroy)(struct mappable_object *o), const char *name)
{
	static _Atomic uint64_t last_inode;
	unsigned cpus = stripes_wanted();
	struct mappable_stripe *stripes =
		mm_aligned_alloc(_Alignof(struct mappable_stripe), cpus * sizeof(stripes[0]));

	if (!stripes)
		return -ENOMEM;
	memset(stripes, 0, cpus * sizeof(stripes[0]));
	memset(o, 0, sizeof(*o));
	o->stripes = stripes;
	o->stripe_count = cpus;
	o->mappable.ops = ops;
	o->identity.ops = identity_ops;
	o->destroy = destroy;
	o->device = 1;
	o->inode = atomic_fetch_add_explicit(&last_inode, 1, memory_order_relaxed) + 1;
	snprintf(o->name, sizeof(o->name), "%s", name);
	atomic_init(&o->references, OPEN + 1);
	return 0;
}

void mappable_object_release(struct mappable_object *o)
{
	bool unmapped;

	mappable_object_lock_rmap(o, MAPPABLE_ALL, LOCK_SITE);
	unmapped = !mappable_object_mapping_count(o, false);
	if (unmapped)
		mappable_object_release_mappings(o);
	mappable_object_unlock_rmap(o, MAPPABLE_ALL, LOCK_SITE);
	if (!unmapped)
		mm_fail("mappable: \"%s\" lost its last reference while it is mapped", o->name);
	free(o->stripes);
}

uint64_t mappable_object_counted(const struct mappable_object *o, unsigned counter)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < o->stripe_count; i++)
		sum += atomic_load_explicit(&o->stripes[i].counter[counter], memory_order_relaxed);
	return sum < 0 ? 0 : (uint64_t)sum;
}

/* ---- references ---- */

void mappable_object_inc_ref(struct mapping_identity *id)
{
	atomic_fetch_add_explicit(&mappable_object_of_identity(id)->references, 1,
				  memory_order_relaxed);
}

/* We were the last owner. */
static void close_stripes(struct mappable_object *o) MAY_LOCK_ANY
{
	int64_t sum = 0;
	uint64_t change;

	for (unsigned i = 0; i < o->stripe_count; i++)
		sum += atomic_exchange_explicit(&o->stripes[i].references, STRIPE_CLOSED,
						memory_order_acq_rel);
	MM_TEST_POINT(mappable_closing); /* nothing held */
	change = (uint64_t)sum - CLOSING;
	if (atomic_fetch_add_explicit(&o->references, change, memory_order_acq_rel) + change == 0)
		o->destroy(o);
}

void mappable_object_dec_ref(struct mapping_identity *id)
{
	struct mappable_object *o = mappable_object_of_identity(id);
	uint64_t old = atomic_load_explicit(&o->references, memory_order_relaxed);
	uint64_t rest;

	lock_rank_assert_none(LOCK_SITE);
	do
		rest = old == OPEN + 1 ? CLOSING : old - 1;
	while (!atomic_compare_exchange_weak_explicit(&o->references, &old, rest,
						      memory_order_acq_rel, memory_order_relaxed));
	if (old == OPEN + 1)
		close_stripes(o);
	else if (!rest)
		o->destroy(o);
}

/* Counts a mapping's references on this CPU; false: they are not counted there any more. */
static bool count_mapped(struct mappable_object *o, int64_t more)
{
	_Atomic int64_t *references = &mappable_object_stripe(o)->references;
	/* Closed: then the one word is seen to be CLOSING, or what followed. */
	int64_t old = atomic_load_explicit(references, memory_order_acquire);

	while (old != STRIPE_CLOSED)
		if (atomic_compare_exchange_weak_explicit(references, &old, old + more,
							  memory_order_release,
							  memory_order_acquire))
			return true;
	return false;
}

void mappable_object_inc_mapped(struct mapping_identity *id)
{
	if (!count_mapped(mappable_object_of_identity(id), 1))
		mappable_object_inc_ref(id);
}

void mappable_object_dec_mapped(struct mapping_identity *id)
{
	lock_rank_assert_none(LOCK_SITE);
	if (!count_mapped(mappable_object_of_identity(id), -1))
		mappable_object_dec_ref(id);
}

/* ---- names ---- */

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

int mappable_object_invalidate_nothing(struct mappable *m)
{
	(void)m;
	return 0;
}
