/* SPDX-License-Identifier: Apache-2.0 */
/* data_then_entry.c - must not compile: takes entry with data held. */
/* WANT: lock class 'entry_class' must be acquired before 'data_class' */
#include "engine/lock_order.h"

void entry_lock(void) ACQUIRES(entry_class) REQUIRES(!entry_class);
void entry_unlock(void) RELEASES(entry_class);
void data_lock(void) ACQUIRES(data_class) REQUIRES(!data_class);
void data_unlock(void) RELEASES(data_class);

void wrong(void) REQUIRES(!entry_class, !data_class);
void wrong(void)
{
	data_lock();
	entry_lock();
	entry_unlock();
	data_unlock();
}
