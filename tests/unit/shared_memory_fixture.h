/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared_memory_fixture.h - a toy space that maps shared memory, in a few words each.
 */
#pragma once

#include "engine/shared_memory.h"
#include "tests/unit/toy_space.h"

/* Translates the page at offset; caller holds the entry lock. */
static inline int look(struct shared_memory *sm, uint64_t offset, uint32_t *page)
{
	return toy_look(shared_memory_mappable(sm), offset, RW, page);
}

static inline int toy_fault(struct toy_space *s, struct shared_memory *sm, uint64_t offset)
{
	return toy_fault_as(s, shared_memory_mappable(sm), offset, RW);
}

static inline void map_all(struct toy_space *s, struct shared_memory *sm, bool writable)
{
	assert_int_equal(toy_map(s, shared_memory_mappable(sm), writable), 0);
}

static inline void unmap_all(struct toy_space *s, struct shared_memory *sm, bool writable)
{
	toy_unmap(s, shared_memory_mappable(sm), writable);
}

static inline struct shared_memory *make(uint64_t size) NO_TSA
{
	struct shared_memory *sm = NULL;

	assert_int_equal(shared_memory_create(mf, size, PAGE_4K, "test", &sm), 0);
	return sm;
}

static inline void drop(struct shared_memory *sm) NO_TSA
{
	mapping_identity_dec_ref(shared_memory_identity(sm));
}
