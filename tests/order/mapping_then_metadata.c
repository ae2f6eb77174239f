/* SPDX-License-Identifier: Apache-2.0 */
/* mapping_then_metadata.c - must not compile: takes metadata with mapping held. */
/* WANT: lock class 'metadata_class' must be acquired before 'mapping_class' */
#include "engine/lock_order.h"

void metadata_lock(void) ACQUIRES(metadata_class) REQUIRES(!metadata_class);
void metadata_unlock(void) RELEASES(metadata_class);
void mapping_lock(void) ACQUIRES(mapping_class) REQUIRES(!mapping_class);
void mapping_unlock(void) RELEASES(mapping_class);

void wrong(void) REQUIRES(!metadata_class, !mapping_class);
void wrong(void)
{
	mapping_lock();
	metadata_lock();
	metadata_unlock();
	mapping_unlock();
}
