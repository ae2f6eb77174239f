/* SPDX-License-Identifier: Apache-2.0 */
/* entry_then_rmap.c - must not compile: takes rmap with entry held. */
/* WANT: lock class 'rmap_class' must be acquired before 'entry_class' */
#include "engine/lock_order.h"

void rmap_lock(void) ACQUIRES(rmap_class) REQUIRES(!rmap_class);
void rmap_unlock(void) RELEASES(rmap_class);
void entry_lock(void) ACQUIRES(entry_class) REQUIRES(!entry_class);
void entry_unlock(void) RELEASES(entry_class);

void wrong(void) REQUIRES(!rmap_class, !entry_class);
void wrong(void)
{
	entry_lock();
	rmap_lock();
	rmap_unlock();
	entry_unlock();
}
