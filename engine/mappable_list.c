/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mappable_list.c - see mappable_list.h.
 *
 * NO_TSA: a lock here is a word and its class a phantom, so the bodies cannot be analysed.
 */
#include "engine/mappable_list.h"

#include "engine/park.h"

static void list_lock(struct mappable_list *l) ACQUIRES(leaf_class) MAY_LOCK_LEAF NO_TSA
{
	lock_rank_push(RANK_LEAF, (struct lock_key){ 0, (uintptr_t)l }, LOCK_SITE);
	park_lock_raw(&l->lock);
}

static void list_unlock(struct mappable_list *l) RELEASES(leaf_class) NO_TSA
{
	park_unlock_raw(&l->lock);
	lock_rank_pop(RANK_LEAF, (struct lock_key){ 0, (uintptr_t)l }, LOCK_SITE);
}

void mappable_list_add(struct mappable_list *list, struct mappable *m)
{
	list_lock(list);
	m->next = list->first;
	m->previous = &list->first;
	if (m->next)
		m->next->previous = &m->next;
	list->first = m;
	list_unlock(list);
}

void mappable_list_remove(struct mappable_list *list, struct mappable *m)
{
	list_lock(list);
	*m->previous = m->next;
	if (m->next)
		m->next->previous = m->previous;
	list_unlock(list);
}

struct mappable *mappable_list_next(struct mappable_list *list, struct mappable *m)
{
	list_lock(list);
	struct mappable *next = m ? m->next : list->first;

	list_unlock(list);
	return next;
}
