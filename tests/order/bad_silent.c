/* SPDX-License-Identifier: Apache-2.0 */
/* bad_silent.c - must not compile: takes a lock that its declaration does not speak of. */
/* WANT: acquiring lock class 'entry_class' requires negative capability '!entry_class' */
#include "engine/lock_order.h"

void entry_lock(void) ACQUIRES(entry_class) MAY_LOCK_ENTRY;
void entry_unlock(void) RELEASES(entry_class);

void silent(void);
void silent(void)
{
	entry_lock();
	entry_unlock();
}
