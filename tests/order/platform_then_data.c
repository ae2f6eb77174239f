/* SPDX-License-Identifier: Apache-2.0 */
/* platform_then_data.c - must not compile: takes data with platform held. */
/* WANT: lock class 'data_class' must be acquired before 'platform_class' */
#include "engine/lock_order.h"

void data_lock(void) ACQUIRES(data_class) REQUIRES(!data_class);
void data_unlock(void) RELEASES(data_class);
void platform_lock(void) ACQUIRES(platform_class) REQUIRES(!platform_class);
void platform_unlock(void) RELEASES(platform_class);

void wrong(void) REQUIRES(!data_class, !platform_class);
void wrong(void)
{
	platform_lock();
	data_lock();
	data_unlock();
	platform_unlock();
}
