/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_arena.h - inside of the engine: where mappings go that name no place.
 *
 * Searching the whole space for the lowest gap takes all of `mapping`, and every thread would find
 * the same gap. So each CPU has an arena, a piece of the space that was free when it was chosen,
 * and takes the next place there: a hint, which the caller verifies with `mapping` of that place
 * alone. Others may map in an arena at any time; then the place behind them is next.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"

struct mm_space;

struct space_arena {
	/* Pages. Written by whoever runs on the CPU, as hints. */
	_Alignas(64) _Atomic uint64_t next, end; /* end 0: none yet */
};

/* No arenas yet. 0 or -ENOMEM. */
MM_MUST_CHECK int space_arenas_init(struct mm_space *s);
void space_arenas_release(struct mm_space *s);

/* A place for `pages` pages, a multiple of `align`, in the arena of this CPU. False: there is no
 * arena, or no room left in it. */
bool space_arena_pick(struct mm_space *s, uint64_t pages, uint64_t align, uint64_t *start);
/* The next place is at `next`: behind what was mapped, or behind what was in the way. */
void space_arena_move(struct mm_space *s, uint64_t next);
/* [start, end) was unmapped: if it was the last that was taken, it is the next. */
void space_arena_gave(struct mm_space *s, uint64_t start, uint64_t end);
/* Bytes that a space has for its arenas. */
uint64_t space_arenas_bytes(const struct mm_space *s);
/* Chooses an arena for this CPU, if `pages` would fit in one. */
void space_arena_choose(struct mm_space *s, uint64_t pages);
