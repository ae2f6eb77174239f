/* SPDX-License-Identifier: Apache-2.0 */
/*
 * count.h - operations whose instructions are counted, and what they share.
 *
 * An operation is a fixed script: prepare() sets the scene and warms it up, run() does the
 * operation `times` times and is the only part that is counted, verify() looks whether it really
 * happened. Each has a process of its own, so none depends on those before it.
 *
 * One thread; nothing here is locked.
 */
#pragma once

#include "engine/mm.h"
#include "engine/shared_memory.h"

struct count_scene {
	struct mm *mm;
	struct mm_space *space; /* host space none */
	struct mm_space *child; /* of a fork, or NULL */
	struct shared_memory *shared; /* or NULL */
	uint32_t page; /* of no space; verify() lets it go */
	unsigned char *buffer; /* one page */
	int error; /* run() ors results into it: testing each would count */
	uint64_t sum; /* of what run() was told, for verify() */
};

struct count_op {
	const char *name;
	unsigned times; /* what is printed is per one of these */
	void (*prepare)(struct count_scene *c);
	void (*run)(struct count_scene *c, unsigned times);
	void (*verify)(struct count_scene *c);
};

/* Ends by a NULL name. */
extern const struct count_op count_fault_ops[];
extern const struct count_op count_map_ops[];
extern const struct count_op count_page_ops[];

/* Where scenes map: the start of a GiB. */
#define COUNT_BASE (UINT64_C(1) << 30)
/* Pages that a scene which needs many maps: two leaves of the tree, two blocks of memory. */
#define COUNT_PAGES 1024u
#define COUNT_BYTES (COUNT_PAGES * MM_PAGE_SIZE)

static inline uint64_t count_address(unsigned page)
{
	return COUNT_BASE + (uint64_t)page * MM_PAGE_SIZE;
}

/* A mistake of the script or of the engine: says where, and exits. */
void count_require(bool true_now, const char *where);
#define REQUIRE(x) count_require((x), __FILE__ ":" COUNT_STRING(__LINE__) ": " #x)
#define COUNT_STRING_(x) #x
#define COUNT_STRING(x) COUNT_STRING_(x)

/* Maps [address, + length), replacing what is there: anonymous, or c->shared from offset 0. */
void count_map_anon(struct count_scene *c, uint64_t address, uint64_t length);
void count_map_object(struct count_scene *c, uint64_t address, uint64_t length, bool is_private);
/* Makes c->shared, of that many bytes, nothing in it. */
void count_make_shared(struct count_scene *c, uint64_t length);
/* Faults the pages [first, end) after COUNT_BASE. */
void count_touch(struct count_scene *c, unsigned first, unsigned end, mm_access at);
/* How many of the COUNT_PAGES pages are present and permit `at`. */
unsigned count_present(struct count_scene *c, mm_access at);
