/* SPDX-License-Identifier: Apache-2.0 */
/* arena_then_platform.c - must not compile: takes platform with arena held. */
/* WANT: lock class 'platform_class' must be acquired before 'arena_class' */
#include "engine/lock_order.h"

void platform_lock(void) ACQUIRES(platform_class) REQUIRES(!platform_class);
void platform_unlock(void) RELEASES(platform_class);
void arena_lock(void) ACQUIRES(arena_class) REQUIRES(!arena_class);
void arena_unlock(void) RELEASES(arena_class);

void wrong(void) REQUIRES(!platform_class, !arena_class);
void wrong(void)
{
	arena_lock();
	platform_lock();
	platform_unlock();
	arena_unlock();
}
