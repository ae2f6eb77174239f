/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_arena.c - see space_arena.h. Arenas are 1 GiB, or less in small windows: an eighth of the
 * space for each CPU that there may be, and none if that is less than 64 MiB.
 *
 * No locks: the words are hints, and two threads that use one at once only find each other's
 * mapping in the way.
 */
#include "engine/space_arena.h"

#include <stdlib.h>

#include "engine/inject.h"
#include "engine/percpu.h"
#include "engine/space.h"

#define ARENA_PAGES_MAX (UINT64_C(1) << 18)
#define ARENA_PAGES_MIN (UINT64_C(1) << 14)
#define ARENA_PART 8 /* of the space, for all CPUs together */

static struct space_arena *mine(struct mm_space *s)
{
	return &s->arenas[percpu_id() % s->arena_count];
}

int space_arenas_init(struct mm_space *s)
{
	s->arena_count = s->mm->node_pool.cpus; /* percpu_count() reads a file */
	s->arenas = mm_aligned_alloc(_Alignof(struct space_arena), space_arenas_bytes(s));
	if (!s->arenas)
		return -ENOMEM;
	for (unsigned i = 0; i < s->arena_count; i++) {
		atomic_init(&s->arenas[i].next, 0);
		atomic_init(&s->arenas[i].end, 0);
	}
	return 0;
}

void space_arenas_release(struct mm_space *s)
{
	free(s->arenas);
	s->arenas = NULL;
}

uint64_t space_arenas_bytes(const struct mm_space *s)
{
	return s->arena_count * sizeof(s->arenas[0]);
}

bool space_arena_pick(struct mm_space *s, uint64_t pages, uint64_t align, uint64_t *start)
{
	struct space_arena *a = mine(s);
	uint64_t end = atomic_load_explicit(&a->end, memory_order_relaxed);
	uint64_t next = atomic_load_explicit(&a->next, memory_order_relaxed);

	*start = (next + align - 1) / align * align;
	return *start < end && end - *start >= pages;
}

void space_arena_move(struct mm_space *s, uint64_t next)
{
	atomic_store_explicit(&mine(s)->next, next, memory_order_relaxed);
}

void space_arena_gave(struct mm_space *s, uint64_t start, uint64_t end)
{
	struct space_arena *a = mine(s);

	if (atomic_load_explicit(&a->next, memory_order_relaxed) == end)
		atomic_store_explicit(&a->next, start, memory_order_relaxed);
}

/* Does the arena of some CPU reach into [start, end)? *after: where that one ends. */
static bool is_taken(const struct mm_space *s, uint64_t start, uint64_t end, uint64_t *after)
{
	for (unsigned i = 0; i < s->arena_count; i++) {
		uint64_t stop = atomic_load_explicit(&s->arenas[i].end, memory_order_relaxed);
		uint64_t next = atomic_load_explicit(&s->arenas[i].next, memory_order_relaxed);

		if (next < end && stop > start) {
			*after = stop;
			return true;
		}
	}
	return false;
}

void space_arena_choose(struct mm_space *s, uint64_t pages)
{
	uint64_t size = s->end_page / ARENA_PART / s->arena_count;
	struct space_arena *a = mine(s);
	uint64_t from;
	uint64_t start;

	if (size > ARENA_PAGES_MAX)
		size = ARENA_PAGES_MAX;
	size &= ~(uint64_t)(MM_HUGE_PAGES - 1);
	if (size < ARENA_PAGES_MIN || pages > size / 4)
		return;
	for (from = s->end_page / ARENA_PART;
	     address_map_find_gap(&s->map, from, s->end_page, size, MM_HUGE_PAGES, &start);) {
		if (!is_taken(s, start, start + size, &from)) {
			atomic_store_explicit(&a->next, start, memory_order_relaxed);
			atomic_store_explicit(&a->end, start + size, memory_order_relaxed);
			return;
		}
	}
}
