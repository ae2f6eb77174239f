/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux_book.c - the mappings of a space, by address, and those of an object, in a list.
 *
 * An array of pointers: there are at most some 65,000 (vm.max_map_count), and a change moves a
 * part of them in one copy. Callers have the engine's lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "translators/linux.h"

size_t linux_book_find(const struct translator_space *space, uint64_t address)
{
	size_t low = 0, high = space->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (space->mappings[middle]->end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct linux_mapping *linux_book_at(const struct translator_space *space, uint64_t address)
{
	size_t i = linux_book_find(space, address);

	return i < space->count && space->mappings[i]->start <= address ? space->mappings[i] : NULL;
}

static int make_room(struct translator_space *space, size_t more)
{
	size_t room = space->room ? space->room : 16;
	struct linux_mapping **grown;

	while (room < space->count + more)
		room *= 2;
	if (room == space->room)
		return 0;
	grown = realloc(space->mappings, room * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	space->mappings = grown;
	space->room = room;
	return 0;
}

void linux_book_insert(struct translator_space *space, struct linux_mapping *m)
{
	size_t i = linux_book_find(space, m->start);

	memmove(&space->mappings[i + 1], &space->mappings[i],
		(space->count - i) * sizeof(space->mappings[0]));
	space->mappings[i] = m;
	space->count++;
	if (!m->object)
		return;
	atomic_fetch_add(&m->object->users, 1);
	m->previous = NULL;
	m->next = m->object->mappings;
	if (m->next)
		m->next->previous = m;
	m->object->mappings = m;
}

static int cut_at(struct translator_space *space, uint64_t at)
{
	struct linux_mapping *m = linux_book_at(space, at), *right;
	uint64_t distance;

	if (!m || m->start == at)
		return 0;
	right = malloc(sizeof(*right));
	if (!right)
		return -ENOMEM;
	memcpy(right, m, sizeof(*right));
	distance = at - m->start;
	right->start = at;
	right->offset += distance;
	right->private_offset += distance;
	m->end = at;
	linux_book_insert(space, right);
	return 0;
}

int linux_book_cut(struct translator_space *space, uint64_t start, uint64_t end)
{
	int rc = make_room(space, 3);

	if (!rc)
		rc = cut_at(space, start);
	return rc ? rc : cut_at(space, end);
}

void linux_book_clear(struct translator_space *space, uint64_t start, uint64_t end)
{
	size_t first = linux_book_find(space, start), last = first;

	for (; last < space->count && space->mappings[last]->start < end; last++) {
		struct linux_mapping *m = space->mappings[last];

		if (m->object) {
			if (m->previous)
				m->previous->next = m->next;
			else
				m->object->mappings = m->next;
			if (m->next)
				m->next->previous = m->previous;
			linux_object_put(m->object);
		}
		free(m);
	}
	memmove(&space->mappings[first], &space->mappings[last],
		(space->count - last) * sizeof(space->mappings[0]));
	space->count -= last - first;
}
