/* SPDX-License-Identifier: Apache-2.0 */
/*
 * biglock_mapping.c - mappings and what they show: map, unmap, protect, remap, discard, fork.
 *
 * A range is first made to begin and end where mappings do, by splitting those across its ends;
 * after that every operation is a loop over whole mappings. They are not joined again: two that
 * could be one behave the same. The mutex is held throughout, so the order of steps matters only
 * to the host's view: a window is hidden before the pages behind it change hands.
 */
#include "translators/biglock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_BYTES(count) (sizeof(struct biglock_slots) + (count) * sizeof(uint32_t))

static struct biglock_slots *slots_create(struct translator_engine *engine, uint64_t count)
{
	struct biglock_slots *slots = biglock_alloc(engine, 1, SLOTS_BYTES(count));

	if (slots) {
		slots->users = 1;
		slots->count = count;
	}
	return slots;
}

static void slots_put(struct translator_engine *engine, struct biglock_slots *slots)
{
	if (slots && !--slots->users)
		biglock_free(engine, slots, 1, SLOTS_BYTES(slots->count));
}

uint32_t *biglock_slot_make(struct biglock_mapping *m, uint64_t address)
{
	if (!m->slots) {
		m->slots = slots_create(m->space->engine, (m->end - m->start) / PAGE_BYTES);
		m->first = 0;
	}
	return biglock_slot(m, address);
}

void biglock_forget(struct biglock_mapping *m, uint64_t start, uint64_t end, bool copies_too)
{
	struct translator_engine *engine = m->space->engine;
	uint32_t *slot = biglock_slot(m, start);

	if (!slot)
		return;
	biglock_window_hide(m->space, start, end);
	for (uint32_t *last = slot + (end - start) / PAGE_BYTES; slot < last; slot++) {
		if (!*slot || (!copies_too && (*slot & SLOT_PRIVATE)))
			continue;
		biglock_page_dec(engine, *slot >> SLOT_SHIFT);
		*slot = 0;
	}
}

/* ---- the life of a mapping ---- */

/* Into the tree, and the list of its object, which it keeps alive. */
static void attach(struct biglock_mapping *m)
{
	biglock_tree_insert(&m->space->root, m);
	if (!m->object)
		return;
	m->object->users++;
	m->next = m->object->mappings;
	m->link = &m->object->mappings;
	if (m->next)
		m->next->link = &m->next;
	*m->link = m;
}

static void detach(struct biglock_mapping *m)
{
	biglock_tree_remove(&m->space->root, m);
	if (!m->object)
		return;
	*m->link = m->next;
	if (m->next)
		m->next->link = m->link;
}

static struct biglock_mapping *mapping_create(struct translator_space *space,
					      const struct biglock_mapping *model)
{
	struct biglock_mapping *m = biglock_alloc(space->engine, 1, sizeof(*m));

	if (m) {
		*m = *model;
		m->space = space;
	}
	return m;
}

static void mapping_destroy(struct biglock_mapping *m)
{
	struct translator_engine *engine = m->space->engine;

	biglock_forget(m, m->start, m->end, true);
	detach(m);
	slots_put(engine, m->slots);
	if (m->object)
		biglock_object_put(m->object);
	biglock_free(engine, m, 1, sizeof(*m));
}

/* No mapping reaches across address afterwards. */
static int split(struct translator_space *space, uint64_t address)
{
	struct biglock_mapping *m = biglock_tree_find(space->root, address), *upper;

	if (!m || m->start >= address)
		return 0;
	upper = mapping_create(space, m);
	if (!upper)
		return -ENOMEM;
	upper->start = address;
	upper->offset += m->object ? address - m->start : 0;
	if (m->slots) {
		upper->first += (address - m->start) / PAGE_BYTES;
		m->slots->users++;
	}
	m->end = address;
	attach(upper);
	return 0;
}

/* Removes what is mapped in the range. Fails only before it has changed anything. */
static int clear(struct translator_space *space, uint64_t start, uint64_t end)
{
	struct biglock_mapping *m = biglock_tree_find(space->root, start);
	int rc = 0;

	if (m && m->start < start)
		rc = split(space, start);
	if (!rc)
		rc = split(space, end);
	while (!rc && (m = biglock_tree_find(space->root, start)) && m->start < end)
		mapping_destroy(m);
	return rc;
}

