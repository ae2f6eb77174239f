/* SPDX-License-Identifier: Apache-2.0 */
/* bad_field.c - must not compile: reads a guarded field without the lock. */
/* WANT: reading variable 'size_pages' requires holding lock class 'data_class' */
#include "engine/lock_order.h"

struct guarded {
	unsigned long size_pages GUARDED_BY(data_class);
};

unsigned long peek(const struct guarded *g);
unsigned long peek(const struct guarded *g)
{
	return g->size_pages;
}
