/* SPDX-License-Identifier: Apache-2.0 */
/* metadata_then_object.c - must not compile: takes object with metadata held. */
/* WANT: lock class 'object_class' must be acquired before 'metadata_class' */
#include "engine/lock_order.h"

void object_lock(void) ACQUIRES(object_class) REQUIRES(!object_class);
void object_unlock(void) RELEASES(object_class);
void metadata_lock(void) ACQUIRES(metadata_class) REQUIRES(!metadata_class);
void metadata_unlock(void) RELEASES(metadata_class);

void wrong(void) REQUIRES(!object_class, !metadata_class);
void wrong(void)
{
	metadata_lock();
	object_lock();
	object_unlock();
	metadata_unlock();
}
