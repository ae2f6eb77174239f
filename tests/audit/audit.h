/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h - operations, and the situations in which two of them meet.
 *
 *   place      2 MiB of one space (and of what it maps) on which one side works
 *   world      an engine with the two places of a situation
 *   operation  prepare (not recorded), run (recorded), finish (not recorded), on one page of a
 *              place; each round has another page
 */
#pragma once

#include "engine/cached_file.h"
#include "engine/mm.h"
#include "engine/shared_memory.h"

enum kind { ANON, SHARED, COPIED, KIND_LIMIT }; /* COPIED: a private mapping of an object */
#define OF(kind) (1u << (kind))
#define OBJECTS (OF(SHARED) | OF(COPIED))
#define EVERY (OF(ANON) | OBJECTS)

enum situation {
	DIFFERENT_SPACES, /* each side has a space and an object */
	ONE_SPACE, /* neighbouring 2 MiB, a vma each */
	ONE_VMA, /* neighbouring 2 MiB of one vma */
	ONE_OBJECT, /* two spaces map one object; neighbouring 2 MiB of offsets */
	ONE_FILE, /* the same with a cached host file */
	SAME_PAGE, /* two spaces map one object and read one page */
	SITUATION_LIMIT
};
#define IN(situation) (1u << (situation))
#define ALWAYS (IN(SAME_PAGE) - 1)

struct object {
	struct shared_memory *memory; /* one of the two */
	struct cached_file *file;
	struct mappable *mappable;
	struct mapping_identity *identity;
	int fd;
};

struct place {
	struct memory_file *memory;
	struct mm_space *space;
	struct object *object;
	enum kind kind;
	uint64_t address; /* of the 2 MiB */
	uint64_t offset; /* in the object */
	/* of the round: */
	unsigned index; /* page of the place */
	uint64_t mapped; /* by map-anywhere */
	uint32_t page;
	uint32_t pages[2048];
	struct mm_space *child;
} __attribute__((aligned(64))); /* recorded: no line of both sides */

struct operation {
	const char *name;
	unsigned kinds, situations;
	int (*prepare)(struct place *p);
	int (*run)(struct place *p);
	int (*finish)(struct place *p);
	bool last; /* of one object it cuts what lies behind: only for the higher place */
	bool placeless; /* works on no mapping */
};

extern const struct operation operations[];
extern const unsigned operation_count;

struct world {
	struct mm *mm;
	struct mm_space *space[2];
	struct object object[2];
	struct place place[2];
};

int world_open(struct world *w, enum situation in, const enum kind kind[2]);
void world_close(struct world *w);
