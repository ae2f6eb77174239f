/* SPDX-License-Identifier: Apache-2.0 */
/* block_then_arena.c - must not compile: takes arena with block held. */
/* WANT: lock class 'arena_class' must be acquired before 'block_class' */
#include "engine/lock_order.h"

void arena_lock(void) ACQUIRES(arena_class) REQUIRES(!arena_class);
void arena_unlock(void) RELEASES(arena_class);
void block_lock(void) ACQUIRES(block_class) REQUIRES(!block_class);
void block_unlock(void) RELEASES(block_class);

void wrong(void) REQUIRES(!arena_class, !block_class);
void wrong(void)
{
	block_lock();
	arena_lock();
	arena_unlock();
	block_unlock();
}
