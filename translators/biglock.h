/* SPDX-License-Identifier: Apache-2.0 */
/*
 * biglock.h - the inside of the biglock translator: the plainest that is complete.
 *
 * One mutex for everything, one ordered tree of mappings in each space, one flat array of counts.
 * Every call takes the mutex, does its work from beginning to end, and gives it back: what the
 * work is can be read without thinking of another thread. It shares no line with the engine, so
 * that where the two agree, they agree for a reason.
 *
 * Nouns: a *page* is a number (0: none), 4 KiB at page * 4096 of one memfd. A *mapping* is a range
 * of a space with one object, one set of permissions. Its *slots* say which pages it shows. A slot
 * is a page with bits, and holds one reference to it; so does an object for each of its pages.
 *
 * Everything here needs the mutex, unless said otherwise. Results are 0 or -errno of the ABI.
 */
#pragma once

#include <stdbool.h>

#include "translators/translator.h"

#define PAGE_BYTES UINT64_C(4096)
#define FILE_NUMBER 1

/* A slot: page << SLOT_SHIFT | bits. 0: nothing is shown. */
#define SLOT_SHIFT 3
#define SLOT_PRIVATE 1u /* the page is the space's: anonymous, or a copy */
#define SLOT_COPY 2u /* to be copied before a store, unless nobody else counts on it */
#define SLOT_CLEAN 4u /* a file's page: a store must mark it dirty first */

/* Slots outlive the mapping that made them when it is split: the parts look into one array. */
struct biglock_slots {
	unsigned users;
	uint64_t count;
	uint32_t slot[];
};

struct biglock_mapping {
	struct biglock_mapping *left, *right; /* the tree, by start */
	uint32_t priority;
	uint32_t perms;
	uint64_t start, end;
	struct translator_space *space;
	struct translator_object *object; /* NULL: anonymous */
	uint64_t offset; /* in object, of start */
	bool is_private;
	struct biglock_slots *slots; /* NULL: nothing was ever shown */
	uint64_t first; /* index in slots of start */
	struct biglock_mapping *next, **link; /* of the object's mappings */
};

struct translator_object {
	struct translator_engine *engine;
	unsigned users; /* the handle, and each mapping */
	uint64_t size;
	uint32_t *pages; /* by offset / 4096; 0: none yet */
	uint64_t capacity; /* of pages; those beyond size are 0 */
	struct biglock_mapping *mappings;
	int fd; /* file; memory: -1 */
	unsigned char *dirty; /* file: by offset / 4096, not yet in it; of as many as pages */
	struct translator_object *next; /* of the engine's */
};

struct translator_space {
	struct translator_engine *engine;
	struct biglock_mapping *root;
	uint64_t bytes;
	unsigned char *window; /* what loads and stores touch; NULL: none */
	bool shown; /* something may be in the window */
	struct translator_space *next; /* of biglock_spaces */
};

struct translator_engine {
	int fd;
	unsigned char *memory; /* all of fd */
	uint32_t *counts; /* by page */
	unsigned char *stored; /* by page: may hold something else than zeroes */
	uint32_t *idle; /* a stack of pages without references */
	uint32_t idle_count;
	uint32_t page_end; /* pages from here on were never used */
	uint32_t page_ready; /* pages from here on have no host memory yet */
	uint32_t page_max;
	bool windows; /* as=mmap */
	struct translator_object *objects;
	struct translator_stat stat;
};

/* biglock.c */
void biglock_lock(void); /* takes the mutex: the others here need it */
void biglock_unlock(void);
bool biglock_locked(void); /* by this thread; needs nothing */
/* All spaces of all engines: few, and searched at a trap only. */
extern struct translator_space *biglock_spaces;
/* calloc and free that count metadata_bytes. */
void *biglock_alloc(struct translator_engine *engine, uint64_t count, size_t size);
void biglock_free(struct translator_engine *engine, void *memory, uint64_t count, size_t size);

/* biglock_pages.c */
int biglock_pages_init(struct translator_engine *engine, uint64_t bytes_max); /* needs nothing */
void biglock_pages_release(struct translator_engine *engine); /* needs nothing */
/* A page of zeroes with one reference; 0: no memory. */
uint32_t biglock_page_alloc(struct translator_engine *engine);
void biglock_page_inc(struct translator_engine *engine, uint32_t page);
void biglock_page_dec(struct translator_engine *engine, uint32_t page);
/* Gives host memory to so many pages ahead. */
int biglock_pages_prefault(struct translator_engine *engine, uint64_t bytes);
static inline unsigned char *biglock_page_memory(const struct translator_engine *engine,
						 uint32_t page)
{
	return engine->memory + page * PAGE_BYTES;
}

