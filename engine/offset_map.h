/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offset_map.h - offsets of a mappable -> page numbers: a three-level radix of 512 slots a node.
 *
 * A slot stands for one unit of 2^unit_shift bytes and holds the number of its first 4 KiB page,
 * 0 when absent. Nodes are added by compare-exchange and freed only with the map, so finding
 * needs no lock and no RCU. Who may change slots is the owner's business (its `data` lock).
 * Reach: 2^27 units, that is 512 GiB of 4 KiB pages.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

#include "engine/error.h"
#include "engine/range.h"

#define OFFSET_MAP_SHIFT 9
#define OFFSET_MAP_SLOTS (1u << OFFSET_MAP_SHIFT)

struct offset_leaf {
	_Atomic uint32_t page[OFFSET_MAP_SLOTS];
};

struct offset_directory {
	_Atomic(struct offset_leaf *) leaf[OFFSET_MAP_SLOTS];
};

struct offset_map {
	unsigned unit_shift; /* immutable */
	_Atomic(struct offset_directory *) top[OFFSET_MAP_SLOTS];
	_Atomic uint64_t node_bytes; /* memory of the nodes; not on the line of unit_shift */
};

void offset_map_init(struct offset_map *map, unsigned unit_shift);
/* Tells `units` the present units of each leaf and frees the nodes. Nobody else uses the map. */
typedef void (*offset_map_units_fn)(const uint32_t *units, size_t count, void *arg);
void offset_map_release(struct offset_map *map, offset_map_units_fn units, void *arg);
/* Tells `unit` the present units, ascending, while nobody changes the map. */
typedef void (*offset_map_unit_fn)(uint64_t offset, uint32_t first_page, void *arg);
void offset_map_visit(struct offset_map *map, offset_map_unit_fn unit, void *arg);
/* The slot of the unit at offset, whose nodes are made if missing. 0 or -ENOMEM. Thread-safe. */
MM_MUST_CHECK int offset_map_make(struct offset_map *map, uint64_t offset, _Atomic uint32_t **slot);

/* The slot of the unit at offset, or NULL while its leaf does not exist. Slots of the units that
 * follow in the same leaf (2^unit_shift * 512 bytes, aligned) follow in memory. */
static inline _Atomic uint32_t *offset_map_find(struct offset_map *map, uint64_t offset)
{
	uint64_t index = offset >> map->unit_shift;
	struct offset_directory *directory = atomic_load_explicit(
		&map->top[index >> 2 * OFFSET_MAP_SHIFT], memory_order_acquire);
	struct offset_leaf *leaf;

	if (!directory)
		return NULL;
	leaf = atomic_load_explicit(
		&directory->leaf[(index >> OFFSET_MAP_SHIFT) % OFFSET_MAP_SLOTS],
		memory_order_acquire);
	return leaf ? &leaf->page[index % OFFSET_MAP_SLOTS] : NULL;
}

/* The 4 KiB page at offset, 0 if its unit is absent. */
static inline uint32_t offset_map_page(struct offset_map *map, uint64_t offset)
{
	_Atomic uint32_t *slot = offset_map_find(map, offset);
	uint32_t first = slot ? atomic_load_explicit(slot, memory_order_acquire) : 0;
	uint64_t inside = offset & ((UINT64_C(1) << map->unit_shift) - 1);

	return first ? first + (uint32_t)(inside >> MM_PAGE_SHIFT) : 0;
}
