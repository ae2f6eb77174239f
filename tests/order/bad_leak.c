/* SPDX-License-Identifier: Apache-2.0 */
/* bad_leak.c - must not compile: one path returns with the lock held. */
/* WANT: mutex 'rmap_class' is not held on every path through here */
#include "engine/lock_order.h"

void rmap_lock(void) ACQUIRES(rmap_class) MAY_LOCK_RMAP;
void rmap_unlock(void) RELEASES(rmap_class);

void leak(bool early) MAY_LOCK_RMAP;
void leak(bool early)
{
	rmap_lock();
	if (early)
		return;
	rmap_unlock();
}