static bool is_range(uint64_t address, uint64_t length)
{
	return length && !(address % PAGE_BYTES) && !(length % PAGE_BYTES) &&
	       address + length > address;
}

/* ---- the calls ---- */

int biglock_map(struct translator_space *space, const struct translator_map_options *o)
{
	struct biglock_mapping *m, model = {
		.perms = o->perms,
		.start = o->address,
		.end = o->address + o->length,
		.object = o->object,
		.offset = o->object ? o->offset : 0,
		.is_private = !o->object || (o->flags & TRANSLATOR_MAP_PRIVATE),
	};
	int rc;

	if (!is_range(o->address, o->length) || o->perms > 7 ||
	    (o->flags & ~(uint32_t)TRANSLATOR_MAP_PRIVATE) ||
	    (o->object && (o->offset % PAGE_BYTES || o->offset + o->length < o->offset)) ||
	    o->reserved[0] | o->reserved[1] | o->reserved[2] | o->reserved[3])
		return -EINVAL;
	if (model.end > space->bytes)
		return -ENOMEM;
	biglock_lock();
	m = mapping_create(space, &model);
	rc = m ? clear(space, model.start, model.end) : -ENOMEM;
	if (!rc)
		attach(m);
	else if (m)
		biglock_free(space->engine, m, 1, sizeof(*m));
	biglock_unlock();
	return rc;
}

int biglock_unmap(struct translator_space *space, uint64_t address, uint64_t length)
{
	int rc;

	if (!is_range(address, length))
		return -EINVAL;
	biglock_lock();
	rc = clear(space, address, address + length);
	biglock_unlock();
	return rc;
}

int biglock_protect(struct translator_space *space, uint64_t address, uint64_t length,
		    uint32_t perms)
{
	uint64_t end = address + length;
	struct biglock_mapping *m;
	int rc;

	if (!is_range(address, length) || perms > 7)
		return -EINVAL;
	biglock_lock();
	rc = split(space, address);
	if (!rc)
		rc = split(space, end);
	while (!rc && address < end) {
		m = biglock_tree_find(space->root, address);
		if (!m || m->start > address) {
			rc = -ENOMEM;
			break;
		}
		biglock_window_hide(space, m->start, m->end);
		m->perms = perms;
		address = m->end;
	}
	biglock_unlock();
	return rc;
}

int biglock_discard(struct translator_space *space, uint64_t address, uint64_t length)
{
	uint64_t end = address + length;
	struct biglock_mapping *m;
	int rc = 0;

	if (!is_range(address, length))
		return -EINVAL;
	biglock_lock();
	while (address < end) {
		m = biglock_tree_find(space->root, address);
		if (!m || m->start > address)
			rc = -ENOMEM;
		if (!m || m->start >= end)
			break;
		if (m->start > address)
			address = m->start;
		biglock_forget(m, address, m->end < end ? m->end : end, true);
		address = m->end;
	}
	biglock_unlock();
	return rc;
}

/* The piece that moves is [address, address + length), a mapping of its own by now. */
static int move(struct biglock_mapping *m, uint64_t new_address, uint64_t new_length)
{
	struct translator_space *space = m->space;
	uint64_t pages = (m->end - m->start) / PAGE_BYTES;
	struct biglock_slots *longer = NULL;

	/* Where it is lengthened, its array must be; one page more is shown in no other. */
	if (m->slots) {
		longer = slots_create(space->engine, new_length / PAGE_BYTES);
		if (!longer)
			return -ENOMEM;
		memcpy(longer->slot, biglock_slot(m, m->start), pages * sizeof(uint32_t));
		memset(biglock_slot(m, m->start), 0, pages * sizeof(uint32_t));
		slots_put(space->engine, m->slots);
	}
	biglock_window_hide(space, m->start, m->end);
	biglock_tree_remove(&space->root, m);
	m->slots = longer;
	m->first = 0;
	m->start = new_address;
	m->end = new_address + new_length;
	biglock_tree_insert(&space->root, m);
	return 0;
}

