/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mappable_list.h - the mappables that hold references to the pages of one family, so that
 * mm_check() can tell every reference from a leak.
 *
 * A mappable joins when it is made and leaves when it is destroyed; making and destroying are rare,
 * so the list has one lock. Zeroed memory is an empty list.
 */
#pragma once

#include "engine/interfaces.h"

struct mappable_list {
	_Atomic uint32_t lock; /* leaf */
	struct mappable *first; /* under lock */
};

void mappable_list_add(struct mappable_list *list, struct mappable *m) MAY_LOCK_LEAF;
void mappable_list_remove(struct mappable_list *list, struct mappable *m) MAY_LOCK_LEAF;
/* The first of the list, or the one after m; NULL at the end. At a quiescent point only: no lock
 * is held when it returns. */
struct mappable *mappable_list_next(struct mappable_list *list, struct mappable *m) MAY_LOCK_LEAF;
