/* SPDX-License-Identifier: Apache-2.0 */
/* engine_side.h - what the parts of the engine's side share. */
#pragma once

#include "engine/cached_file.h"
#include "engine/mm.h"
#include "engine/shared_memory.h"
#include "tests/oracle/record.h"

struct engine_object {
	struct mappable *mappable;
	struct mapping_identity *identity;
	struct shared_memory *memory; /* one of these two */
	struct cached_file *file;
	int fd; /* behind the file */
	unsigned seals; /* SEAL_ */
};

struct engine_side {
	const struct run *run;
	struct side *side;
	struct mm *mm;
	struct mm_space *spaces[PROCESSES];
	struct engine_object objects[OBJECTS];
};
extern struct engine_side there;

/* engine.c: inode number -> the number by which both sides call an object. */
void engine_name_object(struct mapping_identity *identity, int32_t number);
int32_t engine_object_of(uint64_t inode);

/* engine_ops.c */
void engine_lines(struct mm_space *s, struct record *r, bool detailed);
void engine_op(const struct op *op, struct record *r);
