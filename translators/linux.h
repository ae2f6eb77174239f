/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.h - what the files of linux share: the book that is kept beside the kernel's own.
 *
 * The kernel does the work; the book says only what it does not tell: which object a place shows,
 * by which name a page goes, and what may be done there. One lock guards the books of an engine:
 * map, unmap, protect and remap take it to write, as they take the kernel's mmap_lock. A fault
 * that succeeds takes nothing.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "translators/translator.h"

#define PAGE_BYTES UINT64_C(4096)
#define ANONYMOUS_FILE 0 /* the name of private pages; objects count from 1 */

struct linux_mapping {
	struct translator_space *space; /* immutable */
	uint64_t start, end; /* as all below protected by the engine's lock, but where said */
	struct translator_object *object; /* NULL: anonymous */
	uint64_t offset; /* in object */
	uint64_t private_offset; /* the name of a private page at start; moves with it */
	uint32_t perms;
	bool is_private;
	/* An invalidate wants it to seem absent, until a fault (see linux_invalidate). */
	_Atomic bool forgotten;
	struct linux_mapping *previous, *next; /* of the same object */
};

struct translator_engine {
	pthread_rwlock_t lock;
	int pagemap; /* /proc/self/pagemap; immutable */
	int advice; /* of anonymous memory, when it is mapped; MADV_NORMAL: none; immutable */
	_Atomic uint64_t file_next;
	uint64_t private_next; /* under lock */
	_Atomic uint64_t host_mappings, host_unmappings;
};

struct translator_object {
	struct translator_engine *engine;
	int fd; /* immutable */
	bool is_file; /* immutable */
	uint64_t number; /* immutable */
	pthread_rwlock_t size_lock; /* written for all of a truncate; inside the engine's lock */
	uint64_t size; /* under size_lock */
	struct linux_mapping *mappings; /* under the engine's lock */
	_Atomic unsigned users; /* the handle and each mapping */
};

struct translator_space {
	struct translator_engine *engine;
	unsigned char *window; /* what to touch for address 0; immutable */
	uint64_t bytes; /* immutable */
	struct linux_mapping **mappings; /* by address; under the engine's lock, as count, room */
	size_t count, room;
	_Atomic bool any_forgotten; /* there may be such a mapping */
	struct translator_space *above; /* the next window upwards, under the windows' mutex */
};

/* Whole pages, and some. */
static inline bool linux_is_range(uint64_t start, uint64_t length)
{
	return length && !((start | length) % PAGE_BYTES) && start + length > start;
}
/* Page permissions as the kernel makes them: what can be done with a page includes reading it. */
static inline uint32_t linux_effective(uint32_t perms)
{
	return perms ? perms | TRANSLATOR_READ : 0;
}

/* linux_object.c: as in translator.h */
int linux_object_create(struct translator_engine *engine,
			const struct translator_object_options *options,
			struct translator_object **out);
void linux_object_destroy(struct translator_object *object);
int linux_truncate(struct translator_object *object, uint64_t size);
int linux_punch(struct translator_object *object, uint64_t offset, uint64_t length);
int linux_invalidate(struct translator_object *object, uint64_t offset, uint64_t length);
int linux_sync(struct translator_object *object, uint64_t offset, uint64_t length);
int linux_translate(struct translator_object *object, struct translator_range required,
		    struct translator_range optional, uint32_t access,
		    struct translator_translation *out, size_t max, size_t *count);
/* Gives a use up; the last one closes the file. */
void linux_object_put(struct translator_object *object);

/* linux_book.c: all with the engine's lock, to write where the book changes */
/* The first mapping that ends after address; it is there if it starts at or below. */
size_t linux_book_find(const struct translator_space *space, uint64_t address);
/* The mapping at address, or NULL. */
struct linux_mapping *linux_book_at(const struct translator_space *space, uint64_t address);
/* Makes start and end edges of mappings, and room for one more. -ENOMEM. */
int linux_book_cut(struct translator_space *space, uint64_t start, uint64_t end);
/* Takes out all mappings in [start, end), whose edges have been cut. */
void linux_book_clear(struct translator_space *space, uint64_t start, uint64_t end);
/* Puts it in; there is room, and nothing there. Takes a use of its object. */
void linux_book_insert(struct translator_space *space, struct linux_mapping *mapping);

/* linux_space.c: as in translator.h */
int linux_space_create(struct translator_engine *engine, uint64_t bytes,
		       struct translator_space **out);
void linux_space_destroy(struct translator_space *space);
int linux_map(struct translator_space *space, const struct translator_map_options *options);
int linux_unmap(struct translator_space *space, uint64_t address, uint64_t length);
int linux_protect(struct translator_space *space, uint64_t address, uint64_t length,
		  uint32_t perms);
int linux_remap(struct translator_space *space, uint64_t old_address, uint64_t old_length,
		uint64_t new_address, uint64_t new_length);
int linux_discard(struct translator_space *space, uint64_t address, uint64_t length);

/* linux_fault.c: as in translator.h */
int linux_fault(struct translator_space *space, uint64_t address, uint32_t access);
int linux_lookup(struct translator_space *space, uint64_t address, uint32_t access,
		 struct translator_translation *out);
void *linux_host_address(struct translator_space *space, uint64_t address);
int linux_read(struct translator_space *space, uint64_t address, void *to, uint64_t length,
	       uint64_t *done);
int linux_write(struct translator_space *space, uint64_t address, const void *from, uint64_t length,
		uint64_t *done);
