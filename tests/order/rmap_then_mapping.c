/* SPDX-License-Identifier: Apache-2.0 */
/* rmap_then_mapping.c - must not compile: takes mapping with rmap held. */
/* WANT: lock class 'mapping_class' must be acquired before 'rmap_class' */
#include "engine/lock_order.h"

void mapping_lock(void) ACQUIRES(mapping_class) REQUIRES(!mapping_class);
void mapping_unlock(void) RELEASES(mapping_class);
void rmap_lock(void) ACQUIRES(rmap_class) REQUIRES(!rmap_class);
void rmap_unlock(void) RELEASES(rmap_class);

void wrong(void) REQUIRES(!mapping_class, !rmap_class);
void wrong(void)
{
	rmap_lock();
	mapping_lock();
	mapping_unlock();
	rmap_unlock();
}
