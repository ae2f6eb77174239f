/* SPDX-License-Identifier: Apache-2.0 */
/* good.c - must compile: every class in the order of lock_order.h, and a class skipped. */
#include "engine/lock_order.h"

struct guarded {
	unsigned long size_pages GUARDED_BY(data_class);
};

void object_lock(void) ACQUIRES(object_class) MAY_LOCK_OBJECT;
void object_unlock(void) RELEASES(object_class);
void metadata_lock(void) ACQUIRES(metadata_class) MAY_LOCK_METADATA;
void metadata_unlock(void) RELEASES(metadata_class);
void mapping_lock(void) ACQUIRES(mapping_class) MAY_LOCK_MAPPING;
void mapping_unlock(void) RELEASES(mapping_class);
void rmap_lock(void) ACQUIRES(rmap_class) MAY_LOCK_RMAP;
void rmap_unlock(void) RELEASES(rmap_class);
void entry_lock(void) ACQUIRES(entry_class) MAY_LOCK_ENTRY;
void entry_unlock(void) RELEASES(entry_class);
void data_lock(void) ACQUIRES(data_class) MAY_LOCK_DATA;
void data_unlock(void) RELEASES(data_class);
void platform_lock(void) ACQUIRES(platform_class) MAY_LOCK_PLATFORM;
void platform_unlock(void) RELEASES(platform_class);
void arena_lock(void) ACQUIRES(arena_class) MAY_LOCK_ARENA;
void arena_unlock(void) RELEASES(arena_class);
void block_lock(void) ACQUIRES(block_class) MAY_LOCK_BLOCK;
void block_unlock(void) RELEASES(block_class);
void leaf_lock(void) ACQUIRES(leaf_class) MAY_LOCK_LEAF;
void leaf_unlock(void) RELEASES(leaf_class);

static void all_in_order(struct guarded *g) MAY_LOCK_ANY;
static void all_in_order(struct guarded *g)
{
	object_lock();
	metadata_lock();
	mapping_lock();
	rmap_lock();
	entry_lock();
	data_lock();
	platform_lock();
	arena_lock();
	block_lock();
	leaf_lock();
	g->size_pages++;
	leaf_unlock();
	block_unlock();
	arena_unlock();
	platform_unlock();
	data_unlock();
	entry_unlock();
	rmap_unlock();
	mapping_unlock();
	metadata_unlock();
	object_unlock();
}

static void skipping(struct guarded *g) MAY_LOCK_RMAP;
static void skipping(struct guarded *g)
{
	rmap_lock();
	data_lock();
	g->size_pages++;
	data_unlock();
	rmap_unlock();
}

void thread_entry(struct guarded *g);
void thread_entry(struct guarded *g)
{
	lock_assert_none();
	all_in_order(g);
	skipping(g);
}
