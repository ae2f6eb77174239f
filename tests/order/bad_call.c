/* SPDX-License-Identifier: Apache-2.0 */
/* bad_call.c - must not compile: calls, with data held, what may take rmap. */
/* WANT: cannot call function 'may_take_rmap' while mutex 'data_class' is held */
#include "engine/lock_order.h"

void data_lock(void) ACQUIRES(data_class) MAY_LOCK_DATA;
void data_unlock(void) RELEASES(data_class);
void may_take_rmap(void) MAY_LOCK_RMAP;

void wrong(void) MAY_LOCK_RMAP;
void wrong(void)
{
	data_lock();
	may_take_rmap();
	data_unlock();
}