int biglock_remap(struct translator_space *space, uint64_t old_address, uint64_t old_length,
		  uint64_t new_address, uint64_t new_length)
{
	uint64_t old_end = old_address + old_length, new_end = new_address + new_length;
	uint64_t kept = old_length < new_length ? old_length : new_length;
	struct biglock_mapping *m;
	int rc = 0;

	if (!is_range(old_address, old_length) || !is_range(new_address, new_length) ||
	    new_end > space->bytes || (old_address < new_end && new_address < old_end))
		return -EINVAL;
	biglock_lock();
	m = biglock_tree_find(space->root, old_address);
	if (!m || m->start > old_address || m->end < old_end)
		rc = -EFAULT;
	if (!rc)
		rc = clear(space, new_address, new_end);
	if (!rc && kept < old_length)
		rc = clear(space, old_address + kept, old_end);
	if (!rc)
		rc = split(space, old_address);
	if (!rc)
		rc = split(space, old_address + kept);
	if (!rc)
		rc = move(biglock_tree_find(space->root, old_address), new_address, new_length);
	biglock_unlock();
	return rc;
}

/* ---- spaces ---- */

static int space_create(struct translator_engine *engine, uint64_t bytes,
			struct translator_space **out)
{
	struct translator_space *space = biglock_alloc(engine, 1, sizeof(*space));
	int rc = 0;

	if (!space)
		return -ENOMEM;
	space->engine = engine;
	space->bytes = bytes;
	if (engine->windows)
		rc = biglock_window_create(space);
	if (rc) {
		biglock_free(engine, space, 1, sizeof(*space));
		return rc;
	}
	space->next = biglock_spaces;
	biglock_spaces = space;
	*out = space;
	return 0;
}

static void space_destroy(struct translator_space *space)
{
	struct translator_space **link = &biglock_spaces;

	while (*link != space)
		link = &(*link)->next;
	*link = space->next;
	if (space->window)
		biglock_window_destroy(space);
	while (space->root)
		mapping_destroy(space->root);
	biglock_free(space->engine, space, 1, sizeof(*space));
}

int biglock_space_create(struct translator_engine *engine, uint64_t bytes,
			 struct translator_space **out)
{
	int rc;

	if (!bytes || bytes % PAGE_BYTES)
		return -EINVAL;
	biglock_lock();
	rc = space_create(engine, bytes, out);
	biglock_unlock();
	return rc;
}

void biglock_space_destroy(struct translator_space *space)
{
	biglock_lock();
	space_destroy(space);
	biglock_unlock();
}

/* Private pages are of both from now on. Pages of objects the child finds by faulting. */
static int fork_mapping(struct biglock_mapping *m, struct translator_space *child)
{
	struct biglock_mapping *copy = mapping_create(child, m);
	uint64_t pages = (m->end - m->start) / PAGE_BYTES;

	if (!copy)
		return -ENOMEM;
	copy->slots = NULL;
	copy->first = 0;
	attach(copy);
	if (!m->slots || !m->is_private)
		return 0;
	if (!biglock_slot_make(copy, copy->start))
		return -ENOMEM;
	for (uint64_t i = 0; i < pages; i++) {
		uint32_t *slot = &m->slots->slot[m->first + i];

		if (!(*slot & SLOT_PRIVATE))
			continue;
		*slot |= SLOT_COPY;
		copy->slots->slot[i] = *slot;
		biglock_page_inc(child->engine, *slot >> SLOT_SHIFT);
	}
	return 0;
}

int biglock_space_fork(struct translator_space *parent, struct translator_space **out)
{
	struct translator_space *child;
	struct biglock_mapping *m;
	int rc;

	biglock_lock();
	rc = space_create(parent->engine, parent->bytes, &child);
	if (!rc) {
		/* From here on a store faults, and waits for the mutex: so the child sees all that
		 * a thread stored, up to one store, and none after it. */
		biglock_window_hide(parent, 0, parent->bytes);
		for (uint64_t at = 0; !rc && (m = biglock_tree_find(parent->root, at)); at = m->end)
			rc = fork_mapping(m, child);
		if (rc)
			space_destroy(child);
		else
			*out = child;
	}
	biglock_unlock();
	return rc;
}