/* biglock_tree.c */
/* The first mapping that ends after address, or NULL. It is there if it starts at or below. */
struct biglock_mapping *biglock_tree_find(struct biglock_mapping *root, uint64_t address);
void biglock_tree_insert(struct biglock_mapping **root, struct biglock_mapping *mapping);
void biglock_tree_remove(struct biglock_mapping **root, struct biglock_mapping *mapping);

/* biglock_object.c */
/* The page of an object at offset, made if need be; for a store, a file's page becomes dirty. The
 * reference stays the object's. */
int biglock_object_page(struct translator_object *object, uint64_t offset, bool store,
			uint32_t *page);
void biglock_object_put(struct translator_object *object);
/* The pages of an object of that size. */
static inline uint64_t biglock_object_pages(uint64_t size)
{
	return size / PAGE_BYTES + (size % PAGE_BYTES != 0);
}

/* biglock_mapping.c */
/* A slot, or NULL where nothing was ever shown. */
static inline uint32_t *biglock_slot(const struct biglock_mapping *m, uint64_t address)
{
	return m->slots ? &m->slots->slot[m->first + (address - m->start) / PAGE_BYTES] : NULL;
}
/* The same, made if need be; NULL: no memory. */
uint32_t *biglock_slot_make(struct biglock_mapping *m, uint64_t address);
/* Forgets what is shown in the range of m, copies too, or all but those. */
void biglock_forget(struct biglock_mapping *m, uint64_t start, uint64_t end, bool copies_too);

/* biglock_window.c */
int biglock_window_create(struct translator_space *space);
void biglock_window_destroy(struct translator_space *space);
/* Shows a page at its address. -ENOMEM, when even an empty window cannot. */
int biglock_window_show(struct translator_space *space, uint64_t address, uint32_t page,
			uint32_t perms);
void biglock_window_hide(struct translator_space *space, uint64_t start, uint64_t end);
/* Whether a load or store in [memory, memory + length) may fault on a window. */
bool biglock_window_meets(const void *memory, uint64_t length);

/* biglock_fault.c */
int biglock_fault(struct translator_space *space, uint64_t address, uint32_t access);
uint32_t biglock_effective(uint32_t perms); /* what the hardware makes of them; needs nothing */

/* The ABI's functions, which take the mutex themselves; as in translator.h. */
int biglock_object_create(struct translator_engine *engine,
			  const struct translator_object_options *options,
			  struct translator_object **out);
void biglock_object_destroy(struct translator_object *object);
int biglock_object_truncate(struct translator_object *object, uint64_t size);
int biglock_object_punch(struct translator_object *object, uint64_t offset, uint64_t length);
int biglock_object_invalidate(struct translator_object *object, uint64_t offset, uint64_t length);
int biglock_object_sync(struct translator_object *object, uint64_t offset, uint64_t length);
int biglock_translate(struct translator_object *object, struct translator_range required,
		      struct translator_range optional, uint32_t access,
		      struct translator_translation *out, size_t max, size_t *count);
int biglock_space_create(struct translator_engine *engine, uint64_t bytes,
			 struct translator_space **out);
void biglock_space_destroy(struct translator_space *space);
int biglock_space_fork(struct translator_space *parent, struct translator_space **out);
int biglock_map(struct translator_space *space, const struct translator_map_options *options);
int biglock_unmap(struct translator_space *space, uint64_t address, uint64_t length);
int biglock_protect(struct translator_space *space, uint64_t address, uint64_t length,
		    uint32_t perms);
int biglock_remap(struct translator_space *space, uint64_t old_address, uint64_t old_length,
		  uint64_t new_address, uint64_t new_length);
int biglock_discard(struct translator_space *space, uint64_t address, uint64_t length);
int biglock_space_fault(struct translator_space *space, uint64_t address, uint32_t access);
int biglock_lookup(struct translator_space *space, uint64_t address, uint32_t access,
		   struct translator_translation *out);
void *biglock_host_address(struct translator_space *space, uint64_t address);
int biglock_read(struct translator_space *space, uint64_t address, void *to, uint64_t length,
		 uint64_t *done);
int biglock_write(struct translator_space *space, uint64_t address, const void *from,
		  uint64_t length, uint64_t *done);
