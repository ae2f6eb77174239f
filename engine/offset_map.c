/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offset_map.c - growing and freeing the nodes of an offset map. A node that another thread made
 * first wins and ours is freed; since no node leaves before the map does, that is all there is
 * to concurrency here. No locks.
 */
#include "engine/offset_map.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/inject.h"

void offset_map_init(struct offset_map *map, unsigned unit_shift)
{
	map->unit_shift = unit_shift;
	atomic_init(&map->node_bytes, 0);
	for (size_t i = 0; i < OFFSET_MAP_SLOTS; i++)
		atomic_init(&map->top[i], NULL);
}

static struct offset_directory *make_directory(struct offset_map *map,
					       _Atomic(struct offset_directory *) *where)
{
	struct offset_directory *there = atomic_load_explicit(where, memory_order_acquire);
	struct offset_directory *fresh;

	if (there)
		return there;
	fresh = mm_calloc(sizeof(*fresh));
	if (!fresh)
		return NULL;
	if (!atomic_compare_exchange_strong(where, &there, fresh)) {
		free(fresh);
		return there;
	}
	atomic_fetch_add_explicit(&map->node_bytes, sizeof(*fresh), memory_order_relaxed);
	return fresh;
}

static struct offset_leaf *make_leaf(struct offset_map *map, _Atomic(struct offset_leaf *) *where)
{
	struct offset_leaf *there = atomic_load_explicit(where, memory_order_acquire);
	struct offset_leaf *fresh;

	if (there)
		return there;
	fresh = mm_calloc(sizeof(*fresh));
	if (!fresh)
		return NULL;
	if (!atomic_compare_exchange_strong(where, &there, fresh)) {
		free(fresh);
		return there;
	}
	atomic_fetch_add_explicit(&map->node_bytes, sizeof(*fresh), memory_order_relaxed);
	return fresh;
}

int offset_map_make(struct offset_map *map, uint64_t offset, _Atomic uint32_t **slot)
{
	uint64_t index = offset >> map->unit_shift;
	struct offset_directory *directory;
	struct offset_leaf *leaf;

	directory = make_directory(map, &map->top[index >> 2 * OFFSET_MAP_SHIFT]);
	if (!directory)
		return -ENOMEM;
	leaf = make_leaf(map, &directory->leaf[(index >> OFFSET_MAP_SHIFT) % OFFSET_MAP_SLOTS]);
	if (!leaf)
		return -ENOMEM;
	*slot = &leaf->page[index % OFFSET_MAP_SLOTS];
	return 0;
}

static void release_leaf(struct offset_leaf *leaf, offset_map_units_fn fn, void *arg)
{
	uint32_t units[OFFSET_MAP_SLOTS];
	size_t count = 0;

	for (size_t i = 0; i < OFFSET_MAP_SLOTS; i++) {
		uint32_t first = atomic_load_explicit(&leaf->page[i], memory_order_relaxed);

		if (first)
			units[count++] = first;
	}
	fn(units, count, arg);
	free(leaf);
}

void offset_map_release(struct offset_map *map, offset_map_units_fn fn, void *arg)
{
	for (size_t i = 0; i < OFFSET_MAP_SLOTS; i++) {
		struct offset_directory *directory =
			atomic_load_explicit(&map->top[i], memory_order_relaxed);

		for (size_t k = 0; directory && k < OFFSET_MAP_SLOTS; k++) {
			struct offset_leaf *leaf =
				atomic_load_explicit(&directory->leaf[k], memory_order_relaxed);

			if (leaf)
				release_leaf(leaf, fn, arg);
		}
		free(directory);
	}
}

static void visit_leaf(struct offset_map *map, struct offset_leaf *leaf, uint64_t index,
		       offset_map_unit_fn fn, void *arg)
{
	for (size_t i = 0; i < OFFSET_MAP_SLOTS; i++) {
		uint32_t first = atomic_load_explicit(&leaf->page[i], memory_order_acquire);

		if (first)
			fn((index + i) << map->unit_shift, first, arg);
	}
}

void offset_map_visit(struct offset_map *map, offset_map_unit_fn fn, void *arg)
{
	for (size_t i = 0; i < OFFSET_MAP_SLOTS; i++) {
		struct offset_directory *directory =
			atomic_load_explicit(&map->top[i], memory_order_acquire);

		for (size_t k = 0; directory && k < OFFSET_MAP_SLOTS; k++) {
			struct offset_leaf *leaf =
				atomic_load_explicit(&directory->leaf[k], memory_order_acquire);

			if (leaf)
				visit_leaf(map, leaf,
					   (i << OFFSET_MAP_SHIFT | k) << OFFSET_MAP_SHIFT, fn,
					   arg);
		}
	}
}
