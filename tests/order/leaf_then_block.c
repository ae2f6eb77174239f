/* SPDX-License-Identifier: Apache-2.0 */
/* leaf_then_block.c - must not compile: takes block with leaf held. */
/* WANT: lock class 'block_class' must be acquired before 'leaf_class' */
#include "engine/lock_order.h"

void block_lock(void) ACQUIRES(block_class) REQUIRES(!block_class);
void block_unlock(void) RELEASES(block_class);
void leaf_lock(void) ACQUIRES(leaf_class) REQUIRES(!leaf_class);
void leaf_unlock(void) RELEASES(leaf_class);

void wrong(void) REQUIRES(!block_class, !leaf_class);
void wrong(void)
{
	leaf_lock();
	block_lock();
	block_unlock();
	leaf_unlock();
}
