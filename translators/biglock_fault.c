/* SPDX-License-Identifier: Apache-2.0 */
/*
 * biglock_fault.c - what a fault does, and the reads and writes that are made of faults.
 */
#include "translators/biglock.h"

#include <errno.h>
#include <string.h>

uint32_t biglock_effective(uint32_t perms)
{
	return perms ? perms | TRANSLATOR_READ : 0;
}

/* What a slot permits under the permissions of its mapping. */
static uint32_t slot_perms(const struct biglock_mapping *m, uint32_t slot)
{
	uint32_t perms = biglock_effective(m->perms);

	return slot & (SLOT_COPY | SLOT_CLEAN) ? perms & ~(uint32_t)TRANSLATOR_WRITE : perms;
}

/* Puts something into an empty slot: a page of zeroes, or what the object has there. */
static int fill(struct biglock_mapping *m, uint64_t address, bool store, uint32_t *slot)
{
	struct translator_engine *engine = m->space->engine;
	uint32_t page, bits = 0;
	int rc;

	if (!m->object) {
		page = biglock_page_alloc(engine);
		if (!page)
			return -ENOMEM;
		*slot = page << SLOT_SHIFT | SLOT_PRIVATE;
		return 0;
	}
	rc = biglock_object_page(m->object, m->offset + (address - m->start),
				 store && !m->is_private, &page);
	if (rc)
		return rc;
	if (m->is_private)
		bits = SLOT_COPY;
	else if (m->object->fd >= 0 && !store)
		bits = SLOT_CLEAN;
	biglock_page_inc(engine, page);
	*slot = page << SLOT_SHIFT | bits;
	return 0;
}

/* Makes a filled slot one that can be stored to. */
static int make_writable(struct biglock_mapping *m, uint64_t address, uint32_t *slot)
{
	struct translator_engine *engine = m->space->engine;
	uint32_t old = *slot >> SLOT_SHIFT, page;

	if (*slot & SLOT_CLEAN) {
		int rc = biglock_object_page(m->object, m->offset + (address - m->start), true,
					     &page);

		*slot &= ~SLOT_CLEAN;
		return rc;
	}
	if ((*slot & SLOT_PRIVATE) && engine->counts[old] == 1) {
		*slot &= ~SLOT_COPY;
		return 0;
	}
	page = biglock_page_alloc(engine);
	if (!page)
		return -ENOMEM;
	memcpy(biglock_page_memory(engine, page), biglock_page_memory(engine, old), PAGE_BYTES);
	engine->stored[page] = 1;
	*slot = page << SLOT_SHIFT | SLOT_PRIVATE;
	biglock_window_hide(m->space, address, address + PAGE_BYTES);
	biglock_page_dec(engine, old);
	return 0;
}

int biglock_fault(struct translator_space *space, uint64_t address, uint32_t access)
{
	struct biglock_mapping *m = biglock_tree_find(space->root, address);
	bool store = access & TRANSLATOR_WRITE;
	uint32_t *slot;
	int rc = 0;

	if (!m || m->start > address)
		return -EFAULT;
	if (access & ~biglock_effective(m->perms))
		return -EACCES;
	address &= ~(PAGE_BYTES - 1);
	slot = biglock_slot_make(m, address);
	if (!slot)
		return -ENOMEM;
	if (!*slot)
		rc = fill(m, address, store, slot);
	if (!rc && store && (*slot & (SLOT_COPY | SLOT_CLEAN)))
		rc = make_writable(m, address, slot);
	if (!rc && space->window)
		rc = biglock_window_show(space, address, *slot >> SLOT_SHIFT, slot_perms(m, *slot));
	return rc;
}

int biglock_space_fault(struct translator_space *space, uint64_t address, uint32_t access)
{
	int rc;

	biglock_lock();
	rc = biglock_fault(space, address, access);
	biglock_unlock();
	return rc;
}

int biglock_lookup(struct translator_space *space, uint64_t address, uint32_t access,
		   struct translator_translation *out)
{
	struct biglock_mapping *m;
	int rc = -ENOENT;

	biglock_lock();
	m = biglock_tree_find(space->root, address);
	if (m && m->start <= address) {
		const uint32_t *slot = biglock_slot(m, address);

		if (slot && *slot && !(access & ~slot_perms(m, *slot))) {
			out->source.start = address & ~(PAGE_BYTES - 1);
			out->source.end = out->source.start + PAGE_BYTES;
			out->file = FILE_NUMBER;
			out->offset = (*slot >> SLOT_SHIFT) * PAGE_BYTES;
			out->perms = slot_perms(m, *slot);
			out->reserved = 0;
			rc = 0;
		}
	}
	biglock_unlock();
	return rc;
}

/* ---- the kernel's own access ---- */

/* The memory at address, for the rest of its page, after a fault. */
static unsigned char *reach(struct translator_space *space, uint64_t address, uint32_t access)
{
	struct biglock_mapping *m;
	uint32_t page;

	if (address >= space->bytes || biglock_fault(space, address, access))
		return NULL;
	m = biglock_tree_find(space->root, address);
	page = *biglock_slot(m, address) >> SLOT_SHIFT;
	if (access & TRANSLATOR_WRITE)
		space->engine->stored[page] = 1;
	return biglock_page_memory(space->engine, page) + address % PAGE_BYTES;
}

static uint64_t piece(uint64_t address, uint64_t left)
{
	uint64_t rest = PAGE_BYTES - address % PAGE_BYTES;

	return rest < left ? rest : left;
}

/* A buffer that lies in a window of ours is met without the mutex: its fault will want it. */
int biglock_read(struct translator_space *space, uint64_t address, void *to, uint64_t length,
		 uint64_t *done)
{
	unsigned char between[PAGE_BYTES];

	for (*done = 0; *done < length;) {
		uint64_t bytes = piece(address + *done, length - *done);
		unsigned char *buffer = (unsigned char *)to + *done, *target = buffer, *at;

		biglock_lock();
		if (biglock_window_meets(buffer, bytes))
			target = between;
		at = reach(space, address + *done, TRANSLATOR_READ);
		if (at)
			memcpy(target, at, bytes);
		biglock_unlock();
		if (!at)
			return -EFAULT;
		if (target == between)
			memcpy(buffer, between, bytes);
		*done += bytes;
	}
	return 0;
}

int biglock_write(struct translator_space *space, uint64_t address, const void *from,
		  uint64_t length, uint64_t *done)
{
	unsigned char between[PAGE_BYTES];

	for (*done = 0; *done < length;) {
		uint64_t bytes = piece(address + *done, length - *done);
		const unsigned char *buffer = (const unsigned char *)from + *done;
		unsigned char *at;

		biglock_lock();
		if (biglock_window_meets(buffer, bytes)) {
			biglock_unlock();
			memcpy(between, buffer, bytes);
			buffer = between;
			biglock_lock();
		}
		at = reach(space, address + *done, TRANSLATOR_WRITE);
		if (at)
			memcpy(at, buffer, bytes);
		biglock_unlock();
		if (!at)
			return -EFAULT;
		*done += bytes;
	}
	return 0;
}

void *biglock_host_address(struct translator_space *space, uint64_t address)
{
	return space->window && address < space->bytes ? space->window + address : NULL;
}
